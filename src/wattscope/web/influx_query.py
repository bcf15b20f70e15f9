"""The few statements of InfluxQL that senders ask before they write; data is asked elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from wattscope.core.errors import QueryError

_NAME: Final = r'(?:"((?:[^"\\]|\\.)+)"|([A-Za-z_][A-Za-z0-9_]*))'
_CREATE: Final = re.compile(
    rf"create\s+database\s+{_NAME}(?:\s+with\s.*)?", re.IGNORECASE | re.DOTALL
)
_DATABASES: Final = re.compile(r"show\s+databases", re.IGNORECASE)
_POLICIES: Final = re.compile(rf"show\s+retention\s+policies(?:\s+on\s+{_NAME})?", re.IGNORECASE)
_STATEMENT: Final = re.compile(r"""(?:[^;"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')+""")
_POLICY: Final = ["autogen", "0s", "168h0m0s", 1, True]
_POLICY_COLUMNS: Final = ["name", "duration", "shardGroupDuration", "replicaN", "default"]


def answer_query(
    text: str, databases: Iterable[str], note_database: Callable[[str], None]
) -> dict[str, Any]:
    """The answers to some statements.

    Args:
        text: Statements, parted by semicolons.
        databases: Names that are known.
        note_database: Told of each that a statement makes.

    Raises:
        QueryError: A statement is none of those.
    """
    statements = [one for part in _STATEMENT.findall(text) if (one := part.strip())]
    if not statements:
        raise QueryError('missing required parameter "q"')
    known = list(databases)
    answers: list[dict[str, Any]] = []
    for number, statement in enumerate(statements):
        made = _CREATE.fullmatch(statement)
        if made is not None:
            name = re.sub(r"\\(.)", r"\1", made[1] or made[2])
            note_database(name)
            known += [name] if name not in known else []
            answers.append({"statement_id": number})
        elif _DATABASES.fullmatch(statement):
            answers.append(_table(number, "databases", ["name"], [[name] for name in known]))
        elif _POLICIES.fullmatch(statement):
            answers.append(_table(number, None, _POLICY_COLUMNS, [_POLICY]))
        else:
            raise QueryError(
                f"error parsing query: {statement[:60]!r} is not answered here; CREATE DATABASE, "
                "SHOW DATABASES and SHOW RETENTION POLICIES are. Ask for readings at /api/sql"
            )
    return {"results": answers}


def _table(
    number: int, name: str | None, columns: list[str], rows: list[list[Any]]
) -> dict[str, Any]:
    series: dict[str, Any] = {} if name is None else {"name": name}
    series["columns"] = columns
    if rows:
        series["values"] = rows
    return {"statement_id": number, "series": [series]}
