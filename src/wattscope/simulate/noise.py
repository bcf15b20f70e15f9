"""Smooth noise that is a function of (seed, channel, instant) and of nothing else.

Integers are hashed with the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable
pseudorandom number generators, 2014, doi 10.1145/2660193.2660195), so that any instant can be
asked in any order, and a restart or a replay gives the same values.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import FloatColumn, Int64Column

_GOLDEN_GAMMA = 0x9E3779B97F4A7C15
_ALL_BITS = 2**64 - 1
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
# The 53 highest bits of a hash fill the mantissa of a float between 0 and 1.
_DROPPED_BITS = np.uint64(11)
_UNIT = 2.0**-53


def hash_unit(seed: int, channel: int, index: Int64Column) -> FloatColumn:
    """One number in [0, 1) for each index, independent between seeds and channels.

    >>> bool(hash_unit(1, 0, np.array([7]))[0] == hash_unit(1, 0, np.array([5, 6, 7]))[2])
    True
    """
    start = _mix(np.array([(seed + channel * _GOLDEN_GAMMA) & _ALL_BITS], np.uint64))
    hashed = _mix(index.astype(np.int64).view(np.uint64) * np.uint64(_GOLDEN_GAMMA) + start)
    return (hashed >> _DROPPED_BITS).astype(np.float64) * _UNIT


def smooth_noise(seed: int, channel: int, instant_s: Int64Column, period_s: int) -> FloatColumn:
    """Numbers in [0, 1] that glide from one hashed knot to the next, a knot every ``period_s``.

    Args:
        seed: Chooses the world.
        channel: Chooses one of the independent noises of that world.
        instant_s: Instants in rising order [s since 1970].
        period_s: Distance of the knots [s].

    Returns:
        One value an instant, continuous with a continuous slope.
    """
    if not len(instant_s):
        return np.empty(0, np.float64)
    knot, past_s = np.divmod(instant_s, period_s)
    first = int(knot[0])
    heights = hash_unit(seed, channel, np.arange(first, int(knot[-1]) + 2, dtype=np.int64))
    part = past_s / period_s
    eased = part * part * (3.0 - 2.0 * part)
    left, right = heights[knot - first], heights[knot - first + 1]
    return np.asarray(left + (right - left) * eased)


def _mix(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Every input bit changes half of the output bits."""
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_2
    return bits ^ (bits >> np.uint64(31))
