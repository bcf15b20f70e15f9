from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.energy import (
    Balance,
    RoleSeries,
    balance_buckets,
    find_roles,
    share,
)
from wattscope.core.topology import Device, DeviceKind
from wattscope.ports import Rollup

IMPORT, EXPORT, SOLAR = 1, 2, 3
NAN = float("nan")
ALL = RoleSeries((IMPORT,), (EXPORT,), (SOLAR,), frozenset())


def rollup_of(energies: dict[int, dict[int, float]], coverage: float = 1.0) -> Rollup:
    """Buckets from series to bucket to energy [Wh]."""
    rows = [(one, t, e) for one in sorted(energies) for t, e in sorted(energies[one].items())]
    series, start, energy = zip(*rows, strict=True) if rows else ((), (), ())
    n = len(rows)
    nothing = np.full(n, NAN)
    return Rollup(
        np.array(series, np.int32),
        np.array(start, np.int64),
        np.ones(n, np.int64),
        *(np.zeros(n), nothing, nothing, nothing, nothing, nothing),
        np.array(energy, np.float64),
        np.full(n, coverage),
    )


def balance(energies: dict[int, dict[int, float]], series: RoleSeries = ALL, n: int = 1) -> Balance:
    return balance_buckets(rollup_of(energies), series, np.arange(n, dtype=np.int64))


def test_house_with_panels_balances() -> None:
    found = balance({IMPORT: {0: 400.0}, EXPORT: {0: 100.0}, SOLAR: {0: 700.0}})
    assert found.consumed.tolist() == [1000.0]
    assert found.self_consumed.tolist() == [600.0]
    assert share(600.0, 1000.0) == 0.6
    assert (found.imported[0], found.exported[0], found.produced[0]) == (400.0, 100.0, 700.0)


def test_house_without_panels_uses_what_it_buys() -> None:
    series = RoleSeries((IMPORT,), (), (), frozenset())
    found = balance({IMPORT: {0: 400.0}}, series)
    assert (found.consumed[0], found.produced[0], found.exported[0]) == (400.0, 0.0, 0.0)
    assert found.self_consumed[0] == 0.0


def test_net_register_tells_import_and_export() -> None:
    series = RoleSeries((IMPORT,), (), (SOLAR,), frozenset({IMPORT}))
    energies = {IMPORT: {0: 300.0, 1: -200.0}, SOLAR: {0: 100.0, 1: 500.0}}
    found = balance(energies, series, 2)
    assert found.imported.tolist() == [300.0, 0.0]
    assert found.exported.tolist() == [0.0, 200.0]
    assert found.consumed.tolist() == [400.0, 300.0]


def test_bucket_of_which_nothing_is_known_is_not_zero() -> None:
    found = balance({IMPORT: {0: 1.0}, EXPORT: {0: 0.0}, SOLAR: {0: 0.0}}, n=2)
    assert np.isnan(found.imported[1])
    assert np.isnan(found.consumed[1])
    assert np.isnan(found.self_consumed[1])
    assert found.coverage.tolist() == [1.0, 0.0]


def test_night_without_production_readings_is_still_a_balance() -> None:
    found = balance({IMPORT: {0: 80.0}, EXPORT: {0: 0.0}})
    assert found.consumed.tolist() == [80.0]
    assert found.coverage.tolist() == [0.0]


def test_coverage_is_that_of_the_worst_series() -> None:
    good, bad = rollup_of({IMPORT: {0: 1.0}}), rollup_of({SOLAR: {0: 1.0}}, 0.25)
    both = Rollup(*(np.concatenate([getattr(good, n), getattr(bad, n)]) for n in Rollup.__slots__))
    series = RoleSeries((IMPORT,), (), (SOLAR,), frozenset())
    assert balance_buckets(both, series, np.array([0])).coverage.tolist() == [0.25]


def test_buckets_outside_the_grid_are_left_out() -> None:
    rollup = rollup_of({IMPORT: {-5: 1.0, 0: 2.0, 3: 4.0, 99: 8.0}})
    series = RoleSeries((IMPORT,), (), (), frozenset())
    found = balance_buckets(rollup, series, np.array([0, 5], np.int64))
    assert found.imported[0] == 2.0
    assert np.isnan(found.imported[1])


