"""Records of a shared log are stored before they are committed, whatever is away meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.stores.histories import open_store
from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch, build_batch, empty_batch
from wattscope.live.memory_view import MemoryView
from wattscope.pipeline import follow_stage
from wattscope.pipeline.carry import FULL_ROWS, GATHER_S, Carry
from wattscope.pipeline.tally import Tally
from wattscope.ports import FollowedRecord, Quarantined, StoreReceipt
from wattscope.registry.database import Database
from wattscope.registry.sql_quarantine import SqlQuarantine
from wattscope.stores.duckdb_store import DuckdbStore

POWER = 1
T0 = 1_717_200_000_000_000
ASIDE = Quarantined("mqtt", "a/b", b"{", T0, "json_syntax", "line 1")


def values(*numbers: float) -> Batch:
    return build_batch([(POWER, T0 + n * 1_000_000, number, 0) for n, number in enumerate(numbers)])


def record(batch: Batch, *items: Quarantined) -> FollowedRecord:
    return FollowedRecord(batch, items, tuple(range(len(items))), T0)


class Partition:
    """A log in memory that gives again what was not committed."""

    def __init__(self, *records: FollowedRecord) -> None:
        self.records = records
        self.n_committed = 0
        self.waiting = deque(records)
        self.n_given = 0
        self.is_away = False

    def poll(self, timeout_s: float) -> FollowedRecord | None:  # noqa: ARG002  # it never waits
        if self.is_away:
            raise TransientError("the log is away")
        if not self.waiting:
            time.sleep(0.01)
            return None
        self.n_given += 1
        return self.waiting.popleft()

    def commit(self) -> None:
        self.n_committed = self.n_given

    def lag(self) -> dict[str, int]:
        return {"0": len(self.records) - self.n_committed}

    def close(self) -> None:
        """A new member begins at the newest commit."""
        self.waiting = deque(self.records[self.n_committed :])
        self.n_given = self.n_committed


class Way:
    """A real store, shelf and live view behind a partition."""

    def __init__(self, folder: Path, store: DuckdbStore) -> None:
        self.store = store
        self.database = Database(folder / "registry.sqlite")
        self.shelf = SqlQuarantine(self.database)
        self.live = MemoryView()
        self.tally = Tally()
        self.is_refusing = False
        self.on_load: Callable[[], None] = lambda: None
        self.rests_s: list[float] = []
        self.monotonic_s: Callable[[], float] = time.monotonic

    def load(self, batch: Batch) -> StoreReceipt:
        if self.is_refusing:
            raise TransientError("the store is away")
        self.on_load()
        return self.store.load(batch)

    def flush(self) -> int:
        return self.store.flush()

    async def rest(self, seconds: float) -> None:
        self.rests_s.append(seconds)
        await asyncio.sleep(seconds)

    @property
    def is_flush_due(self) -> bool:
        return False

    @asynccontextmanager
    async def carrying(self, partition: Partition) -> AsyncIterator[Carry]:
        """One process of the role, ended as a process is."""
        carry = Carry(
            partition,
            self,
            self.shelf,
            self.live,
            self.tally,
            now_us=lambda: T0 + 2_000_000,
            monotonic_s=self.monotonic_s,
            sleep=self.rest,
        )
        work = asyncio.create_task(carry.run())
        try:
            yield carry
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            partition.close()


@pytest.fixture
def way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    monkeypatch.setattr(follow_stage, "RETRY_S", 0.01)
    store = open_store(tmp_path / "chunks")
    made = Way(tmp_path, store)
    yield made
    made.database.close()
    store.close()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)


def stored(way: Way) -> list[float]:
    return list(way.store.read_raw([POWER], 0, 2**61).value)


async def test_records_are_stored_then_committed(way: Way) -> None:
    partition = Partition(record(values(1.0, 2.0)), record(empty_batch(), ASIDE))
    committed_at_load: list[int] = []
    way.on_load = lambda: committed_at_load.append(partition.n_committed)
    async with way.carrying(partition) as carry:
        await until(lambda: partition.n_committed == 2)
        assert carry.state.newest_delay_s == 2.0
    assert committed_at_load == [0]
    assert stored(way) == [1.0, 2.0]
    assert way.live.latest(POWER) == (T0 + 1_000_000, 2.0)
    assert [one.item for one in way.shelf.list_newest(10)] == [ASIDE]
    assert (way.tally.received, way.tally.stored, way.tally.quarantined) == (3, 2, 1)


async def test_store_that_refuses_is_asked_again_and_nothing_is_committed(way: Way) -> None:
    partition = Partition(record(values(1.0)))
    way.is_refusing = True
    async with way.carrying(partition) as carry:
        await until(lambda: "the store is away" in carry.state.fault)
        assert partition.n_committed == 0
        way.is_refusing = False
        await until(lambda: partition.n_committed == 1)
        assert carry.state.fault == ""
    assert stored(way) == [1.0]


async def test_log_that_is_away_is_waited_for(way: Way) -> None:
    partition = Partition(record(values(1.0)))
    partition.is_away = True
    async with way.carrying(partition) as carry:
        await until(lambda: carry.state.fault == "log: the log is away")
        partition.is_away = False
        await until(lambda: partition.n_committed == 1)


async def test_what_is_given_again_changes_nothing(way: Way) -> None:
    partition = Partition(record(values(1.0, 2.0), ASIDE))
    async with way.carrying(partition):
        await until(lambda: bool(way.shelf.list_newest(10)))
    # As after a crash between storing and committing.
    again = Partition(*partition.records)
    async with way.carrying(again):
        await until(lambda: again.n_committed == 1)
    assert stored(way) == [1.0, 2.0]
    assert len(way.shelf.list_newest(10)) == 1
    assert (way.tally.stored, way.tally.duplicate) == (2, 2)


async def test_other_value_of_a_key_is_put_aside(way: Way) -> None:
    partition = Partition(record(values(1.0)), record(values(7.5)))
    async with way.carrying(partition):
        await until(lambda: partition.n_committed == 2)
    assert stored(way) == [1.0]
    [kept] = way.shelf.list_newest(10)
    assert (kept.item.code, kept.item.payload) == ("conflict", b"7.5")
    assert way.tally.quarantined_by_code == {"conflict": 1}


async def test_few_values_gather_and_many_do_not_wait(way: Way) -> None:
    now_s = 100.0
    way.monotonic_s = lambda: now_s

    def take_5_ms() -> None:
        nonlocal now_s
        now_s += 0.005

    way.on_load = take_5_ms
    many = values(*map(float, range(FULL_ROWS)))
    few = build_batch([(POWER, T0 + (FULL_ROWS + n) * 1_000_000, 1.0, 0) for n in range(2)])
    partition = Partition(record(many), record(few), record(empty_batch(), ASIDE))
    async with way.carrying(partition):
        await until(lambda: partition.n_committed == 3)
    assert len(stored(way)) == FULL_ROWS + 2
    # From the start of the load on; the last one took no time.
    assert way.rests_s == [pytest.approx(GATHER_S - 0.005), pytest.approx(GATHER_S)]


async def test_load_that_took_long_is_followed_at_once(way: Way) -> None:
    now_s = 100.0
    way.monotonic_s = lambda: now_s

    def take_long() -> None:
        nonlocal now_s
        now_s += 2 * GATHER_S

    way.on_load = take_long
    partition = Partition(record(values(1.0)))
    async with way.carrying(partition):
        await until(lambda: partition.n_committed == 1)
    assert way.rests_s == []
