"""Roll-ups once more, slow and plain: one row, one segment, one microsecond at a time.

Written from decision 0006 and the docstrings, without a look at the columns of the real one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isnan, nan
from typing import NamedTuple

import numpy as np

from wattscope.compute.segments import SeriesRule
from wattscope.core.quantities import QuantityKind
from wattscope.core.topology import Sampling
from wattscope.ports import Rollup

US_PER_HOUR = 3_600_000_000


class Row(NamedTuple):
    """One value of one series."""

    t: int
    value: float
    quality: int = 0

    @property
    def is_usable(self) -> bool:
        return self.quality & 3 == 0


class Stretch(NamedTuple):
    """What belongs to the time from start to end."""

    start: int
    end: int
    increase: float
    energy: float
    is_covered: bool


@dataclass
class Bucket:
    """One bucket of one series."""

    values: list[float] = field(default_factory=list)
    increase: list[float] = field(default_factory=list)
    energy: list[float] = field(default_factory=list)
    covered_us: int = 0

    def columns(self, length_us: int) -> dict[str, float]:
        values = self.values
        return {
            "count": len(values),
            "sum": sum(values),
            "min": min(values, default=nan),
            "max": max(values, default=nan),
            "first": values[0] if values else nan,
            "last": values[-1] if values else nan,
            "increase": sum(self.increase) if self.increase else nan,
            "energy_wh": sum(self.energy) if self.energy else nan,
            "coverage": self.covered_us / length_us,
        }


def roll_up_slowly(
    rows: Iterable[Row], rule: SeriesRule, edges: Sequence[int], size_us: int
) -> dict[int, dict[str, float]]:
    """Buckets of one series between edges, each at a multiple of the cutting size."""
    buckets: dict[int, Bucket] = defaultdict(Bucket)
    ordered = sorted(rows)
    starts = {}
    for start, end in pairwise(edges):
        for fine in range(start // size_us, end // size_us):
            starts[fine] = start
    lengths = dict(zip(edges, (b - a for a, b in pairwise(edges)), strict=False))
    for row in ordered:
        if row.is_usable and row.t // size_us in starts:
            buckets[starts[row.t // size_us]].values.append(row.value)
    for stretch in list_stretches(ordered, rule):
        for fine, share, length in cut(stretch, size_us):
            if fine not in starts:
                continue
            bucket = buckets[starts[fine]]
            if not isnan(stretch.increase):
                bucket.increase.append(stretch.increase * share)
            if not isnan(stretch.energy):
                bucket.energy.append(stretch.energy * share)
            bucket.covered_us += length if stretch.is_covered else 0
    return {start: bucket.columns(lengths[start]) for start, bucket in buckets.items()}


def cut(stretch: Stretch, size_us: int) -> list[tuple[int, float, int]]:
    """Bucket number, share and length of each piece."""
    first, last = stretch.start // size_us, (stretch.end - 1) // size_us
    if last - first >= 3000:
        return [(last, 1.0, 1)]
    pieces = []
    for number in range(first, last + 1):
        start = max(stretch.start, number * size_us)
        end = min(stretch.end, (number + 1) * size_us)
        pieces.append((number, (end - start) / (stretch.end - stretch.start), end - start))
    return pieces


def list_stretches(rows: list[Row], rule: SeriesRule) -> list[Stretch]:
    usable = [row for row in rows if row.is_usable]
    if rule.kind is QuantityKind.DELTA:
        return own_stretches(usable, rule)
    if rule.kind is QuantityKind.COUNTER:
        return register_stretches(usable, rule)
    if rule.sampling is Sampling.MEAN:
        return own_stretches(usable, rule)
    return sampled_stretches(rows, rule)


def usual_step(rows: list[Row], at: int, rule: SeriesRule) -> int:
    """The told interval, or the lower median of the eight steps up to a row."""
    if rule.interval_us:
        return rule.interval_us
    steps = sorted(rows[i].t - rows[i - 1].t for i in range(max(1, at - 7), at + 1))
    return steps[(len(steps) - 1) // 2] if steps else 0


def is_pause(rows: list[Row], at: int, step: int, rule: SeriesRule) -> bool:
    return step > max(3 * usual_step(rows, at, rule), 10_000_000)


def sampled_stretches(rows: list[Row], rule: SeriesRule) -> list[Stretch]:
    found = []
    for at in range(1, len(rows)):
        a, b = rows[at - 1], rows[at]
        if a.is_usable and b.is_usable and not is_pause(rows, at, b.t - a.t, rule):
            energy = (a.value + b.value) / 2 * (b.t - a.t) / US_PER_HOUR if rule.is_power else nan
            found.append(Stretch(a.t, b.t, nan, energy, is_covered=True))
    return found


def own_stretches(rows: list[Row], rule: SeriesRule) -> list[Stretch]:
    found = []
    for at, row in enumerate(rows):
        if at + 1 < len(rows):
            told = max(1, usual_step(rows, at + 1, rule))
            length = min(told, rows[at + 1].t - row.t)
        else:
            length = max(1, usual_step(rows, at, rule))
        if rule.kind is QuantityKind.DELTA:
            energy = row.value if rule.is_energy else nan
            found.append(Stretch(row.t, row.t + length, row.value, energy, is_covered=True))
        else:
            energy = row.value * length / US_PER_HOUR if rule.is_power else nan
            found.append(Stretch(row.t, row.t + length, nan, energy, is_covered=True))
    return found


def register_stretches(rows: list[Row], rule: SeriesRule) -> list[Stretch]:
    kept = [at for at in range(len(rows)) if not is_lone(rows, at)]
    found = []
    for before, at in pairwise(kept):
        a, b = rows[before], rows[at]
        growth = b.value - a.value if b.value >= a.value else max(b.value, 0.0)
        is_covered = not is_pause(rows, at, b.t - a.t, rule)
        found.append(Stretch(a.t, b.t, growth, growth if rule.is_energy else nan, is_covered))
    return found


def is_lone(rows: list[Row], at: int) -> bool:
    """Whether a reading leaves the register's way and the very next one is back on it."""
    if not 0 < at < len(rows) - 1:
        return False
    before, here, after = (rows[i].value for i in (at - 1, at, at + 1))
    return before <= after and not before <= here <= after


def assert_same_buckets(found: Rollup, series: int, expected: dict[int, dict[str, float]]) -> None:
    """Fail where a bucket differs by more than a rounding.

    A bucket without values, growth, energy and coverage says the same as no bucket.
    """
    seen = {}
    for i in np.flatnonzero(found.series_id == series).tolist():
        start = int(found.bucket_start_us[i])
        assert start not in seen, f"bucket {start} comes twice"
        seen[start] = {name: float(getattr(found, name)[i]) for name in COLUMNS}
    for start in sorted(seen.keys() | expected.keys()):
        mine, theirs = seen.get(start, NOTHING), expected.get(start, NOTHING)
        for name in COLUMNS:
            assert is_close(mine[name], theirs[name], name), (series, start, name, mine, theirs)


COLUMNS = ("count", "sum", "min", "max", "first", "last", "increase", "energy_wh", "coverage")
NOTHING = dict.fromkeys(COLUMNS, nan) | {"count": 0, "sum": 0.0, "coverage": 0.0}


def is_close(a: float, b: float, name: str) -> bool:
    if name in {"increase", "energy_wh"}:
        # What was taken back again leaves 0 where a single call has nothing.
        a, b = (0.0 if isnan(one) else one for one in (a, b))
    if isnan(a) or isnan(b):
        return isnan(a) and isnan(b)
    return abs(a - b) <= 1e-6 + 1e-9 * max(abs(a), abs(b))
