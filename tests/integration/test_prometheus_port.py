"""The port for Prometheus of the real program: opened, refused, and closed with everything else."""

from __future__ import annotations

import contextlib
import re
import socket
from pathlib import Path

import pytest

from tests.chaos.program import Program, kept, wait_until
from tests.cli.invocation import end_child, invoke, start_child
from tests.integration.scraped import get
from tests.servers import LOOPBACK, find_free_port

SETTINGS = """
sources = []

[broker]
embedded = false

[prometheus]
port = {port}
"""


def test_port_opens_with_the_program_and_ends_with_it(tmp_path: Path) -> None:
    port = find_free_port()
    with kept(Program(tmp_path, SETTINGS.format(port=port))) as program:
        program.start()
        wait_until(program.is_ready, "the page answers")
        status, text = get(port, "/metrics")
        assert status == 200
        assert "wattscope_build_info" in text
        assert get(port, "/api/devices")[0] == 404
        assert get(port, "/metrics", host="evil.example")[0] == 421
        assert get(program.port, "/metrics")[0] == 200
        program.stop()
        with socket.socket() as probe:
            assert probe.connect_ex((LOOPBACK, port)) != 0
    assert "Traceback" not in program.output


def test_port_that_is_taken_is_named_and_nothing_starts(tmp_path: Path) -> None:
    with contextlib.closing(socket.create_server((LOOPBACK, 0))) as other:
        port = other.getsockname()[1]
        file = tmp_path / "wattscope.toml"
        file.write_text(SETTINGS.format(port=port), encoding="utf-8")
        outcome = invoke(
            "run", "-c", file, "--data", tmp_path / "data", "--port", str(find_free_port())
        )
    assert outcome.status == 78
    assert f"prometheus.port: port {port} on {LOOPBACK} is taken" in outcome.last_line()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7"])
def test_host_that_others_can_reach_needs_the_flag(tmp_path: Path, host: str) -> None:
    file = tmp_path / "wattscope.toml"
    text = SETTINGS.format(port=find_free_port())
    file.write_text(f'{text}host = "{host}"\n', encoding="utf-8")
    outcome = invoke(
        "run", "-c", file, "--data", tmp_path / "data", "--port", str(find_free_port())
    )
    assert outcome.status == 78
    assert "--expose-without-login" in outcome.last_line()
    assert not (tmp_path / "data").exists()


HEAT_PUMP = """
[broker]
embedded = false

[[sources]]
type = "modbus"
poll = "1s"

[[meters]]
id = "heatpump"
host = "127.0.0.1"
port = {meter}
unit = 2
type = "wago-879-30xx"
framing = "rtu_over_tcp"

[prometheus]
port = {port}

[prometheus.names]
wago_power_L1_kw = {{ device = "heatpump", quantity = "active_power_l1_w", unit = "kW" }}
"""


def test_meter_that_fails_to_answer_disappears_from_the_scrape(tmp_path: Path) -> None:
    """A WAGO meter behind a gateway is read each second; then its gateway is switched off."""
    meter_port, port = find_free_port(), find_free_port()
    words = ["simulate", "modbus", "--profile", "wago-879-30xx", "--port", str(meter_port)]
    words += ["--unit", "2", "--framing", "rtu_over_tcp"]
    settings = HEAT_PUMP.format(meter=meter_port, port=port)
    with contextlib.ExitStack() as stack:
        gateway = start_child(words, tmp_path / "gateway.txt")
        stack.callback(end_child, gateway)
        program = stack.enter_context(kept(Program(tmp_path, settings)))
        program.start()
        wait_until(lambda: read_names(port) >= NAMES, "the meter is read")
        end_child(gateway)
        wait_until(lambda: not read_names(port) & NAMES, "its values are gone", 60)
        status, text = get(port, "/metrics")
        assert status == 200
        assert 'wattscope_device_up{site="home",device="heatpump"} 0.0' in text


NAMES = {"wago_power_L1_kw", "wattscope_phase_active_power_watts", "wattscope_frequency_hertz"}


def read_names(port: int) -> set[str]:
    """Names that have a sample of the meter now; none before the port answers."""
    try:
        _, text = get(port, "/metrics")
    except OSError:
        return set()
    samples = [one for one in text.splitlines() if 'device="heatpump"' in one or one[:4] == "wago"]
    return {re.split(r"[{ ]", one)[0] for one in samples}
