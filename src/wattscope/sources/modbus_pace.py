"""What requests cost at one gateway, measured, so that the read planner can weigh gaps.

The time of an exchange is ``fixed + registers × each``. The fastest exchange of each length is
the one that waited for nobody; a line through the shortest and the longest length tells both.
"""

from __future__ import annotations

from typing import Final

from wattscope.compute.modbus.blocks import DEFAULT_GAP, OVERHEAD_CHARS, LineCost
from wattscope.core.registers import MAX_BLOCK
from wattscope.sources.modbus_link import Timing

_ENOUGH: Final = 3
"""Exchanges of a length before its fastest counts."""
_LEAST_SPREAD: Final = 6
"""Registers between the shortest and the longest length, at least."""
_UNSEEN_S: Final = 20e-6
"""A register that costs less than this costs nothing [s]: 20 µs are 1 Mbit/s."""


class Pace:
    """Timings of one gateway."""

    def __init__(self) -> None:
        self._fastest: dict[int, tuple[int, float]] = {}
        """Registers to exchanges seen and the fastest of them [s]."""

    def note(self, timing: Timing) -> None:
        """Take one good exchange into account."""
        n_seen, fastest_s = self._fastest.get(timing.n_registers, (0, timing.elapsed_s))
        self._fastest[timing.n_registers] = (n_seen + 1, min(fastest_s, timing.elapsed_s))

    @property
    def cost(self) -> LineCost | None:
        """What the line costs; None while too little was seen."""
        seen = {n: best for n, (n_seen, best) in self._fastest.items() if n_seen >= _ENOUGH}
        if not seen or max(seen) - min(seen) < _LEAST_SPREAD:
            return None
        short, long = min(seen), max(seen)
        register_s = max(0.0, (seen[long] - seen[short]) / (long - short))
        if register_s < _UNSEEN_S:
            return LineCost(0.0, seen[short])
        char_s = register_s / 2
        fixed_s = max(0.0, seen[short] - short * register_s)
        return LineCost(char_s, max(0.0, fixed_s - OVERHEAD_CHARS * char_s))

    @property
    def max_gap(self) -> int:
        """Registers of a gap worth reading."""
        found = self.cost
        return DEFAULT_GAP if found is None else min(found.worthwhile_gap, MAX_BLOCK)

    @property
    def typical_s(self) -> float | None:
        """The slowest of the fastest exchanges [s]; None before the first one."""
        return max((best for _, best in self._fastest.values()), default=None)
