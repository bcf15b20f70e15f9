"""Histories of counters whose energy is known, with everything that befalls a register.

What can be known, and so is the truth:

- The energy from the first reading to the last, counted in whole steps of the register.
- A reset loses what was counted between the last reading and the reset, which no reading shows;
  resets come right after a reading here, so that nothing is lost.
- What was used while a meter was swapped is on neither register: the truth leaves that step out.
- Without a rating, a lower level that is confirmed means "began again at zero" for a register that
  lost a tenth and more; swaps without a rating are small falls here.
- A register that shows less than some dozen steps' growth looks the same after a glitch and after
  a reset; faults come to taller registers here.
- The two readings of a double glitch show one value, or the second a lower one, where there is no
  rating that would tell them from a counter that began again.
- A register that rolls over takes a thousand intervals and more for it; one that does so within a
  few readings cannot be followed.
- A fault has four good readings before and behind it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st

from tests.compute.slow_rollups import Row
from wattscope.compute.segments import SeriesRule
from wattscope.core.quantities import QuantityKind
from wattscope.core.time_grid import US_PER_HOUR, US_PER_S
from wattscope.core.topology import Sampling

FAULTS: Final = ("reset", "swap", "low", "low twice", "high", "high twice", "gap", "unusable")
MODULI: Final = (None, 2**16, 2**23, 2**32, 10**6)
SCALES: Final = (0.01, 0.1, 0.125, 1.0, 10.0, 100.0, 1000.0)
INTERVALS_S: Final = (5, 60, 300, 900, 3600)
START_US: Final = 1_700_000_000 * US_PER_S
TALL: Final = 200
_SLOW: Final = 1000
_GOOD_BETWEEN: Final = 4
_CALM_GROWTHS: Final = 16


@dataclass
class History:
    """Readings of one register, and the energy that they stand for."""

    rule: SeriesRule
    scale: float
    """Wh of one step of the register."""
    rows: list[Row] = field(default_factory=list)
    truth_wh: float = 0.0
    kinds: list[str] = field(default_factory=list)
    """What befell the register, in order."""


class _Meter:
    """A meter that is read now and then."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._scale = draw.choice(SCALES)
        self._interval_us = draw.choice(INTERVALS_S) * US_PER_S
        self._rating_w = draw.choice((None, None, 100.0, 2300.0, 11_000.0, 630_000.0))
        self._largest = self._find_largest(self._interval_us)
        self._modulus = draw.choice(MODULI)
        if self._modulus is not None and self._modulus < _SLOW * self._largest:
            self._modulus = None
        self._t = START_US + draw.randrange(US_PER_HOUR)
        self._shown = self._choose_level()
        self._part = 0.0
        rollover = None if self._modulus is None else self._modulus * self._scale
        rule = SeriesRule(
            QuantityKind.COUNTER,
            Sampling.INSTANT,
            draw.choice((0, self._interval_us)),
            is_power=False,
            is_energy=True,
            rating_w=self._rating_w,
            rollover=rollover,
        )
        self.history = History(rule, self._scale)
        self._add(self._shown)

    def read(self, n_times: int) -> None:
        """Good readings."""
        for _ in range(n_times):
            self._count(self._interval_us)
            self._add(self._shown)

    def suffer(self, fault: str) -> None:
        """A fault, where the register is such that readings can tell."""
        if fault == "gap":
            self._count(self._interval_us * self._draw.randrange(2, 40))
            self._add(self._shown)
        elif fault == "unusable":
            self._count(self._interval_us)
            self._add(self._draw.choice((0, self._shown, 10**9)), quality=2)
        elif fault in {"high", "high twice"}:
            self._show_wrong(self._far_above(), fault)
        elif self._is_tall() and not self._is_near_rollover():
            if fault == "reset":
                self._reset()
            elif fault == "swap":
                self._swap()
            else:
                self._show_wrong(self._draw.choice((0, 0, -1, self._shown // 3)), fault)

    def has_just_rolled_over(self) -> bool:
        """Whether the last fall is not confirmed yet."""
        values = [row.value for row in self.history.rows[-3:]]
        return values != sorted(values)

    def _choose_level(self) -> int:
        draw, modulus = self._draw, self._modulus
        if modulus is not None and draw.random() < 0.6:
            return max(0, modulus - 1 - draw.randrange(_CALM_GROWTHS * self._largest + 2))
        return draw.randrange(modulus or 10**8)

    def _find_largest(self, length_us: int) -> int:
        """The most steps that it may count in a time."""
        if self._rating_w is None:
            return max(1, 40 * length_us // self._interval_us)
        return int(self._rating_w * length_us / US_PER_HOUR / self._scale) + 1

    def _count(self, length_us: int, *, is_told: bool = True) -> int:
        """Let time pass and energy flow; whole steps only become visible."""
        load = self._draw.choice((0.0, 0.1, 0.5, 0.99))
        if self._rating_w is None:
            self._part += load * 40 * length_us / self._interval_us
        else:
            self._part += load * self._rating_w * length_us / US_PER_HOUR / self._scale
        steps = int(self._part)
        if self._modulus is not None and self._rating_w is None:
            steps = min(steps, self._modulus // 20)
        self._part -= int(self._part)
        self._t += length_us
        self._shown += steps
        if is_told:
            self.history.truth_wh += steps * self._scale
        if self._modulus is not None and self._shown >= self._modulus:
            self._shown %= self._modulus
            self.history.kinds.append("rollover")
        return steps

    def _add(self, shown: int, quality: int = 0) -> None:
        # As a device sends it: a decimal of few digits.
        self.history.rows.append(Row(self._t, round(shown * self._scale, 3), quality))

    def _is_tall(self) -> bool:
        return self._shown > TALL * self._largest

    def _is_near_rollover(self) -> bool:
        if self._modulus is None:
            return False
        if self._rating_w is None:
            return self._shown > 0.85 * self._modulus
        return self._modulus - self._shown < _CALM_GROWTHS * self._largest

    def _reset(self) -> None:
        self._shown, self._part = 0, 0.0
        self._count(self._interval_us)
        self._add(self._shown)
        self.history.kinds.append("reset")

    def _swap(self) -> None:
        self._count(self._interval_us, is_told=False)
        far = _CALM_GROWTHS * self._largest + 2
        above = self._shown + far + self._draw.randrange(10**6)
        if self._rating_w is None:
            self._shown -= min(far * 4, self._shown // 12)
        elif self._draw.random() < 0.5 and above + far < (self._modulus or 2 * above):
            self._shown = above
        else:
            self._shown = self._draw.randrange(far, self._shown - far)
        self._add(self._shown)
        self.history.kinds.append("swap")

    def _far_above(self) -> int:
        far = (_CALM_GROWTHS * self._largest + 2) * 10
        return self._shown + far + self._draw.choice((0, far, 10**7))

    def _show_wrong(self, wrong: int, fault: str) -> None:
        for n_shown in range(2 if fault.endswith("twice") else 1):
            self._count(self._interval_us)
            if n_shown and self._rating_w is not None and fault.startswith("high"):
                wrong += self._draw.randrange(10**6)
            self._add(wrong)
        self.history.kinds.append(fault)


def make_history(seed: int, faults: list[str]) -> History:
    """A history in which these faults come in order."""
    meter = _Meter(random.Random(seed))
    for fault in faults:
        meter.read(_GOOD_BETWEEN + seed % 3)
        meter.suffer(fault)
    meter.read(_GOOD_BETWEEN)
    while meter.has_just_rolled_over():
        meter.read(1)
    return meter.history


def histories() -> st.SearchStrategy[History]:
    """Histories of up to eight faults."""
    return st.builds(
        make_history,
        st.integers(0, 2**40),
        st.lists(st.sampled_from(FAULTS), max_size=8),
    )
