"""Numbered messages: from its number everything about a message is known, and the other way."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.chaos.raw_mqtt import RawPublisher

N_PANELS = 100
N_METERS = 200
BARE_EVERY = 10
"""Every tenth message is a bare number: without an instant, so without a key of its own."""
STEP_S = 60
"""Between two readings of a panel, so that a run spans several chunk files."""
FIRST_INSTANT = datetime.now(UTC).replace(microsecond=0) - timedelta(days=60)

PANEL_PROFILE = f"""\
title = "Panels that are poured in"
decoder = "panel_json"
topics = ["sensors/+/readings"]
kind = "panel"
has_clock = true
interval_s = {STEP_S}

[device]
topic_level = 1
"""
BARE_PROFILE = """\
title = "Itron bridges that are poured in"
decoder = "itron"
topics = ["itron/sensor/+/+/state"]
kind = "meter"
has_clock = false
interval_s = 5

[device]
topic_level = 2

[values]
Instantaneous_Demand = { quantity = "active_power_w", unit = "W" }
"""


def write_profiles(folder: Path) -> None:
    """``poured-panels`` and ``poured-meters`` beside the settings; neither has ranges.

    Args:
        folder: That of the settings.
    """
    profiles = folder / "profiles"
    profiles.mkdir()
    (profiles / "poured-panels.toml").write_text(PANEL_PROFILE, encoding="utf-8")
    (profiles / "poured-meters.toml").write_text(BARE_PROFILE, encoding="utf-8")


def is_bare(number: int) -> bool:
    return number % BARE_EVERY == BARE_EVERY - 1


def describe_panel(number: int) -> tuple[str, datetime, dict[str, float]]:
    """Device, instant and values of a panel's message."""
    values = {
        "temperature_c": number % 97 + 0.5,
        "dc_voltage_v": number % 89 + 0.25,
        "dc_current_a": number % 83 + 0.125,
        "production_power_w": float(number),
    }
    at = FIRST_INSTANT + timedelta(seconds=STEP_S * (number // N_PANELS))
    return f"panel-{number % N_PANELS:03d}", at, values


def build_message(number: int) -> tuple[str, bytes]:
    """Topic and payload."""
    if is_bare(number):
        meter = f"meter-{number // BARE_EVERY % N_METERS:03d}"
        return f"itron/sensor/{meter}/Instantaneous_Demand/state", b"%d" % number
    panel, at, values = describe_panel(number)
    payload = (
        f'{{"panel_id":"{panel}","timestamp":"{at:%Y-%m-%dT%H:%M:%SZ}",'
        f'"temperature_celsius":{values["temperature_c"]},'
        f'"voltage_volts":{values["dc_voltage_v"]},'
        f'"current_amperes":{values["dc_current_a"]},'
        f'"power_output_watts":{values["production_power_w"]}}}'
    )
    return f"sensors/{panel}/readings", payload.encode()


def find_number(topic: str, payload: bytes) -> int:
    """The number of a message."""
    if topic.startswith("itron/"):
        return int(payload)
    return int(float(payload.rpartition(b":")[2].rstrip(b"}")))


class Pourer:
    """Publishes numbered messages at a steady rate from a thread, until it is stopped.

    A broker that goes away is waited for. What was under way then is not sent again, but for the
    last few messages: whether it was taken is the broker's secret, and only what Wattscope
    acknowledged is looked at.
    """

    def __init__(self, port: int, *, rate_per_s: int, bare: bool = True) -> None:
        self.n_poured = 0
        """Messages up to this number were sent; without bare ones those numbers are left out."""
        self._port = port
        self._rate_per_s = rate_per_s
        self._has_bare = bare
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop pouring; returns when the broker has everything."""
        self._is_stopped.set()
        if self._thread.ident is not None:
            self._thread.join(60)

    def _run(self) -> None:
        while not self._is_stopped.is_set():
            try:
                with RawPublisher(self._port, "pourer") as publisher:
                    self._pour(publisher)
            except OSError:
                time.sleep(0.05)

    def _pour(self, publisher: RawPublisher) -> None:
        started_s, first = time.monotonic(), self.n_poured
        while not self._is_stopped.wait(0.01):
            due = first + int((time.monotonic() - started_s) * self._rate_per_s)
            numbers = range(self.n_poured, due)
            publisher.publish(
                [build_message(n) for n in numbers if self._has_bare or not is_bare(n)]
            )
            self.n_poured = max(due, self.n_poured)
            publisher.wait_unacked(20_000)
        publisher.wait_unacked(0)
