from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from tests.compute.decode.routes import list_profiles, load_profile
from wattscope.compute.decode.clock import TimeUnit
from wattscope.compute.decode.profile import parse_profile, topic_matches
from wattscope.core.errors import SettingsError
from wattscope.core.topology import DeviceKind


def _build_table(**changes: object) -> dict[str, Any]:
    """A profile without fault, with changes; None takes a key away."""
    table: dict[str, Any] = {
        "title": "Shed",
        "decoder": "json_map",
        "topics": ["shed/+"],
        "kind": "meter",
        "has_clock": True,
        "interval_s": 10,
        "rollover_wh": 655_360,
        "device": {"topic_level": 1},
        "time": {"path": "at", "unit": "ms"},
        "values": {"p.total": {"quantity": "active_power_w", "unit": "kW", "scale": 0.5}},
    }
    table |= changes
    return {key: value for key, value in table.items() if value is not None}


def _list_faults(**changes: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        parse_profile("shed", _build_table(**changes))
    assert raised.value.where == "profile shed"
    return raised.value.faults


def test_profile_holds_what_the_file_tells() -> None:
    profile = parse_profile("shed", _build_table())
    (value,) = profile.values
    assert (profile.name, profile.title, profile.kind) == ("shed", "Shed", DeviceKind.METER)
    assert (profile.has_clock, profile.interval_s, profile.topics) == (True, 10.0, ("shed/+",))
    assert profile.rollover_wh == 655_360.0
    assert (value.path, value.quantity) == (("p", "total"), "active_power_w")
    assert value.conversion.to_base(3.0) == 1500.0
    assert profile.clock.unit is TimeUnit.MILLISECONDS
    route = profile.build_route(UTC)
    assert (route.profile, route.zone, route.quantities) == ("shed", UTC, ("active_power_w",))


def test_ranges_are_kept_in_base_units() -> None:
    profile = parse_profile("shed", _build_table(ranges={"active_power_w": [0, 1000]}))
    assert dict(profile.ranges) == {"active_power_w": (0.0, 1000.0)}
    assert not parse_profile("shed", _build_table()).ranges


@pytest.mark.parametrize("path", list_profiles(), ids=lambda path: path.stem)
def test_shipped_profile_has_no_fault(path: Path) -> None:
    profile = load_profile(path)
    assert profile.name == path.stem
    for quantity in (value.quantity for value in profile.values):
        assert quantity


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"topcis": ["a"]}, "topcis: unknown key; did you mean topics?"),
        ({"decoder": "json_maps"}, "decoder: 'json_maps' is unknown; did you mean json_map?"),
        (
            {"ranges": {"temprature_c": [0, 1]}},
            "ranges.temprature_c: is not in the catalogue; did you mean temperature_c?",
        ),
        ({"ranges": {"voltage_v": [60, 0]}}, "ranges.voltage_v: must be [lowest, highest] in V"),
        ({"ranges": {"voltage_v": 60}}, "ranges.voltage_v: must be [lowest, highest] in V"),
        (
            {"ranges": {"voltage_v": [0, float("nan")]}},
            "ranges.voltage_v: must be [lowest, highest] in V",
        ),
        ({"kind": "metre"}, "kind: 'metre' is unknown; did you mean meter?"),
        ({"title": None}, "title: must be a text that is not empty"),
        ({"has_clock": "yes"}, "has_clock: must be true or false"),
        ({"has_clock": None}, "has_clock: must be true or false"),
        ({"interval_s": 0}, "interval_s: must be a number of seconds above 0"),
        ({"rollover_wh": -1}, "rollover_wh: must be a number of Wh above 0"),
        ({"interval_s": True}, "interval_s: must be a number of seconds above 0"),
        ({"interval_s": float("nan")}, "interval_s: must be a number of seconds above 0"),
        ({"topics": []}, 'topics: must be a list of MQTT filters, such as ["sensors/+"]'),
        ({"topics": ["a+"]}, "topics: 'a+' is no MQTT filter; + and # are whole levels"),
        ({"topics": ["#/a"]}, "topics: '#/a' is no MQTT filter; + and # are whole levels"),
        ({"topics": [""]}, "topics: '' is no MQTT filter; + and # are whole levels"),
        ({"device": None}, "device: missing; add topic_level, payload or name"),
        ({"device": 5}, "device: must be a table"),
        ({"device": {"topic_lvl": 1}}, "device.topic_lvl: unknown key; did you mean topic_level?"),
        ({"device": {"topic_level": "1"}}, "device.topic_level: must be an integer, from 0"),
        ({"device": {"name": "../x"}}, "device.name: '../x' cannot be a device's name"),
        (
            {"device": {"payload": "a..b"}},
            "device.payload: 'a..b' is no path such as meters[0].power",
        ),
        ({"time": {"unit": "msec"}}, "time.unit: 'msec' is unknown; did you mean ms?"),
        ({"values": None}, "values: missing; decoder json_map takes its quantities from it"),
        (
            {"values": {"a[": {"quantity": "voltage_v"}}},
            "values.\"a[\": 'a[' is no path such as meters[0].power",
        ),
        (
            {"values": {"a": {"quantity": "voltage"}}},
            "values.\"a\".quantity: 'voltage' is not in the catalogue; did you mean voltage_v?",
        ),
        (
            {"values": {"a": {"quantity": "voltage_v", "unit": "kW"}}},
            "values.\"a\".unit: 'kW' does not measure it; use V, kV, mV",
        ),
        (
            {"values": {"a": {"quantity": "voltage", "unit": "V"}}},
            "values.\"a\".quantity: 'voltage' is not in the catalogue; did you mean voltage_v?",
        ),
        (
            {"values": {"a": {"quantity": "voltage_v", "scale": 0}}},
            'values."a".scale: must be a number other than 0',
        ),
        (
            {"values": {"a": {"quantity": "voltage_v", "scale": float("inf")}}},
            'values."a".scale: must be a number other than 0',
        ),
        (
            {"values": {"a": {"quantity": "voltage_v", "units": "V"}}},
            'values."a".units: unknown key; did you mean unit?',
        ),
        (
            {"values": {"a": 5}},
            'values."a": must be a table such as { quantity = …, unit = … }',
        ),
        (
            {
                "values": {"a": {"quantity": "energy_{recieved}_wh"}},
                "direction": {"received": "import"},
            },
            'values."a".quantity: {recieved} is not in [direction]; did you mean received?',
        ),
        (
            {"direction": {"received": "imported"}},
            "direction.received: 'imported' is unknown; did you mean import?",
        ),
        (
            {"options": {"match": "exact"}},
            "options.match: unknown key; there is none to choose from",
        ),
    ],
)
def test_fault_is_named_with_what_to_write_instead(changes: dict[str, Any], fault: str) -> None:
    assert _list_faults(**changes) == (fault,)


