"""Little room on the disk: warned of, then refused, then taken again; the reserve gives way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from tests.pipeline.ways import Way, open_way, panel, raw
from wattscope.compute.disk_space import MB, SpaceState
from wattscope.core.errors import StorageFullError
from wattscope.core.time_grid import US_PER_S
from wattscope.pipeline import alarms, ingest
from wattscope.pipeline.ingest import Ingest
from wattscope.pipeline.space import DiskRoom, SpaceReport, SpaceWatch, measure_room
from wattscope.ports import RawMessage

TOTAL = 1000 * MB
OK, WARNING, REFUSING = SpaceState.OK, SpaceState.WARNING, SpaceState.REFUSING


class Disk:
    """A disk of 1 GB (warns at 100 MB, refuses at 50) and a clock, both as the test says."""

    def __init__(self, folder: Path, free_mb: float = 500) -> None:
        self.free_mb = free_mb
        self.now_s = 0.0
        self.n_looks = 0
        self.told: list[SpaceState] = []
        self.reserve = folder / "reserve"

    def measure(self) -> DiskRoom:
        self.n_looks += 1
        return DiskRoom(TOTAL, int(self.free_mb * MB))

    def watch(self, **marks: int) -> SpaceWatch:
        return SpaceWatch(
            self.reserve,
            measure=self.measure,
            monotonic_s=lambda: self.now_s,
            on_change=lambda report: self.told.append(report.state),
            **marks,
        )

    def become(self, free_mb: float, *, after_s: float = 1.0) -> None:
        self.free_mb = free_mb
        self.now_s += after_s


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_disk_is_looked_at_once_a_second_however_often_it_is_asked(disk: Disk) -> None:
    watch = disk.watch()
    n_before = disk.n_looks
    for _ in range(1000):
        watch.demand()
        disk.now_s += 0.003
    assert disk.n_looks - n_before == 2


def test_alarm_comes_before_refusal_and_both_end_by_themselves(disk: Disk) -> None:
    watch = disk.watch()
    seen = []
    for free_mb in (500, 101, 99, 60, 49, 54, 56, 105, 111):
        disk.become(free_mb)
        seen.append(watch.look().state)
    assert seen == [OK, OK, WARNING, WARNING, REFUSING, REFUSING, WARNING, WARNING, OK]
    assert disk.told == [WARNING, REFUSING, WARNING, OK]


def test_refusal_says_what_to_do(disk: Disk) -> None:
    watch = disk.watch()
    disk.become(42)
    with pytest.raises(StorageFullError, match=r"42 MB are free.*min_free_mb is 50.*free some"):
        watch.demand()
    disk.become(500)
    watch.demand()


def test_disk_that_is_nearly_full_at_the_start_is_said(disk: Disk) -> None:
    disk.free_mb = 10
    assert disk.watch().look().state is REFUSING
    assert disk.told == [REFUSING]


def test_marks_can_be_set(disk: Disk) -> None:
    watch = disk.watch(warn_free=700 * MB, min_free=600 * MB)
    assert watch.look().state is REFUSING
    assert disk.watch(warn_free=0, min_free=0).look().state is OK


def test_reserve_takes_its_room_and_gives_way_when_there_is_none(disk: Disk) -> None:
    watch = disk.watch()
    assert disk.reserve.stat().st_size == 32 * MB
    assert disk.reserve.stat().st_blocks * 512 >= 32 * MB
    disk.become(40)
    assert watch.look().has_reserve
    disk.become(31)
    assert not watch.look().has_reserve
    assert not disk.reserve.exists()
    disk.become(225)
    assert not watch.look().has_reserve
    disk.become(500)
    assert watch.look().has_reserve
    watch.close()
    assert not disk.reserve.exists()


def test_write_that_finds_no_room_frees_the_reserve_at_once(disk: Disk) -> None:
    watch = disk.watch()
    watch.give_way()
    assert not disk.reserve.exists()
    # A quota does not show as missing room: the reserve must not come and go with each write.
    disk.become(500, after_s=30)
    assert not watch.look().has_reserve
    disk.become(500, after_s=31)
    assert watch.look().has_reserve


def test_disk_without_room_for_the_reserve_has_none(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", refuse, raising=False)
    assert not disk.watch().look().has_reserve
    assert not disk.reserve.exists()


def test_room_is_that_of_the_disk(tmp_path: Path) -> None:
    found = measure_room(tmp_path)
    assert 0 < found.free <= found.total


# ── on the way of a reading ──────────────────────────────────────────────────────────────────


class RecordingSource:
    """Gives groups one after the other, and notes which were acknowledged and when."""

    def __init__(self, groups: Sequence[Sequence[RawMessage]]) -> None:
        self.name = "mqtt"
        self.n_given = 0
        self.acknowledged: list[RawMessage] = []
        self._groups = groups

    async def receive(self) -> AsyncIterator[Sequence[RawMessage]]:
        for group in self._groups:
            self.n_given += 1
            yield group

    async def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        self.acknowledged += messages

    async def close(self) -> None:
        pass


GROUPS = [
    [panel(ago_us=2 * US_PER_S), raw("sensors/p1/readings", "{")],
    [panel(ago_us=US_PER_S)],
    [panel()],
]


def refuse_then_resume(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: Callable[[Way, RecordingSource], None],
    **marks: int,
) -> SpaceReport:
    """Run a source on a full disk that gets room after three tries; ``check`` sees it before."""
    monkeypatch.setattr(ingest, "_RETRY_S", 0.01)
    disk = Disk(folder, free_mb=10)
    watch = disk.watch(**marks)
    with open_way(folder / "data", space=watch) as way:
        source = RecordingSource(GROUPS)

        async def run() -> None:
            task = asyncio.create_task(Ingest(way.intake, way.persist).run(source))
            for _ in range(3):
                disk.become(10)
                await asyncio.sleep(0.1)
            check(way, source)
            way.assert_counters_add_up(held=way.tally.quarantined)
            disk.become(500)
            await asyncio.wait_for(task, 10)

        asyncio.run(run())
        assert len(source.acknowledged) == 4
        assert len(way.stored()) == 12
        assert way.codes() == ["json_syntax"]
        assert way.tally.refused == 4
        assert way.tally.received == 4 + 12 + 1
        way.assert_counters_add_up()
    return watch.look()


def is_refusing(way: Way, source: RecordingSource) -> None:
    assert source.acknowledged == []
    assert source.n_given == 1
    assert way.log.end_offset == 0
    assert way.tally.refused == 4
    # Reads go on.
    assert way.stored() == []


def test_nothing_is_acknowledged_below_the_mark_and_everything_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refuse_then_resume(tmp_path, monkeypatch, is_refusing).state is OK


def test_watermark_that_is_off_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of the check: with a mark of 0 the disk is filled to its end."""
    with pytest.raises(AssertionError):
        refuse_then_resume(tmp_path, monkeypatch, is_refusing, warn_free=0, min_free=0)


