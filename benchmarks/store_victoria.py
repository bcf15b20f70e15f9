"""VictoriaMetrics 1.79 (what Debian ships) as a subject.

Set as its documentation says:

- filled over ``/api/v1/import/native``, which its documentation calls the most efficient way. Only
  a VictoriaMetrics writes that format, so a first one is filled with JSON lines and exports it;
  that is not timed;
- ``/internal/force_flush`` before the load counts as done: it has no write-ahead log, and what is
  younger than some seconds is lost in a crash otherwise;
- ``/internal/force_merge`` before sizes and times are taken;
- a retention longer than the data is old, limits raised for one series of 31.5 M values;
- ``nocache=1`` with every range: a cached answer would be measured otherwise, and the ends of the
  range would be moved to multiples of the step.

A window of MetricsQL ends with its instant, ours begin with theirs: every range is asked one
millisecond before the end of its windows.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
from benchmarks.store_servers import Client, read_pieces, require_program, run_server, write_text
from benchmarks.store_sets import MeasuredSet
from tests.servers import LOOPBACK, find_free_port
from wattscope.core.reading import FloatColumn
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_S

SETTINGS = (
    "-retentionPeriod=100y",
    "-search.maxSamplesPerSeries=100000000",
    "-search.maxUniqueTimeseries=1000000",
    "-search.logSlowQueryDuration=0",
    "-loggerLevel=ERROR",
)
_SAMPLES_A_LINE = 10_000
_MERGE_LOOK_S = 0.2
_N_QUIET_LOOKS = 10
_ROWS_WITHIN_S = 60.0


@dataclass
class OpenedVictoria:
    """A server with an empty folder."""

    client: Client
    folder: Path

    def load(self, prepared: Prepared) -> None:
        assert prepared.file is not None
        self.client.post("/api/v1/import/native", prepared.file.read_bytes())
        self.client.get("/internal/force_flush")

    def settle(self) -> None:
        self.client.get("/internal/force_merge")
        n_quiet = 0
        while n_quiet < _N_QUIET_LOOKS:
            time.sleep(_MERGE_LOOK_S)
            lines = self.client.get("/metrics").decode().splitlines()
            counts = [line.rpartition(" ")[2] for line in lines if "_active_" in line]
            merges = [one for one in counts if one != "0"]
            n_quiet = 0 if merges else n_quiet + 1

    def count_bytes(self) -> int:
        # Caches are written when it stops, and are not data.
        return count_folder_bytes(self.folder / "store", without=("cache",))

    def list_questions(self, measured: MeasuredSet) -> Mapping[str, Question]:
        return _list_questions(self.client, measured)


class VictoriaSubject:
    """VictoriaMetrics."""

    name = "VictoriaMetrics 1.79"
    durability = "force_flush, no log: a crash loses the last seconds"
    n_loads = 5
    is_slow = False
    left_out: tuple[str, ...] = ()

    def prepare(self, measured: MeasuredSet, folder: Path) -> Prepared:
        parts = [
            f"""SELECT '{{"metric":{{"__name__":"{one.name}","meter":"' || meter || '"}},"values":['
                || string_agg({one.name}, ',' ORDER BY ts) || '],"timestamps":['
                || string_agg(epoch_ms(ts), ',' ORDER BY ts) || ']}}'
            FROM (SELECT *, (row_number() OVER ()) // {_SAMPLES_A_LINE} AS piece FROM measured)
            GROUP BY meter, piece"""
            for one in measured.columns
        ]
        text, native = folder / "import.jsonl", folder / "import.native"
        with self.open(folder) as first:
            write_text(measured, " UNION ALL ".join(parts), text)
            for piece in read_pieces(text):
                first.client.post("/api/v1/import", piece)
            _wait_for_rows(first.client, measured.n_rows * len(measured.columns))
            everything = {"match[]": '{__name__!=""}', "start": "0"}
            native.write_bytes(first.client.get("/api/v1/export/native", everything))
        return Prepared(measured, native)

    @contextlib.contextmanager
    def open(self, folder: Path) -> Iterator[OpenedVictoria]:
        program = require_program("victoria-metrics", "victoria-metrics")
        port = find_free_port()
        command = [
            program,
            f"-storageDataPath={folder / 'store'}",
            f"-httpListenAddr={LOOPBACK}:{port}",
            *SETTINGS,
        ]
        with run_server(command, port, folder / "log") as client:
            yield OpenedVictoria(client, folder)


def _wait_for_rows(client: Client, n_rows: int) -> None:
    """Until all that was imported can be exported; on a busy machine a flush returns before."""
    deadline = time.monotonic() + _ROWS_WITHIN_S
    while True:
        client.get("/internal/force_flush")
        lines = client.get("/metrics").decode().splitlines()
        rows = [one for one in lines if one.startswith('vm_rows{type="storage/')]
        found = sum(int(one.rpartition(" ")[2]) for one in rows)
        if found >= n_rows:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"VictoriaMetrics holds {found:,} of {n_rows:,} imported values")
        time.sleep(_MERGE_LOOK_S)


def _list_questions(client: Client, measured: MeasuredSet) -> dict[str, Question]:
    now_us, newest = measured.now_us, int(measured.at_us.max())
    ask = _Asking(client)
    if measured.is_real:
        return {CONTENT: _ask_content(client, measured)}
    if measured.name == "year":
        start_us, end_us = int(measured.at_us[0]), now_us
        width_us = (end_us - start_us) // N_PIXELS
        ms = width_us // 1000
        both = f'aggr_over_time(("min_over_time","max_over_time"), power[{ms}ms])'
        extremes = ("min_over_time", "max_over_time")
        return {CHART: ask.span(both, start_us, end_us, width_us, _read_columns(extremes))}
    last = f"last_over_time(power[{2 * measured.step_us // US_PER_MINUTE}m])"
    found = {LAST: ask.instant(last, newest, _read_by_meter)}
    if measured.name == "grid":
        hours, today_us = US_PER_HOUR, newest - newest % US_PER_DAY
        week_us, fortnight_us = now_us - 7 * US_PER_DAY, now_us - 14 * US_PER_DAY
        means = ("avg_over_time", "min_over_time", "max_over_time")
        # Every meter has the same number of readings in every bucket, so that a mean of means
        # is the mean; it takes one pass where sums and counts take two.
        found |= {
            HOURLY_TODAY: ask.span(
                "avg(avg_over_time(power[1h]))", today_us, now_us, hours, _read_one
            ),
            TOP_QUARTERS: ask.span(
                "avg(avg_over_time(power[15m]))", week_us, now_us, 15 * US_PER_MINUTE, _read_top
            ),
            BY_MONTH: ask.instant(
                "sum_over_time(energy[14d])", now_us - 1000, _read_month_of(newest)
            ),
            FULL_SCAN: ask.instant(
                'aggr_over_time(("count_over_time","sum_over_time","max_over_time",'
                '"min_over_time"), power[14d])',
                now_us - 1000,
                _read_scan,
            ),
            ONE_METER: ask.span(
                'aggr_over_time(("avg_over_time","min_over_time","max_over_time"), '
                'power{{meter="{meter}"}}[1h])',
                fortnight_us,
                now_us,
                hours,
                _read_columns(means),
            ),
        }
    return found


def _ask_content(client: Client, measured: MeasuredSet) -> Question:
    """One question a quantity."""
    length_s = (measured.now_us - int(measured.at_us.min())) // US_PER_S + 1
    names = ("count_over_time", "sum_over_time", "min_over_time", "max_over_time")
    listed = ",".join(f'"{name}"' for name in names)

    def ask(_: int) -> list[bytes]:
        end = {"time": str(measured.now_us // US_PER_S)}
        return [
            client.get(
                "/api/v1/query",
                end | {"query": f"aggr_over_time(({listed}), {one.name}[{length_s}s])"},
            )
            for one in measured.columns
        ]

    def read(answers: list[bytes]) -> FloatColumn:
        scans = [_read_scan(_results(answer))[0] for answer in answers]
        return np.array([(n, n * mean, low, high) for n, mean, high, low in scans])

    return Question(ask, read)


@dataclass(frozen=True)
class _Asking:
    """Questions over HTTP; the time taken ends with the last byte, before any JSON is read."""

    client: Client

    def span(
        self,
        query: str,
        start_us: int,
        end_us: int,
        step_us: int,
        read: Callable[[list[Any], int], FloatColumn],
    ) -> Question:
        """One value a window of ``[start, end)``."""
        parameters = {
            "start": f"{(start_us + step_us) / 1e6 - 0.001:.3f}",
            "end": f"{end_us / 1e6 - 0.001:.3f}",
            "step": f"{step_us // 1000}ms",
            "nocache": "1",
        }

        def ask(meter: int) -> bytes:
            text = query.format(meter=meter) if "{{" in query else query
            return self.client.get("/api/v1/query_range", parameters | {"query": text})

        # From the last millisecond of a window back to its start.
        return Question(ask, lambda answer: read(_results(answer), 1000 - step_us))

    def instant(self, query: str, at_us: int, read: Callable[[list[Any]], FloatColumn]) -> Question:
        """Values as of one instant."""
        parameters = {"query": query, "time": f"{at_us / 1e6:.3f}"}

        def ask(_: int) -> bytes:
            return self.client.get("/api/v1/query", parameters)

        return Question(ask, lambda answer: read(_results(answer)))


def _results(answer: bytes) -> list[Any]:
    found: list[Any] = json.loads(answer)["data"]["result"]
    return found


def _read_one(results: list[Any], shift_us: int) -> FloatColumn:
    [series] = results
    return np.array([(round(t * 1e6) + shift_us, float(v)) for t, v in series["values"]])


def _read_top(results: list[Any], shift_us: int) -> FloatColumn:
    found = _read_one(results, shift_us)
    best: FloatColumn = found[np.argsort(-found[:, 1], kind="stable")][:10]
    return best


def _read_columns(names: tuple[str, ...]) -> Callable[[list[Any], int], FloatColumn]:
    def read(results: list[Any], shift_us: int) -> FloatColumn:
        by_name = {one["metric"]["rollup"]: [one] for one in results}
        tables = [_read_one(by_name[name], shift_us) for name in names]
        return np.column_stack((tables[0], *(table[:, 1] for table in tables[1:])))

    return read


def _read_by_meter(results: list[Any]) -> FloatColumn:
    rows = [(int(one["metric"]["meter"]), float(one["value"][1])) for one in results]
    return np.array(sorted(rows))


def _read_month_of(instant_us: int) -> Callable[[list[Any]], FloatColumn]:
    month = int(np.datetime64(instant_us, "us").astype("datetime64[M]").astype(np.int64))

    def read(results: list[Any]) -> FloatColumn:
        found = _read_by_meter(results)
        rows = np.column_stack((np.full(len(found), month), found))
        ordered: FloatColumn = rows[np.argsort(-rows[:, 2], kind="stable")]
        return ordered

    return read


def _read_scan(results: list[Any]) -> FloatColumn:
    by_name: dict[str, list[float]] = {}
    for one in results:
        by_name.setdefault(one["metric"]["rollup"], []).append(float(one["value"][1]))
    count = sum(by_name["count_over_time"])
    mean = sum(by_name["sum_over_time"]) / count
    return np.array([[count, mean, max(by_name["max_over_time"]), min(by_name["min_over_time"])]])
