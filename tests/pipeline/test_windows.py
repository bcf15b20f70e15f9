"""Windows hold what the store holds, whichever way they are made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from wattscope.core.reading import Batch, Quality
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE, US_PER_S
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.core.window import Window
from wattscope.live.memory_view import MemoryView
from wattscope.pipeline.recent_minutes import RecentMinutes
from wattscope.pipeline.windows import WindowReader
from wattscope.ports import LogRecord
from wattscope.registry.database import Database
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.stores.duckdb_store import DuckdbStore

T0 = 1_717_200_000_000_000 // US_PER_HOUR * US_PER_HOUR
POWER, WH = "production_power_w", "energy_production_wh"


class Plant:
    """Two panels that speak every ten seconds, an inverter each quarter hour, a sensor."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "registry.sqlite")
        self.names = SqlRegistry(self.database)
        self.names.put_site(Site("plant", "Plant", "Europe/Berlin"))
        panels = [
            Device(f"p{n}", "plant", f"P{n}", DeviceKind.PANEL, interval_s=10) for n in (1, 2)
        ]
        inverter = Device("inv", "plant", "Inverter", DeviceKind.INVERTER)
        sensor = Device("sun", "plant", "Sensor", DeviceKind.SENSOR, interval_s=60)
        self.names.put_devices(
            [(one, (POWER,)) for one in panels]
            + [(inverter, (POWER, WH)), (sensor, ("irradiance_w_m2",))]
        )
        self.live, self.recent = MemoryView(), RecentMinutes(30)
        self.store = DuckdbStore(folder / "chunks", self.names)
        self.n_records = 0

    def take(self, device: str, quantity: str, t_us: list[int], values: list[float]) -> None:
        series = self.names.find_series(device, quantity)
        assert series is not None
        batch = Batch(
            np.full(len(values), series, np.int32),
            np.array(t_us, np.int64),
            np.array(values),
            np.where(np.isnan(values), int(Quality.MISSING), 0).astype(np.uint8),
        )
        self.store.write(LogRecord(self.n_records, batch))
        self.n_records += 1
        self.live.update(batch)
        self.recent.update(batch)

    def close(self) -> None:
        self.store.close()
        self.database.close()


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path)
    yield made
    made.close()


