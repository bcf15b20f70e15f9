"""A user's question in SQL: one SELECT over the views, which can change and open nothing.

It is judged as in the embedded store, by the same parser, and asked in a transaction that reads
only, has a time limit and is never committed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import duckdb
import psycopg
from psycopg import sql
from psycopg.adapt import Buffer
from psycopg.types.datetime import TimestamptzBinaryLoader
from psycopg.types.numeric import NumericBinaryLoader

from wattscope.core.errors import QueryError
from wattscope.ports import Rollup, Table
from wattscope.stores.postgres.buckets import copy_buckets
from wattscope.stores.postgres.columns import Connection
from wattscope.stores.postgres.connections import tell
from wattscope.stores.postgres.views import rollup_view
from wattscope.stores.sql.bounds import Bounds, find_bounds, table_names
from wattscope.stores.sql.guard import parse_question

MINUTES: Final = "rollup_1m"
"""The one view that is made for each question."""
VIEWS: Final = frozenset(
    {"readings", MINUTES, "rollup_15m", "rollup_1h", "rollup_1d"}
    | {"energy_readings", "energy_readings_15min", "sensor_readings"}
    | {"aggregate_15m", "aggregate_1h", "aggregate_1d"}
)
_REFUSED: Final = re.compile(
    r"pg_.*|lo_.*|dblink.*|set_config|current_setting|(query|table|cursor|schema|database)_to_.*"
    r"|nextval|setval|currval|lastval|txid_.*|inet_.*|ts_.*|add_.*|drop_.*|(de)?compress_.*"
    r"|.*_policy|.*_job|create_.*|version"
)
_PARTS: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|\?", re.DOTALL)
_MINUTE_TABLE: Final = "CREATE TEMP TABLE live_1m (LIKE bucket_15m) ON COMMIT DROP"


class Question:
    """A judged question: what it names, and what it asks for at most."""

    def __init__(self, text: str, tree: dict[str, Any], bounds: Bounds) -> None:
        self.text = text
        self.views = table_names(tree)
        """Names of tables and views, in small letters."""
        self.bounds = bounds
        """What minutes can matter."""


class SqlSession:
    """Judges and asks. Thread-safe."""

    def __init__(self, extra_tables: Mapping[str, Callable[[], Table]], timeout_s: float) -> None:
        """Take further views and the time limit.

        Args:
            extra_tables: More views, by name, read when asked.
            timeout_s: Longest time for one question [s].
        """
        self._extra_tables = extra_tables
        self._timeout_s = timeout_s
        self._parser = duckdb.connect(":memory:")
        self._parser.execute("SET threads = 1; SET enable_external_access = false")
        self._parser.execute("SET TimeZone = 'UTC'; SET lock_configuration = true")
        self._lock = threading.Lock()

    def judge(self, text: str) -> Question:
        """A question that may be asked.

        Raises:
            QueryError: More than one statement, one that might change something, a table that is
                no view, or no SQL.
        """
        with self._lock:
            cursor = self._parser.cursor()
            try:
                tree = parse_question(cursor, text)
                question = Question(text, tree, find_bounds(cursor, tree, MINUTES))
            except duckdb.Error as error:
                raise QueryError(str(error)) from error
            finally:
                cursor.close()
        fault = next(self._list_faults(tree), None)
        if fault is not None:
            raise QueryError(fault)
        return question

    def _list_faults(self, tree: dict[str, Any]) -> Iterator[str]:
        known = VIEWS | self._extra_tables.keys()
        nodes = list(_walk(tree))
        own = {str(one["key"]).lower() for one in nodes if "key" in one and "value" in one}
        for node in nodes:
            if node.get("type") == "BASE_TABLE":
                name = str(node.get("table_name"))
                if node.get("schema_name") or name.lower() not in known | own:
                    yield f"table {name} does not exist; there are {', '.join(sorted(known))}"
            function = str(node.get("function_name", "")).lower()
            if _REFUSED.fullmatch(function) or (function and node.get("schema")):
                yield f"function {function} is not allowed"

    def ask(
        self,
        connection: Connection,
        question: Question,
        parameters: Sequence[Any],
        read_minutes: Callable[[Connection], Rollup],
    ) -> Table:
        """The answer.

        Raises:
            QueryError: The server cannot answer it, or not in time.
        """
        try:
            with connection.transaction(force_rollback=True):
                if MINUTES in question.views:
                    minutes = read_minutes(connection)
                    connection.execute(_MINUTE_TABLE)
                    copy_buckets(connection, "live_1m", minutes)
                    view = rollup_view("1m", "live_1m", is_temporary=True)
                    connection.execute(view)
                for name, read in self._extra_tables.items():
                    if name in question.views:
                        make_table(connection, name, read())
                connection.execute("SET TRANSACTION READ ONLY")
                limit = "SELECT set_config('statement_timeout', %s, true)"
                connection.execute(limit, [str(int(self._timeout_s * 1000))])
                return _fetch(connection, question.text, parameters)
        except psycopg.errors.QueryCanceled as error:
            raise QueryError(
                f"the answer took longer than {self._timeout_s:g} s; ask for less, or "
                "for a coarser rollup"
            ) from error
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            raise QueryError(tell(error)) from error

    def close(self) -> None:
        """Let go of the parser."""
        self._parser.close()


def _fetch(connection: Connection, text: str, parameters: Sequence[Any]) -> Table:
    with psycopg.RawCursor(connection) as cursor:
        cursor.adapters.register_loader("timestamptz", _UtcLoader)
        cursor.adapters.register_loader("numeric", _NumberLoader)
        # Binary answers come by the protocol that takes one statement only.
        cursor.execute(number_marks(text), list(parameters), binary=True)
        names = tuple(column.name for column in cursor.description or ())
        return Table(names, cursor.fetchall())


def number_marks(text: str) -> str:
    """A question with its ``?`` written as ``$1``, ``$2`` and so on.

    >>> number_marks("SELECT '?' WHERE a = ? AND b = ?")
    "SELECT '?' WHERE a = $1 AND b = $2"
    """
    count = 0

    def number(part: re.Match[str]) -> str:
        nonlocal count
        if part[0] != "?":
            return part[0]
        count += 1
        return f"${count}"

    return _PARTS.sub(number, text)


def make_table(connection: Connection, name: str, table: Table) -> None:
    """A small table of ours for one transaction; texts, numbers and nulls only."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(_type_of(table, at)))
        for at, column in enumerate(table.columns)
    )
    made = sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DROP")
    connection.execute(made.format(sql.Identifier(name), columns))
    into = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        for row in table.rows:
            copy.write_row([_without_zero(value) for value in row])


def _without_zero(value: object) -> object:
    """Texts there cannot hold the character 0."""
    return value.replace("\0", "\N{SYMBOL FOR NULL}") if isinstance(value, str) else value


def _type_of(table: Table, at: int) -> str:
    known = [row[at] for row in table.rows if row[at] is not None]
    if known and all(isinstance(value, bool) for value in known):
        return "bool"
    if known and all(isinstance(value, int) for value in known):
        return "int8"
    if known and all(isinstance(value, int | float) for value in known):
        return "float8"
    return "text"


def _walk(root: object) -> Iterator[dict[str, Any]]:
    parts = [root]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            yield part
            parts += part.values()


class _UtcLoader(TimestamptzBinaryLoader):
    """Instants as the embedded store gives them: of UTC, without saying so."""

    def load(self, data: Buffer) -> datetime:
        return super().load(data).replace(tzinfo=None)


class _NumberLoader(NumericBinaryLoader):
    """Sums of integers as integers, all else as floats, as in the embedded store."""

    def load(self, data: Buffer) -> Any:  # noqa: ANN401  # int or float
        number = super().load(data)
        is_whole = number.is_finite() and number.as_tuple().exponent == 0
        return int(number) if is_whole else float(number)
