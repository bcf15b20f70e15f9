"""Roll-ups once more, slow and plain: one row, one segment, one microsecond at a time.

Written from decision 0006 and the docstrings, without a look at the columns of the real one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf, isnan, nan
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


Step = tuple[int, float, bool]


def register_stretches(rows: list[Row], rule: SeriesRule) -> list[Stretch]:
    found = []
    for at in range(1, len(rows)):
        step = judge_alone(rows, at, rule)
        if step is None:
            continue
        good = [one for one in range(max(0, at - 7), at) if is_believed(rows, one, rule)]
        if not good:
            continue
        a, b = rows[good[-1]], rows[at]
        before, growth, is_known = step
        if before != good[-1]:
            extra = resolution([one.value for one in (a, *rows[at : at + 3])])
            growth, is_known = b.value - a.value, True
            if not is_plain(a, b, rule, extra):
                growth, is_known = explain(a, b, rule, extra)
        is_covered = is_known and not is_pause(rows, at, b.t - a.t, rule)
        found.append(Stretch(a.t, b.t, growth, growth if rule.is_energy else nan, is_covered))
    return found


def judge_alone(rows: list[Row], at: int, rule: SeriesRule) -> Step | None:
    """The step to a reading as a walk from few readings before it sees it."""
    start = choose_start(rows, at, rule)
    step = walk_plainly(rows[start : at + 3], rule)[at - start]
    return None if step is None else (start + step[0], step[1], step[2])


def is_believed(rows: list[Row], at: int, rule: SeriesRule) -> bool:
    return at == 0 or is_calm(rows, at, rule) or judge_alone(rows, at, rule) is not None


def is_calm(rows: list[Row], at: int, rule: SeriesRule) -> bool:
    around = rows[max(0, at - 4) : at + 3]
    return all(is_plain(a, b, rule, 0.0) for a, b in pairwise(around))


def choose_start(rows: list[Row], at: int, rule: SeriesRule) -> int:
    """The newest row in plain order among the seven before, else the oldest of them."""
    low = max(0, at - 7)
    calm = [one for one in range(low, at) if is_calm(rows, one, rule)]
    return calm[-1] if calm else low


def most(a: Row, b: Row, rule: SeriesRule) -> float:
    """What a register can count from one reading to another."""
    if rule.rating_w is None or not rule.is_energy:
        return inf
    return rule.rating_w * 1.2 * (b.t - a.t) / US_PER_HOUR


def is_plain(a: Row, b: Row, rule: SeriesRule, extra: float) -> bool:
    return a.value <= b.value and b.value - a.value <= most(a, b, rule) + extra


def resolution(values: Sequence[float]) -> float:
    """The largest power of ten, of a million to a thousandth, that all are multiples of."""
    for unit in (1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1.0, 0.1, 0.01, 0.001):
        if all(abs(value / unit - round(value / unit)) < 1e-6 for value in values):
            return unit
    return 0.0


def walk_plainly(rows: list[Row], rule: SeriesRule) -> list[Step | None]:
    """For each reading the good one before it, the growth, and whether that is known."""
    steps: list[Step | None] = [None]
    good = 0
    while len(steps) < len(rows):
        at = len(steps)
        here, old, behind = rows[at], rows[good], rows[at + 1 : at + 3]
        extra = resolution([one.value for one in (old, here, *behind)])
        n_wrong = count_wrong(old, here, behind, rule, extra)
        steps += [None] * n_wrong
        if n_wrong:
            continue
        if is_plain(old, here, rule, extra):
            steps.append((good, here.value - old.value, True))
        elif len(behind) < 2:
            return steps + [None] * (len(rows) - at)
        elif not any(is_plain(here, one, rule, extra) for one in behind):
            steps.append(None)
            continue
        else:
            steps.append((good, *explain(old, here, rule, extra)))
        good = at
    return steps


def count_wrong(old: Row, here: Row, behind: Sequence[Row], rule: SeriesRule, extra: float) -> int:
    """One or two readings are wrong when the one behind them goes on from the good one."""
    if behind and is_wrong([here], old, behind[0], rule, extra):
        return 1
    if len(behind) == 2 and is_wrong([here, behind[0]], old, behind[1], rule, extra):
        return 2
    return 0


def is_wrong(wrong: list[Row], old: Row, back: Row, rule: SeriesRule, extra: float) -> bool:
    here, lowest = wrong[0], min(one.value for one in wrong)
    is_good = is_plain(old, here, rule, extra)
    if roll_over(old, back, rule, extra) is not None and (
        lowest >= (rule.rollover or inf) or (here.value > old.value and not is_good)
    ):
        return True
    if not is_plain(old, back, rule, extra) or (is_good and back.value >= lowest):
        return False
    return len(wrong) == 1 or not begins_again(old, here, wrong[1], back, rule, extra)


def begins_again(
    old: Row, here: Row, middle: Row, back: Row, rule: SeriesRule, extra: float
) -> bool:
    """Whether two readings and the one behind them are those of a counter begun again."""
    if not is_plain(here, middle, rule, extra):
        return False
    small = 4 * (middle.value - here.value + back.value - old.value)
    if here.value < old.value:
        return (
            is_plain(middle, back, rule, extra)
            and 2 * here.value < old.value
            and here.value <= most(old, here, rule) + extra
            and back.value - middle.value < small
        )
    return (
        2 * back.value < middle.value
        and back.value <= most(middle, back, rule) + extra
        and here.value - old.value < small
    )


def roll_over(old: Row, here: Row, rule: SeriesRule, extra: float) -> float | None:
    """The growth over the modulus, where that can be."""
    if rule.rollover is None or here.value < 0 or not here.value < old.value < rule.rollover:
        return None
    growth = rule.rollover - old.value + here.value
    limit = most(old, here, rule) + extra
    return growth if growth <= (limit if limit < inf else rule.rollover / 10) else None


def explain(old: Row, here: Row, rule: SeriesRule, extra: float) -> tuple[float, bool]:
    """The growth of a step that is confirmed, and whether it is known."""
    reach = most(old, here, rule) + extra
    if here.value > old.value:
        return 0.0, False
    growth = roll_over(old, here, rule, extra)
    if growth is not None:
        return growth, True
    if here.value < 0.9 * old.value and here.value <= reach:
        return max(here.value, 0.0), True
    return 0.0, False


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
