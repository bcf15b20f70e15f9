"""How a disk with so much room left stands: the rule of the watermarks.

::

    free   0 ──────── min_free ──── warn_free ─────────────────▶ total
              refusing          warning            ok

A state is left for a better one only a tenth above the mark, so that it does not flap.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MB = 1_000_000
WARN_FREE_BYTES, WARN_FREE_SHARE = 1000 * MB, 0.10
MIN_FREE_BYTES, MIN_FREE_SHARE = 200 * MB, 0.05
RESERVE_BYTES, RESERVE_SHARE = 32 * MB, 0.05


class SpaceState(Enum):
    """What room is left for new data."""

    OK = "ok"
    WARNING = "warning"
    """Something has to be done soon; data is still taken."""
    REFUSING = "refusing"
    """New data is refused; questions are answered."""


@dataclass(frozen=True, slots=True)
class SpaceMarks:
    """Free bytes below which a state begins."""

    warn_free: int
    min_free: int


def choose_marks(total: int, warn_free: int | None, min_free: int | None) -> SpaceMarks:
    """The marks of a disk: those that were set, else the smaller of a size and a share.

    A share alone would keep 200 GB of a large disk free, a size alone all of a small card.

    Args:
        total: Size of the disk [bytes].
        warn_free: As set [bytes]; None where it was not.
        min_free: Likewise.

    >>> choose_marks(2_000_000_000_000, None, None)
    SpaceMarks(warn_free=1000000000, min_free=200000000)
    >>> choose_marks(2_000_000_000, None, None)
    SpaceMarks(warn_free=200000000, min_free=100000000)
    """
    least = min(MIN_FREE_BYTES, int(total * MIN_FREE_SHARE)) if min_free is None else min_free
    warn = min(WARN_FREE_BYTES, int(total * WARN_FREE_SHARE)) if warn_free is None else warn_free
    return SpaceMarks(max(warn, least), least)


def judge_space(free: int, marks: SpaceMarks, before: SpaceState) -> SpaceState:
    """The state at this free space [bytes], coming from another."""
    least, warn = marks.min_free, marks.warn_free
    if free < (_raise(least) if before is SpaceState.REFUSING else least):
        return SpaceState.REFUSING
    if free < (warn if before is SpaceState.OK else _raise(warn)):
        return SpaceState.WARNING
    return SpaceState.OK


def _raise(mark: int) -> int:
    """The free space at which the state below a mark is left again [bytes]."""
    return mark + mark // 10


def choose_reserve(total: int) -> int:
    """Bytes to hold back on a disk of this size, for what must be finished when it is full."""
    return min(RESERVE_BYTES, int(total * RESERVE_SHARE))
