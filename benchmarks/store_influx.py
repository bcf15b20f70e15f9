"""InfluxDB 1.6 (what Debian ships) as a subject.

Set as its documentation says:

- line protocol in bodies of 10,000 lines, precision of seconds, two writers at once;
- one point a reading, with one field a quantity and the meter as tag;
- ``wal-fsync-delay = "0s"`` (its default): every write waits for the disk;
- the cache of a shard is written and its files are compacted in full some seconds after the last
  write instead of after ten minutes and four hours, so that sizes are those after settling;
- neither its own statistics nor a log of questions.

Text is made before the clock starts. InfluxQL has no months: one question a month, here one.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
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
from benchmarks.store_servers import (
    Client,
    count_lines_apart,
    read_pieces,
    require_program,
    run_server,
    write_text,
)
from benchmarks.store_sets import MeasuredSet
from tests.servers import LOOPBACK, find_free_port
from wattscope.core.reading import FloatColumn
from wattscope.core.time_grid import US_PER_DAY, US_PER_S

CONFIGURATION = """\
reporting-disabled = true
bind-address = "{host}:{backup_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  wal-fsync-delay = "0s"
  query-log-enabled = false
  cache-snapshot-write-cold-duration = "1s"
  compact-full-write-cold-duration = "1s"
  max-concurrent-compactions = 2
[monitor]
  store-enabled = false
[http]
  bind-address = "{host}:{port}"
  log-enabled = false
[retention]
  enabled = false
[continuous_queries]
  enabled = false
[logging]
  level = "error"
