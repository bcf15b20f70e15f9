"""Which kept buckets late rows have made wrong: of their series, in as few spans as can be."""

from __future__ import annotations

import duckdb
import numpy as np

from wattscope.compute.segments import LEAD_ROWS
from wattscope.core.reading import Batch
from wattscope.stores.manifest import Manifest, Span
from wattscope.stores.row_reader import RowReader
from wattscope.stores.snapshot import Snapshot


def find_outdated(
    cursor: duckdb.DuckDBPyConnection, manifest: Manifest, reader: RowReader, rows: Batch
) -> dict[int, set[int]]:
    """Series whose buckets are outdated, by start of the span.

    Args:
        cursor: A cursor of the engine.
        reader: Reads rows of files.
        manifest: With the new rows' parts.
        rows: The new rows.
    """
    chunk_us = manifest.chunk_us
    touched: dict[int, set[int]] = {}
    for start in np.unique(rows.measured_at_us // chunk_us).tolist():
        inside = rows.measured_at_us // chunk_us == start
        touched[start * chunk_us] = set(np.unique(rows.series_id[inside]).tolist())
    outdated: dict[int, set[int]] = {}
    snapshot = Snapshot.of_files(manifest)
    carried: set[int] = set()
    room: dict[int, int] = {}
    for span in manifest.spans:
        here = touched.get(span.start_us, set())
        if span.rollups is not None and (here or carried):
            outdated[span.start_us] = here | carried
        for one in here:
            # A segment of a later span may begin at the new row, until enough rows lie between.
            room[one] = LEAD_ROWS
        carried |= here
        if carried:
            _count_down(cursor, snapshot, span, reader, carried, here, room)
    return outdated


def _count_down(  # noqa: PLR0913, PLR0917  # a step of one loop
    cursor: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    span: Span,
    reader: RowReader,
    carried: set[int],
    fresh: set[int],
    room: dict[int, int],
) -> None:
    """Let go of series of which a span behind the late rows has enough usable rows."""
    waiting = sorted(carried - fresh)
    if not waiting:
        return
    end_us = span.start_us + snapshot.manifest.chunk_us
    found = reader.read(cursor, snapshot, waiting, span.start_us, end_us)
    usable = found.series_id[found.is_usable]
    ids, counts = np.unique(usable, return_counts=True)
    for one, count in zip(ids.tolist(), counts.tolist(), strict=True):
        room[one] -= count
        if room[one] <= 0:
            carried.discard(one)