def test_groups_are_of_one_kind_and_pace(plant: Plant) -> None:
    quarters = [T0 + at * 15 * US_PER_MINUTE for at in range(8)]
    plant.take("inv", POWER, quarters, [1.0] * 8)
    groups = WindowReader(plant.store, plant.names, plant.live).list_groups()
    found = {(one.kind, one.step_us // US_PER_MINUTE): len(one.devices) for one in groups}
    assert found == {
        (DeviceKind.PANEL, 1): 2,
        (DeviceKind.INVERTER, 15): 1,
        (DeviceKind.SENSOR, 1): 1,
    }


def test_native_window_is_the_readings_and_a_gap_stays_one(plant: Plant) -> None:
    quarters = [T0 + at * 15 * US_PER_MINUTE for at in (0, 1, 3, 4)]
    plant.take("inv", POWER, quarters, [5.0, 6.0, float("nan"), 8.0])
    plant.take("inv", WH, quarters, [100.0, 101.0, 103.0, 104.0])
    reader = WindowReader(plant.store, plant.names, plant.live)
    [group] = reader.list_groups(["inv"])
    window = reader.read(group, "native", T0, T0 + 75 * US_PER_MINUTE)
    np.testing.assert_array_equal(window.values[POWER], [[5.0, 6.0, np.nan, np.nan, 8.0]])
    np.testing.assert_array_equal(window.values[WH], [[100.0, 101.0, np.nan, 103.0, 104.0]])
    assert window.end_us == T0 + 75 * US_PER_MINUTE
    hour = reader.read(group, "1h", T0, T0 + US_PER_HOUR)
    np.testing.assert_array_equal(hour.values[POWER], [[5.5]])
    np.testing.assert_array_equal(hour.values[WH], [[103.0]])


def test_cut_keeps_slots_that_begin_inside(plant: Plant) -> None:
    plant.take("inv", POWER, [T0 + at * 15 * US_PER_MINUTE for at in range(8)], list(range(8)))
    reader = WindowReader(plant.store, plant.names, plant.live)
    [group] = reader.list_groups(["inv"])
    window = reader.read(group, "native", T0, T0 + 2 * US_PER_HOUR)
    part = window.cut(T0 + 1, T0 + US_PER_HOUR)
    assert part.values[POWER].tolist() == [[1.0, 2.0, 3.0]]
    assert part.slot_us[0] == T0 + 15 * US_PER_MINUTE


def _same(one: Window, other: Window) -> None:
    np.testing.assert_array_equal(one.slot_us, other.slot_us)
    assert one.values.keys() == other.values.keys()
    for name in one.values:
        np.testing.assert_allclose(one.values[name], other.values[name], rtol=1e-12)
    for name in one.weather:
        np.testing.assert_allclose(one.weather[name], other.weather[name], rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_minutes_in_memory_are_those_of_the_store(plant: Plant, seed: int) -> None:
    draw = np.random.default_rng(seed)
    asked = WindowReader(plant.store, plant.names, plant.live)
    spared = WindowReader(plant.store, plant.names, plant.live, plant.recent)
    [group] = [one for one in asked.list_groups() if one.kind is DeviceKind.PANEL]
    now_s = 0
    n_from_memory = 0
    for _ in range(40):
        n_new = int(draw.integers(1, 30))
        for panel in ("p1", "p2"):
            t_us = [T0 + (now_s + at * 10) * US_PER_S for at in range(n_new)]
            values = draw.normal(200, 20, n_new)
            values[draw.random(n_new) < 0.1] = np.nan
            plant.take(panel, POWER, t_us, values.tolist())
        plant.take("sun", "irradiance_w_m2", [T0 + now_s * US_PER_S], [float(now_s)])
        now_s += n_new * 10
        end_us = (T0 + now_s * US_PER_S) // US_PER_MINUTE * US_PER_MINUTE
        start_us = end_us - int(draw.integers(1, 25)) * US_PER_MINUTE
        _same(
            spared.read(group, "native", start_us, end_us),
            asked.read(group, "native", start_us, end_us),
        )
        minutes = (end_us - start_us) // US_PER_MINUTE
        series = tuple(group.series[POWER].values())
        n_from_memory += plant.recent.read(series, start_us // US_PER_MINUTE, minutes) is not None
    assert n_from_memory > 30


def test_series_are_kept_in_memory_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wattscope.pipeline.recent_minutes.MAX_SERIES", 3)
    recent = RecentMinutes(10)
    recent.follow([1, 2], None)
    recent.follow([3, 4], None)
    batch = Batch(np.array([1, 3], np.int32), np.array([T0, T0]), np.ones(2), np.zeros(2, np.uint8))
    recent.update(batch)
    assert recent.read((3,), T0 // US_PER_MINUTE, 1) is None
    known = recent.read((1,), T0 // US_PER_MINUTE, 1)
    assert known is not None
    assert [one.tolist() for one in known] == [[[1.0]], [[1]]]


def test_a_minute_that_was_under_way_is_not_believed(plant: Plant) -> None:
    """Mutation check: a ring that forgets when it began tells half a minute as a whole one."""
    plant.take("p1", POWER, [T0 + at * 10 * US_PER_S for at in range(4)], [100.0] * 4)
    reader = WindowReader(plant.store, plant.names, plant.live, plant.recent)
    [group] = reader.list_groups(["p1"])
    reader.read(group, "native", T0 - US_PER_MINUTE, T0)
    plant.take("p1", POWER, [T0 + at * 10 * US_PER_S for at in range(4, 6)], [400.0] * 2)
    window = reader.read(group, "native", T0, T0 + US_PER_MINUTE)
    assert window.values[POWER].tolist() == [[200.0]]
    blind = RecentMinutes(30)
    blind.follow(group.series[POWER].values(), None)
    series = group.series[POWER][0]
    batch = plant.store.read_raw((series,), T0 + 40 * US_PER_S, T0 + US_PER_MINUTE)
    blind.update(batch)
    mistaken = WindowReader(plant.store, plant.names, plant.live, blind)
    found = mistaken.read(group, "native", T0, T0 + US_PER_MINUTE)
    assert found.values[POWER].tolist() == [[400.0]]


def test_days_are_local_ones_each_in_its_slot(plant: Plant) -> None:
    """Berlin, over the change to summer time: midnight is 23:00 or 22:00 UTC of the day before."""
    first_us = 1_711_584_000_000_000
    hours = [first_us + at * US_PER_HOUR for at in range(24 * 6)]
    local_day = [(at + 1 + (at >= 73)) // 24 for at in range(24 * 6)]
    plant.take("inv", POWER, hours, [float(day) for day in local_day])
    reader = WindowReader(plant.store, plant.names, plant.live)
    [group] = reader.list_groups(["inv"])
    window = reader.read(group, "1d", first_us, first_us + 6 * 24 * US_PER_HOUR)
    assert window.values[POWER].tolist() == [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]]
    assert window.slot_us[0] == first_us