"""
_LINES_A_BODY = 10_000
_N_WRITERS = 2
_WRITE = "/write?db=bench&precision=s"
_LONGEST_SETTLING_S = 120.0
_LOOK_S = 0.5
# Longer than both "cold" durations and the second between two looks of its compactor.
_N_QUIET_LOOKS = 8


@dataclass
class OpenedInflux:
    """A server with an empty database."""

    client: Client
    port: int
    folder: Path

    def load(self, prepared: Prepared) -> None:
        assert prepared.file is not None
        bodies = (
            body
            for piece in read_pieces(prepared.file)
            for body in count_lines_apart(piece, _LINES_A_BODY)
        )
        with (
            contextlib.ExitStack() as stack,
            ThreadPoolExecutor(_N_WRITERS) as pool,
        ):
            clients = [
                stack.enter_context(contextlib.closing(Client(self.port)))
                for _ in range(_N_WRITERS)
            ]
            # A body a writer at a time: the whole text need not be in memory.
            while group := list(islice(bodies, _N_WRITERS)):
                # The last group may be shorter.
                pairs = zip(clients, group, strict=False)
                list(pool.map(lambda pair: pair[0].post(_WRITE, pair[1]), pairs))

    def settle(self) -> None:
        deadline_s = time.monotonic() + _LONGEST_SETTLING_S
        n_quiet, before = 0, -1
        while n_quiet < _N_QUIET_LOOKS and time.monotonic() < deadline_s:
            time.sleep(_LOOK_S)
            now = self.count_bytes()
            n_quiet = n_quiet + 1 if now == before else 0
            before = now

    def count_bytes(self) -> int:
        return count_folder_bytes(self.folder / "store")

    def list_questions(self, measured: MeasuredSet) -> Mapping[str, Question]:
        return _list_questions(self.client, measured)


class InfluxSubject:
    """InfluxDB."""

    name = "InfluxDB 1.6"
    durability = "every write waits for fsync"
    n_loads = 5
    is_slow = True
    left_out: tuple[str, ...] = ()

    def prepare(self, measured: MeasuredSet, folder: Path) -> Prepared:
        fields = " || ',' || ".join(f"'{one.name}=' || {one.name}" for one in measured.columns)
        line = f"'readings,meter=' || meter || ' ' || {fields} || ' ' || (epoch_us(ts) // 1000000)"
        file = folder / "lines.txt"
        write_text(measured.order_by_time(), f"SELECT {line} FROM measured", file)
        return Prepared(measured, file)

    @contextlib.contextmanager
    def open(self, folder: Path) -> Iterator[OpenedInflux]:
        program = require_program("influxd", "influxdb")
        port, backup_port = find_free_port(), find_free_port()
        text = CONFIGURATION.format(
            host=LOOPBACK, port=port, backup_port=backup_port, folder=folder / "store"
        )
        (folder / "influxdb.conf").write_text(text, encoding="utf-8")
        command = [program, "-config", str(folder / "influxdb.conf")]
        with run_server(command, port, folder / "log") as client:
            client.get("/query", {"q": "SHOW DATABASES"})
            client.post("/query?q=CREATE%20DATABASE%20bench", b"")
            yield OpenedInflux(client, port, folder)


def _list_questions(client: Client, measured: MeasuredSet) -> dict[str, Question]:
    def ask_for(text: str, read: Callable[[list[Any]], FloatColumn]) -> Question:
        def ask(meter: int) -> bytes:
            query = text.format(meter=meter)
            return client.get("/query", {"db": "bench", "q": query, "epoch": "u"})

        return Question(ask, lambda answer: read(_series(answer)))

    if measured.is_real:
        asked = ", ".join(
            f"{way}({one.name})"
            for one in measured.columns
            for way in ("count", "sum", "min", "max")
        )
        return {CONTENT: ask_for(f"SELECT {asked} FROM readings", _read_content)}
    newest, now_us = int(measured.at_us.max()), measured.now_us
    if measured.name == "year":
        start_us = int(measured.at_us[0])
        width_s = (now_us - start_us) // US_PER_S // N_PIXELS
        offset_s = start_us // US_PER_S % width_s
        span = _span(start_us, now_us)
        sql = f"SELECT min(power), max(power) FROM readings WHERE {span} GROUP BY"
        return {CHART: ask_for(f"{sql} time({width_s}s, {offset_s}s) fill(none)", _read_buckets)}
    found = {LAST: ask_for("SELECT last(power) FROM readings GROUP BY meter", _read_last)}
    if measured.name == "grid":
        today = _span(newest - newest % US_PER_DAY, now_us)
        week, fortnight = (_span(now_us - n * US_PER_DAY, now_us) for n in (7, 14))
        mean = "SELECT mean(power) FROM readings WHERE"
        found |= {
            HOURLY_TODAY: ask_for(f"{mean} {today} GROUP BY time(1h)", _read_buckets),
            TOP_QUARTERS: ask_for(f"{mean} {week} GROUP BY time(15m)", _read_top),
            BY_MONTH: ask_for(
                "SELECT sum(energy) FROM readings GROUP BY meter", _read_month_of(newest)
            ),
            FULL_SCAN: ask_for(
                "SELECT count(power), mean(power), max(power), min(power) FROM readings",
                lambda series: np.array([series[0]["values"][0][1:]], np.float64),
            ),
            ONE_METER: ask_for(
                "SELECT mean(power), min(power), max(power) FROM readings "
                f"WHERE meter = '{{meter}}' AND {fortnight} GROUP BY time(1h)",
                _read_buckets,
            ),
        }
    return found


def _span(start_us: int, end_us: int) -> str:
    return f"time >= {start_us}u AND time < {end_us}u"


def _series(answer: bytes) -> list[Any]:
    found: list[Any] = json.loads(answer)["results"][0]["series"]
    return found


def _read_buckets(series: list[Any]) -> FloatColumn:
    return np.array(series[0]["values"], np.float64)


def _read_top(series: list[Any]) -> FloatColumn:
    found = _read_buckets(series)
    best: FloatColumn = found[np.argsort(-found[:, 1], kind="stable")][:10]
    return best


def _read_content(series: list[Any]) -> FloatColumn:
    return np.array(series[0]["values"][0][1:], np.float64).reshape(-1, 4)


def _read_last(series: list[Any]) -> FloatColumn:
    return np.array(sorted((int(one["tags"]["meter"]), one["values"][0][1]) for one in series))


def _read_month_of(instant_us: int) -> Callable[[list[Any]], FloatColumn]:
    month = int(np.datetime64(instant_us, "us").astype("datetime64[M]").astype(np.int64))

    def read(series: list[Any]) -> FloatColumn:
        found = _read_last(series)
        rows = np.column_stack((np.full(len(found), month), found))
        ordered: FloatColumn = rows[np.argsort(-rows[:, 2], kind="stable")]
        return ordered

    return read
