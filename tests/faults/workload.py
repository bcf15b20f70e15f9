"""What is written while files fail: a plan that a seed makes, and the real storage doing it.

Rows of all kinds of series, in order mostly, but also late, twice, in conflict and marked; items
for the quarantine; series and devices that are first heard of on the way. Short segments, a small
tail and spans of three hours: segments change and go, spans are flushed, merged and rolled up
within the first hundred steps.

Every step goes into the ledger once its append has returned: a promise that was made. Run again on
the same folder, the plan goes on behind the last of them, so that the step under way when the
process died is sent again.
"""

from __future__ import annotations

import functools
import os
import random
import unittest.mock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.stores.histories import DEVICES, NAMES, SITES
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.reading import Quality, build_batch
from wattscope.core.time_grid import US_PER_HOUR, US_PER_S
from wattscope.logs.segment_log import SegmentLog
from wattscope.ports import Quarantined
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.settings import Settings, StorageSettings

T0_US = 1_717_200_000 * US_PER_S
"""2024-06-01, midnight in UTC."""
STEP_US = 7 * 60 * US_PER_S
SEGMENT_BYTES = 2500
KEPT_RECORDS = 12
SETTINGS = Settings(storage=StorageSettings(chunk="3h", tail_rows=80))

Key = tuple[int, int]
"""Number of the series in ``NAMES``, from 1, and instant [µs]."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one append gets."""

    rows: tuple[tuple[int, int, float, int], ...]
    """Number of the series in ``NAMES``, instant [µs], value, quality."""
    aside: tuple[Quarantined, ...]


@functools.cache
def make_plan(seed: int, n_steps: int) -> tuple[Step, ...]:
    """Steps that are the same for the same seed; a longer plan begins as the shorter one does."""
    draw = random.Random(seed)
    sent: dict[Key, tuple[float, int]] = {}
    totals = dict.fromkeys(range(1, len(NAMES) + 1), 0.0)
    plan = []
    for number in range(n_steps):
        # One series more every few steps: the registry is written on the way.
        known = range(1, min(len(NAMES), 2 + number // 6) + 1)
        rows = [_draw_row(draw, draw.choice(known), number, sent, totals) for _ in range(8)]
        for series, t, value, quality in rows:
            sent.setdefault((series, t), (value, quality))
        aside = (_make_item(number),) if draw.random() < 0.15 else ()
        plan.append(Step(tuple(rows), aside))
    return tuple(plan)


def _draw_row(
    draw: random.Random,
    series: int,
    number: int,
    sent: dict[Key, tuple[float, int]],
    totals: dict[int, float],
) -> tuple[int, int, float, int]:
    chance = draw.random()
    t = T0_US + number * STEP_US + draw.randrange(420_000) * 1000
    if chance < 0.06 and sent:
        # The same again, or another value under the same key.
        (series, t), (value, quality) = draw.choice(list(sent.items()))
        return series, t, value if draw.random() < 0.7 else value + 1, quality
    if chance < 0.12:
        t -= draw.randrange(8 * US_PER_HOUR // 1000) * 1000
    totals[series] += draw.randrange(100)
    value = draw.choice([totals[series] / 8] * 6 + [totals[series] / 7, 0.0])
    quality = draw.choice([0] * 8 + [int(Quality.IMPLAUSIBLE), int(Quality.MISSING)])
    return series, t, float("nan") if quality & 1 else value, quality


def _make_item(number: int) -> Quarantined:
    payload = b"%d was not understood" % number
    return Quarantined("test", "a/topic", payload, T0_US + number, "unparsable", "made up")


def register(registry: SqlRegistry, upto: int) -> dict[int, int]:
    """Id in the registry by number in ``NAMES``, newly made where it must be."""
    for site in SITES:
        if site not in registry.list_sites():
            registry.put_site(site)
    ids = {}
    for number, (device, quantity) in enumerate(NAMES[:upto], start=1):
        if registry.find_device(device) is None:
            registry.put_device(next(one for one in DEVICES if one.id == device))
        ids[number] = registry.ensure_series(device, quantity)
    return ids


@contextmanager
def small_scale() -> Iterator[None]:
    """Short segments, few of them kept, a small reserve of room, and all levels are worth it."""
    short = functools.partial(SegmentLog, segment_bytes=SEGMENT_BYTES)
    with (
        unittest.mock.patch("wattscope.assembly.storage.SegmentLog", short),
        unittest.mock.patch("wattscope.pipeline.persist.KEPT_RECORDS", KEPT_RECORDS),
        unittest.mock.patch("wattscope.stores.rollup_plan.WORTH", 0.1),
        unittest.mock.patch("wattscope.compute.disk_space.RESERVE_BYTES", 300_000),
    ):
        yield


def drop_early(storage: Storage) -> None:
    """The mutation: let the log forget before the store has written."""
    storage.log.drop_before(storage.log.end_offset)
    storage.store.flush()


def run_plan(
    root: Path,
    seed: int,
    n_steps: int,
    flush: Callable[[Storage], None] = lambda storage: storage.persist.flush(),
) -> None:
    """Do the steps that the ledger below ``root`` does not have yet."""
    plan = make_plan(seed, n_steps)
    first = len(read_ledger(root / "ledger"))
    ledger = os.open(root / "ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with small_scale(), open_storage(SETTINGS, root / "data") as storage:
        for number in range(first, n_steps):
            step = plan[number]
            ids = register(storage.registry, max((row[0] for row in step.rows), default=0))
            batch = build_batch([(ids[row[0]], *row[1:]) for row in step.rows])
            storage.persist.append(batch, step.aside)
            os.write(ledger, b"%d\n" % number)
            storage.persist.drain()
            if storage.persist.is_flush_due:
                flush(storage)
    os.close(ledger)


def read_ledger(path: Path) -> list[int]:
    """Numbers of the acknowledged steps, in order."""
    return [int(line) for line in path.read_bytes().split()] if path.exists() else []
