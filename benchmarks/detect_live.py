"""A thousand panels, each once a second, with all detectors on: what it costs, how soon it tells.

The program is fed by the simulator of the recipe, which stands where it is midday. From time to
time one more reading of a panel says 75 °C; a rule raises an alert, a webhook hears of it. The
time runs from the sending of the reading until the webhook has the message.
"""

from __future__ import annotations

import http.server
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.broker import run_broker
from benchmarks.machine import CpuWatch
from benchmarks.rows import OURS, Row
from tests.chaos.program import (
    RUN_PROGRAM,
    Program,
    StillWaitingError,
    kept,
    program_environment,
    wait_until,
)
from tests.chaos.raw_mqtt import RawPublisher
from tests.servers import LOOPBACK, MosquittoServer, find_free_port

CASE = "detect"
_HOT_C = 75.0
_ALERT_WITHIN_S = 30.0
_SETTINGS = """\
pages = ["solar"]

[site]
id = "plant"
name = "Plant"
time_zone = "UTC"
latitude = 37.0
longitude = {longitude}
energy_price = 0.12

[broker]
embedded = false

[[sources]]
name = "mqtt"
url = "{url}"
profiles = ["panel-json", "weather-json"]

[[arrays]]
count = {n_panels}
panels = "Panel-####"
per_string = 20
strings = "String-##"
strings_per_inverter = 5
inverters = "Inverter-##"
rating_w = 400
tilt_deg = 30
azimuth_deg = 180

[[notify]]
name = "hook"
type = "webhook"
url = "http://{host}:{hook_port}/alert"
"""


class _Hook:
    """A webhook that notes when each message came."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, Any]] = []
        heard = self.heard

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                heard.append((time.monotonic(), json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.port = find_free_port()
        self._server = http.server.ThreadingHTTPServer((LOOPBACK, self.port), Receiver)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def hears_of(self, device: str) -> float | None:
        """When it heard of a device [s, monotonic]; None before that."""
        return next((at for at, body in list(self.heard) if device in json.dumps(body)), None)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def measure_live(*, quick: bool, say: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """CPU of the program at 1,000 readings/s with all detectors on, and how soon alerts are out."""
    n_panels, seconds, n_alerts = (200, 30, 3) if quick else (1000, 180, 15)
    now = datetime.now(UTC)
    longitude = round((12 - now.hour - now.minute / 60) * 15, 1)
    hook = _Hook()
    try:
        with (
            run_broker() as broker,
            tempfile.TemporaryDirectory(prefix="wattscope-bench-") as name,
            kept(
                Program(
                    Path(name),
                    _SETTINGS.format(
                        longitude=longitude,
                        url=broker.url,
                        n_panels=n_panels,
                        host=LOOPBACK,
                        hook_port=hook.port,
                    ),
                )
            ) as program,
        ):
            return _measure(program, broker, hook, (n_panels, seconds, n_alerts), say)
    finally:
        hook.close()


def _measure(
    program: Program,
    broker: MosquittoServer,
    hook: _Hook,
    size: tuple[int, int, int],
    say: Callable[[str], None],
) -> tuple[list[Row], list[str]]:
    n_panels, seconds, n_alerts = size
    program.start()
    wait_until(program.is_ready, "the program is ready")
    _post(
        program,
        "/api/alert-rules",
        {
            "name": "Hot",
            "kind": "above",
            "quantity": "temperature_c",
            "threshold": 70.0,
            "severity": "warning",
        },
    )
    command = [sys.executable, *RUN_PROGRAM, "simulate", "solar", "--url", broker.url]
    command += ["--panels", str(n_panels), "--interval", "1"]
    simulator = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=program_environment()
    )
    try:
        wait_until(lambda: _count(program) > 20 * n_panels, "readings arrive", 120.0)
        before = _count(program)
        watch = CpuWatch({OURS: [program.pid]})
        began_s = time.monotonic()
        delays = _raise_alerts(broker, hook, n_panels, (began_s, seconds), n_alerts)
        lasted_s = time.monotonic() - began_s
        used_s = watch.read_used_s()[OURS]
        rate = (_count(program) - before) / lasted_s
        looks = program.read("/api/health")[1].get("detection", {})
    finally:
        simulator.terminate()
        simulator.wait(20)
    program.stop()
    say(f"  {rate:,.0f} readings/s, {used_s / lasted_s:.0%} of a core, {looks}")
    words = f"{n_panels:,} panels, once a second, all detectors on"
    late = sorted(delays)
    rows = [
        Row(CASE, OURS, f"{words}: readings", rate, "readings/s"),
        Row(CASE, OURS, f"{words}: CPU, share of a core", used_s / lasted_s, "share"),
        Row(CASE, OURS, f"{words}: reading to alert, median", statistics.median(late) * 1e3, "ms"),
        Row(CASE, OURS, f"{words}: reading to alert, slowest", late[-1] * 1e3, "ms"),
    ]
    rows = [_judge(row) for row in rows]
    note = (
        f"live: {seconds} s after a warm-up of 20 readings a panel; {n_alerts} readings of "
        f"{_HOT_C:g} °C, each from its sending to the webhook's receipt of the alert; machine of "
        f"{os.cpu_count()} cores with broker and simulator on it"
    )
    return rows, [note]


def _judge(row: Row) -> Row:
    limits = {"share": 0.5, "ms": 2000.0}
    limit = limits.get(row.unit)
    if limit is None:
        return row
    words = "met" if row.value <= limit else f"MISSED by {row.value / limit:.2f} x"
    return Row(row.case, row.subject, row.metric, row.value, row.unit, f"≤ {limit:g} {words}")


def _raise_alerts(
    broker: MosquittoServer, hook: _Hook, n_panels: int, span: tuple[float, int], n_alerts: int
) -> list[float]:
    """Send hot readings, evenly over the time; how long each alert took [s]."""
    began_s, seconds = span
    delays = []
    with RawPublisher(broker.port, "bench-hot") as publisher:
        for number in range(n_alerts):
            due_s = began_s + (number + 0.5) * seconds / n_alerts
            time.sleep(max(0.0, due_s - time.monotonic()))
            device = f"Panel-{1 + number * n_panels // n_alerts:04d}"
            # Ahead of the simulator's readings, so that it is the newest for a while.
            stamp = datetime.fromtimestamp(time.time() + 3.0, UTC)
            payload = json.dumps(
                {
                    "panel_id": device,
                    "timestamp": stamp.isoformat().replace("+00:00", "Z"),
                    "temperature_celsius": _HOT_C,
                    "voltage_volts": 40.0,
                    "current_amperes": 5.0,
                    "power_output_watts": 200.0,
                }
            ).encode()
            sent_s = time.monotonic()
            publisher.publish([(f"sensors/{device}/readings", payload)])
            delays.append(_wait_for(hook, device, sent_s))
        time.sleep(max(0.0, began_s + seconds - time.monotonic()))
    return delays


def _wait_for(hook: _Hook, device: str, sent_s: float) -> float:
    while (heard_s := hook.hears_of(device)) is None:
        if time.monotonic() - sent_s > _ALERT_WITHIN_S:
            raise StillWaitingError(f"no alert about {device} within {_ALERT_WITHIN_S:g} s")
        time.sleep(0.005)
    return heard_s - sent_s


def _count(program: Program) -> float:
    """Readings stored so far: a panel's has four values."""
    return float(program.read("/api/health")[1]["counters"]["stored"]) / 4


def _post(program: Program, path: str, body: dict[str, Any]) -> None:
    url = f"http://{LOOPBACK}:{program.port}{path}"
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30):
        pass
