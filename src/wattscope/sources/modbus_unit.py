"""What is known of one unit behind a gateway: its state, its read plan, and its breaker.

::

            good poll             3 polls in a row without an answer
  starting ───────────▶ online ──────────────────────────────────────▶ offline
                          ▲                                               │ a probe after
                          └─────────── the probe is answered ─────────────┘ 1, 2, 4 ... 60 s
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from wattscope.compute.modbus.blocks import Refusals, plan_blocks
from wattscope.compute.modbus.frames import Fault, ReadRequest, Refusal
from wattscope.compute.poll_schedule import Schedule
from wattscope.core.fleet import Meter
from wattscope.core.registers import Register

POLLS_TO_OFFLINE: Final = 3
"""Polls without an answer after which a unit counts as offline."""
FIRST_PROBE_S: Final = 1.0
LONGEST_PROBE_S: Final = 60.0
ABSENT_US: Final = 3600 * 1_000_000
"""How long a value is believed to be absent before it is asked for again [µs]."""
STRIKES: Final = 3
"""Polls in a row that refuse a value alone before the device is believed not to have it."""
FIRST_PATIENCE: Final = 10
LONGEST_PATIENCE: Final = 10_000
"""Polls without a refusal after which blocks that were cut are tried as a whole again."""
POLLS_TO_SUSPECT: Final = 10
"""Polls with every register unchanged after which a unit is suspected of telling old values."""


class UnitState(Enum):
    """Where a unit stands."""

    STARTING = "starting"
    """Not answered yet, and not given up."""
    ONLINE = "online"
    OFFLINE = "offline"
    """Did not answer three polls in a row; probed now and then."""
    REFUSED = "refused"
    """Answers, and gives nothing of what is asked; everything is asked anew now and then."""


@dataclass(slots=True)
class Job:
    """One poll group of a unit, and when it is due."""

    schedule: Schedule
    registers: tuple[Register, ...]
    """Empty for a unit that tells its registers itself."""
    due_us: int
    """[µs since 1970]"""
    requests: tuple[ReadRequest, ...] | None = None
    """The read plan; None: to be made."""


@dataclass(slots=True)
class UnitCounts:
    """What became of a unit's polls since the start."""

    polls: int = 0
    """Polls that brought at least one register."""
    failed: int = 0
    skipped: int = 0
    """Instants that passed while an older poll was still under way."""
    faults: Counter[Fault] = field(default_factory=Counter)


