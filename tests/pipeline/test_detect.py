"""Looks of detectors at what a store holds: now, over a past, and after a restart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from wattscope.compute.panel_arrays import PanelArray, lay_out
from wattscope.core.findings import Finding
from wattscope.core.incidents import Incident
from wattscope.core.reading import Batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_S
from wattscope.core.topology import DeviceKind, Site
from wattscope.core.window import View, Window
from wattscope.detectors.outage import Outage
from wattscope.live.memory_view import MemoryView
from wattscope.pipeline import windows
from wattscope.pipeline.detect import ARCHIVE_US, Detection, Look
from wattscope.pipeline.diagnose import Diagnosis
from wattscope.pipeline.windows import WindowReader
from wattscope.ports import LogRecord
from wattscope.registry.database import Database
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.simulate.panel_plant import PanelPlant
from wattscope.simulate.solar_faults import Fault, FaultKind
from wattscope.stores.duckdb_store import DuckdbStore

SITE = Site("plant", "Plant", "Europe/Berlin", "EUR", 48.14, 11.58)
START_US = 1_778_803_200_000_000
STEP_US = 5 * US_PER_MINUTE
TRIP_US = START_US + US_PER_DAY + 10 * US_PER_HOUR
TRIP = Fault(FaultKind.INVERTER_TRIP, "Panel-001", TRIP_US, TRIP_US + 3 * US_PER_HOUR)


class World:
    """Two days of twelve panels at three inverters, one of which trips on the second day."""

    def __init__(self, folder: Path, step_us: int = STEP_US, fault: Fault = TRIP) -> None:
        self.database = Database(folder / "registry.sqlite")
        self.names = SqlRegistry(self.database)
        self.names.put_site(SITE)
        array = PanelArray(
            SITE.id,
            count=12,
            per_string=2,
            strings_per_inverter=2,
            rating_w=430.0,
            tilt_deg=30.0,
            azimuth_deg=180.0,
            interval_s=step_us / US_PER_S,
        )
        self.devices = lay_out(array)
        self.names.put_devices(
            [
                (one, ("production_power_w",) if one.kind is DeviceKind.PANEL else ())
                for one in self.devices
            ]
        )
        made = PanelPlant(SITE, self.devices).generate(
            START_US, START_US + 2 * US_PER_DAY, step_us, [fault]
        )
        power = made.panels.values["production_power_w"]
        ids = [self.names.find_series(one.id, "production_power_w") for one in made.panels.devices]
        n_slots = power.shape[1]
        batch = Batch(
            np.repeat(np.array(ids, np.int32), n_slots),
            np.tile(made.panels.slot_us, len(ids)),
            power.ravel(),
            np.zeros(power.size, np.uint8),
        )
        self.live = MemoryView()
        self.store = DuckdbStore(folder / "chunks", self.names)
        self.store.write(LogRecord(0, batch))
        self.live.update(batch)
        self.reader = WindowReader(self.store, self.names, self.live)

    def close(self) -> None:
        self.store.close()
        self.database.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def _panels_of_trip(world: World) -> set[str]:
    strings = {one.id for one in world.devices if one.parent == "Inverter-1"}
    return {one.id for one in world.devices if one.parent in strings}


def test_look_at_now_sees_what_is_going_on(world: World) -> None:
    detection = Detection(world.reader, [Outage()])
    [look] = detection.list_looks()
    seen = detection.look(look, TRIP_US + 2 * US_PER_HOUR)
    assert {one.device for one in seen.findings} == _panels_of_trip(world)
    assert {one.kind for one in seen.findings} == {"outage"}
    assert seen.window.end_us == TRIP_US + 2 * US_PER_HOUR
    before = detection.look(look, TRIP_US - US_PER_HOUR)
    assert before.findings == ()


def test_an_archive_is_looked_at_where_it_ends(world: World) -> None:
    detection = Detection(world.reader, [Outage()])
    [look] = detection.list_looks()
    end_us = START_US + 2 * US_PER_DAY
    years_later = detection.look(look, end_us + 3 * 365 * US_PER_DAY)
    assert years_later.window.end_us == end_us
    assert {one.device for one in years_later.findings} == _panels_of_trip(world)
    lately = detection.look(look, end_us + ARCHIVE_US - US_PER_HOUR)
    assert lately.window.end_us == end_us + ARCHIVE_US - US_PER_HOUR


def test_a_past_in_pieces_gives_what_it_gives_as_a_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    detection = Detection(world.reader, [replace(Outage(), view=View("native", US_PER_HOUR, 60))])
    [look] = detection.list_looks()
    span = START_US, START_US + 2 * US_PER_DAY
    shares: list[float] = []
    whole = detection.look_back(look, *span, shares.append)
    assert shares == [1.0]
    monkeypatch.setattr(windows, "_MAX_VALUES", 12 * 40)
    parts = detection.look_back(look, *span, shares.append)
    assert len(shares) > 5
    assert {one.device for one in whole} == {one.device for one in parts}
    assert min(one.start_us for one in whole) == min(one.start_us for one in parts)


def test_what_began_before_the_minutes_in_memory_is_still_seen(tmp_path: Path) -> None:
    early_us = START_US + 7 * US_PER_HOUR
    fault = Fault(FaultKind.INVERTER_TRIP, "Panel-001", early_us, early_us + 40 * US_PER_HOUR)
    world = World(tmp_path, US_PER_MINUTE, fault)
    detection = Detection(world.reader, [Outage()])
    looks = detection.list_looks()
    now_us = START_US + US_PER_DAY + 2 * US_PER_HOUR
    found = {
        look.view.level: {one.device for one in detection.look(look, now_us).findings}
        for look in looks
    }
    # It is night: minutes reach back to no light at all.
    assert found == {"native": set(), "15m": _panels_of_trip(world)}
    assert [one.view for one in detection.list_looks(is_live=False)] == [Outage().view]
    world.close()


@dataclass
class Shelf:
    """Keeps incidents in memory, as a database would over a restart."""

    kept: dict[str, Incident] = field(default_factory=dict)

    def list_open(self, since_us: int) -> Sequence[Incident]:
        return [one for one in self.kept.values() if not one.is_over or one.end_us >= since_us]

    def put_all(self, incidents: Sequence[Incident], now_us: int) -> None:  # noqa: ARG002  # of the port
        self.kept |= {one.id: one for one in incidents}


def _run_day(world: World, shelf: Shelf, *, restarts: bool) -> list[list[Incident]]:
    """A look each half hour of the second day; what was told after each."""
    told: list[list[Incident]] = []
    detection = Detection(world.reader, [Outage()])
    clock = [0]

    def build() -> Diagnosis:
        return Diagnosis(
            shelf,
            world.names.list_devices,
            world.names.list_sites,
            0.3,
            lambda: clock[0],
            lambda incidents: told.append(list(incidents)),
        )

    diagnosis = build()
    [look] = detection.list_looks()
    for now_us in range(TRIP_US - US_PER_HOUR, TRIP_US + 8 * US_PER_HOUR, 30 * US_PER_MINUTE):
        clock[0] = now_us
        diagnosis = build() if restarts else diagnosis
        diagnosis.take(detection.look(look, now_us))
    return told


@pytest.mark.parametrize("restarts", [False, True])
def test_a_trip_is_one_incident_from_its_first_look_to_its_last(
    world: World, *, restarts: bool
) -> None:
    shelf = Shelf()
    told = _run_day(world, shelf, restarts=restarts)
    assert told[0] == []
    names = {one.id for incidents in told for one in incidents}
    devices = {one.device for one in shelf.kept.values() if one.lost_wh > 0}
    assert devices == {"Inverter-1"}
    assert len({one for one in names if shelf.kept[one].lost_wh > 0}) == 1
    [trip] = [one for one in shelf.kept.values() if one.lost_wh > 0]
    assert trip.causes[0].name == "outage"
    assert abs(trip.start_us - TRIP_US) <= STEP_US
    assert abs(trip.end_us - TRIP_US - 3 * US_PER_HOUR) <= 2 * STEP_US
    assert trip.is_over
    # Its four panels stood in the sun of three hours around midday.
    assert 0.6 * 4 * 430.0 * 3 < trip.lost_wh < 4 * 430.0 * 3
    assert trip.lost_money == pytest.approx(trip.lost_wh / 1000 * 0.3)


def test_restarts_change_nothing(world: World) -> None:
    first, second = Shelf(), Shelf()
    _run_day(world, first, restarts=False)
    _run_day(world, second, restarts=True)
    assert first.kept == second.kept


class Counting:
    """A detector that notes which quantities exist and reads none."""

    name = "counting"
    view = View("15m", US_PER_DAY, 60.0)

    def __init__(self) -> None:
        self.looks: list[Window] = []

    def find(self, window: Window) -> list[Finding]:
        self.looks.append(window)
        return []


def test_quantities_that_nobody_asks_for_are_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_reads = 0
    roll_up = world.store.roll_up

    def note(*arguments: object) -> object:
        nonlocal n_reads
        n_reads += 1
        return roll_up(*arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(world.store, "roll_up", note)
    counting = Counting()
    detection = Detection(world.reader, [counting])
    looks: list[Look] = detection.list_looks()
    detection.look(looks[0], TRIP_US)
    assert "production_power_w" in counting.looks[0].values
    assert n_reads == 0
    assert counting.looks[0].values["production_power_w"].shape == (12, 96)
    assert n_reads == 1
