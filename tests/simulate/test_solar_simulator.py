"""The simulated plant speaks as panels' sensors do, and its past is what it would have said."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tests.simulate.panel_plants import HOUR_US, JUNE_US, MINUTE_US
from wattscope.assembly.simulation import build_simulator, change_panels
from wattscope.cli.options import read_recipe
from wattscope.compute.decode import panel_json
from wattscope.compute.decode.profile import parse_profile
from wattscope.core.errors import SettingsError
from wattscope.core.findings import Ignored, Rejection
from wattscope.core.time_grid import load_zone
from wattscope.core.topology import DeviceKind
from wattscope.ports import RawMessage
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.simulate.solar_simulator import SolarSimulator

LIBRARY = ProfileLibrary()
NOON_US = JUNE_US + 12 * HOUR_US


def build(panels: int = 10, **changes: object) -> SolarSimulator:
    settings = change_panels(read_recipe("solar"), panels)
    simulator = build_simulator("solar", settings, LIBRARY, changes=changes)
    assert isinstance(simulator, SolarSimulator)
    return simulator


def test_messages_are_read_by_the_profiles_of_the_recipe() -> None:
    messages = dict(build().messages_at(NOON_US))
    assert len(messages) == 11
    route = parse_profile("panel-json", LIBRARY.read("panel-json")).build_route(load_zone("UTC"))
    topic = "sensors/Panel-003/readings"
    decoded = panel_json.decode(RawMessage(topic, messages[topic], NOON_US), route)
    assert not isinstance(decoded, Ignored | Rejection)
    [reading] = decoded
    assert (reading.device, reading.measured_at_us) == ("Panel-003", NOON_US)
    volt, ampere, watt = reading.values[1:]
    assert volt * ampere == pytest.approx(watt, abs=0.06)
    assert json.loads(messages["sensors/Weather/weather"])["irradiance_watts_per_m2"] > 100


def test_a_reading_is_printed_as_a_line_with_the_seeds_units() -> None:
    lines = build().lines_at(NOON_US)
    assert len(lines) == 10
    line = re.compile(r"Panel-\d{3}: -?\d+\.\d°C, \d+\.\dV, \d+\.\d\dA, \d+\.\dW")
    assert all(line.fullmatch(one) for one in lines)
    told = json.loads(dict(build().messages_at(NOON_US))["sensors/Panel-001/readings"])
    assert lines[0] == (
        f"Panel-001: {told['temperature_celsius']:.1f}°C, {told['voltage_volts']:.1f}V, "
        f"{told['current_amperes']:.2f}A, {told['power_output_watts']:.1f}W"
    )


def test_messages_do_not_depend_on_what_was_asked_before() -> None:
    one, other = build(), build()
    for shift in (0, 5, 10, 600, 5):
        instant_us = NOON_US + shift * MINUTE_US // 60
        assert one.messages_at(instant_us) == build().messages_at(instant_us)
    assert other.messages_at(NOON_US) == one.messages_at(NOON_US)


def test_the_past_is_what_would_have_been_said() -> None:
    simulator = build(faults_a_month=20)
    columns = list(simulator.history(NOON_US - HOUR_US, NOON_US + MINUTE_US))
    assert {one.device for one in columns} == {f"Panel-0{n:02}" for n in range(1, 11)} | {"Weather"}
    power = next(one for one in columns if one[:2] == ("Panel-004", "production_power_w"))
    assert power.measured_at_us.tolist() == (NOON_US - HOUR_US + MINUTE_US * np.arange(61)).tolist()
    told = json.loads(dict(simulator.messages_at(NOON_US))["sensors/Panel-004/readings"])
    assert power.value[-1] == told["power_output_watts"]


def test_the_recipe_makes_a_tree_of_devices() -> None:
    plan = build(20).plant
    assert len(plan.panels) == 20
    assert {one.kind for one in plan.panels} == {DeviceKind.PANEL}
    assert [one.parent for one in plan.panels[::5]] == [f"String-{n}" for n in range(1, 5)]
    assert {one.rating_w for one in plan.panels} == {400.0}


def test_truth_names_what_the_recipe_draws() -> None:
    simulator = build()
    text = simulator.tell_truth(JUNE_US, JUNE_US + 60 * 24 * HOUR_US)
    assert text.startswith("kind,device,start,end,fault\n")
    assert len(text.splitlines()) > 5


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"cloudines": 0.5}, "is it cloudiness"),
        ({"cloudiness": 1.5}, "cloudiness: 1.5 is not within 0 to 1"),
        ({"faults": ["shade:Panel-099"]}, "no such panel"),
        ({"interval_s": 0.0}, "interval_s"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        build(10, **changes)


@pytest.mark.parametrize(("recipe", "panels"), [("home", 10), ("solar", 0), ("solar", 10**6)])
def test_panels_that_cannot_be_are_refused(recipe: str, panels: int) -> None:
    with pytest.raises(SettingsError):
        change_panels(read_recipe(recipe), panels)