def test_no_series_at_all_says_nothing() -> None:
    found = balance({}, RoleSeries((), (), (), frozenset()), 3)
    assert np.isnan(found.consumed).all()
    assert found.coverage.tolist() == [0.0, 0.0, 0.0]


AMOUNTS = st.one_of(st.just(NAN), st.floats(0, 1e9))


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_balance_never_says_what_cannot_be(bought: float, sold: float, made: float) -> None:
    energies = {
        one: {0: amount}
        for one, amount in ((IMPORT, bought), (EXPORT, sold), (SOLAR, made))
        if not np.isnan(amount)
    }
    found = balance(energies)
    known = {IMPORT, SOLAR} & energies.keys()
    assert np.isnan(found.consumed[0]) == (not known)
    if known:
        assert found.consumed[0] >= 0
        assert 0 <= found.self_consumed[0] <= found.consumed[0]
        assert found.self_consumed[0] <= max(0.0, energies.get(SOLAR, {0: 0.0})[0])


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(1.0, 4.0, 0.25), (9.0, 4.0, 1.0), (-1.0, 4.0, 0.0), (1.0, 0.0, None), (None, 1.0, None)],
)
def test_share_stays_within_0_and_1(
    part: float | None, whole: float | None, expected: float | None
) -> None:
    assert share(part, whole) == expected


# ── who plays which role ─────────────────────────────────────────────────────────────────────

METER = Device("m", "home", "Meter", DeviceKind.METER)
PANEL = Device("p", "home", "Panel", DeviceKind.PANEL)
INVERTER = Device("i", "home", "Inverter", DeviceKind.INVERTER)
BOTH_WAYS = {"energy_import_wh", "energy_export_wh", "active_power_w"}


def test_registers_come_before_integrated_power() -> None:
    roles = find_roles([METER], {"m": BOTH_WAYS})
    assert roles.imports == (("m", "energy_import_wh"),)
    assert roles.exports == (("m", "energy_export_wh"),)
    assert find_roles([METER], {"m": {"active_power_w"}}).imports == (("m", "active_power_w"),)


def test_sub_meters_and_plugs_count_nowhere() -> None:
    devices = [
        METER,
        Device("s", "home", "Sub", DeviceKind.METER, parent="m"),
        Device("plug", "home", "Plug", DeviceKind.PLUG),
        Device("t", "home", "Thermometer", DeviceKind.SENSOR),
    ]
    roles = find_roles(devices, {one.id: BOTH_WAYS for one in devices})
    assert roles.imports == (("m", "energy_import_wh"),)
    assert roles.productions == ()


def test_panels_below_an_inverter_are_not_counted_again() -> None:
    below = replace(PANEL, id="q", parent="i")
    has = {"p": {"production_power_w"}, "q": {"dc_power_w"}, "i": {"energy_production_wh"}}
    roles = find_roles([PANEL, INVERTER, below], has)
    assert roles.productions == (("p", "production_power_w"), ("i", "energy_production_wh"))


def test_panels_at_the_strings_of_an_inverter_that_tells_nothing_are_counted() -> None:
    string = Device("s", "home", "String", DeviceKind.STRING, parent="i")
    below = replace(PANEL, parent="s")
    has = {"p": {"production_power_w"}}
    assert find_roles([INVERTER, string, below], has).productions == (("p", "production_power_w"),)
    has["i"] = {"energy_production_wh"}
    roles = find_roles([INVERTER, string, below], has)
    assert roles.productions == (("i", "energy_production_wh"),)


def test_devices_that_are_above_each_other_end_the_search() -> None:
    ring = [replace(PANEL, parent="s"), Device("s", "home", "S", DeviceKind.STRING, parent="p")]
    assert find_roles(ring, {"p": {"dc_power_w"}}).productions == ()


def test_meter_of_the_panels_is_production() -> None:
    solar_meter = replace(METER, id="pv", is_production=True)
    roles = find_roles([METER, solar_meter], {"m": BOTH_WAYS, "pv": {"energy_production_wh"}})
    assert roles.imports == (("m", "energy_import_wh"),)
    assert roles.productions == (("pv", "energy_production_wh"),)


def test_device_that_was_never_heard_plays_no_role() -> None:
    roles = find_roles([METER, PANEL], {})
    assert roles == find_roles([], {})
