"""Removing old rows: whole chunks at once where there are any; kept buckets stay.

Of each series the last rows before the cut are kept, from which later buckets begin: a counter that
was silent over the cut still knows what it grew by.
"""

from __future__ import annotations

from typing import Final

from wattscope.compute.segments import LEAD_ROWS
from wattscope.core.time_grid import US_PER_MINUTE
from wattscope.stores.postgres.columns import Connection, Instant, from_server
from wattscope.stores.postgres.server import Edition
from wattscope.stores.postgres.states import fetch_numbers

_QUARTER_US: Final = 15 * US_PER_MINUTE
# All rows from the n-th usable one before the cut on, or what there is.
_KEEP_ENDS: Final = """CREATE TEMP TABLE ends_now ON COMMIT DROP AS WITH older AS (
        SELECT * FROM raw_rows WHERE measured_at < %s AND measured_at >= %s
        UNION ALL SELECT * FROM row_ends),
    firsts AS (
        SELECT s.series_id, (SELECT measured_at FROM older o
            WHERE o.series_id = s.series_id AND quality & 3 = 0
            ORDER BY measured_at DESC OFFSET %s LIMIT 1) AS first
        FROM series_states s)
    SELECT o.* FROM older o JOIN firsts f USING (series_id)
    WHERE o.measured_at >= coalesce(f.first, '-infinity')"""


def read_retired(connection: Connection) -> int:
    """Before this instant rows were removed [µs]; ``ALWAYS`` when none were."""
    [found] = fetch_numbers(connection, "SELECT retired_until FROM store_state", [])
    return int(from_server(found)[0])


def remove_rows(connection: Connection, edition: Edition, cut_us: int) -> int:
    """Remove the rows before an instant, inside a transaction.

    Args:
        connection: In a transaction.
        edition: Of the server.
        cut_us: On a quarter of an hour.

    Returns:
        How many rows went; -1 where the server does not count them.
    """
    cut_us = cut_us // _QUARTER_US * _QUARTER_US
    retired_us = read_retired(connection)
    if cut_us <= retired_us:
        return 0
    # Nobody writes or makes buckets meanwhile.
    connection.execute("LOCK TABLE series_states IN EXCLUSIVE MODE")
    connection.execute(_KEEP_ENDS, [Instant(cut_us), Instant(retired_us), 2 * LEAD_ROWS - 1])
    connection.execute("DELETE FROM row_ends")
    connection.execute("INSERT INTO row_ends SELECT * FROM ends_now")
    connection.execute("UPDATE store_state SET retired_until = %s", [Instant(cut_us)])
    if edition.has_hypertables:
        connection.execute("SELECT drop_chunks('raw_rows', older_than => %s)", [Instant(cut_us)])
        return -1
    gone = connection.execute("DELETE FROM raw_rows WHERE measured_at < %s", [Instant(cut_us)])
    return gone.rowcount
