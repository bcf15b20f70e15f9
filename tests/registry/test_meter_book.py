"""The meter book promises the same on SQLite and PostgreSQL, whoever edits it beside us."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.registry.meter_books import edit, make_postgres_database
from wattscope.core.errors import (
    RowError,
    SettingsError,
    StorageError,
    TransientError,
    UnknownNameError,
)
from wattscope.registry.book_database import PostgresBook, SqliteBook
from wattscope.registry.meter_book import BookChange, BookTable, MeterBook, open_book
from wattscope.registry.meter_tables import BOOK_VERSIONS, VIRTUAL_METER, VIRTUAL_REGISTER

METER = {"host": "10.0.0.7", "port": 502, "slave_address": 1, "type": "sdm630", "device": "main"}
INSERT = (
    "INSERT INTO energy_meters(id, host, port, slave_address, type)"
    " VALUES({id}, 'gateway', 8899, {id}, 'sdm630')"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A book, and how somebody else finds it."""

    book: MeterBook
    where: str | Path

    def open_again(self) -> MeterBook:
        """A second book over the same database."""
        if isinstance(self.where, Path):
            return open_book(self.where)
        return open_book(Path("unused"), self.where)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        where: str | Path = tmp_path / "meters.db"
        book = open_book(tmp_path / "meters.db")
    else:
        where = make_postgres_database(request.getfixturevalue("postgres"))
        book = open_book(tmp_path / "unused", where)
    yield Place(book, where)
    book.close()


def test_fresh_book_holds_the_virtual_meter(place: Place) -> None:
    rows = place.book.read_rows()
    [meter], [register] = rows.meters, rows.registers
    assert VIRTUAL_METER.items() <= meter.items()
    assert VIRTUAL_REGISTER.items() <= register.items()
    assert all(meter[name] is None for name in meter if name not in VIRTUAL_METER)
    assert (rows.groups, rows.sites) == ((), ())


def test_rows_are_the_same_object_while_nothing_changed(place: Place) -> None:
    rows = place.book.read_rows()
    assert place.book.read_rows() is rows
    edit(place.where, INSERT.format(id=7))
    changed = place.book.read_rows()
    assert changed is not rows
    assert [one["id"] for one in changed.meters] == [0, 7]
    assert place.book.read_rows() is changed


def test_own_changes_are_seen_at_once(place: Place) -> None:
    place.book.read_rows()
    keys = place.book.apply(
        [
            BookChange(BookTable.METERS, None, METER),
            BookChange(BookTable.GROUPS, None, {"name": "slow", "schedule": "1m"}),
        ]
    )
    assert keys[1] == "slow"
    rows = place.book.read_rows()
    assert METER.items() <= rows.meters[-1].items()
    assert rows.meters[-1]["id"] == keys[0]
    place.book.apply([BookChange(BookTable.METERS, keys[0], {"port": 503, "is_enabled": False})])
    assert place.book.read_rows().meters[-1]["port"] == 503
    assert not place.book.read_rows().meters[-1]["is_enabled"]
    place.book.apply([BookChange(BookTable.METERS, keys[0], None)])
    assert len(place.book.read_rows().meters) == 1


def test_changes_are_made_all_or_none(place: Place) -> None:
    with pytest.raises(UnknownNameError, match="no row 4711 in energy_meters"):
        place.book.apply(
            [
                BookChange(BookTable.METERS, None, METER),
                BookChange(BookTable.METERS, 4711, {"port": 1}),
            ]
        )
    assert len(place.book.read_rows().meters) == 1


def test_row_that_the_database_refuses_is_told_in_one_line(place: Place) -> None:
    with pytest.raises(RowError) as refused:
        place.book.apply([BookChange(BookTable.METERS, None, {**METER, "host": None})])
    assert "host" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_rows_given_numbers_by_hand_leave_room_for_ours(place: Place) -> None:
    place.book.read_rows()
    for number in (1, 2, 3):
        edit(place.where, INSERT.format(id=number))
    place.book.apply([BookChange(BookTable.METERS, None, METER)])
    edit(place.where, INSERT.replace("id, ", "", 1).replace("{id}, ", "", 1).format(id=9))
    assert [one["slave_address"] for one in place.book.read_rows().meters] == [0, 1, 2, 3, 1, 9]


def test_second_program_sees_what_the_first_one_writes(place: Place) -> None:
    place.book.read_rows()
    other = place.open_again()
    other.apply([BookChange(BookTable.METERS, None, METER)])
    other.close()
    assert place.book.read_rows().meters[-1]["device"] == "main"


