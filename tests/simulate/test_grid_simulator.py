"""The simulated grid: who uses how much when, what meters say of it, and that its past is the same.

Statistics are those of 400 meters over a week, with limits that a wrong shape, sum or unit breaks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from wattscope.assembly.simulation import build_simulator
from wattscope.cli.options import read_recipe
from wattscope.compute.decode import grid_meter_json
from wattscope.compute.decode.profile import parse_profile
from wattscope.core.errors import QueryError, SettingsError
from wattscope.core.findings import Ignored, Rejection
from wattscope.core.reading import Reading
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S, load_zone, parse_instant
from wattscope.core.topology import Site
from wattscope.ports import RawMessage
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.simulate.grid_model import GridModel, Told
from wattscope.simulate.grid_settings import GridSimulation
from wattscope.simulate.grid_shapes import LoadClass
from wattscope.simulate.grid_simulator import GridSimulator
from wattscope.simulate.simulator import FleetSimulator, Plan

BERLIN = load_zone("Europe/Berlin")
MONDAY_US = parse_instant("2026-03-02", BERLIN)
STEP_US = 300 * US_PER_S
LIBRARY = ProfileLibrary()


def build(count: int = 50, interval_s: float | None = None, **changes: object) -> GridSimulator:
    simulator = build_simulator(
        "grid",
        read_recipe("grid"),
        LIBRARY,
        changes={"meters": count, **changes},
        interval_s=interval_s,
    )
    assert isinstance(simulator, GridSimulator)
    return simulator


def build_model(count: int = 400, **changes: object) -> GridModel:
    return build(count, None, **changes).model


def read_week(model: GridModel, start_us: int = MONDAY_US, days: int = 7) -> Told:
    """Meter by instant, every 5 minutes."""
    instants = np.arange(start_us, start_us + days * US_PER_DAY, STEP_US, dtype=np.int64)
    row = np.repeat(np.arange(len(model.meters), dtype=np.int64), len(instants))
    told = model.read(row, np.tile(instants, len(model.meters)))
    return Told(*(one.reshape(len(model.meters), -1) for one in told))


@pytest.fixture(scope="module")
def model() -> GridModel:
    return build_model()


@pytest.fixture(scope="module")
def week(model: GridModel) -> Told:
    return read_week(model)


def hours_of(week: Told, chosen: np.ndarray, day: int) -> np.ndarray:
    """Mean power of some meters by local hour of a day of the week [W]."""
    power = week.power_w[chosen].mean(axis=0)
    return np.asarray(power.reshape(7, 24, 12).mean(axis=2)[day])


# ── who there is ─────────────────────────────────────────────────────────────────────────────


def test_ids_have_ten_digits_of_which_the_first_is_the_region() -> None:
    simulator = build(500)
    ids = [one.id for one in simulator.devices]
    assert len(set(ids)) == 500
    assert {len(one) for one in ids} == {10}
    assert all(one.isdigit() for one in ids)
    by_region = {digit: sum(one[0] == digit for one in ids) for digit in "12345"}
    assert by_region == dict.fromkeys("12345", 100)


def test_more_meters_leave_the_first_ones_as_they_are() -> None:
    few, many = build(30), build(90)
    assert [one.id for one in many.devices[:30]] == [one.id for one in few.devices]
    instant = np.full(1, MONDAY_US + US_PER_HOUR)
    for row in (0, 7, 24):  # 25 meters make a feeder, so that these have the same neighbours
        at = np.array([row])
        assert few.model.read(at, instant) == many.model.read(at, instant)


def test_households_shops_and_industry_have_their_shares_and_sizes(model: GridModel) -> None:
    kind, mean_w = model.meters.load_class, model.meters.mean_w
    share = np.bincount(kind, minlength=len(LoadClass)) / len(kind)
    assert share[LoadClass.HOUSEHOLD] == pytest.approx(0.82, abs=0.05)
    assert share[LoadClass.SHOP] == pytest.approx(0.14, abs=0.05)
    year_kwh = mean_w * 8.766
    assert year_kwh[kind == LoadClass.HOUSEHOLD].mean() == pytest.approx(3200, rel=0.1)
    assert year_kwh[kind == LoadClass.SHOP].mean() == pytest.approx(22_000, rel=0.3)
    assert year_kwh[kind >= LoadClass.ONE_SHIFT].min() > 28_000


# ── when they use how much ───────────────────────────────────────────────────────────────────


def test_households_peak_in_the_evening_and_rest_at_night(model: GridModel, week: Told) -> None:
    is_home = model.meters.load_class == LoadClass.HOUSEHOLD
    hours = np.mean([hours_of(week, is_home, day) for day in range(5)], axis=0)
    assert 18 <= hours.argmax() <= 20
    assert 1 <= hours.argmin() <= 5
    assert hours.max() / hours.min() > 2.5
    single = week.power_w[is_home]
    assert (single.max(axis=1) > 4 * single.mean(axis=1)).mean() > 0.5, "kettles and ovens"


def test_shops_open_on_workdays_and_close_on_sundays(model: GridModel, week: Told) -> None:
    is_shop = model.meters.load_class == LoadClass.SHOP
    tuesday, sunday = hours_of(week, is_shop, 1), hours_of(week, is_shop, 6)
    assert tuesday[10:18].mean() > 3 * tuesday[0:5].mean()
    assert sunday.mean() < 0.5 * tuesday.mean()


def test_works_follow_their_shifts(model: GridModel, week: Told) -> None:
    one_shift = model.meters.load_class == LoadClass.ONE_SHIFT
    tuesday = hours_of(week, one_shift, 1)
    assert tuesday[8:15].min() > 3 * tuesday[20:24].max()
    assert hours_of(week, one_shift, 6).mean() < 0.4 * tuesday.mean()


def test_a_holiday_is_a_sunday() -> None:
    friday_us = parse_instant("2026-05-01", BERLIN)
    holiday, plain = build_model(), build_model(holidays=())
    is_shop = holiday.meters.load_class == LoadClass.SHOP
    rests, works = (read_week(one, friday_us, 1).power_w[is_shop] for one in (holiday, plain))
    assert rests.mean() < 0.5 * works.mean()


def test_winter_takes_more_than_summer_and_the_south_has_it_in_july() -> None:
    settings = GridSimulation(time_zone="UTC", meters=400)
    north, south = GridModel(settings), GridModel(settings, is_south=True)
    is_home = north.meters.load_class == LoadClass.HOUSEHOLD
    january, july = ((date(2026, month, 12) - date(1970, 1, 1)).days for month in (1, 7))
    for model, winter, summer in ((north, january, july), (south, july, january)):
        cold, warm = (
            model.loads.energy_of_days(day, 7)[is_home].mean() for day in (winter, summer)
        )
        assert cold / warm == pytest.approx(1.2 / 0.8, rel=0.1)


def test_a_year_sums_up_to_what_a_meter_uses_in_a_year() -> None:
    model = GridModel(GridSimulation(time_zone="Europe/Berlin", meters=300))
    first = (date(2026, 1, 1) - date(1970, 1, 1)).days
    year_wh = model.loads.energy_of_days(first, 365).sum(axis=1)
    share = year_wh / (model.meters.mean_w * 8760)
    assert share.mean() == pytest.approx(1.0, abs=0.03)
    assert share.min() > 0.85


# ── what meters say of it ────────────────────────────────────────────────────────────────────


def test_registers_grow_by_the_integral_of_the_power(week: Told) -> None:
    grown_wh = week.register_wh[:, -1] - week.register_wh[:, 0]
    power = week.power_w
    integral_wh = ((power[:, 1:] + power[:, :-1]) / 2).sum(axis=1) / 12
    np.testing.assert_allclose(grown_wh, integral_wh, rtol=0.02)
    assert grown_wh.sum() == pytest.approx(integral_wh.sum(), rel=1e-3)


def test_registers_never_fall_and_show_whole_watt_hours(week: Told) -> None:
    assert (np.diff(week.register_wh, axis=1) >= 0).all()
    np.testing.assert_array_equal(week.register_wh, np.floor(week.register_wh))


def test_a_day_of_the_register_is_the_energy_of_that_day(model: GridModel) -> None:
    day = (date(2026, 3, 4) - date(1970, 1, 1)).days
    row = np.arange(len(model.meters), dtype=np.int64)
    edges = [
        model.read_registers(row, np.full(len(row), one * US_PER_DAY)) for one in (day, day + 1)
    ]
    np.testing.assert_array_equal(edges[1] - edges[0], model.loads.energy_of_days(day, 1)[:, 0])


def test_power_is_voltage_times_current_times_a_power_factor(model: GridModel, week: Told) -> None:
    is_loaded = week.current_a > 0.5
    factor = week.power_w[is_loaded] / (week.voltage_v * week.current_a)[is_loaded]
    assert factor.min() > 0.75
    assert factor.max() < 1.0
    is_works = model.meters.load_class >= LoadClass.ONE_SHIFT
    by_kind = [
        (week.power_w[one].sum() / (week.voltage_v[one] * week.current_a[one]).sum())
        for one in (is_works, ~is_works)
    ]
    assert by_kind[0] < by_kind[1], "motors draw more that they do not use"


def test_voltage_belongs_to_the_feeder_and_falls_with_its_load(
    model: GridModel, week: Told
) -> None:
    assert week.voltage_v.min() > 0.9 * 230
    assert week.voltage_v.max() < 1.1 * 230
    feeder = model.meters.feeder
    first, last = (np.flatnonzero(feeder == 3)[at] for at in (0, -1))
    assert (week.voltage_v[first] >= week.voltage_v[last]).mean() > 0.95, "the end has less"
    load = week.power_w[feeder == 3].sum(axis=0)
    assert np.corrcoef(load, week.voltage_v[last])[0, 1] < -0.3
    same = np.corrcoef(week.voltage_v[last - 1], week.voltage_v[last])[0, 1]
    other = np.corrcoef(week.voltage_v[np.flatnonzero(feeder == 8)[0]], week.voltage_v[last])[0, 1]
    assert same > 0.95 > other


def test_all_meters_share_one_frequency(week: Told) -> None:
    assert (week.frequency_hz == week.frequency_hz[0]).all()
    assert week.frequency_hz.mean() == pytest.approx(50.0, abs=0.01)
    assert 0.005 < week.frequency_hz[0].std() < 0.05
    american = build_model(3, frequency_hz=60, voltage_v=120)
    told = american.read(np.zeros(1, np.int64), np.full(1, MONDAY_US))
    assert told.frequency_hz[0] == pytest.approx(60.0, abs=0.3)
    assert told.voltage_v[0] == pytest.approx(120.0, rel=0.1)


# ── messages and the past ────────────────────────────────────────────────────────────────────


def decode(messages: Sequence[tuple[str, bytes]], profile: str) -> list[Reading]:
    route = parse_profile(profile, LIBRARY.read(profile)).build_route(BERLIN)
    readings: list[Reading] = []
    for topic, payload in messages:
        decoded = grid_meter_json.decode(RawMessage(topic, payload, MONDAY_US), route)
        assert not isinstance(decoded, Ignored | Rejection), decoded
        readings += decoded
    return readings


def test_a_message_has_the_seeds_topic_and_keys() -> None:
    simulator = build(3, is_staggered=False)
    topic, payload = simulator.messages_at(MONDAY_US)[0]
    told = json.loads(payload)
    assert topic == f"energy/meters/{simulator.devices[0].id}"
    assert list(told) == [
        *("meter_id", "timestamp", "power", "voltage", "current", "frequency", "energy")
    ]
    assert told["meter_id"] == simulator.devices[0].id
    assert told["timestamp"] == "2026-03-01T23:00:00Z"


@pytest.mark.parametrize(
    ("energy", "profile"),
    [("counter", "grid-meter-json"), ("interval", "grid-meter-interval-json")],
)
def test_the_past_is_what_would_have_been_said_to_the_last_bit(energy: str, profile: str) -> None:
    """Otherwise a reading that is sent again after a simulated past would contradict it."""
    simulator = build(40, energy=energy)
    start_us, end_us = MONDAY_US - 2 * US_PER_HOUR, MONDAY_US + 3 * US_PER_HOUR
    said = {
        (one.device, name, one.measured_at_us): value
        for one in decode(simulator.messages_between(start_us, end_us), profile)
        for name, value in zip(one.quantities, one.values, strict=True)
    }
    past = {
        (columns.device, columns.quantity, at_us): value
        for columns in simulator.history(start_us, end_us)
        for at_us, value in zip(
            columns.measured_at_us.tolist(), columns.value.tolist(), strict=True
        )
    }
    assert len(past) == 40 * 60 * 5
    assert past == said


def test_energies_of_intervals_and_registers_tell_the_same() -> None:
    counter, interval = build(20), build(20, energy="interval")
    end_us = MONDAY_US + US_PER_DAY
    sums: dict[str, float] = {}
    for columns in interval.history(MONDAY_US, end_us):
        if columns.quantity == "energy_import_delta_wh":
            sums[columns.device] = sums.get(columns.device, 0.0) + columns.value.sum()
    row = np.arange(20, dtype=np.int64)
    offset = counter._offsets(STEP_US)
    grown = counter.model.read_registers(row, end_us - STEP_US + offset)
    grown -= counter.model.read_registers(row, MONDAY_US - STEP_US + offset)
    assert list(sums.values()) == grown.tolist()


def test_the_same_seed_is_the_same_grid_and_another_is_another() -> None:
    first, again, other = build(10), build(10), build(10, seed=2)
    at_us = MONDAY_US + 17 * US_PER_HOUR
    assert first.messages_at(at_us) == again.messages_at(at_us) != other.messages_at(at_us)
    for shift in (5, -300, 90_000, 0):  # and does not depend on what was asked before
        first.messages_at(at_us + shift * US_PER_S)
    assert first.messages_at(at_us) == again.messages_at(at_us)


def test_each_meter_speaks_once_an_interval_at_a_second_of_its_own() -> None:
    simulator = build(300)
    messages = simulator.messages_between(MONDAY_US, MONDAY_US + STEP_US)
    seconds = [json.loads(payload)["timestamp"] for _, payload in messages]
    assert len({topic for topic, _ in messages}) == len(messages) == 300
    assert seconds == sorted(seconds)
    assert len(set(seconds)) > 150
    together = build(300, is_staggered=False).messages_between(MONDAY_US, MONDAY_US + STEP_US)
    assert {json.loads(one)["timestamp"] for _, one in together} == {"2026-03-01T23:00:00Z"}


def test_at_first_all_meters_speak_and_then_those_that_are_due() -> None:
    simulator = build(100)
    assert len(simulator.messages_at(MONDAY_US)) == 100
    simulator._note_sent(MONDAY_US)
    later = [simulator.messages_at(MONDAY_US + n * US_PER_S) for n in (60, 150, 300)]
    assert [len(one) for one in later] == sorted(len(one) for one in later)
    assert len(later[-1]) == 100
    assert later[0] == later[1][: len(later[0])]


def test_after_a_time_without_a_broker_meters_send_what_they_kept_for_an_hour() -> None:
    simulator = build(10)
    simulator._note_sent(MONDAY_US)
    assert len(simulator.messages_at(MONDAY_US + 10 * STEP_US)) == 10 * 10
    assert len(simulator.messages_at(MONDAY_US + US_PER_DAY)) == 10 * 12


def test_a_past_has_one_reading_for_each_meter_and_interval() -> None:
    simulator = build(500)
    assert isinstance(simulator, FleetSimulator)
    now_us = MONDAY_US + 12_345 * US_PER_S
    assert simulator.count_readings(now_us - 14 * US_PER_DAY, now_us) == 2_016_000
    start_us = now_us - US_PER_DAY
    told = list(simulator.fleet_history(start_us, now_us))
    power = [one for one in told if one.quantity == "active_power_w"]
    assert sum(len(one.value) for one in power) == 500 * 288
    assert min(one.measured_at_us.min() for one in power) >= start_us
    assert max(one.measured_at_us.max() for one in power) < now_us


def test_an_interval_of_the_command_line_is_that_of_the_past_too() -> None:
    simulator = build(2, 60.0)
    assert simulator.count_readings(MONDAY_US, MONDAY_US + US_PER_DAY) == 2 * 1440
    assert {one.interval_s for one in simulator.devices} == {60.0}


def test_the_first_interval_of_all_begins_at_the_epoch() -> None:
    simulator = build(5, energy="interval")
    epoch_us = parse_instant("2026-01-01T00:00:00Z")
    told = list(simulator.fleet_history(epoch_us, epoch_us + STEP_US))
    assert min(one.measured_at_us.min() for one in told) == epoch_us
    with pytest.raises(QueryError, match="before the simulation's epoch"):
        simulator.messages_at(epoch_us - US_PER_DAY)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"metres": 5}, "is it meters"),
        ({"meters": 0}, "meters: 0 is not within 1"),
        ({"shop_share": 0.99}, "more than all meters"),
        ({"holidays": ["24-12-25"]}, "is no day"),
        ({"holidays": ["02-30"]}, "is no day"),
        ({"energy": "both"}, "energy"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        build_simulator("grid", read_recipe("grid"), LIBRARY, changes=changes)


def test_a_grid_needs_a_site() -> None:
    with pytest.raises(SettingsError, match="needs a site"):
        GridSimulator(Plan({}, "UTC"))
    southern = Site("s", "S", "UTC", latitude=-30.0)
    plan = Plan({"meters": 2}, "UTC", site=southern)
    assert GridSimulator(plan).model.loads._is_south
    plan = plan._replace(site=replace(southern, latitude=30.0))
    assert not GridSimulator(plan).model.loads._is_south
