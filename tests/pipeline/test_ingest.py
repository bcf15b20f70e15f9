"""Acknowledged means durable: in this order, whatever the disk does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from tests.pipeline.ways import Way, demand, open_way, panel, raw
from wattscope.core.errors import TransientError
from wattscope.core.time_grid import US_PER_S
from wattscope.logs.segment_log import SegmentLog, leave_to_kernel
from wattscope.pipeline import ingest
from wattscope.pipeline.ingest import Ingest
from wattscope.ports import RawMessage


class RecordingSource:
    """Gives groups one after the other, and notes what it is told."""

    def __init__(self, steps: list[str], groups: Sequence[Sequence[RawMessage]]) -> None:
        self.name = "mqtt"
        self.acknowledged: list[RawMessage] = []
        self._steps = steps
        self._groups = groups

    async def receive(self) -> AsyncIterator[Sequence[RawMessage]]:
        for group in self._groups:
            self._steps.append("receive")
            yield group

    async def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        self._steps.append("acknowledge")
        self.acknowledged += messages

    async def close(self) -> None:
        pass


class RefusingDisk:
    """An fsync that fails as often as it was told."""

    def __init__(self, steps: list[str], n_refusals: int) -> None:
        self._steps = steps
        self._n_refusals = n_refusals

    def __call__(self, fd: int) -> None:
        if self._n_refusals > 0:
            self._n_refusals -= 1
            self._steps.append("refuse")
            raise OSError(28, "No space left on device")
        leave_to_kernel(fd)
        self._steps.append("fsync")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_RETRY_S", 0.0)


Build = Callable[[Way], Ingest]


def run(
    folder: Path,
    groups: Sequence[Sequence[RawMessage]],
    *,
    n_refusals: int = 0,
    build: Build | None = None,
    check: Callable[[Way, RecordingSource], None] | None = None,
) -> list[str]:
    """What happened, in order: receive, refuse, fsync, acknowledge, visible."""
    steps: list[str] = []
    folder.mkdir(exist_ok=True)
    log = SegmentLog(folder / "log", sync=RefusingDisk(steps, n_refusals))
    with open_way(folder, log=log) as way:
        write = way.store.write

        def visible(record: object) -> object:
            steps.append("visible")
            return write(record)  # type: ignore[arg-type]  # what the store is given

        way.store.write = visible  # type: ignore[method-assign, assignment]  # to note the moment
        source = RecordingSource(steps, groups)
        stage = build(way) if build is not None else Ingest(way.intake, way.persist)
        asyncio.run(stage.run(source))
        if check is not None:
            check(way, source)
    return steps


def assert_durable_before_acknowledged(steps: Sequence[str]) -> None:
    """Each acknowledgement has an fsync of its own group behind it."""
    is_durable = False
    for step in steps:
        if step == "receive":
            is_durable = False
        elif step == "fsync":
            is_durable = True
        elif step == "acknowledge":
            assert is_durable, steps


GROUPS = [[panel(ago_us=n * US_PER_S)] for n in (2, 1, 0)]


def test_group_is_durable_then_acknowledged_then_visible(tmp_path: Path) -> None:
    steps = run(tmp_path, GROUPS)
    assert steps == ["receive", "fsync", "acknowledge", "visible"] * 3


class HastyIngest(Ingest):
    """The mutation: tells the sender first."""

    async def run(self, source: RecordingSource) -> None:  # type: ignore[override]  # our fake
        async for messages in source.receive():
            await source.acknowledge(messages)
            await self._commit(self._intake.take_in(messages))
            await self._persist.drain_soon()


def test_acknowledging_first_is_noticed(tmp_path: Path) -> None:
    """A check of the check: the order asserted above can fail."""
    assert_durable_before_acknowledged(run(tmp_path / "sound", GROUPS))
    hasty = run(tmp_path / "hasty", GROUPS, build=lambda way: HastyIngest(way.intake, way.persist))
    with pytest.raises(AssertionError):
        assert_durable_before_acknowledged(hasty)


def test_nothing_is_acknowledged_while_the_disk_refuses(tmp_path: Path) -> None:
    def check(way: Way, source: RecordingSource) -> None:
        assert len(source.acknowledged) == 3
        assert len(way.stored()) == 12
        way.assert_counters_add_up()

    steps = run(tmp_path, GROUPS, n_refusals=2, check=check)
    assert steps[:5] == ["receive", "refuse", "refuse", "fsync", "acknowledge"]
    assert_durable_before_acknowledged(steps)


def test_no_further_group_is_received_while_the_disk_refuses(tmp_path: Path) -> None:
    """That is the back-pressure: the source keeps at most what its own bound allows."""
    steps = run(tmp_path, GROUPS, n_refusals=2)
    between = steps[: steps.index("acknowledge")]
    assert between.count("receive") == 1


def test_what_is_set_aside_is_durable_before_it_is_acknowledged(tmp_path: Path) -> None:
    def check(way: Way, source: RecordingSource) -> None:
        assert way.codes() == ["json_syntax"]
        assert len(source.acknowledged) == 1

    steps = run(tmp_path, [[raw("sensors/p1/readings", "{")]], check=check)
    assert_durable_before_acknowledged(steps)


def test_group_of_which_nothing_is_kept_is_acknowledged_without_a_record(tmp_path: Path) -> None:
    ignored = demand("5", is_retained=True)

    def check(way: Way, source: RecordingSource) -> None:
        assert source.acknowledged == [ignored]
        assert way.log.end_offset == 0
        assert way.tally.ignored == 1

    assert run(tmp_path, [[ignored]], check=check) == ["receive", "acknowledge"]


def test_error_that_is_no_refusal_acknowledges_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(SegmentLog, "append", fail)
    steps: list[str] = []
    with open_way(tmp_path / "data") as way:
        source = RecordingSource(steps, [[demand("500", mid=7)]])
        with pytest.raises(RuntimeError):
            asyncio.run(Ingest(way.intake, way.persist).run(source))
        assert source.acknowledged == []
        # The broker sends it once more, and now it must be taken.
        again = way.intake.take_in([demand("500", mid=7, is_redelivered=True)])
        assert len(again.batch) == 1


def test_message_is_known_again_after_its_group_was_committed(tmp_path: Path) -> None:
    def check(way: Way, source: RecordingSource) -> None:
        assert [value for *_, value, _ in way.stored()] == [500.0]
        assert len(source.acknowledged) == 2
        assert way.tally.duplicate == 1

    twice = [[demand("500", mid=7)], [demand("500", mid=7, is_redelivered=True)]]
    run(tmp_path, twice, check=check)


def test_refusal_of_the_log_is_one_to_try_again(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path / "log", sync=RefusingDisk([], 1))
    with (
        open_way(tmp_path / "data", log=log) as way,
        pytest.raises(TransientError, match="nothing was acknowledged"),
    ):
        way.take(panel())


def test_two_sources_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each has its own intake; log and store get one order."""

    async def both(way: Way) -> None:
        sources = [
            RecordingSource([], [[panel(f"{name}{n}", ago_us=n * US_PER_S)] for n in range(30)])
            for name in "ab"
        ]
        stages = [Ingest(way.intake, way.persist) for _ in sources]
        async with asyncio.TaskGroup() as group:
            for stage, source in zip(stages, sources, strict=True):
                group.create_task(stage.run(source))

    with open_way(tmp_path / "data") as way:
        asyncio.run(both(way))
        assert len({device for device, *_ in way.stored()}) == 60
        assert way.store.written_offset == way.log.end_offset
        way.assert_counters_add_up()
