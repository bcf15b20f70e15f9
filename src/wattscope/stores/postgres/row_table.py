"""The table of rows: written by COPY, read as arrays, one a series."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from wattscope.compute.segments import LEAD_ROWS
from wattscope.core.reading import Batch, Int64Column, concat_batches
from wattscope.stores.postgres.columns import (
    ALWAYS,
    COPY_END,
    COPY_HEADER,
    NEVER,
    Connection,
    Instant,
    Instants,
    Numbers,
    decode_array,
    encode_rows,
    from_server,
)
from wattscope.stores.postgres.pieces import Pieces
from wattscope.stores.row_reader import order_by_series

_COPY_ROWS = 100_000
"""So many rows are encoded at once."""
_COPY_IN = "COPY raw_rows (series_id, measured_at, value, quality) FROM STDIN (FORMAT binary)"
_ARRAYS = (
    "array_agg(measured_at), array_agg(coalesce(value, 'NaN'::float8)), array_agg(quality::int2)"
)
_READ = f"""SELECT series_id, {_ARRAYS} FROM (
        SELECT * FROM raw_rows
        WHERE series_id = ANY(%s) AND measured_at >= %s AND measured_at < %s
        ORDER BY series_id, measured_at) r
    GROUP BY series_id"""  # noqa: S608  # our own words
_READ_PIECES = f"""SELECT r.series_id, {_ARRAYS} FROM unnest(%s, %s, %s) p (series_id, low, high),
    LATERAL (SELECT * FROM raw_rows r
             WHERE r.series_id = p.series_id AND measured_at >= low AND measured_at < high
             ORDER BY measured_at) r
    GROUP BY r.series_id"""  # noqa: S608  # our own words
_READ_ENDS = f"""SELECT series_id, {_ARRAYS} FROM (
        SELECT * FROM row_ends WHERE series_id = ANY(%s) ORDER BY series_id, measured_at) r
    GROUP BY series_id"""  # noqa: S608  # our own words
_LOOK_UP = """SELECT q.at, coalesce(r.value, 'NaN'::float8)
    FROM unnest(%s, %s, %s) q (series_id, measured_at, at)
    JOIN raw_rows r USING (series_id, measured_at)"""
# The instants of the n-th usable row before a piece and behind it.
_NEIGHBOURS = """SELECT
        (SELECT measured_at FROM raw_rows r WHERE r.series_id = p.series_id
            AND measured_at < p.low AND quality & 3 = 0
            ORDER BY measured_at DESC OFFSET %s LIMIT 1),
        (SELECT measured_at FROM raw_rows r WHERE r.series_id = p.series_id
            AND measured_at >= p.high AND quality & 3 = 0
            ORDER BY measured_at OFFSET %s LIMIT 1)
    FROM unnest(%s, %s, %s) WITH ORDINALITY p (series_id, low, high, n) ORDER BY n"""


def append_rows(connection: Connection, rows: Batch) -> None:
    """Add rows, ordered by series, then time, of which no key is there yet."""
    edges = [*range(0, len(rows), _COPY_ROWS), len(rows)]
    with connection.cursor() as cursor, cursor.copy(_COPY_IN) as copy:
        copy.write(COPY_HEADER)
        for start, stop in pairwise(edges):
            for content in encode_rows(rows.take(slice(start, stop))):
                copy.write(content)
        copy.write(COPY_END)


def look_up(
    connection: Connection, asked: Batch
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """For each row whether its key is stored, and the stored value."""
    found = np.zeros(len(asked), np.bool_)
    values = np.full(len(asked), np.nan)
    places = Numbers(np.arange(len(asked)))
    keys = [Numbers(asked.series_id), Instants(asked.measured_at_us), places]
    for at, value in connection.execute(_LOOK_UP, keys):
        found[at], values[at] = True, value
    return found, values


def read_rows(connection: Connection, series: Sequence[int], start_us: int, end_us: int) -> Batch:
    """Rows in ``[start, end)``, ordered by series, then time."""
    asked = sorted({one for one in series if abs(one) < 2**31})
    return _fetch(connection, _READ, [Numbers(asked), Instant(start_us), Instant(end_us)])


def read_around(connection: Connection, pieces: Pieces, retired_until_us: int) -> Batch:
    """All rows of some stretches, and so many around that their buckets come out exact.

    What a bucket holds is said by its rows, by ``LEAD_ROWS`` before it (what they say may reach
    into it), for which as many before them are needed, and by ``LEAD_ROWS`` behind it (they may
    reach back, or decide about a held reading); see ``stores.row_cut``.

    Args:
        connection: In a transaction.
        pieces: One stretch a series.
        retired_until_us: Before this instant rows were removed; what was kept of them counts.
    """
    low, high = find_neighbours(connection, pieces, 2 * LEAD_ROWS, LEAD_ROWS)
    has_all = (low != ALWAYS) & (low >= retired_until_us)
    start = np.where(has_all, low, retired_until_us)
    # Up to and with the last of them.
    end = np.where(high == NEVER, NEVER, high + 1)
    rows = _fetch(
        connection,
        _READ_PIECES,
        [Numbers(pieces.series), Instants(start), Instants(end)],
        prepare=True,
    )
    if has_all.all() or retired_until_us == ALWAYS:
        return rows
    ends = _fetch(connection, _READ_ENDS, [Numbers(pieces.series[~has_all])])
    return order_by_series(concat_batches([ends, rows]))


def find_neighbours(
    connection: Connection, pieces: Pieces, n_before: int, n_behind: int
) -> tuple[Int64Column, Int64Column]:
    """Instants of the n-th usable row before each stretch, and of the n-th behind it [µs].

    ``ALWAYS`` and ``NEVER`` where there are not as many.
    """
    low, high = np.full(len(pieces), ALWAYS), np.full(len(pieces), NEVER)
    columns = [Numbers(pieces.series), Instants(pieces.start_us), Instants(pieces.end_us)]
    with connection.cursor(binary=True) as cursor:
        cursor.execute(_NEIGHBOURS, [n_before - 1, n_behind - 1, *columns], prepare=True)
        answer = cursor.pgresult
        assert answer is not None  # noqa: S101  # for the type: it was just executed
        for at in range(answer.ntuples):
            for column, place in ((low, 0), (high, 1)):
                content = answer.get_value(at, place)
                if content is not None:
                    column[at] = int.from_bytes(content, "big", signed=True)
    return (
        np.where(low == ALWAYS, ALWAYS, from_server(low)),
        np.where(high == NEVER, NEVER, from_server(high)),
    )


def _fetch(
    connection: Connection,
    statement: str,
    parameters: Sequence[object],
    *,
    prepare: bool = False,
) -> Batch:
    """Rows that come as arrays, one line a series."""
    batches = []
    with connection.cursor(binary=True) as cursor:
        cursor.execute(statement, parameters, prepare=prepare)
        answer = cursor.pgresult
        assert answer is not None  # noqa: S101  # for the type: it was just executed
        for at in range(answer.ntuples):
            series, t, value, quality = (answer.get_value(at, place) or b"" for place in range(4))
            instants = from_server(decode_array(t, ">i8"))
            one = int.from_bytes(series, "big", signed=True)
            batches.append(
                Batch(
                    np.full(len(instants), one, np.int32),
                    instants,
                    decode_array(value, ">f8"),
                    decode_array(quality, ">i2").astype(np.uint8),
                )
            )
    return order_by_series(concat_batches(batches))
