"""What a user's SQL asks of a view at most, so that files that cannot matter stay closed.

Only what is certain counts: a view that the question names once, alone in its FROM, and those parts
of its WHERE that are joined by AND and compare a column with constants. All else asks for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import msgspec

Node = dict[str, Any]

_TIME_COLUMNS = frozenset({"measured_at", "bucket_start"})
_NAME_COLUMNS = frozenset({"device", "quantity"})
_CONSTANT_FUNCTIONS = frozenset(
    {
        "-",
        "+",
        "now",
        "current_timestamp",
        "get_current_timestamp",
        "date_trunc",
        "to_timestamp",
        "make_timestamp",
    }
    | {f"to_{unit}" for unit in ("years", "months", "weeks", "days", "hours", "minutes", "seconds")}
)
_SLACK_US = 2_000_000
"""``now()`` is a little later when the question itself is asked [µs]."""
_FLIPPED = {
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_EQUAL": "COMPARE_EQUAL",
}
EARLIEST_US, LATEST_US = -(2**62), 2**62


@dataclass(frozen=True, slots=True)
class Bounds:
    """What rows of a view can matter."""

    start_us: int = EARLIEST_US
    end_us: int = LATEST_US
    """Instants outside ``[start, end]`` do not matter [µs]."""
    devices: frozenset[str] | None = None
    """None for all."""
    quantities: frozenset[str] | None = None


ALL = Bounds()


def table_names(tree: Node) -> set[str]:
    """All tables and views that a question names, in small letters."""
    tables = (one for one in _walk(tree) if one.get("type") == "BASE_TABLE")
    return {str(one.get("table_name")).lower() for one in tables}


def find_bounds(cursor: duckdb.DuckDBPyConnection, tree: Node, view: str) -> Bounds:
    """The bounds of a question for one view.

    Args:
        cursor: Computes constants such as ``now() - INTERVAL 7 DAYS``.
        tree: The parsed question.
        view: Name of the view.
    """
    nodes = list(_walk(tree))
    named = [one for one in nodes if one.get("type") == "BASE_TABLE" and _is_named(one, view)]
    homes = [one for one in nodes if one.get("type") == "SELECT_NODE"]
    homes = [one for one in homes if any(one.get("from_table") is table for table in named)]
    if len(named) != 1 or len(homes) != 1 or not homes[0].get("where_clause"):
        return ALL
    bounds = ALL
    for part in _list_conjuncts(homes[0]["where_clause"]):
        bounds = _narrow(cursor, bounds, part)
    return bounds


def may_name(tree: Node, view: str, columns: frozenset[str]) -> bool:
    """Whether a question may ask for some columns of a view.

    It surely does not where it names none of them, nor the view as a whole, nor all columns, and
    joins nothing, which it might do by them.
    """
    for node in _walk(tree):
        kind = node.get("type")
        if kind in {"STAR", "JOIN"}:
            return True
        if kind == "BASE_TABLE" and _is_named(node, view):
            columns |= {view, str(node.get("alias")).lower()}
            if node.get("column_name_alias"):
                return True
    named = (one["column_names"] for one in _walk(tree) if one.get("type") == "COLUMN_REF")
    return any(str(name).lower() in columns for names in named for name in names)


def _walk(root: object) -> Iterator[Node]:
    parts = [root]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            yield part
            parts += part.values()


def _is_named(table: Node, view: str) -> bool:
    return str(table.get("table_name")).lower() == view


def _list_conjuncts(node: Node) -> Iterator[Node]:
    if node.get("type") == "CONJUNCTION_AND":
        for child in node["children"]:
            yield from _list_conjuncts(child)
    else:
        yield node


def _narrow(cursor: duckdb.DuckDBPyConnection, bounds: Bounds, part: Node) -> Bounds:
    """The bounds with one more condition."""
    kind = str(part.get("type"))
    if kind in _FLIPPED:
        column, other = _column_of(part.get("left")), part.get("right")
        if column is None:
            column, other, kind = _column_of(part.get("right")), part.get("left"), _FLIPPED[kind]
        if column in _TIME_COLUMNS:
            return _narrow_time(bounds, kind, _compute_us(cursor, other))
        if column in _NAME_COLUMNS and kind == "COMPARE_EQUAL":
            return _narrow_names(bounds, column, [_text_of(other)])
    if kind == "COMPARE_BETWEEN" and _column_of(part.get("input")) in _TIME_COLUMNS:
        low, high = (_compute_us(cursor, part.get(side)) for side in ("lower", "upper"))
        bounds = _narrow_time(bounds, "COMPARE_GREATERTHANOREQUALTO", low)
        return _narrow_time(bounds, "COMPARE_LESSTHANOREQUALTO", high)
    if kind == "COMPARE_IN":
        column = _column_of(part["children"][0])
        if column in _NAME_COLUMNS:
            return _narrow_names(bounds, column, [_text_of(one) for one in part["children"][1:]])
    return bounds


def _narrow_time(bounds: Bounds, kind: str, instant_us: int | None) -> Bounds:
    if instant_us is None:
        return bounds
    if kind in {"COMPARE_GREATERTHAN", "COMPARE_GREATERTHANOREQUALTO", "COMPARE_EQUAL"}:
        bounds = replace(bounds, start_us=max(bounds.start_us, instant_us - _SLACK_US))
    if kind in {"COMPARE_LESSTHAN", "COMPARE_LESSTHANOREQUALTO", "COMPARE_EQUAL"}:
        bounds = replace(bounds, end_us=min(bounds.end_us, instant_us + _SLACK_US))
    return bounds


def _narrow_names(bounds: Bounds, column: str, texts: list[str | None]) -> Bounds:
    names = frozenset(text for text in texts if text is not None)
    if len(names) < len(set(texts)):
        return bounds
    if column == "device":
        known = bounds.devices
        return replace(bounds, devices=names if known is None else names & known)
    known = bounds.quantities
    return replace(bounds, quantities=names if known is None else names & known)


def _column_of(node: Node | None) -> str | None:
    if node is None or node.get("type") != "COLUMN_REF":
        return None
    return str(node["column_names"][-1]).lower()


def _text_of(node: Node | None) -> str | None:
    """A text constant; None for anything else."""
    literal = (node or {}).get("literal") or {}
    return str(literal["text"]) if literal.get("kind") == "STRING" else None


def _compute_us(cursor: duckdb.DuckDBPyConnection, node: Node | None) -> int | None:
    """The instant that a constant expression stands for [µs]; None when it is not certain."""
    if node is None or not all(_is_constant(one) for one in _walk(node)):
        return None
    try:
        [(template,)] = cursor.execute("SELECT json_serialize_sql('SELECT 1')").fetchall()
        question = msgspec.json.decode(template)
        question["statements"][0]["node"]["select_list"] = [node]
        [(value,)] = cursor.execute(
            "SELECT epoch_us(CAST(x AS TIMESTAMP)) FROM json_execute_serialized_sql(?) t(x)",
            [msgspec.json.encode(question).decode()],
        ).fetchall()
    except duckdb.Error:
        return None
    return value if isinstance(value, int) else None


def _is_constant(node: Node) -> bool:
    kind = node.get("class")
    if kind == "FUNCTION":
        return str(node.get("function_name")).lower() in _CONSTANT_FUNCTIONS
    return kind not in {"COLUMN_REF", "SUBQUERY", "WINDOW", "PARAMETER", "LAMBDA"}
