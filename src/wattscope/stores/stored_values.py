"""Looking rows up by their key: which are stored already, and with which value."""

from __future__ import annotations

import duckdb
import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Batch
from wattscope.stores.row_reader import RowReader
from wattscope.stores.snapshot import Snapshot


def find_stored(
    reader: RowReader, cursor: duckdb.DuckDBPyConnection, snapshot: Snapshot, asked: Batch
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """For each asked row whether its key is stored, and the stored value."""
    low, high = int(asked.measured_at_us.min()), int(asked.measured_at_us.max())
    series = np.unique(asked.series_id)
    stored = reader.read(cursor, snapshot, series.tolist(), low, high + 1)
    found = np.zeros(len(asked), np.bool_)
    values = np.full(len(asked), np.nan)
    if not len(stored):
        return found, values
    # Both sides by one number that rises with series, then time.
    instants = np.unique(np.r_[stored.measured_at_us, asked.measured_at_us])
    keys = _make_keys(stored, series, instants)
    wanted = _make_keys(asked, series, instants)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found = keys[at] == wanted
    values[found] = stored.value[at[found]]
    return found, values


def _make_keys(
    rows: Batch, series: npt.NDArray[np.int32], instants: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Series and instant as one number, by their places in lists of both."""
    at = np.searchsorted(series, rows.series_id).astype(np.int64)
    return at * len(instants) + np.searchsorted(instants, rows.measured_at_us)
