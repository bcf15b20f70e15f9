"""Very many rows, shared out to several connections by their series.

A process of the server takes rows in on one core, and most of the work is finding the place of each
in the index: several of them are faster, as long as they do not write to the same leaves.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from wattscope.core.reading import Batch
from wattscope.ports import StoreReceipt
from wattscope.stores.postgres.connections import Connections
from wattscope.stores.postgres.intake import take_in

SHARED_ROWS: Final = 50_000
"""Fewer rows are not worth a second transaction."""
LOADERS: Final = 2
"""Connections at once: they must leave room for questions and for a core that prepares the rows."""


def load_rows(connections: Connections, batch: Batch) -> StoreReceipt:
    """Take rows in, over several connections where they are very many.

    Each of those takes some series whole, in a transaction of its own.

    Raises:
        TransientError: The server cannot be reached, or was lost; of very many rows those of some
            series may be there already.
    """

    def load_part(part: Batch) -> StoreReceipt:
        with connections.transaction() as connection:
            return take_in(connection, part)

    parts = split_by_series(batch, LOADERS) if len(batch) >= SHARED_ROWS else [batch]
    if len(parts) == 1:
        return load_part(batch)
    with ThreadPoolExecutor(len(parts), "load") as pool:
        return add_receipts(pool.map(load_part, parts))


def split_by_series(batch: Batch, most: int) -> list[Batch]:
    """Parts of about as many rows, with whole series in the order of their ids.

    Args:
        batch: Any rows.
        most: Number of parts; fewer where there are not as many series.

    Returns:
        Parts that hold every row once, those of a series in their order; none is empty.
    """
    ids, counts = np.unique(batch.series_id, return_counts=True)
    # The part that the middle of each series falls into.
    share = (np.cumsum(counts) - counts / 2) * most // max(len(batch), 1)
    part = share[np.searchsorted(ids, batch.series_id)]
    return [batch.take(part == one) for one in np.unique(share)]


def add_receipts(receipts: Iterable[StoreReceipt]) -> StoreReceipt:
    """What became of all of them together."""
    all_of_them = list(receipts)
    return StoreReceipt(
        sum(one.stored for one in all_of_them),
        sum(one.duplicate for one in all_of_them),
        tuple(item for one in all_of_them for item in one.conflicts),
    )
