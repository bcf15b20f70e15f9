"""``python -m benchmarks.grid_page``: how long the server takes for each question of the page Grid.

A past of some weeks is loaded into a fresh store; then every route is asked three times: the first
time after a start, again some minutes later, when a reading has come and what is kept for a while
is too old, and at once after that. Processor time is told, which other programs hardly lengthen.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from tests.web.applications import Application, open_application, put
from wattscope.assembly.storage import Storage
from wattscope.core.reading import Batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, to_us
from wattscope.core.topology import Device, DeviceKind
from wattscope.settings import Settings, SiteSettings, StorageSettings
from wattscope.web.services import Services

SITE = SiteSettings(id="grid", time_zone="Europe/Berlin")
NOW_US = to_us(datetime(2026, 6, 17, 13, 7, tzinfo=UTC))
"""A Wednesday afternoon."""
STEP_US = 5 * US_PER_MINUTE
QUANTITIES = ("active_power_w", "energy_import_wh", "voltage_v", "current_a", "frequency_hz")
QUESTIONS = (
    "now",
    "hour",
    "meters?order=newest&limit=12",
    "meters?find=00042&limit=8",
    "days",
    "days?meter={meter}",
    "load",
    "load?start={week}",
    "load?start={fortnight}&interval=1h",
    "today",
    "peaks",
    "months?limit=12",
    "regions",
    "rollups",
)
_LATER_US = 120_000_000
_BLOCK_METERS = 100


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grid_page")
    parser.add_argument("--meters", type=int, default=500)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--chunk", default="1d", help="3h, 1d or 1w")
    options = parser.parse_args()
    clock = {"now_us": NOW_US}

    def fill(storage: Storage) -> None:
        load_past(storage, options.meters, options.days)

    def tick(services: Services) -> Services:
        return dataclasses.replace(services, now_us=lambda: clock["now_us"])

    settings = Settings(sources=(), site=SITE, storage=StorageSettings(chunk=options.chunk))
    with (
        tempfile.TemporaryDirectory() as folder,
        open_application(Path(folder), settings=settings, fill=fill, change=tick) as grid,
    ):
        print(f"{options.meters} meters, {options.days} days, chunks of {options.chunk} [CPU ms]")
        print(f"{'question':40}{'first':>9}{'again':>9}{'at once':>9}{'bytes':>9}")
        for question in QUESTIONS:
            measure(grid, question, clock)


def load_past(storage: Storage, n_meters: int, n_days: int) -> None:
    """Readings of five quantities every five minutes, each meter at seconds of its own."""
    names = [f"{1 + meter % 5}{meter:09}" for meter in range(n_meters)]
    devices = [
        (Device(one, SITE.id, one, DeviceKind.METER, interval_s=300.0), QUANTITIES) for one in names
    ]
    storage.registry.put_devices(devices)
    rng = np.random.default_rng(1)
    steps = np.arange(n_days * US_PER_DAY // STEP_US, dtype=np.int64) * STEP_US
    for first in range(0, n_meters, _BLOCK_METERS):
        parts = []
        for meter in range(first, min(first + _BLOCK_METERS, n_meters)):
            t_us = NOW_US - n_days * US_PER_DAY + steps + int(rng.integers(1, 300)) * 1_000_000
            hour = t_us / US_PER_HOUR % 24
            shape = 0.5 + np.exp(-(((hour - 18) / 3) ** 2))
            power = np.round(rng.uniform(200, 900) * shape * rng.uniform(0.8, 1.2, len(t_us)), 1)
            columns = (
                power,
                np.round(1e6 + np.cumsum(power) / 12),
                np.round(rng.normal(230, 1, len(t_us)), 1),
                np.round(power / 230, 2),
                np.round(rng.normal(50, 0.01, len(t_us)), 3),
            )
            for quantity, values in zip(QUANTITIES, columns, strict=True):
                series = storage.registry.ensure_series(names[meter], quantity)
                ids = np.full(len(t_us), series, np.int32)
                parts.append(Batch(ids, t_us, values, np.zeros(len(t_us), np.uint8)))
        parts.sort(key=lambda part: int(part.series_id[0]))
        columns_of = zip(
            *((one.series_id, one.measured_at_us, one.value, one.quality) for one in parts),
            strict=True,
        )
        storage.store.load(Batch(*(np.concatenate(column) for column in columns_of)))
    storage.store.flush()
    storage.live.update(storage.store.last_rows())


def measure(grid: Application, question: str, clock: dict[str, int]) -> None:
    """One line of the table."""
    day = datetime.fromtimestamp(NOW_US / 1e6, UTC).date()
    words = question.format(
        week=day - timedelta(days=6), fortnight=day - timedelta(days=13), meter="1000000000"
    )
    times_ms = []
    for pause_us in (0, _LATER_US, 0):
        clock["now_us"] += pause_us
        if pause_us:
            put(grid.storage, "1000000000", "energy_import_wh", [(clock["now_us"], 2e6)])
        before_s = time.process_time()
        response = grid.client.get(f"/api/grid/{words}")
        times_ms.append((time.process_time() - before_s) * 1000)
        if response.status_code != 200:
            raise SystemExit(response.text)
    shown = "".join(f"{one:9.1f}" for one in times_ms)
    print(f"{question:40}{shown}{len(response.content):9}")


if __name__ == "__main__":
    main()
