"""What charts and explanations take from kept buckets, and what from rows."""

from __future__ import annotations

import numpy as np

from wattscope.core.explanation import ROWS, Explanation, Step
from wattscope.ports import Chart, Rollup
from wattscope.stores.bucket_edges import find_edges
from wattscope.stores.catalogue import Catalogue
from wattscope.stores.chart_columns import (
    ChartPieces,
    choose_chart_level,
    gather_columns,
    pieces_of_rows,
)
from wattscope.stores.postgres.buckets import BucketReader, read_kept
from wattscope.stores.postgres.columns import Connection
from wattscope.stores.postgres.pieces import Pieces, subtract, widen_to_edges
from wattscope.stores.postgres.row_table import read_rows
from wattscope.stores.postgres.states import read_time_range

_FINEST = "1m"
"""Not kept: from here on down, rows are read."""


def draw_chart(
    connection: Connection,
    buckets: BucketReader,
    catalogue: Catalogue,
    series: int,
    range_us: tuple[int, int],
    n_pixels: int,
) -> Chart:
    """Columns of a chart: whole kept buckets where they are right, rows elsewhere.

    Raises:
        QueryError: A span upside down, or no sensible number of pixels.
    """
    level = choose_chart_level(range_us, n_pixels)
    kept = Pieces.build([])
    if level not in {None, _FINEST} and series in catalogue.rules:
        assert level is not None  # noqa: S101  # for the type: it is in no set with None
        kept = _find_kept(connection, buckets, catalogue, series, range_us, level)
    rest = subtract(Pieces.of_range([series], *range_us), kept)
    found = [pieces_of_rows(read_rows(connection, [series], *edges)) for edges in _spans(rest)]
    used = "raw"
    if len(kept) and level is not None:
        used = level
        found.append(_pieces_of_buckets(read_kept(connection, level, kept)))
    if not found:
        found = [pieces_of_rows(read_rows(connection, [series], 0, 0))]
    return gather_columns(used, found, range_us, n_pixels)


def _find_kept(  # a step of one function
    connection: Connection,
    buckets: BucketReader,
    catalogue: Catalogue,
    series: int,
    range_us: tuple[int, int],
    level: str,
) -> Pieces:
    """Where whole kept buckets of a series may be drawn."""
    for _, edges in find_edges(catalogue, (series,), level, range_us):
        inner = edges[edges <= range_us[1]]
        if len(inner) > 1:
            whole = Pieces.of_range([series], int(inner[0]), int(inner[-1]))
            outdated = buckets.find_outdated(connection, [series])
            return subtract(whole, widen_to_edges(outdated, inner))
    return Pieces.build([])


def _spans(pieces: Pieces) -> list[tuple[int, int]]:
    return [(start, end) for _, start, end in pieces.rows()]


def _pieces_of_buckets(found: Rollup) -> ChartPieces:
    kept = found.count > 0
    columns = (found.sum, found.min, found.max, found.first, found.last)
    return ChartPieces(
        found.bucket_start_us[kept], found.count[kept], *(column[kept] for column in columns)
    )


def explain_answer(
    connection: Connection,
    buckets: BucketReader,
    series: tuple[int, ...],
    level: str,
    range_us: tuple[int, int],
    chunk_us: int,
) -> Explanation:
    """Which stretches of an answer come from kept buckets, and which from rows."""
    there = read_time_range(connection)
    if there is None or not series:
        return Explanation(level, ())
    low, high = max(range_us[0], there[0]), min(range_us[1], there[1] + 1)
    whole = Pieces.of_range(series, low, high)
    outdated = whole
    if level not in {"raw", _FINEST}:
        outdated = buckets.find_outdated(connection, series).clip(low, high)
    steps = [
        _join(origin, pieces, chunk_us)
        for origin, pieces in ((level, subtract(whole, outdated)), (ROWS, outdated))
        if len(pieces)
    ]
    return Explanation(level, tuple(sorted(steps, key=lambda step: step.start_us)))


def _join(origin: str, pieces: Pieces, chunk_us: int) -> Step:
    start, end = int(pieces.start_us.min()), int(pieces.end_us.max())
    n_spans = (end - 1) // chunk_us - start // chunk_us + 1
    return Step(origin, start, end, n_spans, len(np.unique(pieces.series)))
