"""The port for Prometheus of the real program: opened, refused, and closed with everything else."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from tests.chaos.program import Program, kept, wait_until
from tests.cli.invocation import invoke
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
