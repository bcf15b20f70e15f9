"""The comparison: what the ledger says was acknowledged, against what the data folder holds."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.pour import STEP_S, describe_panel, is_bare
from tests.chaos.program import Program

_POWERS = """SELECT device, quantity, value, epoch_us(measured_at) AS at_us FROM readings
    WHERE quantity IN ('production_power_w', 'active_power_w')"""
_DOUBLED = """SELECT count(*) AS rows,
    count(*) - count(DISTINCT (device, quantity, measured_at)) AS doubled FROM readings"""
_SUMS = "SELECT quantity, count(*) AS count, sum(value) AS sum FROM readings GROUP BY quantity"
_ROLLUP_FAULTS = """WITH again AS (
    SELECT device, quantity, time_bucket(INTERVAL '{length}', measured_at) AS bucket_start,
        count(value) AS count, sum(value) AS sum, min(value) AS min, max(value) AS max,
        arg_min(value, measured_at) AS first, arg_max(value, measured_at) AS last
    FROM readings WHERE quality NOT LIKE '%implausible%' GROUP BY ALL)
SELECT (SELECT count(*) FROM again) AS buckets, count(*) AS faults
FROM (SELECT * FROM rollup_{level} WHERE count > 0) r
FULL JOIN again a USING (device, quantity, bucket_start)
WHERE r.count IS DISTINCT FROM a.count OR r.min IS DISTINCT FROM a.min
    OR r.max IS DISTINCT FROM a.max OR r.first IS DISTINCT FROM a.first
    OR r.last IS DISTINCT FROM a.last
    OR abs(r.sum - a.sum) > 1e-9 * abs(a.sum)"""
LEVELS = {"1m": "1 minute", "15m": "15 minutes", "1h": "1 hour"}
_ENERGY = """SELECT sum(energy_wh) AS wh FROM rollup_15m WHERE quantity = 'production_power_w'"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found; ``lost``, ``twice`` and ``wrong`` hold numbers of messages."""

    n_acked: int
    n_stored: int
    """Messages whose value is stored."""
    n_aside: int
    """Bare numbers of the same meter and microsecond as another: kept in quarantine."""
    lost: tuple[int, ...]
    """Acknowledged, and neither stored nor set aside."""
    twice: tuple[int, ...]
    """Stored more than once."""
    wrong: tuple[int, ...]
    """Stored under another device or instant, or without its three sister values."""
    n_doubled_keys: int
    """Rows that share (device, quantity, measured_at) with another."""
    rollup_faults: dict[str, int]
    """Buckets by level that differ from a recomputation from the rows."""
    n_buckets: int

    @property
    def is_clean(self) -> bool:
        faults = (self.lost, self.twice, self.wrong, self.n_doubled_keys)
        return not any(faults) and not any(self.rollup_faults.values())

    def __str__(self) -> str:
        return (
            f"acked {self.n_acked}, stored {self.n_stored}, set aside {self.n_aside}, "
            f"lost {len(self.lost)}, twice {len(self.twice)}, wrong {len(self.wrong)}, "
            f"doubled keys {self.n_doubled_keys}, buckets {self.n_buckets}, "
            f"wrong buckets {self.rollup_faults}"
        )


def read_ledger(ledger: Path) -> set[int]:
    """Numbers of all messages that were acknowledged."""
    return {int(line) for line in ledger.read_text(encoding="ascii").split()}


def judge(program: Program, ledger: Path) -> Verdict:
    """Compare; the program has ended."""
    acked = read_ledger(ledger)
    rows = program.query(_POWERS)
    stored = Counter(int(float(row["value"])) for row in rows)
    aside = _find_aside(program)
    keys = program.query(_DOUBLED)[0]
    n_buckets, rollup_faults = _check_rollups(program)
    return Verdict(
        n_acked=len(acked),
        n_stored=len(stored),
        n_aside=len(aside),
        lost=tuple(sorted(acked - stored.keys() - aside)),
        twice=tuple(sorted(number for number, count in stored.items() if count > 1)),
        wrong=tuple(sorted(_find_misplaced(rows))) + _check_sisters(program, stored.elements()),
        n_doubled_keys=int(keys["doubled"]),
        rollup_faults=rollup_faults,
        n_buckets=n_buckets,
    )


def _find_aside(program: Program) -> set[int]:
    """Bare numbers that met another value under their key."""
    rows = program.query("SELECT payload, code FROM quarantine")
    assert {row["code"] for row in rows} <= {"conflict"}, rows[:5]
    numbers = {int(float(row["payload"])) for row in rows}
    assert all(map(is_bare, numbers)), sorted(numbers)[:5]
    return numbers


def _find_misplaced(rows: Iterable[dict[str, str]]) -> Iterable[int]:
    for row in rows:
        number = int(float(row["value"]))
        if is_bare(number):
            if row["quantity"] != "active_power_w":
                yield number
            continue
        device, at, _ = describe_panel(number)
        # The instant has whole seconds, so this is exact.
        at_us = int(at.timestamp()) * 1_000_000
        found = (row["device"], row["quantity"], int(row["at_us"]))
        if found != (device, "production_power_w", at_us):
            yield number


def _check_sisters(program: Program, numbers: Iterable[int]) -> tuple[int, ...]:
    """-1 where the values beside the powers are not those of the stored messages."""
    counts: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    for number in numbers:
        if not is_bare(number):
            for quantity, value in describe_panel(number)[2].items():
                counts[quantity] += 1
                # In eighths, to add whole numbers.
                sums[quantity] += round(8 * value)
    found = {row["quantity"]: row for row in program.query(_SUMS)}
    is_right = all(
        int(found[quantity]["count"]) == count
        and float(found[quantity]["sum"]) * 8 == sums[quantity]
        for quantity, count in counts.items()
    )
    return () if is_right else (-1,)


def _check_rollups(program: Program) -> tuple[int, dict[str, int]]:
    n_buckets = 0
    faults = {}
    for level, length in LEVELS.items():
        row = program.query(_ROLLUP_FAULTS.format(level=level, length=length))[0]
        n_buckets += int(row["buckets"])
        faults[level] = int(row["faults"])
    return n_buckets, faults


def energy_of(numbers: Collection[int]) -> float:
    """Energy of all panels by the trapezoidal rule over neighbours one step apart [Wh]."""
    by_panel: dict[str, list[tuple[int, float]]] = {}
    for number in sorted(numbers):
        if not is_bare(number):
            device, at, values = describe_panel(number)
            by_panel.setdefault(device, []).append(
                (int(at.timestamp()), values["production_power_w"])
            )
    return sum(
        (a[1] + b[1]) / 2 * STEP_S / 3600
        for points in by_panel.values()
        for a, b in itertools.pairwise(points)
        if b[0] - a[0] == STEP_S
    )


def stored_energy(program: Program) -> float:
    """Energy of all panels from the rollups [Wh]."""
    return float(program.query(_ENERGY)[0]["wh"])