def test_what_is_refused_at_the_door_is_counted(tmp_path: Path) -> None:
    disk = Disk(tmp_path, free_mb=10)
    with open_way(tmp_path / "data", space=disk.watch()) as way:
        with pytest.raises(StorageFullError):
            way.take(panel())
        assert (way.tally.received, way.tally.refused) == (4, 4)
        way.assert_counters_add_up()
        disk.become(500)
        way.take(panel())
        assert (way.tally.received, way.tally.stored) == (8, 4)
        way.assert_counters_add_up()


def test_log_without_room_makes_the_reserve_give_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path)
    with open_way(tmp_path / "data", space=disk.watch()) as way:

        def refuse(*_: object) -> None:
            raise StorageFullError("no room")

        with monkeypatch.context() as patch:
            patch.setattr(way.log, "append", refuse)
            with pytest.raises(StorageFullError):
                way.take(panel())
        assert not disk.reserve.exists()
        way.assert_counters_add_up()


def test_store_that_refuses_is_tried_again_over_the_same_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registry and shelf write to the same disk: when they refuse, the source is not let go."""
    monkeypatch.setattr(ingest, "_RETRY_S", 0.01)
    with open_way(tmp_path / "data") as way:
        real, n_refusals = way.shelf.put, 3

        def refuse_first(*arguments: object) -> None:
            nonlocal n_refusals
            if n_refusals:
                n_refusals -= 1
                raise StorageFullError("database or disk is full")
            real(*arguments)  # type: ignore[arg-type]  # handed on

        monkeypatch.setattr(way.shelf, "put", refuse_first)
        source = RecordingSource(GROUPS)
        asyncio.run(Ingest(way.intake, way.persist).run(source))
        assert len(source.acknowledged) == 4
        assert len(way.stored()) == 12
        assert way.tally.refused == 0
        way.assert_counters_add_up()


def test_each_change_is_said_once(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, str]] = []

    class Listener:
        def __getattr__(self, level: str) -> Callable[..., None]:
            return lambda event, **_fields: said.append((level, event))

    monkeypatch.setattr(alarms, "_log", Listener())
    watch = SpaceWatch(
        disk.reserve,
        measure=disk.measure,
        monotonic_s=lambda: disk.now_s,
        on_change=alarms.announce_space,
    )
    for free_mb in (500, 99, 98, 40, 41, 500, 501):
        disk.become(free_mb)
        watch.look()
    assert said == [
        ("warning", "disk is filling up"),
        ("error", "disk is nearly full"),
        ("info", "disk has room again"),
    ]
