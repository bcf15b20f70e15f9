"""Has detectors look at the devices, regularly and over the past."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from wattscope.core.errors import StorageError
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from wattscope.core.window import View, Window
from wattscope.pipeline.windows import NATIVE, Group, WindowReader
from wattscope.ports import Detector

_log = structlog.get_logger()
_TICK_S = 1.0
ARCHIVE_US = 7 * US_PER_DAY
"""Devices that have been silent for longer are an archive: what is wrong is looked for where their
readings end, and that there are no newer ones is no news."""
FAST_SPAN_US = 3 * US_PER_HOUR
"""How far back a look at single minutes reaches [µs]."""
_COARSE, _COARSE_EVERY_S = "15m", 900.0
_MOST_OVERLAP_US = 2 * US_PER_DAY
"""A long past is cut into windows that share so much with the one before at most [µs]."""


@dataclass(frozen=True, slots=True)
class Look:
    """Detectors that want to see the same window of the same devices."""

    group: Group
    view: View
    detectors: tuple[Detector, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look has found."""

    look: Look
    window: Window
    findings: tuple[Finding, ...]


class Detection:
    """Looks at windows with detectors."""

    def __init__(self, reader: WindowReader, detectors: Sequence[Detector]) -> None:
        self._reader = reader
        self._detectors = tuple(detectors)
        self.n_looks = 0
        """Looks since the start."""
        self.lasting_s = 0.0
        """How long they took together [s]."""

    def use(self, detectors: Sequence[Detector]) -> None:
        """Look with these from now on."""
        self._detectors = tuple(detectors)

    def list_looks(
        self, devices: Iterable[str] | None = None, *, is_live: bool = True
    ) -> list[Look]:
        """What is to be looked at; None stands for all devices.

        Live looks at minutes reach back a few hours, and have a coarse one beside them.
        """
        looks = []
        for group in self._reader.list_groups(devices):
            by_view: dict[View, list[Detector]] = defaultdict(list)
            for one in self._detectors:
                views = _list_views(one.view, group) if is_live else (one.view,)
                for view in views:
                    by_view[view].append(one)
            looks += [Look(group, view, tuple(members)) for view, members in by_view.items()]
        return looks

    def look(self, look: Look, now_us: int) -> Seen:
        """Look at the newest whole slots."""
        end_us = self._find_end(look, now_us)
        span_us = look.view.span_us
        if self._reader.step_of(look.group, look.view.level) == US_PER_MINUTE:
            # What speaks every second is kept by minutes in memory; older ones are seen coarser.
            span_us = min(span_us, FAST_SPAN_US)
        window = self._reader.read(look.group, look.view.level, end_us - span_us, end_us)
        return Seen(look, window, tuple(_find_all(look, window)))

    def look_back(
        self, look: Look, start_us: int, end_us: int, on_step: Callable[[float], None]
    ) -> list[Finding]:
        """Look at all of a past, piece by piece where it is long.

        Args:
            look: Devices and detectors.
            start_us: First instant [µs].
            end_us: End [µs].
            on_step: Told the share that is done, 0 to 1.
        """
        found: dict[tuple[str, str, int, str], Finding] = {}
        overlap_us = min(look.view.span_us, _MOST_OVERLAP_US)
        pieces = self._reader.pieces(look.group, look.view.level, start_us, end_us, overlap_us)
        for number, (low, high) in enumerate(pieces, start=1):
            window = self._reader.read(look.group, look.view.level, low, high)
            for one in _find_all(look, window):
                # Where two pieces overlap, the same is found twice.
                found.setdefault((one.kind, one.device, one.start_us, one.quantity), one)
            on_step(number / len(pieces))
        return sorted(found.values(), key=lambda one: (one.device, one.start_us, one.kind))

    async def run(
        self,
        now_us: Callable[[], int],
        monotonic_s: Callable[[], float],
        take: Callable[[Seen], None],
    ) -> None:
        """Look again and again, for ever.

        Args:
            now_us: The clock [µs].
            monotonic_s: The steady clock [s].
            take: Gets what each look has found, beside the event loop.
        """
        due: dict[tuple[str, int, View], float] = {}
        while True:
            began_s = monotonic_s()
            looks = await asyncio.to_thread(self.list_looks)
            for look in looks:
                key = (look.group.name, look.group.step_us, look.view)
                if due.get(key, 0.0) > began_s:
                    continue
                due[key] = began_s + look.view.every_s
                await asyncio.to_thread(self._look_and_take, look, now_us(), monotonic_s, take)
            await asyncio.sleep(self._wait_s(due, looks, monotonic_s()))

    def _look_and_take(
        self,
        look: Look,
        now_us: int,
        monotonic_s: Callable[[], float],
        take: Callable[[Seen], None],
    ) -> None:
        began_s = monotonic_s()
        try:
            take(self.look(look, now_us))
        except StorageError as fault:
            # The next look may be luckier, and the other devices must not wait for it.
            _log.error("look failed", devices=look.group.name, reason=str(fault))
        self.n_looks += 1
        self.lasting_s += monotonic_s() - began_s

    @staticmethod
    def _wait_s(
        due: dict[tuple[str, int, View], float], looks: Sequence[Look], at_s: float
    ) -> float:
        """Until the next look, but new devices are noticed within a minute."""
        next_s = min(due.values(), default=at_s + 60.0) if looks else at_s + 10.0
        return min(60.0, max(_TICK_S, next_s - at_s))

    def _find_end(self, look: Look, now_us: int) -> int:
        """The end of the newest whole slot [µs]."""
        newest_us = self._reader.newest_us(look.group)
        end_us = now_us
        if newest_us is not None and now_us - newest_us > ARCHIVE_US:
            end_us = newest_us + look.group.step_us
        step_us = self._reader.step_of(look.group, look.view.level)
        return end_us // step_us * step_us


def _list_views(view: View, group: Group) -> tuple[View, ...]:
    """The view of a detector; of what speaks every second also a coarse one.

    Minutes reach back a few hours only. What began before is seen by quarters of an hour.
    """
    if view.level != NATIVE or group.step_us > US_PER_MINUTE or view.span_us <= FAST_SPAN_US:
        return (view,)
    return view, View(_COARSE, view.span_us, max(view.every_s, _COARSE_EVERY_S))


def _find_all(look: Look, window: Window) -> Iterator[Finding]:
    for detector in look.detectors:
        yield from detector.find(window)
