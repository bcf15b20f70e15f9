"""Home Assistant's own schema takes every sensor that is announced.

Its package wants an environment of its own; the variable names that environment's Python::

    python3.11 -m venv v && v/bin/pip install homeassistant==2024.3.3 paho-mqtt==1.6.1
    export WATTSCOPE_TEST_HOME_ASSISTANT=v/bin/python

That is the newest for Python 3.11, older than the announcement of a whole device in one message:
the schema of a single sensor is asked, with what the message says for all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from wattscope.compute.encode.home_assistant import Places, build_discovery
from wattscope.core.quantities import QUANTITIES, find_quantity
from wattscope.core.topology import Device, DeviceKind

PYTHON = "WATTSCOPE_TEST_HOME_ASSISTANT"
OTHERS = ("energy_import_l2_wh", "energy_import_t1_wh", "dc_power_s2_w", "flow_rate__l_per_min")
ASK = """
import json, sys
import voluptuous
from homeassistant.components.mqtt.sensor import DISCOVERY_SCHEMA
from homeassistant.components.sensor import DEVICE_CLASS_STATE_CLASSES, DEVICE_CLASS_UNITS
WORDS = "device_class", "state_class", "unit_of_measurement"
faults = {}
for name, one in json.load(sys.stdin).items():
    kind, state, unit = (one.get(word) for word in WORDS)
    try:
        DISCOVERY_SCHEMA(one)
    except voluptuous.Invalid as fault:
        faults[name] = str(fault)
        continue
    if kind and unit not in DEVICE_CLASS_UNITS[kind]:
        faults[name] = f"unit {unit} is none of {kind}"
    elif kind and state not in DEVICE_CLASS_STATE_CLASSES[kind]:
        faults[name] = f"state class {state} is none of {kind}"
json.dump(faults, sys.stdout)
"""
"""What Home Assistant's environment runs: a fault by the name of each sensor that has one."""


def announce() -> dict[str, dict[str, Any]]:
    """Every quantity as a sensor, with what its device says for all."""
    device = Device("attic", "home", "Attic", DeviceKind.METER)
    others = [found for name in OTHERS if (found := find_quantity(name)) is not None]
    quantities = [*QUANTITIES.values(), *others]
    told = json.loads(build_discovery(device, quantities, Places(), version="1.0", above="roof"))
    components = told.pop("components")
    del told["origin"]
    for sensor in components.values():
        assert sensor.pop("platform") == "sensor"
    return {name: told | sensor for name, sensor in components.items()}


def ask(sensors: dict[str, dict[str, Any]]) -> dict[str, str]:
    """What Home Assistant finds wrong, by the name of the sensor."""
    python = os.environ.get(PYTHON)
    if python is None:
        pytest.skip(f"no Home Assistant: {PYTHON} names no Python that has its package")
    done = subprocess.run(
        [python, "-c", ASK], input=json.dumps(sensors), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    faults: dict[str, str] = json.loads(done.stdout)
    return faults


def test_every_sensor_is_taken() -> None:
    sensors = announce()
    assert set(sensors) == {*QUANTITIES, *OTHERS}
    assert ask(sensors) == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("device_class", "powr"),
        ("unit_of_measurement", "kWatt"),
        ("state_class", "total_increasing"),
        ("availability_mode", "some"),
        ("value_template", "{{ value_json["),
        ("device", {}),
    ],
)
def test_what_it_would_refuse_is_found(key: str, value: object) -> None:
    sensor = announce()["active_power_w"] | {key: value}
    assert set(ask({"one": sensor})) == {"one"}
