"""A small world of sites, devices and series, and random pasts of them, for tests of stores."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.compute.slow_rollups import COLUMNS, Row, assert_same_buckets, roll_up_slowly
from wattscope.compute.segments import SeriesRule
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import Quality, build_batch
from wattscope.core.time_grid import US_PER_HOUR, US_PER_S, load_zone, local_day_edges, to_us
from wattscope.core.topology import Device, DeviceKind, Sampling, Series, Site
from wattscope.ports import LogRecord
from wattscope.stores.duckdb_store import DuckdbStore
from wattscope.stores.rollup_plan import LEVELS

SPAN_US = 3 * US_PER_HOUR
SITES = (
    Site("north", "North", "Europe/Berlin"),
    Site("south", "South", "America/Sao_Paulo"),
    Site("east", "East", "Asia/Kathmandu"),
)
DEVICES = (
    Device("meter", "north", "Meter", DeviceKind.METER, interval_s=300),
    Device("plug", "south", "Plug", DeviceKind.PLUG),
    Device("bill", "east", "Bill", DeviceKind.METER, interval_s=900, sampling=Sampling.MEAN),
)
NAMES = (
    ("meter", "active_power_w"),
    ("meter", "energy_import_wh"),
    ("plug", "active_power_w"),
    ("plug", "energy_import_wh"),
    ("bill", "active_power_w"),
    ("bill", "energy_import_delta_wh"),
    ("plug", "voltage_v"),
)


class FakeNames:
    """A registry in memory."""

    def __init__(self) -> None:
        self.sites = list(SITES)
        self.devices = list(DEVICES)
        self.names = list(NAMES)

    def list_sites(self) -> list[Site]:
        return self.sites

    def list_devices(self) -> list[Device]:
        return self.devices

    def list_series(self) -> list[Series]:
        sites = {device.id: device.site for device in self.devices}
        return [
            Series(number, sites[device], device, QUANTITIES[quantity])
            for number, (device, quantity) in enumerate(self.names, start=1)
        ]

    def count_series(self) -> int:
        return len(self.names)


def rule_of(series: int) -> SeriesRule:
    device, quantity = NAMES[series - 1]
    [found] = [one for one in DEVICES if one.id == device]
    known = QUANTITIES[quantity]
    interval_us = int((found.interval_s or 0) * US_PER_S)
    return SeriesRule(known.kind, found.sampling, interval_us, known.is_power, known.is_energy)


def zone_of(series: int) -> str:
    device, _ = NAMES[series - 1]
    [site] = [one.site for one in DEVICES if one.id == device]
    [zone] = [one.time_zone for one in SITES if one.id == site]
    return zone


def open_store(folder: Path, names: FakeNames | None = None, **options: object) -> DuckdbStore:
    return DuckdbStore(folder, names or FakeNames(), chunk_us=SPAN_US, **options)  # type: ignore[arg-type]  # options by name


def record(offset: int, *rows: tuple[int, int, float, int]) -> LogRecord:
    return LogRecord(offset, build_batch(list(rows)))


@dataclass
class Past:
    """What was ever written: records in order, and the rows that must be kept."""

    records: list[LogRecord]
    kept: dict[tuple[int, int], Row]

    def rows_of(self, series: int) -> list[Row]:
        return sorted(row for (one, _), row in self.kept.items() if one == series)


def make_past(draw: random.Random, n_records: int, start_us: int) -> Past:
    """Records whose rows come in order mostly, but also late, twice, in conflict, and marked."""
    past = Past([], {})
    clocks = {series: start_us + draw.randrange(SPAN_US) for series in range(1, len(NAMES) + 1)}
    totals = dict.fromkeys(clocks, 0.0)
    for offset in range(n_records):
        rows: list[tuple[int, int, float, int]] = []
        for _ in range(draw.randrange(1, 12)):
            rows.append(_draw_row(draw, past, clocks, totals, start_us))
            series, t, value, quality = rows[-1]
            past.kept.setdefault((series, t), Row(t, value, quality))
        past.records.append(LogRecord(offset, build_batch(rows)))
    return past


def _draw_row(
    draw: random.Random,
    past: Past,
    clocks: dict[int, int],
    totals: dict[int, float],
    start_us: int,
) -> tuple[int, int, float, int]:
    series = draw.randrange(1, len(NAMES) + 1)
    chance = draw.random()
    known = [key for key in past.kept if key[0] == series]
    if known and chance < 0.1:
        _, t = draw.choice(known)
        row = past.kept[(series, t)]
        value = row.value if draw.random() < 0.5 else row.value + 1.0
        return series, t, value, row.quality
    if chance < 0.2:
        t = draw.randrange(start_us, clocks[series] + 1)
    else:
        step_s = draw.choice([5, 60, 300, 300, 900, 900, 3600, 7200, 20_000])
        clocks[series] += step_s * US_PER_S + draw.choice([0, 0, 1, 300_000])
        t = clocks[series]
    totals[series] += draw.randrange(100)
    value = draw.choice([totals[series]] * 6 + [0.0, 1e6])
    quality = draw.choice([0] * 8 + [int(Quality.IMPLAUSIBLE), int(Quality.MISSING)])
    return series, t, float("nan") if quality & 1 else value, quality


def assert_store_holds(store: DuckdbStore, past: Past) -> None:
    """Raw rows, ``roll_up`` and the SQL views all say what the slow way says."""
    _assert_raw(store, past)
    times = [t for _, t in past.kept]
    low, high = min(times) - 2 * SPAN_US, max(times) + 40 * US_PER_HOUR
    for level in LEVELS:
        views = _read_view(store, level)
        for series, key in enumerate(NAMES, start=1):
            edges = edges_of(level, low, high, zone_of(series))
            expected = roll_up_slowly(
                past.rows_of(series), rule_of(series), edges, fine_size(level)
            )
            found = store.roll_up([series], level, edges[0], edges[-1])
            assert_same_buckets(found, series, expected)
            assert_same_buckets(found, series, views.get(key, {}))


def _assert_raw(store: DuckdbStore, past: Past) -> None:
    times = [t for _, t in past.kept]
    found = store.read_raw(range(1, len(NAMES) + 1), min(times), max(times) + 1)
    keys = list(zip(found.series_id.tolist(), found.measured_at_us.tolist(), strict=True))
    assert keys == sorted(past.kept)
    for key, value, quality in zip(keys, found.value.tolist(), found.quality.tolist(), strict=True):
        assert repr(value) == repr(past.kept[key].value)
        assert quality & ~int(Quality.LATE) == past.kept[key].quality


def _read_view(
    store: DuckdbStore, level: str
) -> dict[tuple[str, str], dict[int, dict[str, float]]]:
    """All buckets of a SQL view, by series and start."""
    answer = store.query(
        f"SELECT device, quantity, epoch_us(bucket_start), {', '.join(COLUMNS)} FROM rollup_{level}"
    )
    found: dict[tuple[str, str], dict[int, dict[str, float]]] = defaultdict(dict)
    for device, quantity, start, *values in answer.rows:
        assert start not in found[(device, quantity)]
        found[(device, quantity)][start] = {
            name: float("nan") if value is None else float(value)
            for name, value in zip(COLUMNS, values, strict=True)
        }
    return found


def fine_size(level: str) -> int:
    return 60 * US_PER_S if level == "1m" else 900 * US_PER_S


def edges_of(level: str, low: int, high: int, zone: str) -> Sequence[int]:
    if level == "1d":
        edges: list[int] = local_day_edges(low, high, load_zone(zone)).tolist()
        return edges
    size = {"1m": 60, "15m": 900, "1h": 3600}[level] * US_PER_S
    return range(low // size * size, high // size * size + size, size)


def instant(text: str) -> int:
    """Microseconds of an RFC 3339 text with an offset."""
    return to_us(datetime.fromisoformat(text))