def test_newer_version_is_refused_and_left_alone(place: Place) -> None:
    place.book.read_rows()
    edit(place.where, "UPDATE alembic_version SET version_num = '9999'")
    other = place.open_again()
    with pytest.raises(StorageError, match=r"version '9999'.*update the program"):
        other.read_rows()
    other.close()


def test_two_programs_that_start_at_once_make_one_book(place: Place) -> None:
    words = repr(str(place.where)) if isinstance(place.where, str) else "None"
    code = (
        "from pathlib import Path; from wattscope.registry.meter_book import open_book;"
        f"print(len(open_book(Path({str(place.where)!r}), {words}).read_rows().meters))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [child.communicate(timeout=60)[0].strip() for child in children] == ["1"] * 3


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────


def test_book_that_is_up_to_date_does_not_import_alembic(tmp_path: Path) -> None:
    open_book(tmp_path / "meters.db").read_rows()
    code = (
        "import sys; from pathlib import Path; from wattscope.registry.meter_book import open_book;"
        f"book = open_book(Path({str(tmp_path / 'meters.db')!r})); book.read_rows();"
        "print(sorted(name for name in sys.modules if name in ('alembic', 'mako', 'psycopg')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_open_change_of_another_program_does_not_keep_us_from_reading(tmp_path: Path) -> None:
    path = tmp_path / "meters.db"
    book = open_book(path)
    rows = book.read_rows()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute(INSERT.format(id=7))
        assert book.read_rows() is rows
        other.execute("COMMIT")
    assert len(book.read_rows().meters) == 2
    book.close()


def test_writing_beside_an_open_change_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "meters.db"
    monkeypatch.setattr("wattscope.registry.book_database.BUSY_S", 0.05)
    book = open_book(path)
    book.read_rows()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="kept by another program"):
            book.apply([BookChange(BookTable.METERS, None, METER)])
        other.execute("ROLLBACK")
    book.apply([BookChange(BookTable.METERS, None, METER)])
    book.close()


def test_file_that_takes_the_place_of_another_is_read(tmp_path: Path) -> None:
    book, other = open_book(tmp_path / "meters.db"), open_book(tmp_path / "other.db")
    book.read_rows()
    other.apply([BookChange(BookTable.METERS, None, METER)])
    other.close()
    (tmp_path / "other.db").replace(tmp_path / "meters.db")
    assert len(book.read_rows().meters) == 2
    book.close()


def test_cells_of_any_type_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "meters.db"
    book = open_book(path)
    book.read_rows()
    edit(
        path,
        "UPDATE energy_meters SET port = 'abc', host = x'ff00', description = CAST(x'fe' AS TEXT)",
    )
    [meter] = book.read_rows().meters
    assert (meter["port"], meter["host"], meter["description"]) == ("abc", b"\xff\x00", "\ufffd")
    book.close()


def test_file_that_is_no_database_is_said_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "meters.db"
    path.write_bytes(b"host,port\n" * 200)
    book = open_book(path)
    with pytest.raises(StorageError, match=r"meters\.db is not what it must be"):
        book.read_rows()
    book.close()
    assert path.read_bytes() == b"host,port\n" * 200


def test_no_write_ahead_log_lies_beside_the_book(tmp_path: Path) -> None:
    book = SqliteBook(tmp_path / "meters.db")
    with book.begin(is_writing=False) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
    book.close()


# ── versions ─────────────────────────────────────────────────────────────────────────────────


def test_versions_named_are_those_that_have_a_file() -> None:
    folder = Path(sys.modules["wattscope.registry"].__file__ or "").parent / "migrations/versions"
    texts = [path.read_text() for path in folder.glob("[a-z]*.py")]
    found = sorted(text.split('revision = "')[1][:4] for text in texts)
    assert tuple(found) == BOOK_VERSIONS


# ── addresses ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url", ["mysql://h/d", "postgresql://user@host", "not a url", "sqlite:///x"]
)
def test_address_that_is_none_of_postgresql_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"registry\.url"):
        open_book(Path("meters.db"), url)


def test_password_is_in_no_word_of_ours() -> None:
    book = PostgresBook(
        "postgresql://anna:tu-l1p@db.example:5433/plant?options=-csearch_path", None
    )
    assert book.where == "postgresql://anna@db.example:5433/plant"
    book.close()


@pytest.mark.integration
def test_server_that_is_away_is_a_transient_error_without_the_password(free_port: int) -> None:
    book = open_book(Path("unused"), f"postgresql://anna@127.0.0.1:{free_port}/plant", "tu-l1p")
    with pytest.raises(TransientError, match="cannot be reached") as away:
        book.read_rows()
    assert "tu-l1p" not in str(away.value)
    assert f"127.0.0.1:{free_port}" in str(away.value)
    book.close()
