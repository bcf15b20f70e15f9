"""``live``: the live view in Redis, written through one view of it and read through another."""

from __future__ import annotations

import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from redis import Redis

from benchmarks.machine import CpuWatch
from benchmarks.rows import OURS, Row
from tests.redis_server import RedisServer, run_redis
from wattscope.core.reading import Batch, Int32Column
from wattscope.live.redis.options import RedisViewOptions
from wattscope.live.redis.view import RedisView

CASE = "live"
HASH: Final = "hash field a series"
_START_US: Final = 1_767_225_600_000_000
_STEP_US: Final = 1_000_000
_PATIENCE_S: Final = 60.0
_N_PICKED: Final = 1000


class WrongAnswerError(Exception):
    """The reader does not have what was written: there is no figure to speak of."""


def run(*, quick: bool, say: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """All rows, and what must be known to read them.

    Raises:
        ServerMissingError: Redis is not installed.
    """
    rows: list[Row] = []
    watch = CpuWatch({})
    with (
        tempfile.TemporaryDirectory(prefix="wattscope-bench-") as name,
        run_redis(Path(name)) as redis,
    ):
        for n_series, n_rounds in ((500, 400), (100_000, 20)):
            say(f"live view with {n_series:,} series")
            rows += _measure(redis, n_series, max(3, n_rounds // 10) if quick else n_rounds)
    foreign = watch.read_foreign_share()
    return rows, [
        "one value a series in each update; writer and reader are in one process beside Redis",
        "values that can be read: from the beginning of an update to the reader's answer",
        f"other processes took {foreign:.0%} of the CPU time, Redis and reader included",
    ]


def _measure(redis: RedisServer, n_series: int, n_rounds: int) -> list[Row]:
    words = f"{n_series:,} series"

    def row(metric: str, value: float, unit: str, subject: str = OURS) -> Row:
        return Row(CASE, subject, f"{metric}, {words}", value, unit)

    options = RedisViewOptions(redis.url, prefix=f"bench-{n_series}", is_following=False)
    follows = RedisViewOptions(redis.url, prefix=f"bench-{n_series}")
    series = np.arange(n_series, dtype=np.int32)
    with RedisView(options) as writer:
        _require(writer.wait(_PATIENCE_S))
        cpu = CpuWatch({"redis": [redis.pid]})
        updates_s = [_time(partial(writer.update, _batch(series, at))) for at in range(n_rounds)]
        used_s = cpu.read_used_s()
        n_values = n_series * n_rounds
        rows = [
            row("update", n_values / sum(updates_s), "values/s"),
            row("one update, p50", 1e3 * statistics.median(updates_s), "ms"),
            row("one update, slowest", 1e3 * max(updates_s), "ms"),
            row("CPU of Redis", used_s["redis"] / n_values * 1e6, "CPU-s/M"),
            row("CPU of the writer", used_s["this process"] / n_values * 1e6, "CPU-s/M"),
        ]
        began_s = time.perf_counter()
        with RedisView(follows) as reader:
            _require(reader.wait(_PATIENCE_S))
            rows.append(row("start of a reader", 1e3 * (time.perf_counter() - began_s), "ms"))
            delays_s = [
                _time_until_read(writer, reader, _batch(series, n_rounds + at))
                for at in range(n_rounds)
            ]
            rows.append(
                row("values that can be read, p50", 1e3 * statistics.median(delays_s), "ms")
            )
            rows += [
                row(f"latest_of {len(some):,}", 1e3 * _time_reads(reader, some), "ms")
                for some in (_pick(n_series), series)
                if len(some) < n_series or some is series
            ]
    rows.append(
        row(f"HMGET of {len(_pick(n_series)):,}", 1e3 * _time_hash(redis, n_series), "ms", HASH)
    )
    return rows


def _batch(series: Int32Column, at: int) -> Batch:
    """One value of each series."""
    n_series = len(series)
    instants = np.full(n_series, _START_US + at * _STEP_US, np.int64)
    return Batch(
        series,
        instants,
        np.arange(n_series, dtype=np.float64) + at / 8,
        np.zeros(n_series, np.uint8),
    )


def _pick(n_series: int) -> Int32Column:
    """A thousand series from everywhere, or all there are."""
    n_picked = min(_N_PICKED, n_series)
    return np.linspace(0, n_series - 1, n_picked).astype(np.int32)


def _time(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def _time_until_read(writer: RedisView, reader: RedisView, batch: Batch) -> float:
    began_s = time.perf_counter()
    writer.update(batch)
    while True:
        instants, values = reader.latest_of(batch.series_id)
        if instants.min() == batch.measured_at_us[0]:
            break
        _require(time.perf_counter() - began_s < _PATIENCE_S)
        time.sleep(0)
    took_s = time.perf_counter() - began_s
    _require(bool((values == batch.value).all()) and not writer.n_missed)
    return took_s


def _time_reads(reader: RedisView, series: Int32Column, n_times: int = 100) -> float:
    return statistics.median(_time(lambda: reader.latest_of(series)) for _ in range(n_times))


def _time_hash(redis: RedisServer, n_series: int, n_times: int = 20) -> float:
    """The same question where each series is a field of 16 bytes, asked and taken apart."""
    with Redis(port=redis.port) as client:
        key = f"hash-{n_series}"
        client.hset(
            key, mapping={str(one): struct.pack(">qd", one, 1.0) for one in range(n_series)}
        )
        fields = [str(one) for one in _pick(n_series).tolist()]

        def ask() -> None:
            found = client.hmget(key, fields)
            _require(len(b"".join(found)) == 16 * len(fields))

        return statistics.median(_time(ask) for _ in range(n_times))


def _require(is_so: bool) -> None:  # noqa: FBT001  # like assert
    if not is_so:
        raise WrongAnswerError("the live view does not have what was written")