class Unit:
    """One meter behind a gateway."""

    def __init__(self, meter: Meter, jobs: list[Job]) -> None:
        self.meter = meter
        self.jobs = jobs
        self.state = UnitState.STARTING
        self.detail = ""
        """Why it is not online, or what is odd about it, in words."""
        self.last_ok_us: int | None = None
        self.counts = UnitCounts()
        self.refusals = Refusals()
        self.n_unchanged = 0
        """Polls in a row with every register as before."""
        self.image = b""
        """What the newest poll brought: see ``compute.modbus.image``."""
        self._n_failed = 0
        self._strikes: Counter[ReadRequest] = Counter()
        """How often single values were refused in polls that follow each other."""
        self._absent_since_us = 0
        self._n_calm = 0
        self._patience = FIRST_PATIENCE
        self._probe_s = FIRST_PROBE_S
        self.probe_at_us = 0
        """When an offline unit is tried again [µs since 1970]."""

    @property
    def is_suspect(self) -> bool:
        """Whether its last poll failed: it gets one try a request, not three."""
        return self._n_failed > 0

    def plan(self, job: Job, max_gap: int) -> tuple[ReadRequest, ...]:
        """The requests of a poll group, made anew when what is known of the unit has changed."""
        if job.requests is None:
            job.requests = plan_blocks(
                job.registers,
                self.meter.unit,
                max_block=self.meter.map.max_block,
                max_gap=max_gap,
                refusals=self.refusals,
            )
        return job.requests

    def forget_plans(self) -> None:
        """Have all read plans made anew."""
        for job in self.jobs:
            job.requests = None

    def learn_refusal(
        self, request: ReadRequest, job: Job, max_gap: int, now_us: int
    ) -> tuple[ReadRequest, ...]:
        """What to ask instead of a refused request; the refused range is remembered."""
        self.forget_plans()
        if self.meter.map.is_sunspec:
            # Its models moved: the chain is walked again with the next poll.
            return ()
        self._n_calm = 0
        if self._is_single(request, job):
            self._strikes[request] += 1
            if self._strikes[request] < STRIKES:
                # It may be a mood: left out of this poll, asked for again with the next one.
                return ()
            del self._strikes[request]
        n_known = len(self.refusals.absent)
        self.refusals.learn(request, job.registers)
        if len(self.refusals.absent) > n_known:
            self._absent_since_us = now_us
        first, end = request.address, request.address + request.count
        inside = [
            one
            for one in job.registers
            if one.function == request.function and first <= one.address and one.end <= end
        ]
        return plan_blocks(
            inside,
            self.meter.unit,
            max_block=self.meter.map.max_block,
            max_gap=max_gap,
            refusals=self.refusals,
        )

    def _is_single(self, request: ReadRequest, job: Job) -> bool:
        """Whether a request is for one value alone."""
        first, end = request.address, request.address + request.count
        starts = {
            one.address
            for one in job.registers
            if one.function == request.function and one.address < end and first < one.end
        }
        return len(starts) <= 1

    def _word_absent(self) -> str:
        """What the unit is believed not to have; empty where nothing."""
        known = self.refusals
        if not known.absent:
            return ""
        names = [r.quantity for r in self.meter.map.registers if known.is_absent(r)]
        return f"does not have {', '.join(names)}: left out, and asked for again each hour"

    def note_calm(self) -> None:
        """A poll was refused nothing."""
        self._strikes.clear()
        self._n_calm += 1
        if self.refusals.cuts and self._n_calm >= self._patience:
            self._n_calm = 0
            self._patience = min(4 * self._patience, LONGEST_PATIENCE)
            self.refusals.join()
            self.forget_plans()

    def note_fault(self, refusal: Refusal) -> None:
        """Count what went wrong with one request."""
        self.counts.faults[refusal.fault] += 1

    def note_image(self, image: bytes, now_us: int) -> None:
        """A poll brought registers."""
        self.n_unchanged = self.n_unchanged + 1 if image == self.image else 0
        self.image, self.last_ok_us = image, now_us
        self.counts.polls += 1
        self.state, self._n_failed, self._probe_s = UnitState.ONLINE, 0, FIRST_PROBE_S
        self.detail = self._word_absent()
        if self.refusals.absent and now_us - self._absent_since_us > ABSENT_US:
            self.refusals = Refusals()
            self.forget_plans()
        if self.n_unchanged >= POLLS_TO_SUSPECT:
            self.detail = (
                f"every register is as it was {self.n_unchanged} polls ago: "
                "the gateway may repeat old values"
            )

    def note_nothing(self, why: str, now_us: int, jitter: float) -> None:
        """The unit answers, but gives nothing of what is asked.

        It may be in the middle of something, so nothing that it refused is remembered.

        Args:
            why: In words; empty where it refused everything.
            now_us: The clock [µs since 1970].
            jitter: 0 to 1, of the time until it is asked again.
        """
        self.counts.failed += 1
        self._n_failed = 0
        self.refusals = Refusals()
        self.forget_plans()
        self._wait_longer(self.state is UnitState.REFUSED, now_us, jitter)
        self.state = UnitState.REFUSED
        self.detail = why or (
            f"refuses all registers of type {self.meter.map.name!r}; is it the right type?"
        )

    def note_silence(self, why: Refusal, now_us: int, jitter: float) -> None:
        """A poll brought nothing.

        Args:
            why: The last refusal.
            now_us: The clock [µs since 1970].
            jitter: 0 to 1, of the time until the next probe.
        """
        self.counts.failed += 1
        self._n_failed += 1
        self.detail = f"{why.fault.value}: {why.detail}"
        if self._n_failed < POLLS_TO_OFFLINE:
            return
        self._wait_longer(self.state is UnitState.OFFLINE, now_us, jitter)
        self.state = UnitState.OFFLINE

    def _wait_longer(self, has_waited: bool, now_us: int, jitter: float) -> None:  # noqa: FBT001  # told by what it is
        if has_waited:
            self._probe_s = min(2 * self._probe_s, LONGEST_PROBE_S)
        self.probe_at_us = now_us + round(self._probe_s * (0.75 + 0.25 * jitter) * 1e6)

    @property
    def next_us(self) -> int:
        """When something is to be done with the unit next [µs since 1970]."""
        if self.state in {UnitState.OFFLINE, UnitState.REFUSED}:
            return self.probe_at_us
        return min((job.due_us for job in self.jobs), default=2**62)
