"""Installations to be moved: what is in them, and databases of their own for each test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.faults.workload import SETTINGS
from tests.stores.backup_cases import watch_nothing
from tests.stores.postgres.test_same_answers import assert_same_rollups, assert_same_rows
from wattscope.assembly.backup import Watch
from wattscope.assembly.migrate import Moved, migrate
from wattscope.assembly.moving_sides import Place, Side, open_source
from wattscope.core.time_grid import US_PER_DAY
from wattscope.registry.access import open_shelf
from wattscope.registry.alert_book import AlertBook
from wattscope.registry.incident_book import SqlIncidentBook
from wattscope.stores.rollup_plan import LEVELS

_numbers = itertools.count()


@contextmanager
def fresh_database(server: str, *, template: str = "/template0") -> Iterator[str]:
    """The URL of a database on a server that tests share: empty, or a copy of another."""
    name = f"moved_{os.getpid()}_{next(_numbers)}"
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template.rpartition('/')[2]}")
        try:
            yield f"{server.rpartition('/')[0]}/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def place(where: Path | str) -> Place:
    return Place(where) if isinstance(where, Path) else Place(None, where)


def move(source: Path | str, target: Path | str, watch: Watch = watch_nothing) -> Moved:
    return migrate(SETTINGS, place(source), place(target), watch)


def ask(url: str, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """What SQL gives, or nothing where it gives nothing."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else []


def assert_same(one: Path | str, other: Path | str) -> None:
    """Fail where two installations answer differently."""
    with (
        open_source(SETTINGS, place(one)) as ours,
        open_source(SETTINGS, place(other)) as theirs,
    ):
        assert _describe(theirs) == _describe(ours)
        there = ours.store.time_range()
        assert theirs.store.time_range() == there
        assert there is not None
        series = [each.id for each in ours.registry.list_series()]
        assert_same_rows(
            theirs.store.read_raw(series, there[0], there[1] + 1),
            ours.store.read_raw(series, there[0], there[1] + 1),
        )
        low, high = there[0] - US_PER_DAY, there[1] + 2 * US_PER_DAY
        for level in LEVELS:
            assert_same_rollups(
                theirs.store.roll_up(series, level, low, high),
                ours.store.roll_up(series, level, low, high),
            )


def _describe(side: Side) -> list[object]:
    """Everything of its registry that users see."""
    book = AlertBook(side.database)
    incidents = SqlIncidentBook(side.database).list_newest(99)
    return [
        side.registry.list_sites(),
        side.registry.list_devices(),
        side.registry.list_series(),
        book.list_rules(),
        book.list_newest(99),
        sorted(incidents, key=lambda one: one.incident.id),
        open_shelf(side.database).list_newest(9999),
        side.models.read_all(),
    ]