def test_all_faults_are_listed_at_once() -> None:
    faults = _list_faults(
        titel="x", kind="x", interval_s=-1, values={"a": {"quantity": "x", "unti": "V"}}
    )
    assert [fault.partition(":")[0] for fault in faults] == [
        "titel",
        'values."a".unti',
        'values."a".quantity',
        "kind",
        "interval_s",
    ]


def test_empty_table_lists_what_is_missing() -> None:
    with pytest.raises(SettingsError) as raised:
        parse_profile("empty", {})
    assert {fault.partition(":")[0] for fault in raised.value.faults} == {
        *("decoder", "title", "topics", "kind", "has_clock", "device")
    }


def test_formats_with_fixed_quantities_refuse_a_table_of_values() -> None:
    assert _list_faults(decoder="panel_json", time={"unit": "s"}) == (
        "values: decoder panel_json knows its quantities; remove them",
    )


def test_places_of_times_are_for_json_maps_alone() -> None:
    entry = {"quantity": "voltage_v", "time": "b"}
    assert _list_faults(decoder="zigbee2mqtt", values={"a": entry}) == (
        'values."a".time: only decoder json_map reads it',
        "time.path: decoder zigbee2mqtt knows its own place",
    )


def test_grid_meter_keeps_the_order_that_its_fast_way_needs() -> None:
    values = {
        name: {"quantity": quantity}
        for name, quantity in (
            ("energy", "energy_import_wh"),
            ("frequency", "frequency_hz"),
            ("current", "current_a"),
            ("voltage", "voltage_v"),
            ("power", "active_power_w"),
        )
    }
    profile = parse_profile(
        "grid", _build_table(decoder="grid_meter_json", time=None, values=values)
    )
    assert [value.source for value in profile.values] == list(reversed(values))


def test_the_end_of_an_interval_tells_its_beginning_only_by_its_length() -> None:
    energy = {"energy": {"quantity": "energy_import_delta_wh"}}
    words = {
        "decoder": "grid_meter_json",
        "time": None,
        "values": energy,
        "options": {"energy_stamp": "end"},
    }
    assert _list_faults(**words, interval_s=None) == (
        'options.energy_stamp: "end" needs interval_s, to know the beginning',
    )
    route = parse_profile("grid", _build_table(**words, interval_s=60)).build_route(UTC)
    assert route.interval_us == 60_000_000


def test_direction_of_the_registers_is_one_word_in_the_profile() -> None:
    table = _build_table(
        decoder="itron",
        time=None,
        direction={"received": "export"},
        values={"Sum": {"quantity": "energy_{received}_wh"}},
    )
    assert parse_profile("x", table).values[0].quantity == "energy_export_wh"


@pytest.mark.parametrize(
    ("pattern", "topic", "matches"),
    [
        ("sensors/+/readings", "sensors/p1/readings", True),
        ("sensors/+/readings", "sensors/a/b/readings", False),
        ("sensors/+/readings", "sensors//readings", True),
        ("sensors/+", "sensors", False),
        ("sensors/#", "sensors", True),
        ("sensors/#", "sensors/a/b", True),
        ("sensors/#", "sensorsx/a", False),
        ("#", "a/b", True),
        ("#", "$SYS/uptime", False),
        ("+/status/+", "$SYS/status/x", False),
        ("$SYS/#", "$SYS/uptime", True),
        ("a/b", "a/b", True),
        ("a/b", "a/B", False),
        ("a/b/", "a/b", False),
        ("+", "", True),
    ],
)
def test_topic_filter_matches_as_mqtt_says(pattern: str, topic: str, *, matches: bool) -> None:
    assert topic_matches(pattern, topic) is matches
