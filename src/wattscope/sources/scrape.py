"""Exporters of Prometheus as a source: every page is read when it is due.

It promises that all values of a page bear one instant, that of its reading, or the time that the
page tells; that a page which cannot be read is a gap and keeps no other page waiting; and that what
no profile knows is left out and counted. It cannot promise that a value is read at all: what an
exporter showed while it was not asked is gone.

Labels ``job`` (the name of the source) and ``instance`` (host and port) are put to every sample;
what the page itself calls so becomes ``exported_job`` and ``exported_instance``, as Prometheus has
it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from wattscope.compute.poll_schedule import Schedule
from wattscope.compute.sample_routing import make_page_topic, make_topic, write_refused_page
from wattscope.compute.samples.sample_line import (
    NAME_LABEL,
    Labels,
    write_head,
    write_line,
    write_value,
)
from wattscope.compute.samples.text_page import PageSample
from wattscope.core.errors import BadBodyError
from wattscope.core.time_grid import US_PER_S
from wattscope.ports import RawMessage
from wattscope.sources.link_state import LinkState
from wattscope.sources.page_getter import Page
from wattscope.sources.scrape_target import Faults, GetPage, ScrapeTarget
from wattscope.sources.scraped_page import read_page

_MAX_GROUP: Final = 2000
_MAX_WAITING: Final = 50_000
"""Samples that wait to be taken before pages wait; these are then late, and left out."""
_SHARED_S: Final = 1.0
"""How often a page that another process reads is looked at again [s]."""


@dataclass(frozen=True, slots=True)
class ScrapeOptions:
    """What is read, and when."""

    urls: tuple[str, ...]
    schedule: Schedule
    honor_timestamps: bool = True
    """Whether the times that a page tells count."""


class ScrapeSource:
    """The source port over pages of exporters."""

    kind = "scrape"

    def __init__(  # noqa: PLR0913  # what it needs of the world, each by name
        self,
        name: str,
        options: ScrapeOptions,
        get_page: GetPage,
        *,
        knows: Callable[[str], bool],
        leave_out: Callable[[int], None],
        now_us: Callable[[], int],
        holds: Callable[[str], bool] = lambda _: True,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Touch no network yet.

        Args:
            name: Name of the source; the label ``job`` of its samples.
            options: Checked already.
            get_page: Gets a page in a format; see ``PageGetter.get``.
            knows: Whether samples of a metric may mean anything.
            leave_out: Told how many samples were left out.
            now_us: The clock [µs since 1970].
            holds: Whether an address is read by this process.
            draw: Numbers in [0, 1): pages of one interval are not asked for all at once.
        """
        self.name = name
        self.options = options
        self.targets = tuple(ScrapeTarget(url) for url in options.urls)
        self._get_page, self._knows, self._leave_out = get_page, knows, leave_out
        self._now_us, self._holds, self._draw = now_us, holds, draw
        self._waiting: list[RawMessage] = []
        self._has_some = asyncio.Event()
        self._has_room = asyncio.Event()
        self._is_running = False

    @property
    def address(self) -> str:
        """Words for a screen."""
        shown = ", ".join(target.instance for target in self.targets[:3])
        n_more = len(self.targets) - 3
        return f"{shown} and {n_more} more" if n_more > 0 else shown

    @property
    def state(self) -> LinkState:
        """Connected while any page can be read, or none was asked for."""
        if not self._is_running:
            return LinkState.STOPPED
        asked = self._list_asked()
        is_up = not asked or any(not target.fault for target in asked)
        return LinkState.CONNECTED if is_up else LinkState.CONNECTING

    @property
    def detail(self) -> str:
        """Which pages cannot be read, and why; empty while all can."""
        asked = self._list_asked()
        away = [target for target in asked if target.fault]
        if not away:
            return ""
        told = "; ".join(f"{target.instance}: {target.fault}" for target in away[:3])
        return f"{len(away)} of {len(asked)} exporters are not read: {told}"

    def _list_asked(self) -> list[ScrapeTarget]:
        return [one for one in self.targets if one.is_asked and self._holds(one.url)]

    async def receive(self) -> AsyncIterator[Sequence[RawMessage]]:
        """Groups of samples as pages come, until ``close``.

        Raises:
            ExceptionGroup: A task of a page failed, which is a fault of this program.
        """
        self._is_running = True
        self._has_room.set()
        tasks = [asyncio.create_task(self._follow(target)) for target in self.targets]
        try:
            while self._is_running:
                waiting = asyncio.ensure_future(self._has_some.wait())
                await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                for task in tasks:
                    if task.done() and not task.cancelled():
                        task.result()
                self._has_some.clear()
                while self._waiting:
                    group, self._waiting = self._waiting[:_MAX_GROUP], self._waiting[_MAX_GROUP:]
                    if len(self._waiting) < _MAX_WAITING:
                        self._has_room.set()
                    yield group
        finally:
            self._is_running = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        """Nothing to do: an exporter keeps no readings that it could be told to forget."""

    async def close(self) -> None:
        """End all reading; ``receive`` ends."""
        self._is_running = False
        self._has_some.set()

    async def _follow(self, target: ScrapeTarget) -> None:
        """Read a page at once, and then whenever it is due, for ever."""
        while True:
            if self._holds(target.url):
                await self.read(target)
                await self._sleep_until_due()
            else:
                await asyncio.sleep(_SHARED_S)

    async def _sleep_until_due(self) -> None:
        now_us = self._now_us()
        schedule = self.options.schedule
        wait_us = schedule.next_after(now_us) - now_us
        spread_us = 0.0 if schedule.interval_us is None else 0.1 * schedule.interval_us
        await asyncio.sleep((wait_us + self._draw() * spread_us) / US_PER_S)

    async def read(self, target: ScrapeTarget) -> None:
        """Read a page once; what cannot be read is told, and never raised."""
        begun_us = self._now_us()
        page: Page | None = None
        try:
            page = await self._get_page(target.url, target.accept)
            # A large page takes its time; others have their turn meanwhile.
            samples = await asyncio.to_thread(read_page, page.body, page.content_type)
        except Faults as fault:
            is_new = target.note_fault(fault, page)
            if is_new and page is not None and isinstance(fault, BadBodyError):
                # Of a page that stays as it is, one is kept.
                kept = write_refused_page(target.fault, page.body)
                message = RawMessage(make_page_topic(target.instance), kept, begun_us)
                await self._deliver([message])
            return
        target.note_page(len(samples))
        messages = [
            self._make_message(one, target.instance, begun_us)
            for one in samples
            if self._knows(one.labels[NAME_LABEL])
        ]
        self._leave_out(len(samples) - len(messages))
        await self._deliver(messages)

    def _make_message(self, sample: PageSample, instance: str, begun_us: int) -> RawMessage:
        labels = _label(sample.labels, self.name, instance)
        time_ms = sample.time_ms if self.options.honor_timestamps else None
        line = write_line(
            write_head(labels.items()),
            write_value(sample.value),
            begun_us // 1000 if time_ms is None else time_ms,
        )
        return RawMessage(make_topic(labels[NAME_LABEL]), line, begun_us)

    async def _deliver(self, messages: Sequence[RawMessage]) -> None:
        while len(self._waiting) >= _MAX_WAITING:
            self._has_room.clear()
            await self._has_room.wait()
        self._waiting += messages
        self._has_some.set()


def _label(labels: Labels, job: str, instance: str) -> Labels:
    """The labels of a sample with those of its target; what is called like these moves aside."""
    own = {"job": job, "instance": instance}
    moved = {f"exported_{name}" if name in own else name: labels[name] for name in labels}
    return moved | own
