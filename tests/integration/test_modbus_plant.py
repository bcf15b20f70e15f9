"""The plant's meters through the whole program, beside a client that nobody here wrote."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from tests.chaos.program import Program, kept, wait_until
from tests.integration.plant import Plant, run_plant
from wattscope.assembly.simulation import read_map
from wattscope.registry.profile_library import ProfileLibrary

pytestmark = pytest.mark.integration

NOON_US = 1_795_000_000_000_000
DEVICES = ("feed", "hall_a", "hall_b", "office", "inverter")


@pytest.fixture(scope="module")
def plant() -> Iterator[Plant]:
    with run_plant(NOON_US) as served:
        yield served


@pytest.fixture(scope="module")
def program(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """``wattscope run`` over the recipe's own settings, at the ports of this test."""
    text = files("wattscope").joinpath("recipes", "modbus.toml").read_text(encoding="utf-8")
    for meter in plant.settings.meters:
        at = text.index(f'id = "{meter.id}"')
        port = re.compile(r"^port = \d+", re.MULTILINE)
        text = text[:at] + port.sub(f"port = {meter.port}", text[at:], count=1)
    # Its port for Prometheus may be taken by somebody else's here.
    text = re.sub(r"^\[prometheus\]\nport = .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r'^poll = "\d+s"', 'poll = "1s"', text, flags=re.MULTILINE)
    program = Program(tmp_path_factory.mktemp("plant"), text)
    with kept(program):
        program.start()
        wait_until(lambda: program.is_ready() and count_devices(program) >= 5, "all are read", 120)
        yield program
        program.stop()


def count_devices(program: Program) -> int:
    names = ", ".join(f"'{one}'" for one in DEVICES)
    [[n]] = program.ask(f"SELECT count(DISTINCT device) FROM readings WHERE device IN ({names})")
    return int(n)


def read_stored(program: Program, device: str) -> dict[str, float]:
    """The newest value of each quantity of a device."""
    rows = program.ask(
        f"SELECT quantity, last(value ORDER BY measured_at) FROM readings "
        f"WHERE device = '{device}' GROUP BY quantity"
    )
    return {str(quantity): float(value) for quantity, value in rows}


def poll_floats(port: int, unit: int, first: int, count: int) -> dict[int, float]:
    """What mbpoll reads of input registers as floats: address to number."""
    program = shutil.which("mbpoll")
    if program is None:
        pytest.skip("mbpoll is not installed (apt install mbpoll)")
    place = ("-m", "tcp", "-p", str(port), "-a", str(unit), "-0", "-1", "-B")
    what = ("-t", "3:float", "-r", str(first), "-c", str(count))
    done = subprocess.run(
        [program, *place, *what, "127.0.0.1"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    found = re.findall(r"^\[(\d+)\]:\s*([-\d.e+]+)", done.stdout, re.MULTILINE)
    return {int(address): float(number) for address, number in found}


def test_mbpoll_sees_what_is_stored(plant: Plant, program: Program) -> None:
    meter = plant.meter("feed")
    stored = read_stored(program, "feed")
    polled = poll_floats(meter.port, meter.unit, 0, 40) | poll_floats(
        meter.port, meter.unit, 0x156, 20
    )
    registers = read_map("sdm630", ProfileLibrary()).registers
    compared = 0
    for one in registers:
        if one.address in polled:
            # mbpoll prints six digits.
            expected = pytest.approx(polled[one.address] * one.factor, rel=1e-5)
            assert stored[one.quantity] == expected, one.quantity
            compared += 1
    assert compared >= 40


def test_every_meter_of_the_plant_is_stored_with_all_that_its_type_has(
    plant: Plant, program: Program
) -> None:
    for device in DEVICES:
        stored = read_stored(program, device)
        meter = plant.meter(device)
        wanted = {one.quantity for one in read_map(meter.type, ProfileLibrary()).registers}
        if meter.type == "sunspec":
            wanted = {"production_power_w", "energy_production_wh", "frequency_hz", "dc_power_w"}
        assert wanted <= set(stored), device
        voltages = [value for name, value in stored.items() if name.startswith("voltage")]
        assert all(200 < one < 260 for one in voltages), device


def test_the_health_page_tells_each_meter(program: Program) -> None:
    _, health = program.read("/api/health")
    [source] = health["sources"]
    assert source["kind"] == "modbus"
    states = {one["device"]: one["state"] for one in source["meters"]}
    assert all(states[device] == "online" for device in DEVICES), states
    assert states["test_energy_meter"] == "online", "the virtual meter of a fresh book"


def test_a_killed_program_keeps_what_it_said_was_stored(
    plant: Plant, program: Program, tmp_path: Path
) -> None:
    """A poll is in the log before it is counted as stored."""
    del plant, tmp_path
    _, health = program.read("/api/health")
    stored = health["counters"]["stored"]
    [[before]] = program.ask("SELECT count(*) FROM readings")
    assert before >= stored
    program.kill()
    program.start()
    wait_until(program.is_ready, "it is back", 120)
    [[after]] = program.ask("SELECT count(*) FROM readings")
    assert after >= stored
