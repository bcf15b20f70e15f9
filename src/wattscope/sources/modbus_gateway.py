"""One gateway with the units behind it: whose turn it is, and what a poll brings.

One request is under way at a time. Units that answer come first, those that do not come last and
get one try; a unit that is given up costs one short probe now and then, and a gateway that is
silent as a whole costs one probe for all its units.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from wattscope.compute.modbus.frames import (
    BUSY_EXCEPTIONS,
    CONFIGURATION_EXCEPTIONS,
    PATH_EXCEPTIONS,
    READ_HOLDING,
    Answer,
    Fault,
    ReadRequest,
    Refusal,
)
from wattscope.compute.modbus.image import Block, write_image
from wattscope.core.fleet import Endpoint, Meter
from wattscope.core.time_grid import US_PER_S
from wattscope.ports import RawMessage
from wattscope.sources.modbus_discovery import plan_discovered
from wattscope.sources.modbus_link import ModbusLink, OpenWire, Timing
from wattscope.sources.modbus_pace import Pace
from wattscope.sources.modbus_unit import FIRST_PROBE_S, Job, Unit, UnitState

TRIES: Final = 3
"""Tries of a request whose unit answered its last poll."""
_BUSY_WAIT_S: Final = 0.1
_MAX_SPLITS: Final = 64
"""Requests of one poll at most that follow from refusals."""
_PROBE_FACTOR, _SHORTEST_PROBE_S = 8.0, 0.1
_LONGEST_WAIT_S: Final = 60.0
_LONGEST_REST_S: Final = 2.0
"""How long a clock that was set back may go unnoticed [s]."""
_FIRST_DOWN_S: Final = 1.0
_REPLAN_SHARE: Final = 0.25
"""How far the worthwhile gap must move before plans are made anew."""
_MAX_MISSED: Final = 100_000

Deliver = Callable[[RawMessage], Awaitable[None]]


class Gateway:
    """An endpoint and its units, polled until cancelled."""

    def __init__(  # what it needs of the world, each by name
        self,
        endpoint: Endpoint,
        *,
        open_wire: OpenWire,
        deliver: Deliver,
        now_us: Callable[[], int],
        draw: Callable[[], float],
        is_tid_ignored: bool = False,
    ) -> None:
        """Touch no network yet.

        Args:
            endpoint: Where the units are.
            open_wire: Connects.
            deliver: Takes what a poll brought; waits while there is no room.
            now_us: The clock [µs since 1970].
            draw: Numbers in [0, 1), for the jitter of probes.
            is_tid_ignored: See ``ModbusLink``.
        """
        self.endpoint = endpoint
        self.units: dict[str, Unit] = {}
        """By device id."""
        self.pace = Pace()
        self.link = ModbusLink(
            endpoint, open_wire, is_tid_ignored=is_tid_ignored, on_timing=self._note_timing
        )
        self._deliver = deliver
        self._now_us = now_us
        self._draw = draw
        self._wake = asyncio.Event()
        self._down_s = 0.0
        """Length of the newest pause while the gateway as a whole is silent; 0: it is not."""
        self._down_until_us = 0
        self._silent_units: set[str] = set()
        """Units that were silent since any byte came."""
        self._planned_gap = self.pace.max_gap

    def put_unit(self, meter: Meter, jobs: list[Job]) -> None:
        """Add a unit, or change one: what is known of it begins anew."""
        self.units[meter.device.id] = Unit(meter, jobs)
        self._down_s, self._down_until_us = 0.0, 0
        self._wake.set()

    def drop_unit(self, device: str) -> None:
        """Poll a unit no more."""
        self.units.pop(device, None)
        self._silent_units.discard(device)

    async def run(self) -> None:
        """Poll until cancelled; the connection is closed then."""
        try:
            while True:
                self._wake.clear()
                for unit in self._take_due():
                    # The fleet may have changed since the round began.
                    if self.units.get(unit.meter.device.id) is unit:
                        await self._serve(unit)
                await self._rest()
        finally:
            self.link.close()

    def _take_due(self) -> list[Unit]:
        """Units with something to do: those that answer first, then by how long they wait."""
        now_us = self._now_us()
        self._follow_clock(now_us)
        due = [unit for unit in self.units.values() if unit.next_us <= now_us]
        return sorted(due, key=lambda u: (u.state is not UnitState.ONLINE, u.is_suspect, u.next_us))

    def _follow_clock(self, now_us: int) -> None:
        """Wait for no instant that lies further ahead than it can: the clock was set back."""
        longest_us = round(_LONGEST_WAIT_S * US_PER_S)
        self._down_until_us = min(self._down_until_us, now_us + longest_us)
        for unit in self.units.values():
            unit.probe_at_us = min(unit.probe_at_us, now_us + longest_us)
            for job in unit.jobs:
                if job.due_us > now_us:
                    job.due_us = min(job.due_us, job.schedule.next_after(now_us))

    async def _rest(self) -> None:
        """Sleep until something is due, or the units change."""
        now_us = self._now_us()
        next_us = min((unit.next_us for unit in self.units.values()), default=now_us + 2**40)
        wait_s = min(max((next_us - now_us) / US_PER_S, 0.0), _LONGEST_REST_S)
        if wait_s <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _serve(self, unit: Unit) -> None:
        now_us = self._now_us()
        if unit.state in {UnitState.OFFLINE, UnitState.REFUSED}:
            _pass_by(unit, now_us)
            if self._is_down(now_us):
                unit.probe_at_us = self._down_until_us
            elif unit.state is UnitState.REFUSED or await self._probe(unit):
                for job in unit.jobs:
                    await self._poll(unit, job)
            return
        for job in unit.jobs:
            if job.due_us > now_us:
                continue
            if self._is_down(now_us):
                unit.note_silence(
                    Refusal(Fault.UNREACHABLE, "the gateway is silent"), now_us, self._draw()
                )
            else:
                await self._poll(unit, job)
            self._schedule(unit, job)

    def _is_down(self, now_us: int) -> bool:
        return now_us < self._down_until_us

    def _schedule(self, unit: Unit, job: Job) -> None:
        """The next instant of a poll group that is still to come; those that passed are counted."""
        now_us = self._now_us()
        job.due_us = job.schedule.next_after(job.due_us)
        unit.counts.skipped += _count_missed(job, now_us)
        if unit.state is UnitState.STARTING and unit.is_suspect:
            # Nobody wants to wait for the next cron to see a meter that was switched on just now.
            soon_us = max(now_us + round(FIRST_PROBE_S * US_PER_S), self._down_until_us)
            job.due_us = min(job.due_us, soon_us)

    async def _probe(self, unit: Unit) -> bool:
        """Ask an offline unit for a little, with a short deadline; whether it answers again."""
        request = self._find_probe(unit)
        if request is None:
            return True
        answer = await self.link.exchange(request, self._short_timeout_s(unit))
        if isinstance(answer, bytes) or _is_answer(answer):
            self._hear()
            return True
        self._note_failure(unit, answer)
        return False

    def _short_timeout_s(self, unit: Unit) -> float:
        """A deadline for units that may be dead: well beyond what replies here usually take."""
        typical_s = self.pace.typical_s
        if typical_s is None:
            return unit.meter.timeout_s
        return min(unit.meter.timeout_s, max(_SHORTEST_PROBE_S, _PROBE_FACTOR * typical_s))

    def _find_probe(self, unit: Unit) -> ReadRequest | None:
        """The first request of a unit's polls; None where it has none."""
        if unit.meter.map.is_sunspec:
            return ReadRequest(unit.meter.unit, READ_HOLDING, 40_000, 2)
        plans = (unit.plan(job, self._planned_gap) for job in unit.jobs)
        return next((request for plan in plans for request in plan), None)

    async def _poll(self, unit: Unit, job: Job) -> None:
        """Read a poll group, and hand over what came."""
        blocks: list[Block] = []
        planned = await self._plan(unit, job)
        if planned is None:
            return
        waiting = deque(planned)
        n_splits, lost = 0, None
        while waiting:
            request = waiting.popleft()
            answer = await self._read(unit, request)
            if isinstance(answer, bytes):
                blocks.append(Block(request.function, request.address, answer))
            elif answer.code in CONFIGURATION_EXCEPTIONS and n_splits < _MAX_SPLITS:
                n_splits += 1
                smaller = unit.learn_refusal(request, job, self._planned_gap, self._now_us())
                waiting.extendleft(reversed(smaller))
            elif not _is_answer(answer):
                # What was read so far is true; more tries would only keep the neighbours waiting.
                lost = answer
                break
        now_us = self._now_us()
        if blocks:
            image = write_image(blocks)
            unit.note_image(image, now_us)
            if not n_splits and lost is None:
                unit.note_calm()
            await self._deliver(RawMessage(unit.meter.topic, image, now_us))
        if lost is not None:
            self._note_failure(unit, lost)
        elif not blocks:
            unit.note_nothing("", now_us, self._draw())

    async def _plan(self, unit: Unit, job: Job) -> tuple[ReadRequest, ...] | None:
        """The read plan of a poll group; None where the unit would not tell what it has."""
        if not unit.meter.map.is_sunspec:
            return unit.plan(job, self._planned_gap)
        if job.requests is None:

            async def ask(request: ReadRequest) -> Answer:
                return await self._read(unit, request)

            number, max_block = unit.meter.unit, unit.meter.map.max_block
            found = await plan_discovered(ask, number, max_block)
            if isinstance(found, Refusal):
                self._note_failure(unit, found)
                return None
            if isinstance(found, str):
                unit.note_nothing(found, self._now_us(), self._draw())
                return None
            job.requests = found
        return job.requests

    async def _read(self, unit: Unit, request: ReadRequest) -> Answer:
        """One request, tried again where that may help."""
        n_tries = 1 if unit.is_suspect or unit.state is not UnitState.ONLINE else TRIES
        answer: Answer = Refusal(Fault.TIMEOUT)
        for attempt in range(TRIES):
            # Once it was silent, more waiting than usual would only keep its neighbours waiting.
            is_patient = attempt == 0 and not unit.is_suspect
            timeout_s = unit.meter.timeout_s if is_patient else self._short_timeout_s(unit)
            answer = await self.link.exchange(request, timeout_s)
            if isinstance(answer, bytes):
                self._hear()
                return answer
            unit.note_fault(answer)
            if answer.fault is Fault.EXCEPTION:
                self._hear()
                if answer.code not in BUSY_EXCEPTIONS:
                    return answer
                await asyncio.sleep(_BUSY_WAIT_S * (attempt + 1))
            elif attempt + 1 >= n_tries or answer.fault is Fault.UNREACHABLE:
                return answer
        return answer

    def _hear(self) -> None:
        """A reply came: the gateway is there."""
        self._silent_units.clear()
        self._down_s = 0.0
        self._down_until_us = 0

    def _note_failure(self, unit: Unit, why: Refusal) -> None:
        now_us = self._now_us()
        unit.note_silence(why, now_us, self._draw())
        self._silent_units.add(unit.meter.device.id)
        is_all_silent = len(self._silent_units) >= len(self.units) > 1
        if why.fault is Fault.UNREACHABLE or is_all_silent:
            self._down_s = min(2 * self._down_s or _FIRST_DOWN_S, _LONGEST_WAIT_S)
            pause_s = self._down_s * (0.75 + 0.25 * self._draw())
            self._down_until_us = now_us + round(pause_s * US_PER_S)

    def _note_timing(self, timing: Timing) -> None:
        self.pace.note(timing)
        gap = self.pace.max_gap
        if abs(gap - self._planned_gap) > max(1.0, _REPLAN_SHARE * self._planned_gap):
            self._planned_gap = gap
            for unit in self.units.values():
                unit.forget_plans()


def _is_answer(refusal: Refusal) -> bool:
    """Whether the unit itself said no, as opposed to saying nothing."""
    return refusal.fault is Fault.EXCEPTION and refusal.code not in PATH_EXCEPTIONS


def _pass_by(unit: Unit, now_us: int) -> None:
    """Let the instants pass that an offline unit is not polled at."""
    for job in unit.jobs:
        if job.due_us <= now_us:
            job.due_us = job.schedule.next_after(now_us)


def _count_missed(job: Job, now_us: int) -> int:
    """Move on to the first instant that has not passed; how many did."""
    n_missed = 0
    interval_us = job.schedule.interval_us
    if interval_us is not None and job.due_us <= now_us:
        n_missed = (now_us - job.due_us) // interval_us + 1
        job.due_us += n_missed * interval_us
        return n_missed
    while job.due_us <= now_us and n_missed < _MAX_MISSED:
        job.due_us = job.schedule.next_after(job.due_us)
        n_missed += 1
    return n_missed
