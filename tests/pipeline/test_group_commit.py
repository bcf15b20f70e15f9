"""Many who append at once share a record and an fsync, and each knows what became of its own."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.pipeline.ways import Way, open_way, panel
from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch, build_batch
from wattscope.core.time_grid import US_PER_S
from wattscope.logs.segment_log import SegmentLog
from wattscope.pipeline import persist
from wattscope.pipeline.ingest import Ingest
from wattscope.pipeline.pace import Pace
from wattscope.ports import LogRecord, Quarantined, RawMessage


def values(caller: int, n: int, n_rows: int = 2) -> Batch:
    return build_batch([(caller, n * 100 + row, float(n), 0) for row in range(n_rows)])


class SlowSync:
    """An fsync of some milliseconds that counts its calls, and fails with those it is told."""

    def __init__(self, failing: Sequence[int] = ()) -> None:
        self.n_calls = 0
        self._failing = failing

    def __call__(self, _fd: int) -> None:
        self.n_calls += 1
        time.sleep(0.005)
        if self.n_calls in self._failing:
            raise OSError(5, os.strerror(5))


def append_from_threads(way: Way, n_callers: int, n_each: int) -> list[list[LogRecord | None]]:
    """Callers that append at once; the record of each, or None where it was refused."""
    outcomes: list[list[LogRecord | None]] = [[] for _ in range(n_callers)]

    def call(caller: int) -> None:
        for n in range(n_each):
            aside = [Quarantined(f"s{caller}", "t", b"", n, "range", "d")] if n % 7 == 0 else []
            try:
                record = way.persist.append(values(caller, n), aside, [caller << 32 | n])
            except TransientError:
                outcomes[caller].append(None)
            else:
                outcomes[caller].append(record)
            way.persist.drain()

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(n_callers)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return outcomes


def keys(record: LogRecord) -> set[tuple[int, int]]:
    batch = record.batch
    return set(zip(batch.series_id.tolist(), batch.measured_at_us.tolist(), strict=True))


N_CALLERS, N_EACH = 8, 20


def share(folder: Path) -> int:
    """How many fsyncs the callers' groups took."""
    sync = SlowSync()
    with open_way(folder / "data", log=SegmentLog(folder / "log", sync=sync)) as way:
        outcomes = append_from_threads(way, N_CALLERS, N_EACH)
        logged = list(way.log.read(0))
        assert sum(len(one.batch) for one in logged) == 2 * N_CALLERS * N_EACH
        assert sum(len(one.receipts) for one in logged) == N_CALLERS * N_EACH
        assert way.tally.stored == 2 * N_CALLERS * N_EACH
        assert way.store.written_offset == way.log.end_offset
        assert len(way.codes()) == N_CALLERS * len(range(0, N_EACH, 7))
        for caller, records in enumerate(outcomes):
            for n, record in enumerate(records):
                assert record is not None
                assert keys(record) >= {(caller, n * 100), (caller, n * 100 + 1)}
    return sync.n_calls


def test_callers_at_once_share_their_fsyncs(tmp_path: Path) -> None:
    assert share(tmp_path) < 0.7 * N_CALLERS * N_EACH


