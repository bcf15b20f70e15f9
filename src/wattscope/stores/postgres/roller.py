"""Outdated stretches become kept buckets, some series at a time.

The series are locked meanwhile, so that a group is no larger than what is quickly done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    clear_outdated,
    list_waiting,
    lock_series,
)

GROUP_ROWS: Final = 500_000
"""About so many rows are worked on at once."""
_GROUP_SERIES: Final = 500


class Roller:
    """Makes the kept buckets."""

    def __init__(
        self, connections: Connections, catalogue: Catalogue, buckets: BucketReader
    ) -> None:
        self._connections = connections
        self._catalogue = catalogue
        self._buckets = buckets

    def roll_up_all(self) -> int:
        """Make all outdated buckets anew; returns the number of series that had any.

        Raises:
            TransientError: The server was lost; what was made stays, the rest is tried again.
        """
        with self._connections.snapshot() as connection:
            waiting = list_waiting(connection)
        n_series = 0
        for group in _group(waiting):
            with self._connections.transaction() as connection:
                n_series += self._roll_up(connection, group)
        return n_series

    def _roll_up(self, connection: Connection, group: Sequence[Waiting]) -> int:
        ids = np.array([one.series for one in group], np.int32)
        lock_series(connection, ids)
        misread = find_misread(connection, self._catalogue.rules, ids.tolist())
        if misread:
            # Another process knows them better; theirs are made when the registry was read again.
            self._catalogue.forget()
        known = [one for one in ids.tolist() if one not in misread]
        outdated = self._buckets.find_outdated(connection, known)
        for piece in _slice(outdated, group):
            self._buckets.replace_kept(connection, piece)
        clear_outdated(connection, known)
        return len(known)


def _group(waiting: Sequence[Waiting]) -> Iterator[list[Waiting]]:
    """Series whose outdated rows are together about ``GROUP_ROWS``, at least one."""
    group: list[Waiting] = []
    n_rows = 0.0
    for one in waiting:
        own = one.rows_a_day * max(one.newest_us - one.start_us, 0) / US_PER_DAY
        if group and (n_rows + own > GROUP_ROWS or len(group) >= _GROUP_SERIES):
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
