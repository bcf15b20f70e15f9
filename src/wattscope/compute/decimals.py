"""How many decimals the values of a series have, so that they can be kept as just those."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import FloatColumn, Int64Column

SCALES = (0, 1, 2, 3, 4, 6)
"""Numbers of decimals that are tried; values that need more stay floats."""
MAX_DECIMAL = 1e12
"""Larger values stay floats: a DECIMAL(18, 6) ends here."""
FLOAT_SCALE = -1
"""Stands for: no number of decimals is enough."""
_SAMPLE = 16


def find_scales(value: FloatColumn, starts: Int64Column) -> npt.NDArray[np.int8]:
    """The decimals of each series' values: the fewest of ``SCALES`` that lose nothing.

    The quotient of the rounded integer and the power of ten is the float nearest to the decimal,
    so equality with the value proves that it comes back to the last bit.

    Args:
        value: Values series after series, NaN for missing, shape ``(n,)``.
        starts: First row of each series, rising from 0, shape ``(m,)``.

    Returns:
        A scale or ``FLOAT_SCALE`` for each series, shape ``(m,)``.

    >>> find_scales(np.array([230.5, 231.0, 50.02, 1 / 3]), np.array([0, 2, 3])).tolist()
    [1, 2, -1]
    """
    lengths = np.diff(np.r_[starts, len(value)])
    scales = _find_by_sample(value, starts, lengths)
    # The sample gives a first guess; what its series proves wrong is tried with more decimals.
    open_series = np.flatnonzero(scales != FLOAT_SCALE)
    while len(open_series):
        rows, at = _rows_of(starts, lengths, open_series)
        power = _spread(_POWERS[scales[open_series]], lengths[open_series])
        fits = np.logical_and.reduceat(_fits(value[rows], power), at)
        open_series = open_series[~fits]
        scales[open_series] = [_next_scale(scale) for scale in scales[open_series].tolist()]
        open_series = open_series[scales[open_series] != FLOAT_SCALE]
    return scales


def _find_by_sample(
    value: FloatColumn, starts: Int64Column, lengths: Int64Column
) -> npt.NDArray[np.int8]:
    within = np.minimum(np.arange(_SAMPLE), lengths[:, np.newaxis] - 1)
    sample = value[starts[:, np.newaxis] + within]
    scales = np.full(len(starts), FLOAT_SCALE, np.int8)
    for scale in reversed(SCALES):
        fits = _fits(sample, _POWERS[scale]).all(axis=1)
        scales[fits] = scale
    return scales


def _rows_of(
    starts: Int64Column, lengths: Int64Column, series: Int64Column
) -> tuple[slice | Int64Column, Int64Column]:
    """All rows of the chosen series, and where each series begins among them."""
    if len(series) == len(starts):
        return slice(None), starts
    chosen = lengths[series]
    at = np.cumsum(chosen) - chosen
    rows = np.repeat(starts[series] - at, chosen) + np.arange(int(chosen.sum()))
    return rows, at


def _spread(of_series: FloatColumn, lengths: Int64Column) -> FloatColumn | np.float64:
    """A number of each series for each of its rows; one for all where all are the same."""
    if (of_series == of_series[0]).all():
        one: np.float64 = of_series[0]
        return one
    return np.repeat(of_series, lengths)


def _fits(value: FloatColumn, power: FloatColumn | np.float64) -> npt.NDArray[np.bool_]:
    """Whether each value is a decimal of so many digits, given as a power of ten."""
    with np.errstate(invalid="ignore", over="ignore"):
        nearest = value * power
        np.rint(nearest, out=nearest)
        nearest /= power
    fits: npt.NDArray[np.bool_] = nearest == value
    # Looked at once for all values: few have any such, and each step below is one over all rows.
    if not (value.max(initial=0.0) < MAX_DECIMAL and value.min(initial=0.0) > -MAX_DECIMAL):
        fits &= np.abs(value) < MAX_DECIMAL
        fits |= np.isnan(value)
    fits &= ~_is_negative_zero(value)
    return fits


def _is_negative_zero(value: FloatColumn) -> npt.NDArray[np.bool_]:
    # As an integer it would lose its sign; it is rare, and a float keeps it.
    is_negative_zero: npt.NDArray[np.bool_] = value == 0.0
    if is_negative_zero.any():
        is_negative_zero &= np.signbit(value)
    return is_negative_zero


def _next_scale(scale: int) -> int:
    at = SCALES.index(scale) + 1
    return SCALES[at] if at < len(SCALES) else FLOAT_SCALE


_POWERS: FloatColumn = np.array([10.0**digits for digits in range(max(SCALES) + 1)])
