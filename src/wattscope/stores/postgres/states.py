"""What is known of each series: its newest row, and which of its buckets are outdated.

A writer locks the series that it writes until its transaction ends, in the order of their ids; so
does whoever makes their buckets. So there are no two values for one key, no row is missed by a
bucket, and nobody waits for each other in a ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from wattscope.compute.segments import LEAD_ROWS
from wattscope.core.reading import Batch, Int32Column, Int64Column, Quality
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE
from wattscope.stores.postgres.columns import (
    ALWAYS,
    NEVER,
    Connection,
    Counts,
    Instants,
    Numbers,
    Values,
    from_server,
)
from wattscope.stores.postgres.pieces import Pieces, align, join
from wattscope.stores.postgres.row_table import find_neighbours

GRID_US: Final = 15 * US_PER_MINUTE
"""Outdated stretches are whole kept buckets of the finest level [µs]."""
_LOCK: Final = """SELECT series_id, newest FROM series_states
    WHERE series_id = ANY(%s) ORDER BY series_id FOR UPDATE"""
_ADD: Final = """INSERT INTO series_states
    (series_id, n_rows, oldest, newest, newest_quality)
    SELECT one, 0, 'infinity', '-infinity', 0 FROM unnest(%s) one ORDER BY one
    ON CONFLICT DO NOTHING"""
_UPDATE: Final = """UPDATE series_states s SET
        n_rows = s.n_rows + q.n_rows,
        oldest = least(s.oldest, q.oldest),
        newest = greatest(s.newest, q.newest),
        newest_value = CASE WHEN q.newest > s.newest THEN nullif(q.value, 'NaN')
            ELSE s.newest_value END,
        newest_quality = CASE WHEN q.newest > s.newest THEN q.quality ELSE s.newest_quality END,
        fresh_from = least(s.fresh_from, nullif(q.fresh_from, 'infinity'))
    FROM unnest(%s, %s, %s, %s, %s, %s, %s)
        q (series_id, n_rows, oldest, newest, value, quality, fresh_from)
    WHERE s.series_id = q.series_id"""
_ADD_LATE: Final = "INSERT INTO late_spans SELECT * FROM unnest(%s, %s, %s)"
_PUT_OFF: Final = """UPDATE series_states s SET fresh_from = q.at
    FROM unnest(%s, %s) q (series_id, at) WHERE s.series_id = q.series_id"""
_OUTDATED: Final = """SELECT series_id, fresh_from, 'infinity'::timestamptz FROM series_states
        WHERE series_id = ANY(%s) AND fresh_from IS NOT NULL
    UNION ALL SELECT series_id, start_at, end_at FROM late_spans WHERE series_id = ANY(%s)"""
_WAITING: Final = """SELECT s.series_id, s.n_rows, s.oldest, s.newest,
        least(s.fresh_from, (SELECT min(l.start_at) FROM late_spans l
                             WHERE l.series_id = s.series_id))
    FROM series_states s JOIN series_names n USING (series_id)
    WHERE s.fresh_from IS NOT NULL
        OR EXISTS (SELECT FROM late_spans l WHERE l.series_id = s.series_id)
    ORDER BY s.series_id"""


QuarterT = TypeVar("QuarterT", int, Int64Column)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A series whose buckets have to be made."""

    series: int
    n_rows: int
    rows_a_day: float
    """About so many rows it has [1/d]."""
    start_us: int
    """The oldest outdated instant [µs]."""
    newest_us: int

    @property
    def has_whole(self) -> bool:
        """Whether a whole bucket is among what is outdated: newer rows are in a later one."""
        return self.start_us < find_open_quarter(self.newest_us)


def find_open_quarter(newest_us: QuarterT) -> QuarterT:
    """When the quarter of an hour begins that the newest row of a series is in [µs]."""
    return newest_us // GRID_US * GRID_US


def lock_series(connection: Connection, ids: Int32Column) -> Int64Column:
    """Keep others from writing some series until the transaction ends.

    Args:
        connection: In a transaction.
        ids: Series, rising.

    Returns:
        The newest stored instant of each [µs]; ``ALWAYS`` where nothing is stored.
    """
    found = _read_newest(connection, ids)
    if len(found) < len(ids):
        connection.execute(_ADD, [Numbers(ids)])
        found = _read_newest(connection, ids)
    return np.array([found[one] for one in ids.tolist()], np.int64)


def _read_newest(connection: Connection, ids: Int32Column) -> dict[int, int]:
    rows = fetch_numbers(connection, _LOCK, [Numbers(ids)], prepare=True)
    return dict(zip(rows[0].tolist(), from_server(rows[1]).tolist(), strict=True))


