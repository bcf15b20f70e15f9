"""The past of thousands of meters, straight into the store: nothing in it can be lost for good.

::

    simulator ─days─▶ blocks of some million values ─▶ store.load ─▶ rolled up at the end

It promises that devices and series are made in one commit, that each block is in the store whole or
not at all, and that blocks that are there are left alone: what was interrupted goes on, and what is
done twice is done once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from wattscope.core.reading import Batch, Int32Column, concat_batches
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.topology import Device
from wattscope.ports import StoreReceipt
from wattscope.simulate.simulator import FleetSimulator

_BLOCK_VALUES = 3_000_000
"""Values that are loaded at once: some 200 MB at the most while they are sorted."""

Watch = Callable[[int, int], None]
"""Is told how many readings are done, and how many there are."""


class FleetBook(Protocol):
    """The part of the registry that many devices need."""

    def put_devices(self, wanted: Sequence[tuple[Device, Sequence[str]]]) -> None: ...

    def find_series(self, device: str, quantity: str) -> int | None: ...


class BulkStore(Protocol):
    """The part of the store that a past needs."""

    def load(self, batch: Batch) -> StoreReceipt: ...

    def read_raw(self, series: Sequence[int], start_us: int, end_us: int) -> Batch: ...


class FleetHistory:
    """Writes the past of a simulator's devices."""

    def __init__(self, store: BulkStore, book: FleetBook, simulator: FleetSimulator) -> None:
        """Makes all devices and series known, in one commit."""
        self._store = store
        self._simulator = simulator
        names = tuple(simulator.quantities)
        book.put_devices([(one, names) for one in simulator.devices])
        self._series = {name: _list_series(book, simulator.devices, name) for name in names}
        self._first = self._series[names[0]]

    def write(self, start_us: int, end_us: int, watch: Watch) -> int:
        """Write what the devices told in ``[start, end)`` and the store does not have.

        Returns:
            Number of values written.
        """
        n_all = self._simulator.count_readings(start_us, end_us)
        n_done = n_values = 0
        for low_us, high_us in self._cut(start_us, end_us):
            from_us = self._find_missing(low_us, high_us)
            if from_us < high_us:
                n_values += self._load(from_us, high_us)
            n_done += self._simulator.count_readings(low_us, high_us)
            watch(n_done, n_all)
        return n_values

    def _cut(self, start_us: int, end_us: int) -> Iterator[tuple[int, int]]:
        """Blocks of whole UTC days; the first and the last may be shorter."""
        day_end = (start_us // US_PER_DAY + 1) * US_PER_DAY
        a_day = self._simulator.count_readings(day_end, day_end + US_PER_DAY) * len(self._series)
        step_us = max(1, _BLOCK_VALUES // max(1, a_day)) * US_PER_DAY
        while start_us < end_us:
            # Edges are the same whenever it is started, so that what is there is found again.
            edge_us = min(end_us, (start_us // step_us + 1) * step_us)
            yield start_us, edge_us
            start_us = edge_us

    def _find_missing(self, start_us: int, end_us: int) -> int:
        """From where on a block has to be written; its end where all of it is there.

        What was loaded was loaded whole, so that one quantity tells of all. Where it is not plain
        up to where the rows go, the block is written again: what is there changes nothing.
        """
        rows = self._store.read_raw(self._first.tolist(), start_us, end_us)
        if not len(rows):
            return start_us
        behind_us = int(rows.measured_at_us.max()) + 1
        is_whole = len(rows) == self._simulator.count_readings(start_us, behind_us)
        if not is_whole:
            return start_us
        n_left = self._simulator.count_readings(behind_us, end_us)
        return behind_us if n_left else end_us

    def _load(self, start_us: int, end_us: int) -> int:
        batches = [
            Batch(
                self._series[one.quantity][one.device],
                one.measured_at_us,
                one.value,
                np.zeros(len(one.value), np.uint8),
            )
            for one in self._simulator.fleet_history(start_us, end_us)
        ]
        return self._store.load(concat_batches(batches)).stored


def _list_series(book: FleetBook, devices: Sequence[Device], quantity: str) -> Int32Column:
    """The series of a quantity, in the order of the devices."""
    found = [book.find_series(one.id, quantity) for one in devices]
    return np.array([0 if one is None else one for one in found], np.int32)
