"""Views leave out what a question cannot ask for, and its answer stays the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.histories import open_store, record
from wattscope.stores.duckdb_store import DuckdbStore
from wattscope.stores.sql import session
from wattscope.stores.sql.sound_rows import SoundRows
from wattscope.stores.sql.views import readings_view

T0 = 1_717_200_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckdbStore]:
    opened = open_store(tmp_path / "chunks")
    # Two scales of decimals, hence two files, each with one quantity.
    rows = [(1, T0 + at, 5.5 + at, 0) for at in range(3)]
    rows += [(2, T0 + at, 7.125 + at, 8) for at in range(3)]
    opened.write(record(0, *rows))
    opened.flush()
    opened.write(record(1, (1, T0 + 9, 6.0, 2)))
    yield opened
    opened.close()


NAMING = [
    "SELECT unit FROM readings",
    "SELECT value FROM readings WHERE quality = 'good' ORDER BY value",
    "SELECT * FROM readings ORDER BY measured_at, quantity",
    "FROM readings ORDER BY measured_at, quantity",
    "SELECT r FROM readings r ORDER BY r.measured_at, r.quantity",
    "SELECT readings FROM readings ORDER BY measured_at, readings.quantity",
    "SELECT readings.UNIT FROM readings",
    "SELECT COLUMNS('u.*') FROM readings ORDER BY ALL",
    "SELECT e FROM readings r(a, b, c, d, e, f, g) ORDER BY e, a",
    "SELECT count(*) FROM readings a NATURAL JOIN readings b",
    "SELECT count(*) FROM readings a JOIN readings b USING (unit)",
    "SELECT (SELECT max(quality) FROM readings)",
    "WITH x AS (FROM readings) SELECT max(unit) FROM x",
    "DESCRIBE readings",
    "SUMMARIZE readings",
    "SELECT value FROM readings GROUP BY ALL ORDER BY ALL",
]


@pytest.mark.parametrize("sql", NAMING)
def test_answer_is_that_of_the_whole_view(
    store: DuckdbStore, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = store.query(sql)
    monkeypatch.setattr(session, "may_name", lambda *_: True)
    assert store.query(sql) == found


def test_words_are_not_made_where_nobody_asks(
    store: DuckdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def note(*args: object, has_words: bool) -> str:
        asked.append(has_words)
        return readings_view(*args, has_words=has_words)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(session, "readings_view", note)
    store.query("SELECT avg(value) FROM readings WHERE quantity = 'active_power_w'")
    store.query("SELECT avg(value) FROM readings WHERE unit = 'W'")
    assert asked == [False, True]


def test_files_without_an_asked_quantity_stay_closed(
    store: DuckdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    find = SoundRows.find

    def note(self: SoundRows, *args: object) -> object:
        files, tables = find(self, *args)  # type: ignore[arg-type]  # passed on as they came
        opened.append(len(files))
        return files, tables

    monkeypatch.setattr(SoundRows, "find", note)
    names = [name for (name,) in store.query("SELECT DISTINCT quantity FROM readings").rows]
    for name in sorted(names):
        rows = store.query("SELECT value FROM readings WHERE quantity = ?", [name]).rows
        chosen = store.query(f"SELECT value FROM readings WHERE quantity = '{name}'").rows
        assert sorted(chosen) == sorted(rows)
        assert len(rows) >= 3
    assert opened == [2, 2, 1, 2, 1]