def note_rows(connection: Connection, rows: Batch) -> None:
    """Take stored rows into the states of their series, which are locked.

    Late rows make a stretch outdated, newer ones all from the first of them on.

    Args:
        connection: In the transaction that wrote them.
        rows: At least one; ordered by series, then time.
    """
    ids, starts = np.unique(rows.series_id, return_index=True)
    stops = np.r_[starts[1:], len(rows)] - 1
    t = rows.measured_at_us
    is_late = (rows.quality & int(Quality.LATE)) != 0
    fresh_from = np.minimum.reduceat(np.where(is_late, NEVER, t), starts)
    connection.execute(
        _UPDATE,
        [
            Numbers(ids),
            Counts(stops - starts + 1),
            Instants(t[starts]),
            Instants(t[stops]),
            Values(rows.value[stops]),
            Numbers(rows.quality[stops]),
            Instants(fresh_from),
        ],
        prepare=True,
    )
    if is_late.any():
        late = rows.take(is_late)
        ids, starts = np.unique(late.series_id, return_index=True)
        stops = np.r_[starts[1:], len(late)] - 1
        low, high = late.measured_at_us[starts], late.measured_at_us[stops] + 1
        mark_outdated(connection, Pieces(ids, low, high))


def mark_outdated(connection: Connection, pieces: Pieces) -> None:
    """Have the buckets that rows of some stretches say something about made anew."""
    columns = [Numbers(pieces.series), Instants(pieces.start_us), Instants(pieces.end_us)]
    connection.execute(_ADD_LATE, columns)


def find_outdated(
    connection: Connection, series: Sequence[int], retired_until_us: int = ALWAYS
) -> Pieces:
    """Stretches of whole quarters in which kept buckets of some series may not be used.

    A row says something about its own bucket, about those that less than ``LEAD_ROWS`` rows
    before it lie behind, and about those that begin less than twice as many rows after it.
    """
    asked = Numbers(sorted(set(series)))
    columns = fetch_numbers(connection, _OUTDATED, [asked, asked])
    marked = Pieces(columns[0].astype(np.int32), from_server(columns[1]), from_server(columns[2]))
    order = np.lexsort((marked.start_us, marked.series))
    marked = join(marked.take(order))
    if not len(marked):
        return marked
    low, high = find_neighbours(connection, marked, LEAD_ROWS, 2 * LEAD_ROWS)
    high = np.where((high == NEVER) | (marked.end_us == NEVER), NEVER, high + 1)
    widened = align(Pieces(marked.series, low, high), GRID_US)
    # Of what was removed, the kept buckets are all there is.
    frozen_us = ALWAYS if retired_until_us == ALWAYS else -(-retired_until_us // GRID_US) * GRID_US
    return widened.clip(frozen_us, NEVER)


def clear_outdated(connection: Connection, series: Sequence[int]) -> None:
    """All buckets of some series, which are locked, are kept as they must be."""
    asked = [Numbers(sorted(series))]
    connection.execute("DELETE FROM late_spans WHERE series_id = ANY(%s)", asked)
    connection.execute(
        "UPDATE series_states SET fresh_from = NULL WHERE series_id = ANY(%s)", asked
    )


def clear_before(connection: Connection, series: Int32Column, instant_us: Int64Column) -> None:
    """Before an instant each, buckets of some series, which are locked, are kept as they must be.

    Rows from there on may still say something about buckets before it: ``find_outdated`` knows.
    """
    asked = [Numbers(series)]
    connection.execute("DELETE FROM late_spans WHERE series_id = ANY(%s)", asked)
    connection.execute(_PUT_OFF, [*asked, Instants(instant_us)])


def list_waiting(connection: Connection) -> list[Waiting]:
    """Known series with outdated buckets, by their ids."""
    ids, n_rows, oldest, newest, start = fetch_numbers(connection, _WAITING, [])
    oldest, newest, start = from_server(oldest), from_server(newest), from_server(start)
    days = np.maximum(newest - oldest, 1) / US_PER_DAY
    rates = np.where(newest > oldest, n_rows / days, n_rows)
    columns = (ids, n_rows, rates, np.maximum(start, oldest), newest)
    return [Waiting(*row) for row in zip(*(one.tolist() for one in columns), strict=True)]


def read_time_range(connection: Connection) -> tuple[int, int] | None:
    """The oldest and the newest instant of all series [µs]; None where there are no rows."""
    sql = "SELECT min(oldest), max(newest) FROM series_states WHERE n_rows > 0 HAVING count(*) > 0"
    oldest, newest = fetch_numbers(connection, sql, [])
    if not len(oldest):
        return None
    return int(from_server(oldest)[0]), int(from_server(newest)[0])


def read_newest_rows(connection: Connection) -> Batch:
    """The newest row of every series, whatever its quality, by series."""
    sql = """SELECT series_id, newest, coalesce(newest_value, 'NaN'), newest_quality
        FROM series_states WHERE n_rows > 0 ORDER BY series_id"""
    ids, t, value, quality = fetch_numbers(connection, sql, [])
    return Batch(
        ids.astype(np.int32), from_server(t), value.view(np.float64), quality.astype(np.uint8)
    )


def fetch_numbers(
    connection: Connection, sql: str, parameters: Sequence[object], *, prepare: bool = False
) -> list[Int64Column]:
    """Columns of integers, instants (as the server counts them) and floats (as their bits)."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(sql, parameters, prepare=prepare)
        answer = cursor.pgresult
        assert answer is not None  # noqa: S101  # for the type: it was just executed
        columns = []
        for place in range(answer.nfields):
            values = [answer.get_value(at, place) or b"" for at in range(answer.ntuples)]
            columns.append(
                np.array([int.from_bytes(one, "big", signed=True) for one in values], np.int64)
            )
        return columns
