"""Whether a user's SQL only asks: one SELECT over our views, changing and opening nothing.

The parsed question is judged, not its text. The type of the statement is not enough: a SELECT may
hold an INSERT or COPY as its common table expression, a file as its table, or a table function that
takes a path or an address in memory. So everything is refused that is not known to be harmless.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import duckdb
import msgspec

from wattscope.core.errors import QueryError

_QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_TABLE_FUNCTIONS = frozenset({"generate_series", "range", "unnest"})
# A file as a table needs a dot or a slash in its name.
_TABLE_NAME = re.compile(r"\w+")


def parse_question(cursor: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """A text that is exactly one question that changes nothing, as its parsed tree.

    Raises:
        QueryError: It is more than that, or might be.
        duckdb.Error: The text is no SQL.
    """
    statements = cursor.extract_statements(sql)
    if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
        raise QueryError("only one SELECT is allowed; write the question as one SELECT")
    tree: dict[str, Any] = msgspec.json.decode(
        cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()[0][0]
    )
    if tree["error"]:
        raise QueryError("this form of SELECT is not allowed; write it without PIVOT")
    fault = next(_list_faults(tree["statements"]), None)
    if fault is not None:
        raise QueryError(fault)
    return tree


def _list_faults(root: object) -> Iterator[str]:
    """Every part of the parsed question that might do more than ask."""
    parts = [root]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            fault = _judge(part)
            if fault is not None:
                yield fault
            parts += part.values()


def _judge(node: dict[str, Any]) -> str | None:
    kind = node.get("type")
    if not isinstance(kind, str):
        return None
    if kind.endswith("_NODE") and kind not in _QUERY_NODES:
        return "a question may change nothing; leave out INSERT, UPDATE, DELETE and COPY"
    if kind == "BASE_TABLE" and not _TABLE_NAME.fullmatch(str(node.get("table_name"))):
        return f"{node.get('table_name')!r} is no view; files cannot be opened from SQL"
    if kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name")).lower()
        if name not in _TABLE_FUNCTIONS:
            allowed = ", ".join(sorted(_TABLE_FUNCTIONS))
            return f"table function {name} is not allowed; there are {allowed}"
    return None
