"""Columns of pixels from kept buckets and rows, as every store draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.core.errors import QueryError
from wattscope.core.reading import Batch
from wattscope.ports import Chart
from wattscope.stores.rollup_plan import LEVEL_US, LEVELS

MAX_PIXELS = 10_000

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChartPieces:
    """Kept buckets and rows alike, in any order."""

    t: Ints
    count: Ints
    sum: Floats
    min: Floats
    max: Floats
    first: Floats
    last: Floats


def choose_chart_level(range_us: tuple[int, int], n_pixels: int) -> str | None:
    """The coarsest level of which a column holds a whole bucket; None: only rows are fine enough.

    Raises:
        QueryError: A span upside down, or no sensible number of pixels.
    """
    start_us, end_us = range_us
    if not start_us < end_us or not 1 <= n_pixels <= MAX_PIXELS:
        raise QueryError(f"a chart needs a start before its end, and 1 to {MAX_PIXELS} pixels")
    pixel_us = (end_us - start_us) / n_pixels
    return max(
        (one for one in LEVELS if LEVEL_US[one] <= pixel_us),
        key=lambda one: LEVEL_US[one],
        default=None,
    )


def pieces_of_rows(rows: Batch) -> ChartPieces:
    """Rows that can be trusted, each a bucket of its own."""
    usable = rows.take(rows.is_usable)
    value = usable.value
    ones = np.ones(len(usable), np.int64)
    return ChartPieces(usable.measured_at_us, ones, value, value, value, value, value)


def gather_columns(
    level: str, pieces: Sequence[ChartPieces], range_us: tuple[int, int], n_pixels: int
) -> Chart:
    """Pieces gathered to columns of pixels; columns without any are left out."""
    start_us, end_us = range_us
    t = np.maximum(np.concatenate([piece.t for piece in pieces]), start_us)
    order = slice(None) if (t[1:] >= t[:-1]).all() else np.argsort(t, kind="stable")

    def gather(name: str) -> npt.NDArray[np.float64]:
        column = np.concatenate([getattr(piece, name) for piece in pieces])
        ordered: npt.NDArray[np.float64] = column[order]
        return ordered

    pixel = (t[order] - start_us) * n_pixels // (end_us - start_us)
    starts = np.flatnonzero(np.r_[True, pixel[1:] != pixel[:-1]][: len(pixel)])
    if not len(starts):
        none = np.empty(0, np.float64)
        return Chart(level, np.empty(0, np.int64), np.empty(0, np.int64), *[none] * 5)
    stops = np.r_[starts[1:], len(pixel)] - 1
    count = np.add.reduceat(gather("count"), starts)
    return Chart(
        level,
        start_us + pixel[starts] * (end_us - start_us) // n_pixels,
        count.astype(np.int64),
        np.add.reduceat(gather("sum"), starts) / count,
        np.minimum.reduceat(gather("min"), starts),
        np.maximum.reduceat(gather("max"), starts),
        gather("first")[starts],
        gather("last")[stops],
    )
