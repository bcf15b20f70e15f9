"""A farm of simulated panels, at noon whenever it is asked: a past of weeks, and values that go on.

::

    Plant ── Inverter-1 ─┬─ String-1   Panel-001 .. Panel-004
                         ├─ String-2   Panel-005 .. Panel-008, of which 006 is dirty
                         └─ String-3   Panel-009 .. Panel-012, dead for more than an hour
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.page.demo import RunningPage, run_page
from tests.servers import find_free_port
from wattscope.assembly.history import fill_history
from wattscope.assembly.simulation import build_simulator
from wattscope.assembly.storage import open_storage
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings, load_settings
from wattscope.simulate.simulator import Simulator, Surroundings

BROKEN = "Panel-010"
"""One of the dead string."""
WEAK = "Panel-006"
DAYS = 16
BROKEN_MINUTES = 80
WEAK_DAYS = 10

SETTINGS = """\
pages = ["solar"]

[site]
id = "farm"
name = "Farm"
time_zone = "{zone}"
currency = "EUR"
latitude = 5.0
longitude = {longitude}
energy_price = 0.3

[broker]
port = {port}

[[sources]]
name = "mqtt"
profiles = ["panel-json", "weather-json"]

[[arrays]]
count = 12
panels = "Panel-###"
per_string = 4
strings = "String-#"
strings_per_inverter = 3
inverters = "Inverter-#"
plant = "Plant"
rating_w = 400
inverter_rating_w = 5000
tilt_deg = 10
azimuth_deg = 180

[[devices]]
id = "Weather"
kind = "sensor"
parent = "Plant"

[simulate]
seed = 3
interval_s = 5
history_s = 60
epoch = 2026-01-01
cloudiness = 0.2
faults = {faults}
"""
NOON_HOUR = 12


def noon_zone(now: datetime) -> tuple[str, float]:
    """A zone in which it is about noon now, and the longitude of its middle [degrees east]."""
    offset = NOON_HOUR - now.hour
    # POSIX names have the sign the other way round: Etc/GMT-5 is five hours ahead.
    zone = "Etc/GMT" if offset == 0 else f"Etc/GMT{-offset:+d}"
    return zone, offset * 15.0


def write_settings(path: Path, port: int, now: datetime) -> Settings:
    """The settings of the farm, as a file and as read."""
    zone, longitude = noon_zone(now)
    broken = now - timedelta(minutes=BROKEN_MINUTES)
    weak = now - timedelta(days=WEAK_DAYS)
    faults = [f"string_out:{BROKEN}:{broken:%FT%H:%MZ}", f"soiling:{WEAK}:{weak:%FT%H:%MZ}"]
    text = SETTINGS.format(zone=zone, longitude=longitude, port=port, faults=faults)
    path.write_text(text.replace("'", '"'), encoding="utf-8")
    return load_settings(path)


@contextlib.contextmanager
def run_farm(folder: Path) -> Iterator[RunningPage]:
    """The program over the farm, with values that go on, until the end of the block."""
    port = find_free_port()
    settings_file = folder / "wattscope.toml"
    settings = write_settings(settings_file, port, datetime.now(UTC))
    simulator = build_simulator("solar", settings, ProfileLibrary())
    with open_storage(settings, folder / "data") as storage:
        fill_history(storage, simulator, DAYS * 86_400)
    words = ("run", "-c", settings_file, "--no-browser")
    with (
        run_page(folder, *words) as page,
        _publishing(simulator, f"mqtt://127.0.0.1:{port}"),
    ):
        _wait_until_found(page)
        yield page


def _wait_until_found(page: RunningPage, timeout_s: float = 120.0) -> None:
    """Until detectors have looked at all of it."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        found = {one["device"] for one in page.get("/api/incidents")["incidents"]}
        if {BROKEN, WEAK} <= found:
            return
        assert time.monotonic() < deadline_s, f"found only {found}\n{page.log.read_text()}"
        time.sleep(0.5)


@contextlib.contextmanager
def _publishing(simulator: Simulator, url: str) -> Iterator[None]:
    """The panels' messages, from a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(simulator.run(Surroundings(url, lambda _: None, None)))

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
