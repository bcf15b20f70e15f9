"""Windows of days, and what stands above their devices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from wattscope.core.reading import Batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.live.memory_view import MemoryView
from wattscope.pipeline.windows import WindowReader
from wattscope.ports import LogRecord
from wattscope.registry.database import Database
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.stores.duckdb_store import DuckdbStore

POWER = "production_power_w"
# 2024-03-28 00:00 UTC: three days before Berlin's summer time.
T0 = 1_711_584_000_000_000


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[WindowReader]:
    database = Database(tmp_path / "registry.sqlite")
    names = SqlRegistry(database)
    names.put_site(Site("plant", "Plant", "Europe/Berlin"))
    tree = [
        Device("top", "plant", "Top", DeviceKind.PLANT),
        Device("inv", "plant", "Inverter", DeviceKind.INVERTER, "top"),
        Device("s1", "plant", "String", DeviceKind.STRING, "inv"),
        Device("p1", "plant", "Panel", DeviceKind.PANEL, "s1"),
    ]
    names.put_devices([(one, (POWER,) if one.id == "p1" else ()) for one in tree])
    live = MemoryView()
    store = DuckdbStore(tmp_path / "chunks", names)
    series = names.find_series("p1", POWER)
    assert series is not None
    # Each local hour of a week gives the number of its local day.
    instants = T0 + US_PER_HOUR * np.arange(24 * 7, dtype=np.int64)
    offset = np.where(instants >= T0 + 3 * US_PER_DAY + US_PER_HOUR, 2, 1) * US_PER_HOUR
    values = ((instants + offset - T0) // US_PER_DAY).astype(np.float64)
    batch = Batch(
        np.full(len(values), series, np.int32), instants, values, np.zeros(len(values), np.uint8)
    )
    store.write(LogRecord(0, batch))
    live.update(batch)
    yield WindowReader(store, names, live)
    store.close()
    database.close()


def test_slot_of_a_day_holds_one_local_day_over_the_change_of_the_clock(
    reader: WindowReader,
) -> None:
    (group,) = reader.list_groups()
    window = reader.read(group, "1d", T0, T0 + 7 * US_PER_DAY)
    assert window.step_us == US_PER_DAY
    # A local day stands in the slot of the UTC day in which its middle lies.
    assert window.values[POWER][0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_window_knows_what_stands_above_its_devices(reader: WindowReader) -> None:
    (group,) = reader.list_groups()
    window = reader.read(group, "1h", T0, T0 + US_PER_DAY)
    assert {one: device.kind for one, device in window.above.items()} == {
        "s1": DeviceKind.STRING,
        "inv": DeviceKind.INVERTER,
        "top": DeviceKind.PLANT,
    }
