"""The simulated plant and heat pump keep the laws of electricity, whoever asks and whenever."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattscope.assembly.simulation import build_simulator, read_map
from wattscope.core.errors import QueryError, SettingsError
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, to_us
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import parse_settings
from wattscope.simulate.any_meter import EPOCH_S, ID, AnyMeter
from wattscope.simulate.heat_pump import DEVICE, HeatPump, HeatPumpSimulation, State
from wattscope.simulate.metered_days import SLOT_S
from wattscope.simulate.modbus_site import tell_history
from wattscope.simulate.plant import (
    FEED,
    HALL_A,
    HALL_B,
    INVERTER,
    OFFICE,
    Plant,
    PlantSimulation,
)
from wattscope.simulate.site_simulators import ModbusSimulator
from wattscope.simulate.site_values import SiteModel, SiteValues
from wattscope.simulate.three_phase import PHASES, Table

RECIPES = Path(__file__).parents[2] / "src" / "wattscope" / "recipes"
BERLIN = ZoneInfo("Europe/Berlin")
EPOCH = date(2026, 1, 1)
START_US = to_us(datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")))
HEAT_PUMP = HeatPump(HeatPumpSimulation(time_zone="Europe/Berlin", epoch=EPOCH))
PLANT = Plant(PlantSimulation(time_zone="Europe/Berlin", epoch=EPOCH))
SECONDS = st.integers(0, 12 * 86_400)
LOADS = (HALL_A, HALL_B, OFFICE)


def _grid(start_s: int, length_s: int, step_s: int) -> Int64Column:
    return START_US + np.arange(start_s, start_s + length_s, step_s, dtype=np.int64) * US_PER_S


def _power(table: Table) -> FloatColumn:
    """Power into the consumer, whichever way it is told [W]."""
    return table["active_power_w"] if "active_power_w" in table else -table["production_power_w"]


@pytest.mark.parametrize("model", [HEAT_PUMP, PLANT], ids=["heatpump", "plant"])
@settings(max_examples=12, deadline=None)
@given(start_s=SECONDS)
def test_phases_add_up_and_current_and_factor_follow_from_power(
    model: SiteModel, start_s: int
) -> None:
    for table in model.tables_at(_grid(start_s, 600, 7)).values():
        if "active_power_w" not in table:
            continue
        phases = sum(table[f"active_power_{phase}_w"] for phase in PHASES)
        np.testing.assert_allclose(phases, table["active_power_w"], atol=0.06)
        for phase in PHASES:
            power, reactive, apparent, voltage, current, factor = (
                table[name.format(phase)]
                for name in (
                    "active_power_{}_w",
                    "reactive_power_{}_var",
                    "apparent_power_{}_va",
                    "voltage_{}_v",
                    "current_{}_a",
                    "power_factor_{}",
                )
            )
            np.testing.assert_allclose(np.hypot(power, reactive), apparent, atol=0.06)
            np.testing.assert_allclose(voltage * current, apparent, atol=0.0006 * 300)
            # The factor is told to 0.001, the powers to 0.1.
            flows = apparent > 1.0
            off = np.abs(factor * apparent - power)
            assert (off <= 0.0006 * apparent + 0.11)[flows].all()
            assert (voltage > 195).all()
            assert (voltage < 255).all()
        total = np.hypot(table["active_power_w"], table["reactive_power_var"])
        np.testing.assert_allclose(total, table["apparent_power_va"], atol=0.2)


@pytest.mark.parametrize("model", [HEAT_PUMP, PLANT], ids=["heatpump", "plant"])
@settings(max_examples=8, deadline=None)
@given(start_s=SECONDS)
def test_registers_are_the_integral_of_power_and_only_grow(model: SiteModel, start_s: int) -> None:
    _check_registers(model, _grid(start_s // SLOT_S * SLOT_S, 8 * 3600 + 1, SLOT_S))


@pytest.mark.parametrize("model", [HEAT_PUMP, PLANT], ids=["heatpump", "plant"])
def test_registers_go_on_over_midnight(model: SiteModel) -> None:
    _check_registers(model, _grid(82_800, 3 * 86_400 + 1, SLOT_S))


@pytest.mark.parametrize("model", [HEAT_PUMP, PLANT], ids=["heatpump", "plant"])
def test_energies_of_the_phases_are_the_energy_of_all(model: SiteModel) -> None:
    for table in model.tables_at(_grid(3 * 86_400, 7200, 60)).values():
        for stem in ("energy_import", "energy_export", "energy_total"):
            if f"{stem}_l1_wh" in table:
                phases = sum(table[f"{stem}_{phase}_wh"] for phase in PHASES)
                np.testing.assert_array_equal(phases, table[f"{stem}_wh"])
                tariffs = table[f"{stem}_t1_wh"] + table[f"{stem}_t2_wh"]
                np.testing.assert_array_equal(tariffs, table[f"{stem}_wh"])


@pytest.mark.parametrize("kind", ["heatpump", "plant"])
@settings(max_examples=6, deadline=None)
@given(instants=st.lists(SECONDS, min_size=1, max_size=6, unique=True))
def test_an_instant_has_the_same_values_in_any_company(kind: str, instants: list[int]) -> None:
    def make() -> SiteModel:
        if kind == "plant":
            return Plant(PlantSimulation(time_zone="Europe/Berlin", epoch=EPOCH))
        return HeatPump(HeatPumpSimulation(time_zone="Europe/Berlin", epoch=EPOCH))

    together = make().tables_at(START_US + np.array(sorted(instants)) * US_PER_S)
    alone = make()
    for row, second in reversed(list(enumerate(sorted(instants)))):
        single = alone.tables_at(np.array([START_US + second * US_PER_S]))
        for device, table in single.items():
            for name, column in table.items():
                assert column[0] == together[device][name][row], (device, name)


def test_another_seed_is_another_site() -> None:
    other = HeatPump(HeatPumpSimulation(time_zone="Europe/Berlin", epoch=EPOCH, seed=2))
    grid = _grid(86_400, 86_400, 300)
    own, theirs = (one.tables_at(grid)[DEVICE]["active_power_w"] for one in (HEAT_PUMP, other))
    assert np.mean(own != theirs) > 0.5


def test_what_was_before_the_epoch_is_refused() -> None:
    with pytest.raises(QueryError, match="epoch"):
        PLANT.tables_at(np.array([START_US - US_PER_S]))


def test_a_heat_pump_is_in_the_states_of_the_seed() -> None:
    instant_s = _grid(0, 60 * 86_400, 10) // US_PER_S
    operation = HEAT_PUMP.operation_at(instant_s)
    power = {state: operation.power_w[operation.state == state] for state in State}
    assert power[State.STANDBY] == pytest.approx(6.0, abs=0.2)
    assert power[State.PUMP] == pytest.approx(46.0, abs=0.2)
    assert power[State.COMPRESSOR].min() > 450
    assert power[State.COMPRESSOR].max() < 2500
    assert power[State.HIGH].min() > 2000
    shares = {state: len(column) / len(instant_s) for state, column in power.items()}
    assert min(shares.values()) > 0.01, shares


def test_a_heat_pump_runs_longer_the_colder_it_is() -> None:
    operation = HEAT_PUMP.operation_at(_grid(0, 330 * 86_400, 60) // US_PER_S)
    is_running = operation.state >= State.COMPRESSOR
    days = operation.outdoor_c.reshape(330, -1).mean(axis=1)
    hours = is_running.reshape(330, -1).mean(axis=1) * 24
    cold, mild, warm = hours[days < 2], hours[(days > 8) & (days < 12)], hours[days > 18]
    assert cold.mean() > 1.5 * mild.mean() > 4 * warm.mean()
    assert warm.mean() > 0.5, "hot water is made in summer too"
    starts = np.diff(is_running.astype(int)) == 1
    assert 1000 < starts.sum() < 16 * 330


def test_the_frequency_stays_near_50_hz_and_now_and_then_leaves() -> None:
    frequency_hz = HEAT_PUMP.tables_at(_grid(0, 30 * 86_400, 30))[DEVICE]["frequency_hz"]
    is_out = np.abs(frequency_hz - 50.0) > 0.05
    assert 0.0002 < is_out.mean() < 0.02
    assert np.abs(frequency_hz - 50.0).max() < 0.35
    assert frequency_hz.std() > 0.01


def test_power_factor_is_low_in_standby_and_high_under_load() -> None:
    grid = _grid(0, 10 * 86_400, 30)
    table = HEAT_PUMP.tables_at(grid)[DEVICE]
    state = HEAT_PUMP.operation_at(grid // US_PER_S).state
    factor = table["power_factor"]
    assert factor[state == State.STANDBY].mean() < 0.7
    assert 0.7 < factor[state == State.PUMP].mean() < 0.85
    assert factor[state == State.COMPRESSOR].mean() > 0.93


def test_sub_meters_never_add_up_to_more_than_comes_in() -> None:
    tables = PLANT.tables_at(_grid(0, 8 * 86_400, 120))
    loads = sum(tables[name]["active_power_w"] for name in LOADS)
    comes_in = tables[FEED]["active_power_w"] + tables[INVERTER]["production_power_w"]
    unmetered = comes_in - loads
    assert 0.24 * 3000 < unmetered.min() < unmetered.max() < 1.01 * 3000


def test_a_plant_works_in_its_shifts_and_gives_to_the_grid_on_a_sunny_sunday() -> None:
    plant = Plant(PlantSimulation(time_zone="Europe/Berlin", epoch=date(2026, 6, 1)))
    start_us = to_us(datetime(2026, 6, 1, tzinfo=BERLIN))
    grid = np.arange(start_us, start_us + 14 * US_PER_DAY, 60 * US_PER_S, dtype=np.int64)
    # The first hours of a local Monday are a UTC Sunday, before the epoch.
    grid = grid[grid >= to_us(datetime(2026, 6, 1, tzinfo=ZoneInfo("UTC")))]
    tables = plant.tables_at(grid)
    local = [datetime.fromtimestamp(one / US_PER_S, BERLIN) for one in grid.tolist()]
    is_shift = np.array([one.weekday() < 5 and 7 <= one.hour < 21 for one in local])
    is_weekend = np.array([one.weekday() >= 5 for one in local])
    hall = tables[HALL_A]["active_power_w"]
    assert hall[is_shift].mean() > 5 * hall[is_weekend].mean()
    assert (tables[FEED]["active_power_w"][is_weekend] < 0).any()
    is_night = np.array([one.hour < 5 for one in local])
    assert (tables[INVERTER]["production_power_w"][is_night] == 0).all()
    dc_w = sum(tables[INVERTER][f"dc_power_s{n}_w"] for n in (1, 2))
    np.testing.assert_allclose(dc_w, tables[INVERTER]["dc_power_w"], atol=0.06)
    assert (dc_w >= tables[INVERTER]["production_power_w"]).all()


def test_the_seeds_meter_is_random_and_fits_its_register() -> None:
    model = AnyMeter(read_map("virtual_modbustcp", ProfileLibrary()), seed=1)
    column = model.tables_at(_grid(0, 3600, 1))[ID]["test_measurement__test_u"]
    assert len(np.unique(column)) > 500
    assert column.min() >= 0
    assert column.max() <= 1000


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), start_s=SECONDS)
def test_any_meter_integrates_in_closed_form(seed: int, start_s: int) -> None:
    library = ProfileLibrary()
    model = AnyMeter(read_map("sdm630", library), seed=seed)
    first_us = (EPOCH_S + start_s) * US_PER_S
    grid = first_us + np.arange(0, 2 * 3600 * US_PER_S + 1, US_PER_S, dtype=np.int64)
    table = model.tables_at(grid)[ID]
    power = table["active_power_w"]
    assert (power > 0).all()
    integral_wh = (power[:-1] + power[1:]).sum() / 2 / 3600
    gained_wh = table["energy_import_wh"][-1] - table["energy_import_wh"][0]
    assert gained_wh == pytest.approx(integral_wh, abs=4.0)


def test_values_by_the_second_are_those_of_the_columns() -> None:
    values = SiteValues(PLANT).values_of(FEED)
    for second in (0, 59, 60, 86_399, 86_400):
        at_us = START_US + second * US_PER_S
        column = PLANT.tables_at(np.array([at_us]))[FEED]
        assert values(at_us) == {name: one[0] for name, one in column.items()}
    assert SiteValues(PLANT).values_of("nobody")(START_US) == {}


@pytest.mark.parametrize("recipe", ["modbus", "heatpump"])
def test_a_past_is_what_would_have_been_read_and_meets_the_present(recipe: str) -> None:
    settings_of = parse_settings((RECIPES / f"{recipe}.toml").read_text(encoding="utf-8"))
    simulator = build_simulator(recipe, settings_of, ProfileLibrary())
    assert isinstance(simulator, ModbusSimulator)
    start_us = to_us(datetime(2026, 7, 1, 23, 50, tzinfo=ZoneInfo("UTC")))
    rows = list(
        tell_history(simulator.model, simulator.meters, start_us, start_us + 1200 * US_PER_S, 60)
    )
    instants = {int(one) for columns in rows for one in columns.measured_at_us}
    assert sorted(instants) == [start_us + n * 60 * US_PER_S for n in range(20)]
    assert {columns.device for columns in rows} == {meter.device for meter in simulator.meters}
    seen: dict[tuple[str, str], float] = {}
    for columns in rows:
        key = (columns.device, columns.quantity)
        if "energy" in columns.quantity:
            assert columns.value[0] >= seen.get(key, -1.0), key
        seen[key] = columns.value[-1]
        assert np.isfinite(columns.value).all(), key
        assert len(columns.value) == len(columns.measured_at_us)


@pytest.mark.parametrize(
    ("recipe", "kind"), [("modbus", PlantSimulation), ("heatpump", HeatPumpSimulation)]
)
def test_the_recipe_names_every_setting_with_its_default(
    recipe: str, kind: type[msgspec.Struct]
) -> None:
    told = tomllib.loads((RECIPES / f"{recipe}.toml").read_text(encoding="utf-8"))["simulate"]
    defaults = {
        one.name: one.default for one in msgspec.structs.fields(kind) if one.name != "time_zone"
    }
    assert told == defaults


def test_wrong_settings_are_all_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        PlantSimulation(time_zone="Mars/Olympus", weather_low=0.9, weather_high=0.5, hall_a_w=-1.0)
    assert len(caught.value.faults) == 3
    with pytest.raises(SettingsError):
        HeatPumpSimulation(compressor_low_w=2000, compressor_high_w=1000)
    with pytest.raises(SettingsError, match="no simulator"):
        build_simulator("castle", parse_settings(""), ProfileLibrary())


def _check_registers(model: SiteModel, instants: Int64Column) -> None:
    """Over whole slots, what the registers gain is the energy of the power [Wh]."""
    for table in model.tables_at(instants).values():
        for name, column in table.items():
            if name.startswith(("energy", "reactive_energy")):
                assert (np.diff(column) >= 0).all(), name
        gained = {
            name: table[name][-1] - table[name][0]
            for name in ("energy_import_wh", "energy_export_wh", "energy_production_wh")
            if name in table
        }
        net_wh = gained.get("energy_import_wh", 0.0) - gained.get(
            "energy_export_wh", gained.get("energy_production_wh", 0.0)
        )
        integral_wh = _power(table)[:-1].sum() * SLOT_S / 3600
        assert net_wh == pytest.approx(integral_wh, abs=7.0)