def test_commit_of_each_for_itself_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check of the check."""
    monkeypatch.setattr(persist, "_MAX_SHARED_ROWS", 1)
    assert share(tmp_path) == N_CALLERS * N_EACH


def test_failed_fsync_is_told_to_all_who_shared_it(tmp_path: Path) -> None:
    sync = SlowSync(failing=range(5, 10))
    with open_way(tmp_path / "data", log=SegmentLog(tmp_path / "log", sync=sync)) as way:
        outcomes = append_from_threads(way, N_CALLERS, N_EACH)
        told = {key for records in outcomes for one in records if one for key in keys(one)}
        refused = [
            (c, n)
            for c, records in enumerate(outcomes)
            for n, one in enumerate(records)
            if one is None
        ]
        assert len(refused) >= 5
        logged = {key for one in way.log.read(0) for key in keys(one)}
        assert logged == told
        assert not logged & {(caller, n * 100) for caller, n in refused}
        assert way.tally.refused == 2 * len(refused)
        assert way.tally.stored == len(told)


def test_error_that_is_no_refusal_hits_its_caller_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_way(tmp_path / "data") as way:
        real, n_calls = way.log.append, 0

        def fail_once(*arguments: object) -> LogRecord:
            nonlocal n_calls
            n_calls += 1
            if n_calls == 1:
                raise ValueError("a fault in the middle")
            return real(*arguments)  # type: ignore[arg-type]  # handed on

        monkeypatch.setattr(way.log, "append", fail_once)

        async def both() -> list[LogRecord | BaseException]:
            return await asyncio.gather(
                *(way.persist.append_soon(values(caller, 0), (), ()) for caller in (1, 2)),
                return_exceptions=True,
            )

        outcomes = asyncio.run(both())
        assert sum(isinstance(one, ValueError) for one in outcomes) == 1
        assert sum(isinstance(one, LogRecord) for one in outcomes) == 1


def test_groups_of_one_turn_of_the_loop_share_a_record(tmp_path: Path) -> None:
    with open_way(tmp_path / "data") as way:

        async def appends() -> list[LogRecord]:
            return await asyncio.gather(
                *(way.persist.append_soon(values(caller, 0), (), ()) for caller in range(5))
            )

        records = asyncio.run(appends())
        assert len({one.offset for one in records}) < 5
        assert sum(len(one.batch) for one in way.log.read(0)) == 10


# ── the window ───────────────────────────────────────────────────────────────────────────────


def test_sources_wait_for_the_same_ticks() -> None:
    for now_s, wait_s in ((5.0, 0.25), (5.1, 0.15), (5.249, 0.001), (5.3, 0.2)):
        assert Pace(250, monotonic_s=lambda now_s=now_s: now_s).until_tick_s() == wait_s  # type: ignore[misc]


def test_no_message_waits_longer_than_the_window() -> None:
    for now_s in (0.0, 0.0001, 123.456, 1e6 + 0.0099):
        assert 0 <= Pace(10, monotonic_s=lambda now_s=now_s: now_s).until_tick_s() <= 0.01  # type: ignore[misc]


def test_window_of_zero_never_waits() -> None:
    assert Pace(0).until_tick_s() == 0


class BusySource:
    """Has a message whenever it is asked, for a while; notes when it was."""

    name = "mqtt"

    def __init__(self, n_groups: int) -> None:
        self.asked_s: list[float] = []
        self._n_groups = n_groups

    async def receive(self) -> AsyncIterator[Sequence[RawMessage]]:
        for n in range(self._n_groups):
            self.asked_s.append(time.monotonic())
            yield [panel(ago_us=n * US_PER_S)]

    async def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        """Nobody waits for it."""

    async def close(self) -> None:
        """Nothing is open."""


def run_busy(folder: Path, commit_ms: float) -> list[float]:
    """When a busy source was asked for its groups [s]."""
    with open_way(folder) as way:
        source = BusySource(8)
        asyncio.run(Ingest(way.intake, way.persist, commit_ms=commit_ms).run(source))
        return source.asked_s


def test_busy_source_is_asked_once_a_window(tmp_path: Path) -> None:
    asked_s = run_busy(tmp_path, 200)
    # The way to the first tick may be short, the others are whole.
    assert asked_s[-1] - asked_s[0] >= 6 * 0.2


def test_window_that_is_ignored_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of the check."""

    async def hurry(_pace: Pace) -> None:
        """Do not wait."""

    monkeypatch.setattr(Pace, "wait", hurry)
    asked_s = run_busy(tmp_path, 200)
    assert asked_s[-1] - asked_s[0] < 6 * 0.2
