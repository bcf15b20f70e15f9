"""The state machine that walks along a counter and says of each reading how it came about.

::

    good ──▶ reading    within reach, and not off the way of the next two ──▶ normal
                        off the way, and one of the next two is back on it ─▶ glitch
                        off the way, fewer than two readings behind it ─────▶ held: counts nothing
                        off the way, and the next go on from it ────────────▶ reset, rollover,
                                                                              swap or jump
                        off the way, and the next do not ───────────────────▶ glitch

"Within reach" is: not below the last good reading, and not above it by more than the device can
take in the time. A glitch never becomes the good reading, so nothing latches; a held reading counts
nothing, so nothing has to be believed that the next readings refute.

It promises that the word on a reading depends on nothing later than two readings behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final, NamedTuple

from wattscope.core.counter_steps import CounterDecision, StepKind
from wattscope.core.time_grid import US_PER_HOUR

LOOK_AHEAD: Final = 2
"""Readings behind a doubtful one that decide about it. Meters and gateways that start again show 0
for one or two polls (Home Assistant issues 124420 and 119825, solaredge-modbus 128, homevolt 95),
so the third reading is the first that can confirm."""
RATING_MARGIN: Final = 1.2
"""A step beyond rating x time x this is too high. Inverters and motors exceed their rated power
for minutes; none does by a fifth over the time between two readings."""
DIP_SHARE: Final = 0.9
"""A register that falls to more than this share of what it was did not begin again at zero; it lost
its last count, as meters do that save theirs now and then. Home Assistant draws the line for
``total_increasing`` at the same share."""
ROLLOVER_SHARE: Final = 0.1
"""Without a rating, a growth over the rollover is believed up to this share of the modulus."""
_RESTART_SHARE: Final = 0.5
_STEADY_FACTOR: Final = 4.0
_ROUNDING: Final = 1e-6
_DIGITS: Final = tuple(10.0**power for power in range(6, -4, -1))


@dataclass(frozen=True, slots=True)
class CounterLimits:
    """What is known of a register beforehand."""

    most_per_us: float = inf
    """Most that it can grow by in a microsecond, the margin included; infinite when unknown."""
    rollover: float | None = None
    """What it shows one less than at most [unit of the quantity]; None when it never rolls over."""
    decisions: Mapping[int, CounterDecision] = field(default_factory=dict)
    """What people decided, by the instant of the reading [µs]."""

    @classmethod
    def build(
        cls,
        rating_w: float | None,
        rollover: float | None,
        decisions: Sequence[CounterDecision] = (),
    ) -> CounterLimits:
        """Limits of a register of energy [Wh]."""
        most = inf if rating_w is None else rating_w * RATING_MARGIN / US_PER_HOUR
        return cls(most, rollover, {one.at_us: one for one in decisions})


class Outcome(NamedTuple):
    """The word on one reading."""

    origin: int
    """Place of the good reading before it; -1 where there is none, or where it counts nothing."""
    growth: float
    kind: StepKind
    is_held: bool = False
    is_known: bool = True
    """Whether the growth is known; where not, nothing is booked and nothing is covered."""

    @property
    def is_believed(self) -> bool:
        """Whether later readings may be counted from this one."""
        return not self.is_held and self.kind is not StepKind.GLITCH

    @property
    def is_counted(self) -> bool:
        """Whether the step to this reading takes part in sums."""
        return self.origin >= 0 and self.is_believed


_ANCHOR: Final = Outcome(-1, 0.0, StepKind.NORMAL)
_EARLY: Final = Outcome(-1, 0.0, StepKind.GLITCH)
_WAITING: Final = Outcome(-1, 0.0, StepKind.NORMAL, is_held=True)


def walk(value: Sequence[float], t: Sequence[int], limits: CounterLimits) -> list[Outcome]:
    """The word on each reading of one register; the first one is believed.

    Args:
        value: Readings in order of time.
        t: Their instants, strictly rising [µs].
        limits: What is known of the register.
    """
    return _Walk(value, t, limits).run()


def link(value: Sequence[float], t: Sequence[int], limits: CounterLimits) -> Outcome:
    """The word on the second of some readings when it and the first one are both believed."""
    return _Walk(value, t, limits).link()


class _Walk:
    """One walk along a register."""

    def __init__(self, value: Sequence[float], t: Sequence[int], limits: CounterLimits) -> None:
        self._value = value
        self._t = t
        self._limits = limits
        self._good = -1
        self._extra = 0.0
        self._outcomes: list[Outcome] = []

    def run(self) -> list[Outcome]:
        while (at := len(self._outcomes)) < len(self._t):
            decision = self._limits.decisions.get(self._t[at])
            if decision is not None and decision.kind is StepKind.GLITCH:
                self._outcomes.append(Outcome(self._good, 0.0, StepKind.GLITCH))
            elif self._good < 0:
                self._accept(at, _ANCHOR)
            elif decision is not None:
                self._accept(at, self._obey(at, decision))
            else:
                self._judge(at)
        return self._outcomes

    def link(self) -> Outcome:
        self._good = 0
        decision = self._limits.decisions.get(self._t[1])
        if decision is not None:
            return self._obey(1, decision)
        self._look_at(1)
        if self._is_near(0, 1):
            return Outcome(0, self._rise(0, 1), StepKind.NORMAL)
        return self._explain(1)

    def _accept(self, at: int, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._good = at

    def _judge(self, at: int) -> None:
        followers = self._look_at(at)
        n_wrong = self._count_wrong(at, followers)
        if n_wrong:
            back = at + n_wrong
            self._outcomes += [self._leave_out(wrong, back) for wrong in range(at, back)]
        elif self._is_near(self._good, at):
            self._accept(at, Outcome(self._good, self._rise(self._good, at), StepKind.NORMAL))
        elif self._is_open(at, followers):
            self._outcomes.append(self._explain(at)._replace(is_held=True))
            self._outcomes += [_WAITING] * (len(self._t) - at - 1)
        elif any(self._is_near(at, one) for one in followers):
            self._accept(at, self._explain(at))
        else:
            self._outcomes.append(Outcome(self._good, 0.0, StepKind.GLITCH))

    def _leave_out(self, wrong: int, back: int) -> Outcome:
        """The word on a reading that is off the way between the good one and one that is on it.

        Instants of receipt come early and late: a reading that is only ahead of its time is no
        glitch. The growth up to it is counted with that of the reading behind it.
        """
        if self._value[self._good] <= self._value[wrong] <= self._value[back]:
            return _EARLY
        return Outcome(self._good, 0.0, StepKind.GLITCH)

    def _look_at(self, at: int) -> list[int]:
        """Turn to a reading: places of the next ones, up to one that a person decided about."""
        found: list[int] = []
        for one in range(at + 1, min(at + 1 + LOOK_AHEAD, len(self._t))):
            if self._t[one] in self._limits.decisions:
                break
            found.append(one)
        if self._limits.most_per_us != inf:
            self._extra = _find_resolution([self._value[one] for one in (self._good, at, *found)])
        return found

    def _is_open(self, at: int, followers: Sequence[int]) -> bool:
        """Whether readings that are still to come may decide about this one."""
        return at + len(followers) + 1 == len(self._t) and len(followers) < LOOK_AHEAD

    def _rise(self, before: int, after: int) -> float:
        return self._value[after] - self._value[before]

    def _is_near(self, before: int, after: int) -> bool:
        """Whether a register can count from one reading to another in their time."""
        return 0 <= self._rise(before, after) <= self._reach(before, after)

    def _reach(self, before: int, after: int) -> float:
        return self._limits.most_per_us * (self._t[after] - self._t[before]) + self._extra

    def _count_wrong(self, at: int, followers: Sequence[int]) -> int:
        """How many readings from this one on are off the way, before one that is back on it."""
        is_high = self._is_near(self._good, at)
        for n_wrong, back in enumerate(followers, start=1):
            wrong = self._value[at : at + n_wrong]
            if self._is_over(at, wrong, back):
                return n_wrong
            if not self._is_near(self._good, back):
                continue
            if is_high and not self._value[back] < min(wrong):
                continue
            if n_wrong == 1 or not self._counts_on(at, back):
                return n_wrong
        return 0

    def _is_over(self, at: int, wrong: Sequence[float], back: int) -> bool:
        """Whether readings are higher than the register can show, or be, when it rolls over."""
        modulus = self._limits.rollover
        if modulus is None or self._count_over(self._good, back) is None:
            return False
        is_too_far = not self._is_near(self._good, at) and wrong[0] > self._value[self._good]
        return is_too_far or min(wrong) >= modulus

    def _count_over(self, before: int, after: int) -> float | None:
        """The growth between two readings if the register rolled over; None where it did not."""
        modulus, old, new = self._limits.rollover, self._value[before], self._value[after]
        if modulus is None or not 0 <= new < old < modulus:
            return None
        is_rated = self._limits.most_per_us != inf
        most = self._reach(before, after) if is_rated else modulus * ROLLOVER_SHARE
        growth = modulus - old + new
        return growth if growth <= most else None

    def _counts_on(self, at: int, back: int) -> bool:
        """Whether two readings that look wrong are rather those of a counter that began again.

        A counter that begins again every few readings (at midnight, read every eight hours) soon
        shows more than before. It does so in steps like the others, and within reach of the device;
        a wrong reading does not.
        """
        value, middle = self._value, at + 1
        before = value[self._good]
        is_low = value[at] < before
        start, high, low = (at, before, value[at]) if is_low else (back, value[middle], value[back])
        if not low < high * _RESTART_SHARE or not self._is_near(at, middle):
            return False
        if low > self._reach(start - 1 if start > at else self._good, start):
            return False
        off = value[back] - value[middle] if is_low else value[at] - before
        if is_low and not self._is_near(middle, back):
            return False
        return off < _STEADY_FACTOR * (value[middle] - value[at] + value[back] - before)

    def _explain(self, at: int) -> Outcome:
        """What the step to a reading is that the next readings confirm.

        The first that fits, of: a fall over the modulus; a fall to near zero; another level. A
        growth that the device cannot have made in the time explains nothing.
        """
        before, after = self._value[self._good], self._value[at]
        if after > before:
            return Outcome(self._good, 0.0, StepKind.JUMP, is_known=False)
        over = self._count_over(self._good, at)
        if over is not None:
            return Outcome(self._good, over, StepKind.ROLLOVER)
        reach = self._reach(self._good, at)
        if after <= reach and after < before * DIP_SHARE:
            return Outcome(self._good, max(after, 0.0), StepKind.RESET)
        return Outcome(self._good, 0.0, StepKind.SWAP, is_known=False)

    def _obey(self, at: int, decision: CounterDecision) -> Outcome:
        """The step as a person says it was."""
        before, after = self._value[self._good], self._value[at]
        growth = decision.growth
        if growth is None and decision.kind is StepKind.NORMAL:
            growth = max(after - before, 0.0)
        elif growth is None and decision.kind is StepKind.RESET:
            growth = max(after, 0.0)
        elif growth is None and decision.kind is StepKind.ROLLOVER:
            growth = max((self._limits.rollover or before) - before + after, 0.0)
        if growth is None:
            return Outcome(self._good, 0.0, decision.kind, is_known=False)
        return Outcome(self._good, growth, decision.kind)


def _find_resolution(shown: Sequence[float]) -> float:
    """The step in which a register counts, as far as the digits of its readings tell.

    A register of whole kWh that is read every ten seconds stands still for minutes and then grows
    by 1,000 Wh at once: that is its resolution, not a jump.
    """
    for unit in _DIGITS:
        if all(abs(one / unit - round(one / unit)) < _ROUNDING for one in shown):
            return unit
    return 0.0
