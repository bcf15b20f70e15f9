"""A flush that is cut off anywhere loses nothing and stores nothing twice."""

from __future__ import annotations

import errno
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self

import duckdb
import pytest

from tests.stores.histories import (
    SPAN_US,
    FakeNames,
    Past,
    assert_store_holds,
    instant,
    make_past,
    open_store,
    record,
)
from wattscope.core.errors import QueryError, StorageError, TransientError
from wattscope.core.reading import build_batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_S
from wattscope.ports import LogRecord
from wattscope.stores import flush, manifest, rollup_files, row_files, rule_book, span_rollups
from wattscope.stores.duckdb_store import DuckdbStore

T0 = 1_717_200_000 * US_PER_S
POWER = 1


class PowerCutError(Exception):
    """The moment at which the process dies."""


def cut_before(step: Callable[..., object], call: int) -> Callable[..., object]:
    return _cut(step, call, is_done=False)


def cut_after(step: Callable[..., object], call: int) -> Callable[..., object]:
    return _cut(step, call, is_done=True)


def _cut(step: Callable[..., object], call: int, *, is_done: bool) -> Callable[..., object]:
    calls = 0

    def stepped(*args: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call and not is_done:
            raise PowerCutError
        answer = step(*args, **options)
        if calls == call:
            raise PowerCutError
        return answer

    return stepped


STEPS = {
    "a file of rows": (row_files, "close_file"),
    "the rows of a span": (flush, "write_rows"),
    "a rollup": (span_rollups, "write_rollup"),
    "the manifest": (flush, "save_manifest"),
    "the manifest's own file": (manifest, "publish_file"),
}
CUTS = [
    pytest.param(where, make, call, id=f"{make.__name__} {where} {call}")
    for where in STEPS
    for make in (cut_before, cut_after)
    for call in (1, 2)
]


def a_past() -> Past:
    return make_past(random.Random(5), 24, instant("2018-10-27T20:00:00+00:00"))


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.mark.parametrize(("where", "make", "call"), CUTS)
def test_flush_cut_off_anywhere_loses_nothing(
    where: str,
    make: Callable[..., Callable[..., object]],
    call: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    past = a_past()
    store = open_store(tmp_path)
    for one in past.records[:12]:
        store.write(one)
    store.flush()
    for one in past.records[12:]:
        store.write(one)
    module, name = STEPS[where]
    with monkeypatch.context() as patch:
        patch.setattr(module, name, make(getattr(module, name), call))
        with pytest.raises(PowerCutError):
            store.flush()
    store._engine.close()
    assert_recovers(tmp_path, past)


def assert_recovers(folder: Path, past: Past) -> None:
    """Opened again and given the log from its offset on, the store holds everything once."""
    again = open_store(folder)
    named = manifest.load_manifest(folder, SPAN_US)[0].files()
    named |= {manifest.MANIFEST_NAME, manifest.COPY_NAME, rule_book.BOOK_NAME}
    on_disk = {path.name for path in folder.iterdir()}
    assert on_disk <= named
    for one in past.records:
        if one.offset >= again.covered_offset:
            again.write(one)
    again.flush()
    assert_store_holds(again, past)
    again.close()


def test_flush_that_failed_is_made_good_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full once: the rows of that tail must not be passed over."""
    past = a_past()
    store = open_store(tmp_path)
    for one in past.records[:12]:
        store.write(one)
    with monkeypatch.context() as patch:
        patch.setattr(flush, "write_rows", cut_before(row_files.write_rows, 2))
        with pytest.raises(PowerCutError):
            store.flush()
    assert store.covered_offset == 0
    for one in past.records[12:]:
        store.write(one)
    assert store.flush() == len(past.records)
    assert_store_holds(store, past)
    store._engine.close()
    assert_store_holds(open_store(tmp_path), past)


def test_rollup_that_failed_is_made_good_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = a_past()
    store = open_store(tmp_path)
    for one in past.records:
        store.write(one)
    with monkeypatch.context() as patch:
        patch.setattr(span_rollups, "write_rollup", cut_before(rollup_files.write_rollup, 3))
        with pytest.raises(PowerCutError):
            store.flush()
    assert_store_holds(store, past)
    store.flush()
    assert_store_holds(store, past)
    store.close()


def test_stray_files_are_removed_at_a_start(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write(record(0, (POWER, T0, 1.0, 0)))
    store.close()
    strays = [tmp_path / "rows-1-99.parquet", tmp_path / "manifest.new"]
    for path in strays:
        path.write_bytes(b"cut off")
    (tmp_path / "notes.txt").write_text("mine")
    open_store(tmp_path).close()
    assert not any(path.exists() for path in strays)
    assert (tmp_path / "notes.txt").exists()


def test_small_files_become_one(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for n in range(20):
        store.write(record(n, (POWER, T0 + n * US_PER_S, float(n), 0)))
        store.flush()
    assert len(list(tmp_path.glob("rows-*.parquet"))) <= flush.MAX_PARTS + 2
    store.write(record(20, (POWER, T0 + 2 * SPAN_US, 0.0, 0)))
    store.flush()
    assert len(list(tmp_path.glob("rows-*.parquet"))) == 2
    assert len(store.read_raw([POWER], 0, 2**61)) == 21
    store.close()


def test_chunks_are_plain_parquet_with_the_documented_columns(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write(record(0, (2, T0 + US_PER_S, 9.0, 0), (POWER, T0, 5.0, 4)))
    store.close()
    [path] = tmp_path.glob("rows-*.parquet")
    with duckdb.connect() as plain:
        answer = plain.execute(f"SELECT * FROM '{path}'")
        columns = [column[0] for column in answer.description or ()]
        assert columns == [
            *("series_id", "site", "device", "quantity", "measured_at", "value", "quality")
        ]
        rows = plain.execute(
            f"SELECT series_id, site, device, quantity, epoch_us(measured_at), value, quality "
            f"FROM '{path}'"
        ).fetchall()
    assert rows == [
        (1, "north", "meter", "active_power_w", T0, 5.0, 4),
        (2, "north", "meter", "energy_import_wh", T0 + US_PER_S, 9.0, 0),
    ]


def test_rows_of_a_series_the_registry_lost_stay_in_the_chunks(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write(record(0, (POWER, T0, 5.0, 0), (77, T0, 6.0, 0)))
    store.flush()
    store.write(record(1, (77, T0 + 2 * SPAN_US, 6.0, 0)))
    store.flush()
    assert len(store.read_raw([77], 0, 2**61)) == 2
    assert store.query("SELECT sum(count) FROM rollup_1h").rows == [(1,)]
    store.close()


def test_repeat_of_a_marked_row_after_a_restart_is_a_duplicate(tmp_path: Path) -> None:
    """The newest row of a register was implausible, and its span is over and closed."""
    store = open_store(tmp_path)
    marked = (2, T0 + US_PER_MINUTE, 1e18, 2)
    store.write(record(0, (2, T0, 5.0, 0), marked))
    store.write(record(1, (POWER, T0 + 3 * SPAN_US, 1.0, 0)))
    store.close()
    again = open_store(tmp_path)
    assert again.write(record(2, marked)).duplicate == 1
    assert len(again.read_raw([2], 0, 2**61)) == 2
    again.close()


def test_manifest_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 4, "parts": "of another kind"}')
    with pytest.raises(StorageError, match=r"format 4.*up to 3.*newer program"):
        open_store(tmp_path)


def test_manifest_that_cannot_be_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 1, "chunk_us"')
    with pytest.raises(StorageError, match="restore a backup"):
        open_store(tmp_path)


def test_span_of_an_old_folder_stays_as_it_was_made(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write(record(0, (POWER, T0, 1.0, 0)))
    store.close()
    again = DuckdbStore(tmp_path, FakeNames(), chunk_us=8 * SPAN_US)
    assert again._manifest.chunk_us == SPAN_US
    again.close()


# ── several at once ──────────────────────────────────────────────────────────────────────────


def steady(offset: int) -> LogRecord:
    """Ten minutes of two series, one after the other."""
    rows = [
        (series, T0 + (offset * 10 + m) * US_PER_MINUTE, 60.0, 0)
        for m in range(10)
        for series in (POWER, 7)
    ]
    return LogRecord(offset, build_batch(rows))


class Crowd:
    """Threads that ask until they are told to stop; what one of them raises is kept."""

    def __init__(self, *works: Callable[[], None]) -> None:
        self.faults: list[BaseException] = []
        self._is_done = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(work,)) for work in works]

    def _repeat(self, work: Callable[[], None]) -> None:
        try:
            while not self._is_done.is_set():
                work()
        except BaseException as fault:  # noqa: BLE001  # whatever it is, the test must see it
            self.faults.append(fault)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_done.set()
        for thread in self._threads:
            thread.join()


def test_readers_never_fail_while_rows_are_written_and_flushed(tmp_path: Path) -> None:
    names = FakeNames()
    store = open_store(tmp_path, names)
    seen = [0]

    def read() -> None:
        before = seen[0]
        [(count,)] = store.query("SELECT count(*) FROM readings WHERE device = 'meter'").rows
        assert count >= before
        seen[0] = max(seen[0], count)
        store.query("SELECT sum(energy_wh), max(coverage) FROM rollup_15m")

    def read_buckets() -> None:
        before = seen[0]
        # All of it: the last row lies fifty hours behind the first.
        day = store.roll_up([POWER], "1h", T0, T0 + 52 * 60 * US_PER_MINUTE)
        # Three of the meter's rows are of series that are added on the way.
        assert day.count.sum() >= before - 3

    with Crowd(read, read, read_buckets, lambda: (store.flush(), None)[1]) as crowd:
        for offset in range(0, 300, 2):
            store.write(steady(offset))
            if offset % 100 == 50:
                names.names.append(("meter", f"voltage_l{offset // 100 + 1}_v"))
                store.write(record(offset + 1, (len(names.names), T0, 230.0, 0)))
    assert crowd.faults == []
    assert len(store.read_raw([POWER], 0, 2**61)) == 1500
    store.close()


def test_reader_of_a_folder_that_a_writer_has_open(tmp_path: Path) -> None:
    writer = open_store(tmp_path)
    writer.write(record(0, (POWER, T0, 5.0, 0)))
    writer.flush()
    writer.write(record(1, (POWER, T0 + 1, 6.0, 0)))
    (tmp_path / "rows-5-5.parquet").write_bytes(b"under construction")
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    reader = open_store(tmp_path, is_read_only=True)
    assert reader.query("SELECT list(value) FROM readings").rows == [([5.0],)]
    reader.write(record(1, (POWER, T0 + 1, 6.0, 0)))
    assert reader.query("SELECT list(value ORDER BY value) FROM readings").rows == [([5.0, 6.0],)]
    with pytest.raises(QueryError):
        reader.query("DELETE FROM readings")
    reader.close()
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    writer.close()


def test_a_flush_that_is_done_again_is_read_as_it_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second try writes more rows under the names of the first, which was read already."""
    store = open_store(tmp_path / "chunks")
    store.write(record(0, *[(1, T0 + at * US_PER_HOUR, float(at), 0) for at in range(8)]))
    store.flush()
    # What a late row outdates is looked up in the new files before the manifest is written.
    other = [(3, T0 + SPAN_US + at * US_PER_MINUTE, float(at), 0) for at in range(60)]
    store.write(record(1, (1, T0 + 1, 5.0, 0), *other[:30]))
    n_failed = 0

    def fail_once(folder: Path, wanted: manifest.Manifest) -> None:
        nonlocal n_failed
        if not n_failed:
            n_failed += 1
            raise OSError(errno.EIO, "Input/output error")
        manifest.save_manifest(folder, wanted)

    monkeypatch.setattr(flush, "save_manifest", fail_once)
    with pytest.raises(TransientError):
        store.flush()
    store.write(record(2, *other[30:]))
    store.flush()
    assert n_failed == 1
    assert store.damages == []
    assert len(store.read_raw((3,), T0, T0 + US_PER_DAY)) == len(other)
    store.close()


def test_reader_that_knows_newer_rules_takes_the_files_for_current(tmp_path: Path) -> None:
    names = FakeNames()
    store = open_store(tmp_path / "chunks", names)
    store.write(record(0, *[(1, T0 + at * US_PER_HOUR, float(at), 0) for at in range(8)]))
    store.flush()
    names.devices[0] = replace(names.devices[0], interval_s=60.0)
    reader = open_store(tmp_path / "chunks", names, is_read_only=True)
    assert not reader.is_outdated()
    store.write(record(1, (1, T0 + 9 * US_PER_HOUR, 9.0, 0)))
    store.flush()
    assert reader.is_outdated()
    reader.close()
    store.close()
