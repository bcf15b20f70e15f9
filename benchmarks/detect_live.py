"""A thousand panels, each once a second, with all detectors on: what it costs, how soon it tells.

The program is fed by the simulator of the recipe, which stands where it is midday. From time to
time one more reading of a panel says 75 °C; a rule raises an alert, a webhook hears of it. The
time runs from the sending of the reading until the webhook has the message.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.broker import run_broker
from benchmarks.machine import CpuWatch
from benchmarks.rows import OURS, Limit, Row
from tests.alert_receivers import WebhookReceiver
from tests.chaos.program import (
    RUN_PROGRAM,
    Program,
    StillWaitingError,
    kept,
    program_environment,
    wait_until,
)
from tests.chaos.raw_mqtt import RawPublisher
from tests.servers import MosquittoServer

CASE = "detect"
_HOT_C = 75.0
_ALERT_WITHIN_S = 30.0
_CORE_SHARE, _ALERT_MS = 0.5, 2000.0
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
url = "{hook}"
"""


def measure_live(*, quick: bool, say: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """CPU of the program at 1,000 readings/s with all detectors on, and how soon alerts are out."""
    n_panels, seconds, n_alerts = (200, 30, 3) if quick else (1000, 180, 15)
    now = datetime.now(UTC)
    longitude = round((12 - now.hour - now.minute / 60) * 15, 1)
    hook = WebhookReceiver()
    hook.start()
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
                        hook=hook.url,
                    ),
                )
            ) as program,
        ):
            return _measure(program, broker, hook, (n_panels, seconds, n_alerts), say)
    finally:
        hook.stop()


def _measure(
    program: Program,
    broker: MosquittoServer,
    hook: WebhookReceiver,
    size: tuple[int, int, int],
    say: Callable[[str], None],
) -> tuple[list[Row], list[str]]:
    n_panels, seconds, n_alerts = size
    program.start()
    wait_until(program.is_ready, "the program is ready")
    program.post(
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
    share, median_ms, slowest_ms = used_s / lasted_s, statistics.median(late) * 1e3, late[-1] * 1e3
    soon = Limit(_ALERT_MS)
    rows = [
        Row(CASE, OURS, f"{words}: readings", rate, "readings/s"),
        Limit(_CORE_SHARE).mark(Row(CASE, OURS, f"{words}: CPU, share of a core", share, "share")),
        soon.mark(Row(CASE, OURS, f"{words}: reading to alert, median", median_ms, "ms")),
        soon.mark(Row(CASE, OURS, f"{words}: reading to alert, slowest", slowest_ms, "ms")),
    ]
    note = (
        f"live: {seconds} s after a warm-up of 20 readings a panel; {n_alerts} readings of "
        f"{_HOT_C:g} °C, each from its sending to the webhook's receipt of the alert; machine of "
        f"{os.cpu_count()} cores with broker and simulator on it"
    )
    return rows, [note]


def _raise_alerts(
    broker: MosquittoServer,
    hook: WebhookReceiver,
    n_panels: int,
    span: tuple[float, int],
    n_alerts: int,
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


def _wait_for(hook: WebhookReceiver, device: str, sent_s: float) -> float:
    while not any(device in one.body for one in list(hook.taken)):
        if time.monotonic() - sent_s > _ALERT_WITHIN_S:
            raise StillWaitingError(f"no alert about {device} within {_ALERT_WITHIN_S:g} s")
        time.sleep(0.005)
    return time.monotonic() - sent_s


def _count(program: Program) -> float:
    """Readings stored so far: a panel's has four values."""
    return float(program.read("/api/health")[1]["counters"]["stored"]) / 4
