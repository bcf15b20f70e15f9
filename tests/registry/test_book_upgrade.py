"""Older books, and those of an existing installation, are taken over in place with their rows."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.registry.meter_books import (
    SEED_METER,
    SEED_REGISTERS,
    SEED_TABLES,
    make_postgres_database,
    psql,
)
from wattscope.core.errors import StorageError, TransientError
from wattscope.registry.book_database import SqliteBook
from wattscope.registry.meter_book import BookChange, BookTable, open_book
from wattscope.registry.meter_upgrade import run_steps

# SQLite wants as many values as there are columns.
SQLITE_SEED = SEED_TABLES + SEED_METER.format(id=4) + SEED_REGISTERS.replace("4);", "4, 2, 2);")
BROKEN_AT = "CREATE TABLE sites"


def make_first_version(path: Path) -> None:
    """A book of version 1, with a row of somebody's own."""
    book = SqliteBook(path)
    with book.begin(is_writing=True) as connection:
        run_steps(connection, "0001")
    with book.begin(is_writing=True) as connection:
        connection.exec_driver_sql("INSERT INTO energy_meters VALUES (7, 'h', 502, 1, 't', 'mine')")
    book.close()


def test_first_version_has_the_tables_of_the_seed_and_nothing_else(tmp_path: Path) -> None:
    make_first_version(tmp_path / "meters.db")
    with closing(sqlite3.connect(tmp_path / "meters.db")) as connection:
        columns = {
            table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for table in ("energy_meters", "registers")
        }
    assert columns == {
        "energy_meters": ["id", "host", "port", "slave_address", "type", "description"],
        "registers": [
            *("type", "register_address", "measurement_name"),
            *("data_unit", "data_type", "function_code"),
        ],
    }


def test_upgrade_keeps_the_rows(tmp_path: Path) -> None:
    make_first_version(tmp_path / "meters.db")
    book = open_book(tmp_path / "meters.db")
    rows = book.read_rows()
    assert [(one["id"], one["description"]) for one in rows.meters] == [
        (0, "test_energy_meter"),
        (7, "mine"),
    ]
    assert [(one["id"], one["measurement_name"]) for one in rows.registers] == [
        (1, "test_measurement")
    ]
    assert rows.meters[1]["poll"] is None
    book.close()


def test_older_file_that_takes_the_place_of_another_is_upgraded(tmp_path: Path) -> None:
    book = open_book(tmp_path / "meters.db")
    book.read_rows()
    make_first_version(tmp_path / "older.db")
    (tmp_path / "older.db").replace(tmp_path / "meters.db")
    assert [one["id"] for one in book.read_rows().meters] == [0, 7]
    book.close()


def test_tables_of_an_installation_in_sqlite_are_taken_over(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "meters.db")) as connection:
        connection.executescript(SQLITE_SEED)
    book = open_book(tmp_path / "meters.db")
    rows = book.read_rows()
    assert [one["id"] for one in rows.meters] == [4]
    assert [one["measurement_name"] for one in rows.registers] == ["voltageL1", "activePower"]
    book.apply([BookChange(BookTable.METERS, 4, {"poll": "10s"})])
    assert book.read_rows().meters[0]["poll"] == "10s"
    book.close()


def test_failed_upgrade_leaves_the_old_version_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "meters.db"
    make_first_version(path)
    with closing(sqlite3.connect(path)) as connection:
        # The last step of the upgrade meets a table that somebody made.
        connection.execute("CREATE TABLE sites (id INTEGER)")
        before = list(connection.iterdump())
    book = open_book(path)
    with pytest.raises((StorageError, TransientError), match="sites"):
        book.read_rows()
    book.close()
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before


def test_upgrade_that_is_killed_leaves_the_old_version_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "meters.db"
    make_first_version(path)
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
    code = f"""
import os
from pathlib import Path
from sqlalchemy import Engine, event
from wattscope.registry.meter_book import open_book

@event.listens_for(Engine, "before_cursor_execute")
def kill(connection, cursor, statement, *rest):
    if {BROKEN_AT!r} in statement:
        os.kill(os.getpid(), 9)

open_book(Path({str(path)!r})).read_rows()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before
    book = open_book(path)
    assert [one["id"] for one in book.read_rows().meters] == [0, 7]
    book.close()


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def database(postgres: str) -> str:
    return make_postgres_database(postgres)


@pytest.mark.integration
def test_installation_is_taken_over_in_place(database: str) -> None:
    psql(database, SEED_TABLES + SEED_METER.format(id=1) + SEED_METER.format(id=2) + SEED_REGISTERS)
    book = open_book(Path("unused"), database)
    rows = book.read_rows()
    assert [(one["id"], one["host"], one["description"]) for one in rows.meters] == [
        (1, "192.168.1.113", "example"),
        (2, "192.168.1.113", "example"),
    ]
    assert [one["register_address"] for one in rows.registers] == [0, 52]
    # Its own statements work as before, and so do ours.
    psql(database, SEED_METER.format(id=3) + SEED_REGISTERS.replace("sdm630", "other"))
    [number] = book.apply(
        [
            BookChange(
                BookTable.METERS,
                None,
                {"host": "h", "port": 502, "slave_address": 1, "type": "sdm630"},
            )
        ]
    )
    assert [one["id"] for one in book.read_rows().meters] == [1, 2, 3, number]
    assert len(book.read_rows().registers) == 4
    book.close()


@pytest.mark.integration
def test_statements_of_the_seed_run_verbatim_in_a_fresh_book(database: str) -> None:
    book = open_book(Path("unused"), database)
    book.read_rows()
    psql(
        database,
        """
        INSERT INTO energy_meters VALUES(
          4, 'virtual_tlc10000_server', 502, 0, 'virtual-tlc10000', 'inverter');
        INSERT INTO energy_meters VALUES(5, '178.218.234.100', 2139, 1, 'sdm630', NULL);
        INSERT INTO energy_meters(host, port, slave_address, type, description)
          VALUES('remote_with_open_ports', 8502, 1, 'sdm630', 'example');
        INSERT INTO registers VALUES('sdm630', 52, 'activePower', 'W', 3, 4);
        INSERT INTO registers VALUES('le03mwct', 0, 'voltageL1', 'V', 3, 4, 1, 2);
        """,
    )
    rows = book.read_rows()
    assert [one["slave_address"] for one in rows.meters] == [0, 0, 1, 1]
    assert [(one["type"], one["word_order"]) for one in rows.registers] == [
        ("virtual_modbustcp", None),
        ("sdm630", None),
        ("le03mwct", 1),
    ]
    book.close()


@pytest.mark.integration
def test_failed_upgrade_of_an_installation_leaves_its_tables(database: str) -> None:
    psql(database, SEED_TABLES + SEED_METER.format(id=1) + "CREATE TABLE sites(id int);")
    book = open_book(Path("unused"), database)
    with pytest.raises(StorageError, match="sites"):
        book.read_rows()
    book.close()
    with closing(psycopg.connect(database)) as connection:
        columns = connection.execute(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_name IN ('registers', 'alembic_version')"
        ).fetchall()
    assert "id" not in {name for (name,) in columns}
    assert "version_num" not in {name for (name,) in columns}


@pytest.mark.integration
def test_user_without_the_right_is_told_so(database: str) -> None:
    role = f"reader_{database.rpartition('/')[2]}"
    psql(database, SEED_TABLES + f"CREATE ROLE {role} LOGIN; GRANT SELECT ON registers TO {role};")
    book = open_book(Path("unused"), database.replace("postgres@", f"{role}@"))
    with pytest.raises(StorageError, match="give its user the right"):
        book.read_rows()
    book.close()
