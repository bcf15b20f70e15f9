"""Stores of every kind over the same names, as tests open, crash and open them again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

from tests.stores.histories import SPAN_US, FakeNames, open_store
from wattscope.core.reading import Batch
from wattscope.ports import Store
from wattscope.stores.duckdb_store import DuckdbStore
from wattscope.stores.postgres.options import PostgresStoreOptions
from wattscope.stores.postgres.store import PostgresStore

_numbers = count()
_DROP_ATTEMPTS = 10


class AnyStore(Store, Protocol):
    """A store with what all of them have beyond the port."""

    def flush(self) -> int: ...

    def time_range(self) -> tuple[int, int] | None: ...

    def last_rows(self) -> Batch: ...

    @property
    def written_offset(self) -> int: ...


@dataclass(frozen=True)
class Opener:
    """One place where a store is kept."""

    open: Callable[..., Any]
    """Opens it, with these names or those of ``FakeNames``."""
    crash: Callable[[Any], None]
    """Ends it as a crash of the process would."""


def find_opener(request: pytest.FixtureRequest, kind: str = "") -> Opener:
    """A new place of a kind; left out, of that which a test asks for as its parameter."""
    kind = kind or request.param
    if kind == "duckdb":
        return _in_folder(request.getfixturevalue("tmp_path") / "chunks")
    server = request.getfixturevalue(kind)
    schema = f"store_{os.getpid()}_{next(_numbers)}"
    request.addfinalizer(lambda: drop_schema(server, schema))
    return in_schema(server, schema)


def _in_folder(folder: Path) -> Opener:
    def crash(store: DuckdbStore) -> None:
        store._engine.close()

    return Opener(lambda names=None: open_store(folder, names), crash)


def in_schema(url: str, schema: str, **options: Any) -> Opener:  # noqa: ANN401  # options by name
    """A place in a schema of a PostgreSQL server."""

    def open_it(names: FakeNames | None = None) -> PostgresStore:
        chosen = PostgresStoreOptions(url, schema=schema, chunk_us=SPAN_US, **options)
        return PostgresStore(names or FakeNames(), chosen)

    return Opener(open_it, PostgresStore.close)


def drop_schema(url: str, schema: str) -> None:
    """Remove a store from a server; its own workers may be at the tables just then."""
    statement = psycopg.sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE")
    for attempt in range(_DROP_ATTEMPTS):
        last = attempt == _DROP_ATTEMPTS - 1
        with (
            contextlib.suppress(*(() if last else (psycopg.Error,))),
            psycopg.connect(url, autocommit=True) as connection,
        ):
            connection.execute("SET client_min_messages = warning")
            connection.execute(statement.format(psycopg.sql.Identifier(schema)))
            return


STORES: Sequence[Any] = (
    "duckdb",
    pytest.param("postgres", marks=pytest.mark.integration),
    pytest.param("timescale", marks=pytest.mark.integration),
    pytest.param("timescale_apache", marks=pytest.mark.integration),
)


def ask_server(store: PostgresStore, sql: str) -> list[tuple[Any, ...]]:
    """What SQL of our own gives in the store's schema."""
    with store._connections.connection() as connection:
        return connection.execute(sql).fetchall()
