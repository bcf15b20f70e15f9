"""Our own store as a subject: the real registry, the real store, the live view, in process.

Opened as the program opens them, with its defaults but two query threads. Questions are SQL over
the public views, as a user would ask them; hours of one meter and charts go the way the pages go.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.rows import OURS
from benchmarks.store_disk import count_folder_bytes
from benchmarks.store_questions import (
    BY_MONTH,
    CHART,
    CONTENT,
    FULL_SCAN,
    HOURLY_TODAY,
    LAST,
    N_PIXELS,
    ONE_METER,
    TOP_QUARTERS,
    Prepared,
    Question,
)
from benchmarks.store_sets import MeasuredSet
from wattscope.core.reading import Batch, FloatColumn, Int32Column, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_S
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.live.memory_view import MemoryView
from wattscope.ports import Chart, Rollup, Table
from wattscope.registry.database import Database
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.stores.duckdb_store import DuckdbStore
from wattscope.stores.folder import DataFolder
from wattscope.stores.rollup_plan import LEVEL_US

_SITE = "site"
_ROWS_A_BATCH = 16_000_000


@dataclass
class OpenedWattscope:
    """A data folder without a log: what was loaded in bulk need not be in it."""

    folder: DataFolder
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self.reopen()

    def reopen(self) -> None:
        """Open everything again, as at the start of the program."""
        self._stack.close()
        database = Database(self.folder.registry)
        self._stack.callback(database.close)
        self.database, self.registry = database, SqlRegistry(database)
        # storage.query_threads = 2, as for large data: as many as plain DuckDB takes here.
        self.store = DuckdbStore(self.folder.chunks, self.registry, threads=2)
        self._stack.callback(self.store.close)
        self.live = MemoryView()
        self.live.update(self.store.last_rows())

    def close(self) -> None:
        self._stack.close()

    def load(self, prepared: Prepared) -> None:
        assert prepared.batch is not None
        register(self.registry, prepared.measured)
        self.load_batch(prepared.batch)

    def load_batch(self, batch: Batch) -> None:
        """Take in rows of registered series."""
        for first in range(0, len(batch), _ROWS_A_BATCH):
            rows = slice(first, first + _ROWS_A_BATCH)
            piece = Batch(
                batch.series_id[rows],
                batch.measured_at_us[rows],
                batch.value[rows],
                batch.quality[rows],
            )
            self.store.load(piece)

    def settle(self) -> None:
        self.store.flush()
        self.reopen()

    def count_bytes(self) -> int:
        return count_folder_bytes(self.folder.path)

    def list_questions(self, measured: MeasuredSet) -> Mapping[str, Question]:
        return list_own_questions(self, measured)


class WattscopeSubject:
    """Our own."""

    name = OURS
    durability = "files synced, then listed in the manifest"
    n_loads = 5
    is_slow = False
    left_out: tuple[str, ...] = ()

    def prepare(self, measured: MeasuredSet, folder: Path) -> Prepared:  # noqa: ARG002  # no file
        return Prepared(measured, batch=build_batch(measured))

    @contextlib.contextmanager
    def open(self, folder: Path) -> Iterator[OpenedWattscope]:
        with DataFolder(folder / "data") as data:
            opened = OpenedWattscope(data)
            try:
                yield opened
            finally:
                opened.close()


def build_batch(measured: MeasuredSet) -> Batch:
    """The set as one value a row, ordered by series, then time."""
    n_rows = measured.n_rows
    ids = np.concatenate(
        [find_series(measured, at)[measured.meter] for at in range(len(measured.columns))]
    )
    order = np.argsort(ids, kind="stable")
    rows = order % n_rows
    values = np.concatenate([one.values for one in measured.columns])
    quality = np.zeros(len(ids), np.uint8)
    return Batch(ids[order], measured.at_us[rows], values[order], quality)


def find_series(measured: MeasuredSet, column: int) -> Int32Column:
    """Series of one quantity, by meter; the registry gives ids meter by meter, from 1 on."""
    n_columns = len(measured.columns)
    return np.arange(len(measured.meters), dtype=np.int32) * n_columns + column + 1


def register(registry: SqlRegistry, measured: MeasuredSet) -> None:
    """Make the site, the devices and the series known, in one commit."""
    registry.put_site(Site(_SITE, "Site", "UTC"))
    registry.put_devices(
        [
            (_make_device(f"{meter}{one.part}", measured), (one.quantity,))
            for meter in measured.meters
            for one in measured.columns
        ]
    )


def _make_device(name: str, measured: MeasuredSet) -> Device:
    interval_s = measured.step_us / US_PER_S
    return Device(name, _SITE, name, DeviceKind.METER, interval_s=interval_s)


def list_own_questions(opened: OpenedWattscope, measured: MeasuredSet) -> dict[str, Question]:
    """The questions as a user of Wattscope asks them."""
    numbers = {name: at for at, name in enumerate(measured.meters)}
    power = find_series(measured, 0)
    if measured.name == "year":
        start_us, end_us = int(measured.at_us[0]), measured.now_us
        return {CHART: ask_chart(opened, int(power[0]), start_us, end_us)}
    if measured.is_real:
        return {CONTENT: _ask_content(opened, measured)}
    found = {LAST: _ask_last(opened, power)}
    if measured.name == "grid":
        for name, sql in build_grid_sql(measured).items():
            found[name] = _ask_sql(opened, sql, numbers)
        found[ONE_METER] = ask_one_meter(opened, power, measured.now_us)
    return found


def ask_one_meter(opened: OpenedWattscope, power: Int32Column, now_us: int) -> Question:
    """Hours of one meter over 14 days."""
    start_us = now_us - 14 * US_PER_DAY

    def ask(meter: int) -> Rollup:
        return opened.store.roll_up((int(power[meter]),), "1h", start_us, now_us)

    def read(found: Rollup) -> FloatColumn:
        mean = found.sum / found.count
        return np.column_stack((found.bucket_start_us, mean, found.min, found.max))

    return Question(ask, read)


def ask_chart(opened: OpenedWattscope, one: int, start_us: int, end_us: int) -> Question:
    """A chart of one series."""

    def ask(_: int) -> Chart:
        return opened.store.chart(one, start_us, end_us, N_PIXELS)

    def read(found: Chart) -> FloatColumn:
        # A kept bucket belongs to the pixel in which it begins; none is longer than a pixel.
        pixel_us = (end_us - start_us) / N_PIXELS
        kept_us = max((size for size in LEVEL_US.values() if size <= pixel_us), default=0)
        bucket_us = 0 if found.level == "raw" else kept_us
        slack_us = np.full(len(found.t_us), bucket_us)
        return np.column_stack((found.t_us, found.min, found.max, slack_us))

    return Question(ask, read)


def _ask_last(opened: OpenedWattscope, power: Int32Column) -> Question:
    # All at once, as the page for Prometheus asks.
    def ask(_: int) -> tuple[Int64Column, FloatColumn]:
        return opened.live.latest_of(power)

    def read(answer: tuple[Int64Column, FloatColumn]) -> FloatColumn:
        _, values = answer
        return np.column_stack((np.arange(len(values)), values))

    return Question(ask, read)


def _ask_content(opened: OpenedWattscope, measured: MeasuredSet) -> Question:
    sql = """SELECT device, quantity, sum(count), sum(sum), min(min), max(max)
        FROM rollup_1d GROUP BY device, quantity"""
    place = {
        (f"{meter}{one.part}", one.quantity): at
        for meter in measured.meters
        for at, one in enumerate(measured.columns)
    }

    def read(answer: Table) -> FloatColumn:
        found = np.array([[0.0, 0.0, np.inf, -np.inf]] * len(measured.columns))
        for device, quantity, count, total, low, high in answer.rows:
            row = found[place[device, quantity]]
            row[:] = row[0] + count, row[1] + total, min(row[2], low), max(row[3], high)
        return found

    return Question(lambda _: opened.store.query(sql), read)


def _ask_sql(opened: OpenedWattscope, sql: str, numbers: Mapping[str, int]) -> Question:
    def read(answer: Table) -> FloatColumn:
        # Meters have names here; the truth knows them by number.
        rows = [
            [numbers[one] if isinstance(one, str) else float(one) for one in row]
            for row in answer.rows
        ]
        return np.array(rows)

    return Question(lambda _: opened.store.query(sql), read)


def build_grid_sql(measured: MeasuredSet) -> dict[str, str]:
    """The four grid questions over the public views."""
    now_us, newest = measured.now_us, int(measured.at_us.max())
    today = f"make_timestamp({newest - newest % US_PER_DAY})"
    week = f"make_timestamp({now_us - 7 * US_PER_DAY})"
    power = "quantity = 'active_power_w'"
    return {
        HOURLY_TODAY: f"""SELECT epoch_us(date_trunc('hour', measured_at)) AS hour, avg(value)
            FROM readings WHERE {power} AND measured_at >= {today} GROUP BY hour ORDER BY hour""",
        TOP_QUARTERS: f"""SELECT epoch_us(time_bucket(INTERVAL '15 minutes', measured_at))
                   AS period, avg(value) AS mean
            FROM readings WHERE {power} AND measured_at >= {week}
            GROUP BY period ORDER BY mean DESC LIMIT 10""",
        BY_MONTH: """SELECT (year(month) - 1970) * 12 + month(month) - 1, device, total
            FROM (SELECT device, date_trunc('month', bucket_start) AS month, sum(sum) AS total
                  FROM rollup_1d WHERE quantity = 'energy_import_wh'
                  GROUP BY device, date_trunc('month', bucket_start))
            ORDER BY month, total DESC""",
        FULL_SCAN: f"""SELECT sum(count), sum(sum) / sum(count), max(max), min(min)
            FROM rollup_1d WHERE {power}""",
    }
