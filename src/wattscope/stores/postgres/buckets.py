"""Buckets for any series and range: kept ones where they are right, computed ones elsewhere.

::

    asked days   │   day    │   day    │   day    │   day    │
    outdated                              └ from here on ┄┄┄┄┄
    answer       │ kept 1d  │ kept 1d  │15m┊ rows │   rows   │
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from wattscope.compute.rollups import (
    ROLLUP_COLUMNS,
    concat_rollups,
    merge_rollups,
    roll_up,
    select_buckets,
)
from wattscope.core.reading import Batch, Int64Column, empty_batch
from wattscope.core.time_grid import local_day_edges
from wattscope.ports import Rollup
from wattscope.stores.bucket_edges import (
    day_lengths,
    edges_around,
    empty_rollup,
    find_edges,
    finish_rollup,
    known_rows,
)
from wattscope.stores.catalogue import Catalogue
from wattscope.stores.postgres.columns import (
    ALWAYS,
    COPY_END,
    COPY_HEADER,
    NEVER,
    Connection,
    Instants,
    Numbers,
    decode_array,
    encode_buckets,
    from_server,
)
from wattscope.stores.postgres.pieces import Pieces, align, join, subtract, widen_to_edges
from wattscope.stores.postgres.row_table import read_around
from wattscope.stores.postgres.states import GRID_US, find_outdated
from wattscope.stores.rollup_plan import LEVEL_US

_GROUP: Final = 256
"""So many series are computed at once."""
_FLOATS: Final = ROLLUP_COLUMNS[3:]
_BLOCK: Final = 64
"""So many stretches come as one line of arrays: a line a series costs more than what is in it."""
_READ: Final = """SELECT array_agg(b.series_id), array_agg(b.bucket_start), array_agg(b.count),
        {floats}
    FROM unnest(%s, %s, %s, %s) p (series_id, low, high, block),
    LATERAL (SELECT * FROM {table} b WHERE b.series_id = p.series_id
             AND b.bucket_start >= low AND b.bucket_start < high) b
    GROUP BY p.block"""
_DELETE: Final = """DELETE FROM {table} b USING unnest(%s, %s, %s) p (series_id, low, high)
    WHERE b.series_id = p.series_id AND b.bucket_start >= low AND b.bucket_start < high"""


class BucketReader:
    """Reads and computes buckets inside a transaction."""

    def __init__(self, catalogue: Catalogue, read_retired: Callable[[Connection], int]) -> None:
        """Take names and rules.

        Args:
            catalogue: Of the store.
            read_retired: Until when rows were removed [µs].
        """
        self._catalogue = catalogue
        self._read_retired = read_retired

    def read(
        self, connection: Connection, series: tuple[int, ...], level: str, range_us: tuple[int, int]
    ) -> Rollup:
        """Buckets of a level that begin in ``[start, end)``, by series, then bucket.

        Raises:
            QueryError: Unknown level, or too many buckets.
        """
        merged = [empty_rollup()]
        for members, edges in find_edges(self._catalogue, series, level, range_us):
            known = [one for one in members if one in self._catalogue.rules]
            parts = self._read_parts(connection, known, level, edges)
            merged.append(merge_rollups(parts, edges, 1))
        return finish_rollup(concat_rollups(merged))

    def _read_parts(
        self, connection: Connection, series: Sequence[int], level: str, edges: Int64Column
    ) -> Rollup:
        """All parts of buckets between edges, unmerged; ``coverage`` holds covered time [µs]."""
        whole = Pieces.of_range(series, int(edges[0]), int(edges[-1]))
        if level == "1m":
            return _to_time(self.compute(connection, whole, LEVEL_US["1m"]), LEVEL_US["1m"])
        outdated = self.find_outdated(connection, series).clip(int(edges[0]), int(edges[-1]))
        computed = _to_time(self.compute(connection, outdated, GRID_US), GRID_US)
        if level == "15m":
            kept = read_kept(connection, level, subtract(whole, outdated))
            return concat_rollups([_to_time(kept, GRID_US), computed])
        broken = widen_to_edges(outdated, edges)
        kept = read_kept(connection, level, subtract(whole, broken))
        lengths = day_lengths(kept.bucket_start_us, edges) if level == "1d" else LEVEL_US[level]
        quarters = read_kept(connection, "15m", subtract(broken, outdated))
        return concat_rollups([_to_time(kept, lengths), _to_time(quarters, GRID_US), computed])

    def find_outdated(self, connection: Connection, series: Sequence[int]) -> Pieces:
        """Stretches in which kept buckets of some series may not be used."""
        return find_outdated(connection, series, self._read_retired(connection))

    def compute(self, connection: Connection, pieces: Pieces, size_us: int) -> Rollup:
        """Buckets of some size that begin in some stretches, from the rows."""
        found = [empty_rollup()]
        retired_until_us = self._read_retired(connection)
        for once in pieces.rounds():
            for start in range(0, len(once), _GROUP):
                group = once.take(slice(start, start + _GROUP))
                rows = read_around(connection, group, retired_until_us)
                found.append(_keep_inside(self._roll_up(rows, size_us), group))
        return concat_rollups(found)

    def _roll_up(self, rows: Batch, size_us: int) -> Rollup:
        rules = self._catalogue.rules
        known = known_rows(rows, rules)
        return roll_up(known, empty_batch(), rules, size_us) if len(known) else empty_rollup()

    def replace_kept(self, connection: Connection, pieces: Pieces) -> int:
        """Make the kept buckets of all levels anew that some stretches touch.

        Args:
            connection: In a transaction that has locked the series.
            pieces: Whole quarters of an hour.

        Returns:
            Number of quarters that were made.
        """
        quarters = self.compute(connection, pieces, GRID_US)
        _replace(connection, "15m", pieces, quarters)
        for level, broken in (("1h", self._widen_hours(pieces)), ("1d", self._widen_days(pieces))):
            parts = _to_time(read_kept(connection, "15m", broken), GRID_US)
            _replace(connection, level, broken, self._merge(level, parts))
        return len(quarters.count)

    def _widen_hours(self, pieces: Pieces) -> Pieces:
        return align(pieces, LEVEL_US["1h"])

    def _widen_days(self, pieces: Pieces) -> Pieces:
        found: list[tuple[int, int, int]] = []
        zones = self._catalogue.by_zone(np.unique(pieces.series).tolist())
        for zone, members in zones.items():
            chosen = pieces.take(np.isin(pieces.series, np.array(members, np.int64)))
            for one, start, end in chosen.rows():
                low, high = start, end
                if start != ALWAYS:
                    low = int(local_day_edges(start, start + 1, zone)[0])
                if end != NEVER:
                    high = int(local_day_edges(end - 1, end, zone)[-1])
                found.append((one, low, high))
        return join(Pieces.build(found))

    def _merge(self, level: str, parts: Rollup) -> Rollup:
        """Hours or days from quarters whose ``coverage`` is time [µs]."""
        if not len(parts.count):
            return empty_rollup()
        if level == "1h":
            edges = edges_around(parts.bucket_start_us, LEVEL_US[level])
            return merge_rollups(parts, edges, 1)
        days = [empty_rollup()]
        zones = self._catalogue.by_zone(np.unique(parts.series_id).tolist())
        for zone, members in zones.items():
            of_zone = select_buckets(parts, np.isin(parts.series_id, np.array(members, np.int64)))
            starts = of_zone.bucket_start_us
            edges = local_day_edges(int(starts.min()), int(starts.max()) + 1, zone)
            days.append(merge_rollups(of_zone, edges, 1))
        return concat_rollups(days)


def read_kept(connection: Connection, level: str, pieces: Pieces) -> Rollup:
    """Kept buckets that begin in some stretches, by series, then bucket."""
    if not len(pieces):
        return empty_rollup()
    floats = ", ".join(f"array_agg(b.{name})" for name in _FLOATS)
    statement = _READ.format(table=f"bucket_{level}", floats=floats)
    block = Numbers(np.arange(len(pieces)) // _BLOCK)
    columns = [Numbers(pieces.series), Instants(pieces.start_us), Instants(pieces.end_us), block]
    found = [empty_rollup()]
    with connection.cursor(binary=True) as cursor:
        cursor.execute(statement, columns, prepare=True)
        answer = cursor.pgresult
        assert answer is not None  # noqa: S101  # for the type: it was just executed
        for at in range(answer.ntuples):
            contents = [answer.get_value(at, place) or b"" for place in range(answer.nfields)]
            found.append(_decode(contents))
    buckets = concat_rollups(found)
    return select_buckets(buckets, np.lexsort((buckets.bucket_start_us, buckets.series_id)))


def _decode(contents: list[bytes]) -> Rollup:
    """The buckets of one block."""
    floats: list[Any] = [decode_array(content, ">f8") for content in contents[3:]]
    return Rollup(
        decode_array(contents[0], ">i4"),
        from_server(decode_array(contents[1], ">i8")),
        decode_array(contents[2], ">i8"),
        *floats,
    )


def _replace(connection: Connection, level: str, pieces: Pieces, buckets: Rollup) -> None:
    columns = [Numbers(pieces.series), Instants(pieces.start_us), Instants(pieces.end_us)]
    connection.execute(_DELETE.format(table=f"bucket_{level}"), columns, prepare=True)
    copy_buckets(connection, f"bucket_{level}", buckets)


def copy_buckets(connection: Connection, table: str, buckets: Rollup) -> None:
    """Add buckets to a table of ours."""
    if not len(buckets.count):
        return
    statement = f"COPY {table} FROM STDIN (FORMAT binary)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(COPY_HEADER)
        copy.write(encode_buckets(buckets))
        copy.write(COPY_END)


def _keep_inside(rollup: Rollup, pieces: Pieces) -> Rollup:
    """Buckets that begin in the one stretch of their series."""
    at = np.searchsorted(pieces.series, rollup.series_id)
    start = rollup.bucket_start_us
    inside = (start >= pieces.start_us[at]) & (start < pieces.end_us[at])
    return select_buckets(rollup, inside)


def _to_time(rollup: Rollup, length_us: Int64Column | int) -> Rollup:
    """Buckets with covered time [µs] instead of shares."""
    return replace(rollup, coverage=rollup.coverage * length_us)
