"""``simulate`` with Modbus meters as a person starts it, and the pasts of plant and heat pump."""

from __future__ import annotations

import re
import socket
import struct
import time
from pathlib import Path

import pytest

from tests.cli.invocation import ask, end_child, invoke, start_child
from wattscope.assembly.simulation import choose_meter_ports, move_meter_ports
from wattscope.cli.options import read_recipe


def _refused(*words: str | Path, names: str) -> None:
    outcome = invoke("simulate", *words)
    assert outcome.status == 78
    assert names in outcome.last_line()
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("modbus", "--profile", "sdm999"), "sdm"),
        (("modbus", "--profile", "shelly-gen2"), "no registers"),
        (("modbus", "--profile", "sdm630", "--fault", "silnet"), "silent"),
        (("modbus", "--profile", "sdm630", "--fault", "silent:2"), "rates"),
        (("modbus", "--profile", "sdm630", "--framing", "rtu"), "--serial"),
        (("modbus", "--profile", "sdm630", "--framing", "ascii"), "rtu_over_tcp"),
        (("modbus", "--profile", "sdm630", "--unit", "300"), "255"),
        (("modbus", "--profile", "sdm630", "--turn-around", "soon"), "20ms"),
        (("modbus", "--profile", "sdm630", "--baud", "0"), "baud"),
        (("modbus", "--profile", "sdm630", "--history", "1d"), "recipe"),
        (("heatpump", "--profile", "sdm630"), "its own meters"),
        (("home", "--profile", "sdm630"), "MQTT"),
        (("modbus", "--use-port", "5020"), "5020=41000"),
    ],
)
def test_options_that_cannot_be_are_refused(words: tuple[str, ...], names: str) -> None:
    _refused(*words, names=names)


@pytest.mark.integration
def test_a_meter_is_served_for_as_long_as_it_is_asked_to(free_port: int, tmp_path: Path) -> None:
    log = tmp_path / "simulate.txt"
    words = ["simulate", "modbus", "--profile", "sdm120", "--port", str(free_port), "--unit", "9"]
    child = start_child([*words, "--count", "40", "--interval", "0.2"], log)
    try:
        voltage = _read_float(free_port, unit=9, deadline_s=time.monotonic() + 30)
        assert 200 < voltage < 260
        assert child.wait(60) == 0, log.read_text()
    finally:
        end_child(child)
    assert f"127.0.0.1:{free_port} (tcp): unit 9" in log.read_text()
    assert re.search(r"[1-9]\d* requests answered; meters: 1", log.read_text())


@pytest.mark.integration
def test_a_meter_misbehaves_from_the_command_line(free_port: int, tmp_path: Path) -> None:
    log = tmp_path / "simulate.txt"
    words = ["simulate", "modbus", "--profile", "sdm120", "--port", str(free_port)]
    child = start_child([*words, "--fault", "exception_6"], log)
    try:
        with pytest.raises(AssertionError, match="8406"):
            _read_float(free_port, unit=1, deadline_s=time.monotonic() + 30)
        assert child.poll() is None, log.read_text()
        assert end_child(child) in {0, 130, -15}
    finally:
        end_child(child)
    assert "Traceback" not in log.read_text()


@pytest.mark.integration
def test_a_port_that_is_taken_ends_it_with_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = invoke("simulate", "modbus", "--profile", "sdm120", "--port", str(port))
    assert outcome.status == 78
    assert str(port) in outcome.last_line()


@pytest.mark.parametrize(
    ("recipe", "n_devices"), [("modbus", 5), ("heatpump", 1)], ids=["modbus", "heatpump"]
)
def test_a_past_is_written_under_the_names_of_its_meters(
    recipe: str, n_devices: int, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    first = invoke("simulate", recipe, "--history", "2h", "--data", data)
    assert first.status == 0, first.err
    assert int(first.out.split()[0]) > 5000
    question = "SELECT device, count(DISTINCT quantity) AS n FROM readings GROUP BY 1"
    known = {row["device"]: row["n"] for row in ask(data, question)}
    ids = {meter.id for meter in read_recipe(recipe).meters}
    assert set(known) == ids
    assert len(ids) == n_devices
    assert min(known.values()) > 10
    again = invoke("simulate", recipe, "--history", "2h", "--data", data)
    assert int(again.out.split()[0]) < 1000


@pytest.mark.integration
def test_ports_of_a_demo_that_are_taken_are_replaced() -> None:
    settings = read_recipe("heatpump")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = move_meter_ports(settings, {8899: port})
        moved = choose_meter_ports(settings)
    assert set(moved) == {port}
    [meter] = move_meter_ports(settings, moved).meters
    assert meter.port == moved[port] != port


def _read_float(port: int, *, unit: int, deadline_s: float) -> float:
    """The first value of an SDM120, once somebody listens."""
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as link:
                link.settimeout(5)
                link.sendall(struct.pack(">HHHBBHH", 1, 0, 6, unit, 4, 0, 2))
                reply = link.recv(100)
            assert len(reply) == 13, reply.hex()
            [value] = struct.unpack(">f", reply[9:])
            return float(value)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
