"""A simulated past: of a few devices written to the log, of thousands straight to the store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import numpy as np

from wattscope.assembly.fleet_history import FleetHistory, Watch
from wattscope.assembly.meter_fleet import build_fleet_source, register_fleet
from wattscope.assembly.storage import Storage, now_us
from wattscope.compute.modbus.meter_rows import BookRows
from wattscope.core.reading import Batch, concat_batches
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, to_us
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings
from wattscope.simulate.simulator import FleetSimulator, HistoryColumns, Simulator

_FLUSH_VALUES = 600_000
"""Values in memory at which they are moved to files; keeps a demo small."""


def fill_history(
    storage: Storage, simulator: Simulator, length_s: int, watch: Watch = lambda _done, _all: None
) -> int:
    """Write the past up to now, where the store does not have it yet.

    Args:
        storage: Where to.
        simulator: Whose past.
        length_s: How far back [s].
        watch: Told of progress where it takes a while.

    Returns:
        Number of values written.
    """
    end_us = now_us() // US_PER_S * US_PER_S
    epoch = simulator.epoch
    epoch_us = to_us(datetime(epoch.year, epoch.month, epoch.day, tzinfo=UTC))
    start_us = max(end_us - length_s * US_PER_S, epoch_us)
    if isinstance(simulator, FleetSimulator):
        fleet = FleetHistory(storage.store, storage.registry, simulator)
        n_values = fleet.write(start_us, end_us, watch) if start_us < end_us else 0
    else:
        known = storage.store.time_range()
        if known is not None:
            start_us = max(start_us, known[1] + 1)
        if start_us >= end_us:
            return 0
        n_values = _write(storage, simulator.history(start_us, end_us))
    storage.persist.flush()
    return n_values


def register_meters(
    storage: Storage, settings: Settings, data: Path, library: ProfileLibrary
) -> None:
    """Make the meters of the settings known, so that files name them.

    Args:
        storage: Where the past will be.
        settings: Those of the recipe.
        data: The data folder.
        library: For the types of the meters.
    """
    if settings.meters:
        fleet = build_fleet_source(settings, data, library).build(BookRows())
        register_fleet(storage.registry, fleet)


def _write(storage: Storage, history: Iterator[HistoryColumns]) -> int:
    """One record a day."""
    n_values = n_waiting = 0
    for _, columns in groupby(history, lambda one: int(one.measured_at_us[0]) // US_PER_DAY):
        record = storage.persist.append(
            concat_batches([_batch_of(storage, one) for one in columns])
        )
        storage.tally.received += len(record.batch)
        storage.persist.drain()
        n_values += len(record.batch)
        n_waiting += len(record.batch)
        if n_waiting >= _FLUSH_VALUES:
            storage.persist.flush()
            n_waiting = 0
    return n_values


def _batch_of(storage: Storage, columns: HistoryColumns) -> Batch:
    n_rows = len(columns.value)
    series = storage.registry.ensure_series(columns.device, columns.quantity)
    return Batch(
        np.full(n_rows, series, np.int32),
        columns.measured_at_us,
        columns.value,
        np.zeros(n_rows, np.uint8),
    )
