"""A small works with a heat pump: a past of some days, and values that go on.

::

    main ─┬─ pump    heat pump: standby 6 W, active 46 W, high load above 2 kW
          ├─ hall ─┬─ press   says other watts than its phases
          │        └─ store   has been silent for hours
          └─ office

Everything follows from the instant alone, so that what is published goes on where the past ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.page.demo import RunningPage, run_page
from tests.servers import find_free_port
from tests.web.applications import put
from wattscope.assembly.storage import open_storage
from wattscope.core.time_grid import (
    US_PER_HOUR,
    US_PER_MINUTE,
    US_PER_S,
    day_start_us,
    local_date,
)
from wattscope.settings import load_settings
from wattscope.simulate.publish import BrokerAccess, publish

ZONE = ZoneInfo("Europe/Berlin")
STEP_US = 30 * US_PER_S
DAYS = 3
"""Days of which every value is known; before them, registers alone."""
DAYS_OF_REGISTERS = 12
LIVE_S = 2.0
PHASES = ("l1", "l2", "l3")
SILENT_FOR_US = 3 * US_PER_HOUR
METERS = ("hall", "main", "office", "press", "pump", "store")

SETTINGS = """\
pages = ["plant", "heatpump"]

[site]
id = "works"
name = "Works"
time_zone = "Europe/Berlin"

[broker]
port = {port}

[[sources]]
name = "gateway"
profiles = ["works-meter"]

[heat_pump]
device = "pump"

[[devices]]
id = "main"
name = "Main meter"
interval_s = 30

[[devices]]
id = "hall"
name = "Hall"
parent = "main"
interval_s = 30

[[devices]]
id = "press"
name = "Press"
parent = "hall"
interval_s = 30

[[devices]]
id = "store"
name = "Cold store"
parent = "hall"
interval_s = 30

[[devices]]
id = "office"
name = "Office"
parent = "main"
interval_s = 30

[[devices]]
id = "pump"
name = "Heat pump"
kind = "heat_pump"
parent = "main"
interval_s = 30
"""
PROFILE_HEAD = """\
title = "Meters of the works"
decoder = "json_map"
topics = ["works/+/values"]
kind = "meter"
has_clock = false
interval_s = 30

[device]
topic_level = 1

