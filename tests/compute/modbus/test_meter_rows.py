"""Rows that people edit become meters, or faults that say what is wrong; the others go on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compute.modbus.book_rows import (
    METER,
    NEIGHBOUR,
    PROFILE,
    REGISTER,
    RULES,
    build,
    find_profile,
)
from wattscope.compute.modbus.meter_rows import BookRows, build_fleet
from wattscope.core.fleet import Framing, Line
from wattscope.core.topology import DeviceKind


def test_row_of_the_seed_becomes_a_meter() -> None:
    fleet = build({**METER, "description": "example"})
    assert fleet.faults == ()
    [meter] = fleet.meters
    assert (meter.device.id, meter.device.name, meter.device.site) == (
        "example",
        "example",
        "plant",
    )
    assert (meter.endpoint.host, meter.endpoint.port, meter.unit) == ("10.0.0.7", 502, 1)
    assert meter.endpoint.framing is Framing.AUTO
    assert meter.map is PROFILE
    assert [(one.schedule, len(one.quantities)) for one in meter.groups] == [("10s", 3)]
    assert meter.device.interval_s == 10


def test_every_column_of_ours_is_taken() -> None:
    fleet = build(
        {
            **METER,
            "host": "/dev/ttyUSB0",
            "port": 0,
            "device": "roof",
            "kind": "inverter",
            "site": "shed",
            "parent": "grid",
            "rating_w": 5000,
            "is_production": "true",
            "is_direction_swapped": 1,
            "framing": "rtu",
            "baud": "19200",
            "parity": "e",
            "stop_bits": 2,
            "poll": "slow",
            "timeout_s": 0.5,
            "is_tid_ignored": "yes",
        },
        groups=({"name": "slow", "schedule": "1m"},),
        sites=({"id": "shed", "time_zone": "Europe/Paris"},),
    )
    assert fleet.faults == ()
    [meter] = fleet.meters
    assert meter.endpoint.line == Line(19200, "E", 2)
    assert meter.endpoint.framing is Framing.RTU
    assert meter.device.kind is DeviceKind.INVERTER
    assert (meter.device.site, meter.device.parent, meter.device.rating_w) == ("shed", "grid", 5000)
    assert meter.device.is_production
    assert meter.device.is_direction_swapped
    assert [one.schedule for one in meter.groups] == ["1m"]
    assert meter.device.interval_s == 60
    assert (meter.timeout_s, meter.is_tid_ignored) == (0.5, True)
    assert [(one.id, one.time_zone) for one in fleet.sites] == [("shed", "Europe/Paris")]


NONSENSE: dict[str, tuple[dict[str, Any], str]] = {
    "no host": ({"host": None}, "host is empty"),
    "host is a URL": ({"host": "http://10.0.0.7"}, "is a URL"),
    "host with port": ({"host": "10.0.0.7:502"}, "holds a port"),
    "host of blanks": ({"host": "a b"}, "no name, no address"),
    "host with a line end": ({"host": "a\nb"}, "no printable text"),
    "host is bytes": ({"host": b"\xff"}, "is no text"),
    "port is a word": ({"port": "abc"}, "port 'abc' is no integer from 1 to 65535"),
    "port 0": ({"port": 0}, "port 0 is no integer from 1 to 65535"),
    "port 70000": ({"port": 70_000}, "port 70000 is no integer"),
    "port is empty": ({"port": None}, "port is empty"),
    "port is a fraction": ({"port": 502.5}, "port 502.5 is no integer"),
    "port is infinite": ({"port": float("inf")}, "port inf is no integer"),
    "unit 300": ({"slave_address": 300}, "slave_address 300 is no integer from 0 to 255"),
    "unit is true": ({"slave_address": True}, "slave_address True is no integer"),
    "unit 0 on a line": ({"host": "/dev/ttyUSB0", "slave_address": 0}, "for all devices"),
    "unknown type": ({"type": "sdm63"}, "type 'sdm63' is unknown"),
    "unknown type hint": ({"type": "sdm63"}, "did you mean sdm630?"),
    "no type": ({"type": ""}, "type is empty"),
    "damaged profile": ({"type": "broken"}, "line 3"),
    "unknown kind": ({"kind": "toaster"}, "kind 'toaster' is unknown"),
    "unknown framing": ({"framing": "udp"}, "framing 'udp' is unknown"),
    "rtu over a network": ({"framing": "rtu"}, "use rtu_over_tcp"),
    "tcp on a line": ({"host": "COM3", "framing": "tcp"}, "a serial port speaks rtu"),
    "bad parity": ({"host": "COM3", "parity": "X"}, "parity 'X' is unknown"),
    "bad stop bits": ({"host": "COM3", "stop_bits": 3}, "stop_bits 3 is no integer from 1 to 2"),
    "bad baud": ({"host": "COM3", "baud": 9}, "baud 9 is no integer"),
    "poll of 0 s": ({"poll": "0s"}, "not between 0.1 s and one day"),
    "poll below zero": ({"poll": "-5"}, "neither an interval"),
    "bad cron": ({"poll": "61 * * * *"}, "neither an interval"),
    "unknown poll group": ({"poll": "fast"}, "nor is it a poll group"),
    "unknown site": ({"site": "moon"}, "site 'moon' is unknown; there is plant"),
    "time-out of 0": ({"timeout_s": 0}, "timeout_s 0 is no number above 0"),
    "time-out of an hour": ({"timeout_s": 3600}, "longer than 60 s"),
    "rating below 0": ({"rating_w": -1}, "rating_w -1 is no number above 0"),
    "rating is no number": ({"rating_w": "NaN"}, "rating_w 'NaN' is no number"),
    "flag is no flag": ({"is_production": "maybe"}, "is not true or false"),
    "enabled is no flag": ({"is_enabled": 7}, "is_enabled 7 is not true or false"),
    "id is a path": ({"device": "../etc"}, "is no name"),
    "id is a topic": ({"device": "a/+"}, "is no name"),
    "above itself": ({"device": "x", "parent": "x"}, "cannot be above itself"),
    "unit is there twice": ({"host": "NEIGHBOUR", "slave_address": 9}, "is device sdm630-"),
    "id is there twice": ({"device": "sdm630-neighbour-502-9"}, "is there already"),
}


@pytest.mark.parametrize(("change", "words"), NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_is_named_and_the_neighbour_goes_on(change: dict[str, Any], words: str) -> None:
    neighbour = {**NEIGHBOUR, "device": "sdm630-neighbour-502-9"}
    fleet = build(neighbour, {**METER, **change})
    assert [one.device.id for one in fleet.meters] == ["sdm630-neighbour-502-9"]
    [fault] = fleet.faults
    assert (fault.table, fault.row.split()[0]) == ("energy_meters", "2")
    assert words in fault.reason
    assert "\n" not in str(fault)
    assert not fault.is_warning


def test_all_that_is_wrong_with_a_row_is_said_at_once() -> None:
    [fault] = build({**METER, "port": "abc", "slave_address": 300, "poll": "0 s"}).faults
    assert fault.reason.count("; ") >= 2


def test_registers_of_a_poll_group_are_read_by_its_schedule() -> None:
    slow = {**REGISTER, "measurement_name": "Import", "data_unit": "kWh", "poll_group": "slow"}
    daily = {
        **REGISTER,
        "measurement_name": "Export",
        "data_unit": "kWh",
        "poll_group": "0 6 * * *",
    }
    fleet = build(
        {**METER, "type": "own", "poll": "500ms"},
        registers=(REGISTER, slow, daily),
        groups=({"name": "slow", "schedule": "15m"},),
    )
    [meter] = fleet.meters
    assert {one.schedule: set(one.quantities) for one in meter.groups} == {
        "500ms": {"active_power_w"},
        "15m": {"energy_import_wh"},
        "0 6 * * *": {"energy_export_wh"},
    }
    assert meter.device.interval_s == 86_400


def test_bad_poll_group_and_site_are_faults_of_their_own_and_of_whoever_names_them() -> None:
    fleet = build(
        {**METER, "poll": "slow"},
        {**METER, "slave_address": 2, "site": "shed"},
        {**METER, "slave_address": 3},
        groups=({"name": "slow", "schedule": "often"},),
        sites=({"id": "shed", "time_zone": "Mars/Olympus"}, {"id": "plant"}, {"id": "../x"}),
    )
    assert [one.unit for one in fleet.meters] == [3]
    assert [(one.table, one.row.split()[0]) for one in fleet.faults] == [
        ("sites", "'shed'"),
        ("sites", "'plant'"),
        ("sites", "'../x'"),
        ("poll_groups", "'slow'"),
        ("energy_meters", "1"),
        ("energy_meters", "2"),
    ]


def test_disabled_row_is_left_out_without_a_word() -> None:
    fleet = build({**METER, "is_enabled": 0, "port": "abc"}, {**METER, "is_enabled": "true"})
    assert fleet.faults == ()
    assert len(fleet.meters) == 1


def test_meters_of_the_settings_come_first_and_keep_their_ids() -> None:
    listed = {**METER, "id": "grid", "device": "grid"}
    fleet = build(
        {**METER, "device": "grid", "slave_address": 2},
        {**METER, "description": "grid", "slave_address": 3},
        {**METER, "device": "same unit"},
        settings=(listed, {**METER, "id": "bad", "device": "bad", "port": -1}),
    )
    assert [one.device.id for one in fleet.meters] == ["grid", "grid-2"]
    assert [str(one)[:30] for one in fleet.faults] == [
        "[[meters]] bad (bad): port -1 ",
        "energy_meters 1 (grid): device",
        "energy_meters 3 (same unit): u",
    ]


def test_ids_of_equal_descriptions_differ_and_the_first_stays() -> None:
    rows = [{**METER, "slave_address": n, "description": "example"} for n in (1, 2, 3)]
    rows.append({**METER, "slave_address": 4, "device": "example"})
    assert [one.device.id for one in build(*rows).meters] == [
        "example-1",
        "example-2",
        "example-3",
        "example",
    ]
    assert [one.device.id for one in build(*rows[:3]).meters] == [
        "example",
        "example-2",
        "example-3",
    ]


def test_one_address_has_one_framing() -> None:
    fleet = build(
        METER,
        {**METER, "slave_address": 2, "framing": "rtu_over_tcp"},
        {**METER, "slave_address": 3, "framing": "tcp"},
    )
    assert {one.endpoint for one in fleet.meters} == {
        replace(fleet.meters[0].endpoint, framing=Framing.RTU_OVER_TCP)
    }
    assert [one.unit for one in fleet.meters] == [1, 2]
    assert "reached in another way" in fleet.faults[0].reason


def test_one_line_has_one_speed() -> None:
    line = {**METER, "host": "/dev/ttyUSB0"}
    fleet = build(line, {**line, "slave_address": 2, "baud": 19200})
    assert [one.unit for one in fleet.meters] == [1]
    assert "9600 baud 8N1" in fleet.faults[0].reason


def test_ring_of_parents_is_left_out() -> None:
    fleet = build(
        {**METER, "device": "a", "parent": "b"},
        {**METER, "device": "b", "parent": "a", "slave_address": 2},
        {**METER, "device": "c", "parent": "a", "slave_address": 3},
    )
    assert [one.device.id for one in fleet.meters] == ["c"]
    assert len(fleet.faults) == 2


def test_line_that_is_asked_for_more_than_it_can_carry_is_said_with_its_load() -> None:
    # Three floats are one request: 20 characters and 2 x 6, of 10 bits each, at 9600 baud: 33 ms.
    line = {**METER, "host": "/dev/ttyUSB0", "poll": "100ms"}
    fleet = build(*({**line, "slave_address": n} for n in range(1, 5)))
    assert len(fleet.meters) == 4
    [fault] = fleet.faults
    assert fault.is_warning
    assert "takes 133% of what 9600 baud can carry" in fault.reason
    assert build(*({**line, "slave_address": n} for n in range(1, 4))).faults == ()


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=8),
    st.sampled_from(["502", "10s", "sdm630", "/dev/ttyUSB0", "tcp", "0x8000", "plant", "a"]),
)


def changed(row: dict[str, Any], *columns: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Good rows with a few cells of anything."""
    cells = st.dictionaries(st.sampled_from((*row, *columns)), CELLS, max_size=3)
    return st.lists(cells.map(lambda some: {**row, **some}), max_size=2)


@given(
    meters=changed(
        {"id": 7, **METER},
        *("device", "kind", "site", "parent", "rating_w", "is_production", "is_enabled"),
        *("framing", "baud", "parity", "stop_bits", "poll", "timeout_s"),
    ),
    registers=changed(
        {"id": 7, **REGISTER},
        *("value_type", "scale", "value_offset", "missing_value", "word_order", "quantity"),
    ),
    groups=changed({"name": "slow", "schedule": "1m"}),
    sites=changed({"id": "shed", "time_zone": "UTC"}, "latitude", "currency"),
)
def test_no_row_whatever_keeps_a_neighbour_from_being_read(
    meters: list[dict[str, Any]],
    registers: list[dict[str, Any]],
    groups: list[dict[str, Any]],
    sites: list[dict[str, Any]],
) -> None:
    neighbour = {**NEIGHBOUR, "device": "known"}
    rows = BookRows([neighbour, *meters], registers, groups, sites)
    fleet = build_fleet(rows, find_profile, RULES)
    assert "known" in {one.device.id for one in fleet.meters}
    assert all("\n" not in str(one) for one in fleet.faults)
    assert len({one.device.id for one in fleet.meters}) == len(fleet.meters)
