"""What users reported of real devices: each payload decodes to exactly what it states.

Whether a value is plausible is judged after decoding; here, nothing may be hidden or made up.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.compute.decode.routes import decode
from wattscope.core.findings import Rejection
from wattscope.core.reading import Reading

PLUG = "zigbee2mqtt/plug"
WITHOUT_PAYLOAD = {
    "counter-replay",
    "wrong-sign-encoding",
    "bad-crc",
    "off-without-zero",
    "smgw-midnight",
}


@pytest.fixture
def faults(shared_data: Path) -> dict[str, dict[str, Any]]:
    listed = json.loads((shared_data / "reported-faults/faults.json").read_bytes())
    return {fault["id"]: fault for fault in listed}


def _read(profile: str, topic: str, document: dict[str, Any]) -> Reading:
    decoded = decode(profile, topic, json.dumps(document).encode())
    assert isinstance(decoded, tuple), decoded
    (reading,) = decoded
    return reading


def _columns(reading: Reading) -> dict[str, float]:
    return dict(zip(reading.quantities, reading.values, strict=True))


def test_milliamperes_in_the_field_for_amperes_decode_as_stated(
    faults: dict[str, dict[str, Any]],
) -> None:
    reading = _read("zigbee2mqtt", PLUG, faults["ma-as-a"]["reported"])
    assert _columns(reading) == {"current_a": 383.0, "active_power_w": 71.0, "voltage_v": 243.0}


def test_stale_power_beside_fresh_current_decodes_as_stated(
    faults: dict[str, dict[str, Any]],
) -> None:
    sequence = faults["stale-power"]["sequence"]
    values = [_columns(_read("zigbee2mqtt", PLUG, message)) for message in sequence]
    assert [value["current_a"] for value in values] == [3.53, 5.73]
    assert [value["active_power_w"] for value in values] == [1126.0, 1126.0]
    assert [value["energy_import_wh"] for value in values] == [831_360.0, 831_360.0]


def test_missing_decimal_point_decodes_as_stated(faults: dict[str, dict[str, Any]]) -> None:
    reading = _read("zigbee2mqtt", PLUG, faults["missing-decimal"]["reported"])
    assert _columns(reading) == {"current_a": 15.0, "active_power_w": 12.0, "voltage_v": 1212.0}


def test_null_attributes_are_left_out_and_last_seen_is_the_instant(
    faults: dict[str, dict[str, Any]],
) -> None:
    reading = _read("zigbee2mqtt", PLUG, faults["null-fields"]["reported"])
    # 2022-11-15T19:06:38Z
    assert reading.measured_at_us == 1_668_539_198_000_000
    assert set(reading.quantities) == {
        "current_a",
        "energy_import_wh",
        "active_power_w",
        "voltage_v",
    }


def test_plug_without_load_gives_zero_power_and_a_resting_counter(
    faults: dict[str, dict[str, Any]],
) -> None:
    readings = [
        _read("tasmota", "tele/plug/SENSOR", {"Time": message.pop("Time"), "ENERGY": message})
        for message in faults["stuck-zero-period"]["sequence"]
    ]
    assert [_columns(reading)["active_power_w"] for reading in readings] == [0.0, 0.0, 0.0]
    assert {_columns(reading)["energy_import_wh"] for reading in readings} == {15_349.0}
    stamps = [reading.measured_at_us or 0 for reading in readings]
    steps = [(after - before) // 1_000_000 for before, after in pairwise(stamps)]
    assert steps == [299, 300]


def test_other_faults_are_facts_without_a_payload(faults: dict[str, dict[str, Any]]) -> None:
    silent = {name for name, fault in faults.items() if not {"reported", "sequence"} & set(fault)}
    assert silent == WITHOUT_PAYLOAD


def test_first_report_with_nothing_but_nulls_is_refused() -> None:
    decoded = decode("zigbee2mqtt", PLUG, b'{"energy": null, "power": null}')
    assert isinstance(decoded, Rejection)
    assert decoded.code.value == "no_value"