[values]
"""
UNITS = {"w": "W", "wh": "Wh", "v": "V", "a": "A", "hz": "Hz"}


def wobble(t_us: int, salt: float) -> float:
    """Something between -1 and 1 that looks like chance and is none."""
    s = t_us / US_PER_S
    return (math.sin(s / 37 + salt) + math.sin(s / 11.3 + 2 * salt) + math.sin(s / 301 + salt)) / 3


def day_part(t_us: int) -> float:
    """Hour of the local day."""
    moment = datetime.fromtimestamp(t_us / US_PER_S, UTC).astimezone(ZONE)
    return moment.hour + moment.minute / 60 + moment.second / 3600


def pump_power(t_us: int) -> float:
    """Power of the heat pump [W]: a run of 22 minutes in every second hour, more in the morning."""
    hour = day_part(t_us)
    minute = (hour % 1) * 60
    is_idle = int(hour) % 2 == 1 and not 5 <= hour < 9
    if is_idle or minute < 18:
        return 6.0 + 0.4 * wobble(t_us, 1)
    if 24 <= minute < 46:
        return 2260 + 220 * wobble(t_us, 2) + 8 * (minute - 24)
    return 46 + 3 * wobble(t_us, 3) if minute < 52 else 6.0 + 0.4 * wobble(t_us, 1)


def base_power(device: str, t_us: int) -> float:
    """Power of a meter that has none below it [W]."""
    hour = day_part(t_us)
    is_work = 6 <= hour < 18
    if device == "pump":
        return pump_power(t_us)
    if device == "office":
        return (1900 if is_work else 320) + 180 * wobble(t_us, 4)
    if device == "press":
        return (5200 if is_work and int(hour * 6) % 3 else 400) + 300 * wobble(t_us, 5)
    return 1400 + 250 * wobble(t_us, 6)  # the cold store


def power_of(device: str, t_us: int) -> float:
    """Power of any meter [W]."""
    below = {"hall": ("press", "store"), "main": ("hall", "office", "pump")}.get(device, ())
    rest = {"hall": 650 + 60 * wobble(t_us, 7), "main": 480 + 50 * wobble(t_us, 8)}.get(device, 0.0)
    if not below:
        return base_power(device, t_us)
    return rest + sum(power_of(one, t_us) for one in below)


def shares_of(device: str, power: float) -> tuple[float, float, float]:
    """How its phases share the power of a device."""
    if device == "pump":
        return (0.46, 0.30, 0.24) if power > 1000 else (1.0, 0.0, 0.0)
    return (0.36, 0.34, 0.30)


def values_at(device: str, t_us: int) -> dict[str, float]:
    """What a meter says at an instant, without its registers."""
    power = power_of(device, t_us)
    factor = 0.96 if power > 200 else 0.81 if power > 20 else 0.42
    values = {
        "active_power_w": power * (1.8 if device == "press" else 1.0),
        "frequency_hz": round(50 + 0.035 * wobble(t_us, 9) + _dip(t_us), 3),
        "power_factor": round(factor + 0.01 * wobble(t_us, 10), 3),
    }
    for phase, share, volts in zip(
        PHASES, shares_of(device, power), (231.2, 229.8, 230.6), strict=True
    ):
        voltage = volts + 1.2 * wobble(t_us, 11 + share)
        values[f"active_power_{phase}_w"] = power * share
        values[f"voltage_{phase}_v"] = round(voltage, 1)
        values[f"current_{phase}_a"] = round(power * share / voltage / factor, 3)
    return values


def _dip(t_us: int) -> float:
    """The frequency sinks for some minutes every morning."""
    return -0.28 if 7.5 <= day_part(t_us) < 7.65 else 0.0


def is_away(device: str, t_us: int, now_us: int) -> bool:
    """Whether nothing is heard of a meter."""
    if device == "store":
        return t_us > now_us - SILENT_FOR_US
    moment = datetime.fromtimestamp(t_us / US_PER_S, UTC).astimezone(ZONE)
    return device == "pump" and 1.5 <= moment.hour + moment.minute / 60 < 2.1


def register_of(device: str, start_us: int) -> Callable[[int], dict[str, float]]:
    """Registers of a meter by instant, added up from ``start_us`` in steps."""
    state = {"t": start_us, "total": 1_234_000.0, "l1": 500_000.0, "l2": 400_000.0, "l3": 334_000.0}

    def read(t_us: int) -> dict[str, float]:
        while state["t"] < t_us:
            step_us = min(5 * US_PER_MINUTE, t_us - int(state["t"]))
            middle_us = int(state["t"]) + step_us // 2
            energy = power_of(device, middle_us) * step_us / US_PER_HOUR
            state["t"] += step_us
            state["total"] += energy
            for phase, share in zip(
                PHASES, shares_of(device, power_of(device, middle_us)), strict=True
            ):
                state[phase] += energy * share
        return {"energy_import_wh": round(state["total"], 1)} | {
            f"energy_import_{phase}_wh": round(state[phase], 1) for phase in PHASES
        }

    return read


class Works:
    """The works at some moment, with its registers."""

    def __init__(self, now_us: int) -> None:
        today = local_date(now_us, ZONE)
        self.now_us = now_us
        self.first_day: date = today - timedelta(days=DAYS)
        self.full_us = day_start_us(self.first_day, ZONE)
        start_us = day_start_us(today - timedelta(days=DAYS_OF_REGISTERS), ZONE)
        self._read = {device: register_of(device, start_us) for device in METERS}
        self.start_us = start_us

    def write_past(self, settings: Path, data: Path) -> None:
        """Put everything up to now into a data folder."""
        with open_storage(load_settings(settings), data) as storage:
            for device in METERS:
                columns: dict[str, list[tuple[int, float | None]]] = {}
                for t_us in range(self.start_us, self.now_us, STEP_US):
                    if t_us < self.full_us and t_us % (15 * US_PER_MINUTE):
                        continue
                    if is_away(device, t_us, self.now_us):
                        continue
                    values = self._read[device](t_us)
                    if t_us >= self.full_us:
                        values |= values_at(device, t_us)
                    for name, value in values.items():
                        columns.setdefault(name, []).append((t_us, value))
                for name, rows in columns.items():
                    put(storage, device, name, rows)

    def messages_at(self, t_us: int) -> list[tuple[str, bytes]]:
        """What is published at an instant."""
        return [
            (
                f"works/{device}/values",
                json.dumps(self._read[device](t_us) | values_at(device, t_us)).encode(),
            )
            for device in METERS
            if not is_away(device, max(t_us, self.now_us), self.now_us)
        ]


@contextlib.contextmanager
def run_works(folder: Path, *, is_live: bool = True, change: str = "") -> Iterator[RunningPage]:
    """The program over the works, with values that go on, until the end of the block.

    Args:
        folder: An empty folder.
        is_live: Whether values go on after the past.
        change: Put after the settings.
    """
    port = find_free_port()
    settings = folder / "wattscope.toml"
    settings.write_text(SETTINGS.format(port=port) + change, encoding="utf-8")
    (folder / "profiles").mkdir()
    (folder / "profiles" / "works-meter.toml").write_text(_profile(), encoding="utf-8")
    works = Works(time.time_ns() // 1000)
    works.write_past(settings, folder / "data")
    words = ("run", "-c", settings, "--no-browser")
    with run_page(folder, *words) as page:
        if not is_live:
            yield page
            return
        with _publishing(works, f"mqtt://127.0.0.1:{port}"):
            yield page


def _profile() -> str:
    names = [*values_at("pump", 0), "energy_import_wh", *(f"energy_import_{p}_wh" for p in PHASES)]
    lines = []
    for name in names:
        unit = UNITS.get(name.rpartition("_")[2])
        lines.append(
            f'{name} = {{ quantity = "{name}"' + (f', unit = "{unit}" }}' if unit else " }")
        )
    return PROFILE_HEAD + "\n".join(lines) + "\n"


@contextlib.contextmanager
def _publishing(works: Works, url: str) -> Iterator[None]:
    """Values every two seconds, from a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(publish(works.messages_at, BrokerAccess(url), interval_s=LIVE_S))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(20)
        loop.close()
