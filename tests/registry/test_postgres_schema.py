"""Tables on a server are those of their version, and are told apart from those of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from tests.registry.registries import HOME, METER, begin_worker, fresh_options, let_go
from wattscope.core.errors import SettingsError, StorageError
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.registry.postgres_link import PostgresOptions
from wattscope.registry.postgres_schema import (
    POSTGRES_VERSION,
    REGISTRY_TABLES,
    metadata,
    version,
)
from wattscope.registry.schema import series
from wattscope.registry.sql_registry import SqlRegistry

FINGERPRINTS = {1: "e465ee33ec5af3df"}
"""By version. Whoever changes a table raises ``POSTGRES_VERSION``, says in ``_bring_up`` how older
tables become new ones, and adds a line here."""


@pytest.fixture
def options(postgres: str) -> Iterator[PostgresOptions]:
    with fresh_options(postgres) as made:
        yield made


@pytest.fixture
def database(options: PostgresOptions) -> Iterator[PostgresDatabase]:
    with closing(PostgresDatabase(options)) as made:
        yield made


def test_tables_are_those_of_their_version() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types here
    digest = hashlib.sha256()
    for table in (*REGISTRY_TABLES, *metadata.sorted_tables):
        digest.update(str(CreateTable(table).compile(dialect=dialect)).encode())
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            digest.update(str(CreateIndex(index).compile(dialect=dialect)).encode())
    assert digest.hexdigest()[:16] == FINGERPRINTS[POSTGRES_VERSION]
    assert max(FINGERPRINTS) == POSTGRES_VERSION


@pytest.mark.integration
def test_newer_version_is_refused_and_left_alone(
    database: PostgresDatabase, options: PostgresOptions
) -> None:
    with database.begin() as connection:
        connection.execute(update(version).values(version=POSTGRES_VERSION + 1))
    for is_read_only in (False, True):
        with pytest.raises(StorageError, match="use the newer program"):
            PostgresDatabase(options, is_read_only=is_read_only)


@pytest.mark.integration
def test_columns_that_came_later_are_added_by_one_of_those_that_start(
    database: PostgresDatabase, options: PostgresOptions
) -> None:
    """An older version lacks a column that may be null, and a table."""
    SqlRegistry(database).put_site(replace(HOME, id="cabin"))
    with database.begin() as connection:
        connection.execute(text(f'ALTER TABLE "{options.schema}".devices DROP COLUMN longitude'))
        connection.execute(text(f'DROP TABLE "{options.schema}".models'))
        connection.execute(update(version).values(version=POSTGRES_VERSION - 1))
    with pytest.raises(StorageError, match="older version"):
        PostgresDatabase(options, is_read_only=True)
    workers = [begin_worker(options, [["meter", "voltage_v"]]) for _ in range(3)]
    let_go(workers)
    assert {worker.communicate(timeout=60)[0] for worker in workers} == {
        '["meter", "voltage_v", 1]\n'
    }
    registry = SqlRegistry(database)
    assert [site.id for site in registry.list_sites()] == ["cabin", "home"]
    registry.put_device(replace(METER, longitude=13.4))
    with database.begin() as connection:
        assert connection.execute(select(version)).all() == [(POSTGRES_VERSION,)]


@pytest.mark.integration
def test_reader_makes_nothing_and_changes_nothing(options: PostgresOptions) -> None:
    with pytest.raises(StorageError, match="has no tables"):
        PostgresDatabase(options, is_read_only=True)
    PostgresDatabase(options).close()
    with closing(PostgresDatabase(options, is_read_only=True)) as reader:
        registry = SqlRegistry(reader)
        with pytest.raises(StorageError, match="readonly"):
            registry.put_site(HOME)
        with pytest.raises(Exception, match="read-only"), reader.begin() as connection:
            connection.execute(insert(series).values(id=1, device="a", quantity="b"))


def test_options_tell_all_faults_and_show_no_password() -> None:
    with pytest.raises(SettingsError) as refused:
        PostgresOptions("mysql://a:tu-l1p@h/d", schema="", pool_size=0, statement_s=-1.0)
    assert len(refused.value.faults) == 4
    assert "tu-l1p" not in str(refused.value)
    assert "tu-l1p" not in repr(PostgresOptions("postgresql://a:tu-l1p@h/d"))
