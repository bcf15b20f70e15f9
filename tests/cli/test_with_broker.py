"""``simulate`` and ``subscribe`` against a real Mosquitto."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.invocation import end_child, invoke, start_child
from tests.servers import MosquittoServer

pytestmark = pytest.mark.integration


def wait_for_text(file: Path, text: str, child: subprocess.Popen[bytes]) -> str:
    """What a child has written, once it contains a text."""
    deadline_s = time.monotonic() + 20
    while text not in (written := file.read_text()):
        assert child.poll() is None, written
        assert time.monotonic() < deadline_s, written
        time.sleep(0.05)
    return written


def test_subscribe_prints_what_simulate_publishes_decoded(
    own_mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    log = tmp_path / "subscribe.txt"
    subscriber = start_child(["subscribe", "--url", own_mosquitto.url, "--count", "4"], log)
    try:
        heard = own_mosquitto.folder
        assert heard is not None
        # Its own log tells when the subscription stands.
        deadline_s = time.monotonic() + 20
        while "wattscope-subscribe-" not in (heard / "mosquitto.log").read_text():
            assert time.monotonic() < deadline_s
            assert subscriber.poll() is None, log.read_text()
            time.sleep(0.05)
        time.sleep(0.3)
        sent = invoke("simulate", "--url", own_mosquitto.url, "--count", "2", "--interval", "0.1")
        assert sent.status == 0, sent.err
        assert "messages published" in sent.out
        assert subscriber.wait(20) == 0, log.read_text()
    finally:
        end_child(subscriber)
    written = log.read_text()
    assert "\x1b" not in written, "colours in a file"
    lines = [line for line in written.splitlines() if "broker reached" not in line]
    assert len(lines) == 4
    assert any("Instantaneous_Demand" in line and "active_power_w=" in line for line in lines)
    assert all("xcel-itron: xcel_itron_5" in line or "shelly-gen2" in line for line in lines)


def test_subscribe_names_a_broker_that_is_away(free_port: int, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    child = start_child(["subscribe", "--url", f"mqtt://127.0.0.1:{free_port}"], log)
    try:
        assert "Traceback" not in wait_for_text(log, str(free_port), child)
    finally:
        end_child(child)


def test_run_reads_a_broker_of_ones_own_and_ends_in_order(
    own_mosquitto: MosquittoServer, tmp_path: Path, free_port: int
) -> None:
    settings = tmp_path / "wattscope.toml"
    settings.write_text(
        f'[broker]\nembedded = false\n[[sources]]\nurl = "{own_mosquitto.url}"\n'
        'profiles = ["xcel-itron", "shelly-gen2"]\n',
        encoding="utf-8",
    )
    log, data = tmp_path / "run.txt", tmp_path / "data"
    child = start_child(["run", "-c", settings, "--port", str(free_port), "--data", data], log)
    try:
        wait_for_text(log, f"http://127.0.0.1:{free_port}/", child)
        second = invoke("run", "-c", settings, "--port", str(free_port), "--data", data)
        assert second.status == 78
        assert "--port" in second.last_line()
        other = invoke("import", settings, "--data", data)
        assert other.status == 1
        assert "Traceback" not in other.err
        sent = invoke("simulate", "--url", own_mosquitto.url, "--count", "3", "--interval", "0.2")
        assert sent.status == 0, sent.err
        wait_for_text(log, "device registered", child)
        time.sleep(0.5)
    finally:
        status = end_child(child)
    assert status in {0, -15, 143}
    assert "Traceback" not in log.read_text()
    rows = invoke("devices", "--format", "csv", "--data", data).out.splitlines()
    assert any(row.startswith("xcel_itron_5,") for row in rows)
