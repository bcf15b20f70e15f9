"""Rows that come: judged against what is stored, written, and noted, in one transaction."""

from __future__ import annotations

from functools import partial

import numpy as np

from wattscope.core.reading import Batch
from wattscope.ports import StoreReceipt
from wattscope.stores.conflicts import describe_conflicts
from wattscope.stores.postgres import states
from wattscope.stores.postgres.columns import Connection
from wattscope.stores.postgres.row_table import append_rows, look_up
from wattscope.stores.row_reader import order_by_series
from wattscope.stores.tail import Watermarks


def take_in(connection: Connection, batch: Batch) -> StoreReceipt:
    """Store what is new of some rows, and have the buckets around it made anew.

    Args:
        connection: In a transaction; its end lets other writers of the same series go on.
        batch: Any rows, in any order.
    """
    if not len(batch):
        return StoreReceipt(0, 0)
    ids = np.unique(batch.series_id)
    marks = Watermarks()
    marks.raise_to(ids, states.lock_series(connection, ids))
    judged = marks.judge(batch, partial(look_up, connection))
    if len(judged.new):
        # By series, so that the index is written leaf by leaf.
        rows = order_by_series(judged.new)
        append_rows(connection, rows)
        states.note_rows(connection, rows)
    conflicts = describe_conflicts(judged.conflicting, judged.kept_values)
    return StoreReceipt(len(judged.new), judged.n_duplicates, conflicts)
