"""Outdated stretches become kept buckets, some series at a time.

The series are locked meanwhile, so that a group is no larger than what is quickly done. While rows
come, the bucket that they fall into is left alone: it would be made again and again, each time from
more rows, and questions compute it from its rows anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from wattscope.core.time_grid import US_PER_DAY
from wattscope.stores.catalogue import Catalogue
from wattscope.stores.postgres.buckets import BucketReader
from wattscope.stores.postgres.columns import ALWAYS, NEVER, Connection
from wattscope.stores.postgres.connections import Connections
from wattscope.stores.postgres.names_copy import find_misread
from wattscope.stores.postgres.pieces import Pieces
from wattscope.stores.postgres.states import (
    GRID_US,
    Waiting,
    clear_before,
    clear_outdated,
    find_open_quarter,
    list_waiting,
    lock_series,
)

GROUP_ROWS: Final = 500_000
"""About so many rows are worked on at once."""
_GROUP_SERIES: Final = 500
_KEEP_ROWS: Final = 10_000
_KEEP_SERIES: Final = 20
"""Likewise while rows come: writers of these series wait meanwhile."""
_KEEP_CALLS: Final = 20
"""So many calls make what is due at once: with one each ten seconds that is three minutes."""
_PAUSES: Final = 3
"""Between two groups while rows come: so many times what a group took, others need the cores."""
_LONGEST_PAUSE_S: Final = 0.5
"""At most so long [s]."""


class Roller:
    """Makes the kept buckets."""

    def __init__(
        self,
        connections: Connections,
        catalogue: Catalogue,
        buckets: BucketReader,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connections = connections
        self._catalogue = catalogue
        self._buckets = buckets
        self._monotonic, self._sleep = monotonic, sleep
        self._n_rows: dict[int, int] = {}
        """Rows of each series that was waiting when ``keep_up`` looked last."""
        self.is_behind = False
        """Whether ``keep_up`` left something for its next call."""
        self._share = 0
        """Series that a call of ``keep_up`` takes, until nothing is left."""

    def roll_up_all(self) -> int:
        """Make all outdated buckets anew; returns the number of series that had any.

        Raises:
            TransientError: The server was lost; what was made stays, the rest is tried again.
        """
        with self._connections.snapshot() as connection:
            waiting = list_waiting(connection)
        n_series = 0
        for group in _group(waiting, GROUP_ROWS, _GROUP_SERIES):
            with self._connections.transaction() as connection:
                n_series += self._roll_up(connection, group, frozenset())
        return n_series

    def keep_up(self) -> int:
        """Make what is over: of series that grow all but their newest quarter, of others all.

        A series that has as many rows as at the last call does not grow. Every quarter of an hour
        all of them are due at once: each call takes a share of them, in small groups between which
        the rows that come have their turn.

        Raises:
            TransientError: The server was lost; what was made stays, the rest is tried again.
        """
        with self._connections.snapshot() as connection:
            waiting = list_waiting(connection)
        growing = frozenset(
            one.series for one in waiting if self._n_rows.get(one.series) != one.n_rows
        )
        self._n_rows = {one.series: one.n_rows for one in waiting}
        due = [one for one in waiting if one.has_whole or one.series not in growing]
        begun = self._share if self.is_behind else 0
        self._share = max(begun, -(-len(due) // _KEEP_CALLS), _KEEP_SERIES)
        self.is_behind = len(due) > self._share
        due = _choose_oldest(due, self._share)
        n_series, began_s = 0, 0.0
        for group in _group(due, _KEEP_ROWS, _KEEP_SERIES):
            if n_series:
                took_s = self._monotonic() - began_s
                self._sleep(min(_PAUSES * took_s, _LONGEST_PAUSE_S))
            began_s = self._monotonic()
            with self._connections.transaction() as connection:
                n_series += self._roll_up(connection, group, growing)
        return n_series

    def _roll_up(
        self, connection: Connection, group: Sequence[Waiting], growing: frozenset[int]
    ) -> int:
        ids = np.array([one.series for one in group], np.int32)
        newest_us = lock_series(connection, ids)
        misread = find_misread(connection, self._catalogue.rules, ids.tolist())
        if misread:
            # Another process knows them better; theirs are made when the registry was read again.
            self._catalogue.forget()
        known = [one for one in ids.tolist() if one not in misread]
        is_growing = np.array([one in growing for one in ids.tolist()])
        end_us = np.where(is_growing, find_open_quarter(newest_us), NEVER)
        outdated = self._buckets.find_outdated(connection, known).before(ids, end_us)
        for piece in _slice(outdated, group):
            self._buckets.replace_kept(connection, piece)
        is_known = np.isin(ids, np.array(known, np.int32))
        clear_outdated(connection, ids[is_known & ~is_growing].tolist())
        put_off = is_known & is_growing
        clear_before(connection, ids[put_off], end_us[put_off])
        return len(known)


def _choose_oldest(due: Sequence[Waiting], most: int) -> list[Waiting]:
    """Those that wait for the longest time, by series."""
    oldest = sorted(due, key=lambda one: one.start_us)[:most]
    return sorted(oldest, key=lambda one: one.series)


def _group(waiting: Sequence[Waiting], most_rows: int, most_series: int) -> Iterator[list[Waiting]]:
    """Series whose outdated rows are together about ``most_rows``, at least one."""
    group: list[Waiting] = []
    n_rows = 0.0
    for one in waiting:
        own = one.rows_a_day * max(one.newest_us - one.start_us, 0) / US_PER_DAY
        if group and (n_rows + own > most_rows or len(group) >= most_series):
            yield group
            group, n_rows = [], 0.0
        group.append(one)
        n_rows += own
    if group:
        yield group


def _slice(outdated: Pieces, group: Sequence[Waiting]) -> Iterator[Pieces]:
    """What is outdated, from the oldest on, in stretches of about ``GROUP_ROWS`` rows."""
    if not len(outdated):
        return
    rows_a_day = sum(one.rows_a_day for one in group)
    days = max(GROUP_ROWS / max(rows_a_day, 1e-6), 1.0)
    step_us = int(min(days, 1e5) * US_PER_DAY) // GRID_US * GRID_US
    starts = outdated.start_us[outdated.start_us != ALWAYS]
    oldest = min([*starts.tolist(), *(one.start_us for one in group)])
    newest = max(one.newest_us for one in group)
    cuts = range((oldest // GRID_US) * GRID_US + step_us, max(newest, oldest), step_us)
    for low, high in zip([ALWAYS, *cuts], [*cuts, NEVER], strict=True):
        piece = outdated.clip(low, high)
        if len(piece):
            yield piece
