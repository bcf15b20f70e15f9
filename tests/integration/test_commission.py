"""Meters are found at their address, named for what they are, and read before they are added."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.invocation import invoke
from tests.integration.plant import Plant, run_plant
from tests.servers import find_free_port

pytestmark = pytest.mark.integration

NOON_US = 1_795_000_000_000_000


@pytest.fixture(scope="module")
def plant() -> Iterator[Plant]:
    with run_plant(NOON_US) as served:
        yield served


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    file = tmp_path / "wattscope.toml"
    file.write_text(
        '[broker]\nembedded = false\n[[sources]]\nname = "modbus"\ntype = "modbus"\n',
        encoding="utf-8",
    )
    return file


@pytest.mark.parametrize(
    ("device", "framing", "likely"),
    [
        ("feed", "tcp", {"sdm630"}),
        ("hall_a", "rtu_over_tcp", {"dtsu666"}),
        ("hall_b", "rtu_over_tcp", {"abb-ab-series"}),
        # Of one phase they have the same registers at the same addresses.
        ("office", "rtu_over_tcp", {"sdm120", "sdm220", "sdm230"}),
        ("inverter", "tcp", {"sunspec"}),
    ],
)
def test_a_meter_is_found_and_named(
    plant: Plant, tmp_path: Path, device: str, framing: str, likely: set[str]
) -> None:
    meter = plant.meter(device)
    place = f"127.0.0.1:{meter.port}"
    found = invoke(
        "devices", "scan", place, "--units", str(meter.unit), "--data", tmp_path / "data"
    )
    assert found.status == 0, found.err
    assert f"{place}, unit {meter.unit}, {framing}" in found.out
    command = re.search(
        rf"wattscope devices add 127.0.0.1 --port {meter.port} --unit {meter.unit} "
        rf"--framing {framing} --type (\S+)",
        found.out,
    )
    assert command is not None, found.out
    assert command[1] in likely
    assert re.search(r"Voltage.*\b2[23]\d\.", found.out), "a preview of its values"


def test_a_sunspec_device_says_who_it_is(plant: Plant, tmp_path: Path) -> None:
    meter = plant.meter("inverter")
    found = invoke(
        "devices", "scan", f"127.0.0.1:{meter.port}", "--units", "1", "--data", tmp_path / "data"
    )
    assert "says of itself: Wattscope" in found.out


def test_what_the_scan_proposes_can_be_added_as_it_stands(
    plant: Plant, tmp_path: Path, settings_file: Path
) -> None:
    meter = plant.meter("hall_b")
    where = ("--data", tmp_path / "data", "-c", settings_file)
    found = invoke("devices", "scan", f"127.0.0.1:{meter.port}", "--units", "12", *where)
    command = re.search(r"wattscope (devices add .*)", found.out)
    assert command is not None
    added = invoke(*command[1].split(), *where)
    assert added.status == 0, added.err
    listed = invoke("devices", "--format", "json", *where)
    assert any("abb-ab-series" in one["device"] for one in json.loads(listed.out))


def test_every_unit_of_a_gateway_is_found(plant: Plant, tmp_path: Path) -> None:
    port = plant.meter("hall_a").port
    found = invoke(
        *("devices", "scan", f"127.0.0.1:{port}", "--units", "10-14", "--timeout", "0.3"),
        *("--data", tmp_path / "data"),
    )
    units = re.findall(rf"^127.0.0.1:{port}, unit (\d+)", found.out, re.MULTILINE)
    assert units == ["11", "12", "13"]


def test_where_nobody_listens_the_scan_says_what_to_look_at(tmp_path: Path) -> None:
    address = f"127.0.0.1:{find_free_port()}"
    found = invoke("devices", "scan", address, "--data", tmp_path / "data")
    assert found.status == 1
    assert f"no unit answers at {address}" in found.err
    assert "8899" in found.err


def test_a_test_read_tells_everything_that_a_type_has(plant: Plant, tmp_path: Path) -> None:
    meter = plant.meter("feed")
    read = invoke(
        *("registers", "test-read", f"127.0.0.1:{meter.port}", "--unit", str(meter.unit)),
        *("--type", "sdm630", "--format", "json", "--data", tmp_path / "data"),
    )
    assert read.status == 0, read.err
    values = {one["quantity"]: one["value"] for one in json.loads(read.out)}
    assert len(values) == 52
    assert 205 < values["voltage_l1_v"] < 255
    assert 49 < values["frequency_hz"] < 51


def test_a_test_read_of_words_marks_the_order_that_fits(plant: Plant, tmp_path: Path) -> None:
    meter = plant.meter("feed")
    read = invoke(
        *("registers", "test-read", f"127.0.0.1:{meter.port}", "--unit", str(meter.unit)),
        *("--address", "0x0000", "--count", "2", "--function", "4", "--quantity", "voltage_l1_v"),
        *("--format", "json", "--data", tmp_path / "data"),
    )
    assert read.status == 0, read.err
    words, _, table = read.out.partition("\n")
    assert re.fullmatch(r"function 4, from 0 \(0x0000\): [0-9a-f]{4} [0-9a-f]{4}", words)
    fitting = [one for one in json.loads(table) if one["makes sense"] == "fits"]
    assert [(one["type"], one["order"]) for one in fitting] == [("float32", "ABCD")]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("devices", "scan", "127.0.0.1:0"), "port '0'"),
        (("devices", "scan", "127.0.0.1:http"), "port 'http'"),
        (("devices", "scan", "127.0.0.1:502", "--units", "1-300"), "units '1-300'"),
        (("registers", "test-read", "127.0.0.1:502"), "either --type NAME or --address N"),
        (("registers", "test-read", "127.0.0.1:502", "--address", "x"), "address 'x'"),
        (("registers", "test-read", "127.0.0.1:502", "--type", "smd630"), "type 'smd630'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    words: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    refused = invoke(*words, "--data", tmp_path / "data")
    assert refused.status != 0
    assert reason in refused.err
