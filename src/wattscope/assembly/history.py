"""A simulated past, written straight to the log: bare-number topics carry no time."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from wattscope.assembly.storage import Storage, now_us
from wattscope.core.reading import Batch, concat_batches
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, to_us
from wattscope.simulate.home_messages import history_batches
from wattscope.simulate.home_settings import HomeSimulation

_FLUSH_DAYS = 4
"""Days in memory before they are moved to files; keeps a demo small."""


def fill_history(storage: Storage, house: HomeSimulation, length_s: int) -> int:
    """Write the past up to now, where the store does not have it yet.

    Returns:
        Number of values written.
    """
    end_us = now_us() // US_PER_S * US_PER_S
    wanted_us = end_us - length_s * US_PER_S
    known = storage.store.time_range()
    start_us = wanted_us if known is None else max(wanted_us, known[1] + 1)
    epoch_us = to_us(datetime(house.epoch.year, house.epoch.month, house.epoch.day, tzinfo=UTC))
    start_us = max(start_us, epoch_us)
    if start_us >= end_us:
        return 0
    n_values = _write(storage, house, start_us, end_us)
    storage.persist.flush()
    return n_values


def _write(storage: Storage, house: HomeSimulation, start_us: int, end_us: int) -> int:
    """One record a day, at the interval at which the house speaks."""
    by_day: dict[int, list[Batch]] = {}
    for columns in history_batches(house, start_us, end_us, house.interval_s):
        series = storage.registry.ensure_series(columns.device, columns.quantity)
        n_rows = len(columns.value)
        day = int(columns.measured_at_us[0]) // US_PER_DAY
        by_day.setdefault(day, []).append(
            Batch(
                np.full(n_rows, series, np.int32),
                columns.measured_at_us,
                columns.value,
                np.zeros(n_rows, np.uint8),
            )
        )
    n_values = 0
    for position, day in enumerate(sorted(by_day), start=1):
        record = storage.persist.append(concat_batches(by_day[day]))
        storage.tally.received += len(record.batch)
        storage.persist.drain()
        n_values += len(record.batch)
        if position % _FLUSH_DAYS == 0:
            storage.persist.flush()
    return n_values
