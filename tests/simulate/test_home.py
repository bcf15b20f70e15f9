"""The simulated house keeps to its bands, its sun and its own sums, whoever asks and whenever."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattscope.core.errors import QueryError
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import (
    US_PER_DAY,
    US_PER_HOUR,
    US_PER_S,
    day_start_us,
    load_zone,
    to_us,
)
from wattscope.simulate.home import HomeState, state_at
from wattscope.simulate.home_messages import history_batches, messages_at
from wattscope.simulate.home_settings import HomeSimulation, LoadBand, TopicForm

DENVER = load_zone("America/Denver")
HOUSE = HomeSimulation(time_zone="America/Denver")
STEP_US = 5 * US_PER_S
FIRST_US = day_start_us(date(2026, 1, 2), DENVER)
INSTANTS = st.integers(0, 40 * 86_400 // 5).map(lambda slot: FIRST_US + slot * STEP_US)
SEED_BANDS = {
    range(6): (200, 800),
    range(6, 9): (800, 2000),
    range(9, 17): (1000, 3000),
    range(17, 21): (2000, 6000),
    range(21, 24): (1000, 3000),
}


def _slots(day: date, house: HomeSimulation = HOUSE) -> HomeState:
    zone = load_zone(house.time_zone)
    start, end = day_start_us(day, zone), day_start_us(day + timedelta(days=1), zone)
    return state_at(house, np.arange(start, end, STEP_US, dtype=np.int64))


def _local_hours(instants_us: Int64Column) -> list[int]:
    return [datetime.fromtimestamp(t / US_PER_S, DENVER).hour for t in instants_us.tolist()]


def test_power_stays_within_the_band_of_the_local_hour() -> None:
    state = _slots(date(2026, 5, 13))
    hours = np.array(_local_hours(state.measured_at_us))
    for band, (low_w, high_w) in SEED_BANDS.items():
        power_w = state.house_w[np.isin(hours, list(band))]
        assert power_w.min() >= low_w
        assert power_w.max() <= high_w
        assert power_w.max() - power_w.min() > 0.6 * (high_w - low_w)


def test_power_glides_between_slots_most_of_the_time() -> None:
    state = _slots(date(2026, 5, 13))
    steps = np.abs(np.diff(state.house_w))
    assert np.median(steps) < 60
    assert np.mean(steps > 0) > 0.8


def test_solar_is_zero_at_night_and_within_its_peak_by_day() -> None:
    state = _slots(date(2026, 5, 13))
    hours = np.array(_local_hours(state.measured_at_us))
    is_night = (hours < 6) | (hours >= 18)
    assert (state.solar_w[is_night] == 0).all()
    assert (state.solar_w >= 0).all()
    assert (state.solar_w <= 3000).all()
    assert state.solar_w[hours == 12].min() > 300


def test_weather_differs_from_day_to_day() -> None:
    first = FIRST_US
    state = state_at(HOUSE, np.array([first, *(first + n * US_PER_DAY for n in range(1, 15))]))
    produced = np.diff(state.production_wh)
    assert produced.max() > 1.5 * produced.min()
    assert produced.min() > 0


def test_counters_are_the_sum_of_power_times_interval() -> None:
    """5 s at p watts are p * 5 / 3600 Wh; nothing else may move a register."""
    state = _slots(date(2026, 3, 3))
    demand_w = state.demand_w[:-1]
    for register, power_w in (
        (state.import_wh, np.maximum(demand_w, 0)),
        (state.export_wh, np.maximum(-demand_w, 0)),
        (state.production_wh, state.solar_w[:-1]),
    ):
        gained_wh = register - register[0]
        watt_seconds = np.concatenate([[0], np.cumsum(power_w * 5)])
        assert np.array_equal(np.rint(gained_wh * 3600).astype(np.int64), watt_seconds)


def test_registers_start_at_their_bases_at_the_epoch() -> None:
    epoch_us = to_us(datetime.fromisoformat("2026-01-01T00:00:00+00:00"))
    state = state_at(HOUSE, np.array([epoch_us]))
    assert state.import_wh[0] == 12_345_678
    assert state.export_wh[0] == 0
    assert state.production_wh[0] == 0


def test_import_and_export_never_grow_in_the_same_slot() -> None:
    state = _slots(date(2026, 6, 21))
    grows_import = np.diff(state.import_wh) > 0
    grows_export = np.diff(state.export_wh) > 0
    assert grows_import.any()
    assert grows_export.any()
    assert not (grows_import & grows_export).any()


@settings(deadline=None)  # the first question sums the days before it
@given(st.lists(INSTANTS, min_size=1, max_size=30))
def test_any_order_and_any_company_gives_the_same_values(instants: list[int]) -> None:
    together = state_at(HOUSE, np.array(instants, np.int64))
    for row, instant in enumerate(instants):
        alone = state_at(HOUSE, np.array([instant], np.int64))
        assert [column[0] for column in alone] == [column[row] for column in together]


def test_a_replay_from_another_process_start_is_equal() -> None:
    """Equal settings share a memory; a copy that is not equal to them computes all anew."""
    other = msgspec.structs.replace(HOUSE, topic_prefix="replay")
    instants = np.arange(FIRST_US + 9 * US_PER_DAY, FIRST_US + 10 * US_PER_DAY, 60 * US_PER_S)
    for mine, theirs in zip(state_at(HOUSE, instants), state_at(other, instants), strict=True):
        assert np.array_equal(mine, theirs)


def test_the_interval_of_messages_does_not_change_the_registers() -> None:
    slow = msgspec.structs.replace(HOUSE, interval_s=60.0)
    at = np.array([FIRST_US + US_PER_DAY])
    assert state_at(slow, at).import_wh[0] == state_at(HOUSE, at).import_wh[0]


def test_another_seed_is_another_house() -> None:
    other = msgspec.structs.replace(HOUSE, seed=2)
    mine, theirs = _slots(date(2026, 5, 13)), _slots(date(2026, 5, 13), other)
    assert (mine.house_w != theirs.house_w).mean() > 0.9
    assert mine.production_wh[-1] != theirs.production_wh[-1]


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 11, 2), 24)]
)
def test_bands_follow_the_wall_clock_when_summer_time_changes(day: date, hours: int) -> None:
    state = _slots(day)
    assert len(state.house_w) == hours * 720
    seen = _local_hours(state.measured_at_us)
    evening = state.house_w[[hour in range(17, 21) for hour in seen]]
    assert len(evening) == 4 * 720
    assert evening.min() >= 2000
    night = state.house_w[[hour < 6 for hour in seen]]
    assert len(night) == (hours - 18) * 720
    assert night.max() <= 800
    assert state.solar_w[[hour < 6 or hour >= 18 for hour in seen]].max() == 0


def test_multipliers_and_size_scale_the_bands_up_to_the_limits() -> None:
    quiet = msgspec.structs.replace(HOUSE, hourly_multipliers=(0.1,) * 24)
    assert _slots(date(2026, 5, 13), quiet).house_w.min() == 100
    large = msgspec.structs.replace(HOUSE, base_power_demand_w=10_000.0)
    assert _slots(date(2026, 5, 13), large).house_w.max() == 8000
    flat = msgspec.structs.replace(HOUSE, bands=(LoadBand(0, 24, 500.0, 500.0),))
    assert set(_slots(date(2026, 5, 13), flat).house_w.tolist()) == {500}


def test_noon_is_higher_in_summer_where_a_latitude_is_given() -> None:
    clear = msgspec.structs.replace(HOUSE, latitude=52.0, weather_low=1.0)
    summer = _slots(date(2026, 6, 21), clear).solar_w.max()
    winter = _slots(date(2026, 12, 21), clear).solar_w.max()
    assert 2900 < summer <= 3000
    assert 0.2 < winter / summer < 0.4


def test_before_the_epoch_there_is_no_house() -> None:
    with pytest.raises(QueryError, match="epoch"):
        state_at(HOUSE, np.array([0]))


def test_messages_speak_like_the_bridge_and_the_plug() -> None:
    noon_us = day_start_us(date(2026, 6, 21), DENVER) + 12 * US_PER_HOUR
    state = state_at(HOUSE, np.array([noon_us]))
    messages = dict(messages_at(HOUSE, noon_us))
    prefix = "homeassistant/sensor/xcel_itron_5"
    assert messages[f"{prefix}/Instantaneous_Demand/state"] == b"%d" % state.demand_w[0]
    received = messages[f"{prefix}/Current_Summation_Received/state"]
    assert received == b"%d" % int(state.import_wh[0])
    delivered = messages[f"{prefix}/Current_Summation_Delivered/state"]
    assert delivered == b"%d" % int(state.export_wh[0])
    plug = json.loads(messages["shelly-solar/status/switch:0"])
    assert plug["apower"] == state.solar_w[0]
    assert plug["aenergy"]["total"] == pytest.approx(state.production_wh[0], abs=0.001)
    assert plug["current"] == pytest.approx(plug["apower"] / plug["voltage"], abs=0.001)


def test_demand_is_negative_while_the_house_exports() -> None:
    state = _slots(date(2026, 6, 21))
    at_us = int(state.measured_at_us[np.argmin(state.demand_w)])
    payload = messages_at(HOUSE, at_us)[0][1]
    assert payload.startswith(b"-")


def test_the_other_fork_has_topics_of_its_own() -> None:
    other = msgspec.structs.replace(HOUSE, topic_form=TopicForm.VALUE)
    topics = [topic for topic, _ in messages_at(other, FIRST_US)]
    assert topics[0] == "homeassistant/sensor/Instantaneous_Demand/value/state"


def test_history_is_what_the_messages_would_have_said() -> None:
    start, end = FIRST_US + 11 * US_PER_HOUR + 1, FIRST_US + 37 * US_PER_HOUR
    columns: dict[tuple[str, str], dict[int, float]] = {}
    for batch in history_batches(HOUSE, start, end, 300.0):
        rows = zip(batch.measured_at_us.tolist(), batch.value.tolist(), strict=True)
        columns.setdefault((batch.device, batch.quantity), {}).update(rows)
    assert len(columns) == 5
    for values in columns.values():
        instants = list(values)
        assert all(start <= t < end and t % (300 * US_PER_S) == 0 for t in instants)
        assert {b - a for a, b in pairwise(instants)} == {300 * US_PER_S}
    at_us = list(columns["xcel_itron_5", "active_power_w"])[17]
    demand, received, _, plug = (payload for _, payload in messages_at(HOUSE, at_us))
    assert columns["xcel_itron_5", "active_power_w"][at_us] == float(demand)
    assert columns["xcel_itron_5", "energy_import_wh"][at_us] == float(received)
    total = json.loads(plug)["aenergy"]["total"]
    assert columns["shelly-solar", "energy_production_wh"][at_us] == total
