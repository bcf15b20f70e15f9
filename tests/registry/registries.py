"""Registries on both databases, each test with one of its own."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.registry.access import open_database
from wattscope.registry.database import Database
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.registry.postgres_link import PostgresOptions

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)]
"""For ``params`` of a fixture that calls ``run_place``."""
HOME = Site("home", "Home", "Europe/Berlin", "EUR", 52.5, 13.4)
METER = Device("meter", "home", "Meter", DeviceKind.METER, rating_w=4000.0)
_numbers = itertools.count()


@dataclass
class Place:
    """Where a registry is; each ``open`` is what another process would see."""

    where: Path | PostgresOptions
    opened: list[Database | PostgresDatabase] = field(default_factory=list)

    @property
    def is_shared(self) -> bool:
        return isinstance(self.where, PostgresOptions)

    def open(self, *, is_read_only: bool = False) -> Database | PostgresDatabase:
        made = open_database(self.where, is_read_only=is_read_only)
        assert isinstance(made, Database | PostgresDatabase)
        self.opened.append(made)
        return made


@contextmanager
def run_place(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    """A registry that nobody has used; of the kind of the fixture's parameter."""
    with contextlib.ExitStack() as stack:
        where: Path | PostgresOptions = folder / "registry.sqlite"
        if request.param == "postgresql":
            where = stack.enter_context(fresh_options(request.getfixturevalue("postgres")))
        place = Place(where)
        stack.callback(lambda: [one.close() for one in place.opened])
        yield place


@contextmanager
def fresh_options(server: str) -> Iterator[PostgresOptions]:
    """A schema of its own on a server that tests share."""
    options = PostgresOptions(server, schema=f"registry {os.getpid()} {next(_numbers)}")
    try:
        yield options
    finally:
        with contextlib.closing(psycopg.connect(server, autocommit=True)) as connection:
            name = sql.Identifier(options.schema)
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
