"""The store's benchmark measures what it says, and refuses to time a wrong answer."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.rows import OURS, Row
from benchmarks.store import Size, measure_all
from benchmarks.store_duckdb import DuckdbSubject, OpenedTable, ParquetSubject
from benchmarks.store_entropy import count_entropy_bits, find_column_entropy
from benchmarks.store_growth import measure_growth
from benchmarks.store_questions import HOURLY_TODAY, Question
from benchmarks.store_sets import Column, MeasuredSet, make_grid, make_year
from benchmarks.store_targets import FLAT_METRIC, judge
from benchmarks.store_truth import WrongAnswerError, answer_one_meter, find_chart_fault
from benchmarks.store_wattscope import WattscopeSubject
from wattscope.core.reading import FloatColumn
from wattscope.core.time_grid import US_PER_HOUR, US_PER_S

TINY = Size(
    n_meters=3,
    n_year_s=86_400,
    n_many=100,
    n_loads=1,
    n_asked=2,
    n_meters_asked=3,
    growth=(1, 2),
)


@pytest.fixture(autouse=True)
def _without_real_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real sets take seconds."""
    monkeypatch.setenv("WATTSCOPE_SHARED", str(tmp_path))


def be_silent(_: str) -> None:
    """Progress is for people."""


# ── the whole way ────────────────────────────────────────────────────────────────────────────────


def test_quick_run_of_embedded_subjects_gives_every_figure() -> None:
    subjects = (WattscopeSubject(), DuckdbSubject(), ParquetSubject())
    rows, absent = measure_all(subjects, TINY, be_silent)
    assert [reason for reason in absent if "real data is absent" in reason] == absent
    figures = {
        subject.name: {row.metric for row in rows if row.subject == subject.name}
        for subject in subjects
    }
    for found in figures.values():
        assert {
            "grid: load",
            "grid: size",
            "grid: Q1 hourly mean, today",
            "grid: Q2 ten highest quarter hours, 7 days",
            "grid: Q3 sum by meter and month",
            "grid: Q4 count, mean, max, min of all",
            "grid: one meter, 14 days by hour, p50",
            "grid: one meter, 14 days by hour, p99",
            "grid: last value of 3 series",
            "year: chart at 1,000 px",
            "many: last value of 100 series",
        } <= found
    assert "grid: opening, cold" in figures[OURS]
    # CPU time is counted in hundredths of a second: a tiny load may take none.
    assert all(row.value > 0 for row in rows if row.unit != "CPU-s/M")


def test_growth_asks_the_same_at_every_size() -> None:
    rows = measure_growth(TINY.growth, TINY.n_meters, TINY.n_asked, be_silent)
    names = [
        {row.metric.partition(" x: ")[2] for row in rows if row.metric.startswith(f"{size} x: ")}
        for size in TINY.growth
    ]
    assert len(names[0]) == 8
    assert names[0] <= names[1]
    assert {name.removesuffix(FLAT_METRIC) for name in names[1]} == names[0]


@dataclass
class Lying(OpenedTable):
    """A table whose answer to Q1 is off by a millionth."""

    factor: float = 1.000001

    def list_questions(self, measured: MeasuredSet) -> Mapping[str, Question]:
        true = super().list_questions(measured)[HOURLY_TODAY]
        factor = np.array([1.0, self.factor])
        return {HOURLY_TODAY: Question(true.ask, lambda answer: true.read(answer) * factor)}


class LyingSubject(DuckdbSubject):
    left_out: tuple[str, ...] = ("year", "many")

    def __init__(self, factor: float) -> None:
        self.factor = factor

    @contextlib.contextmanager
    def open(self, folder: Path) -> Iterator[OpenedTable]:
        with super().open(folder) as opened:
            yield Lying(opened.database, opened.folder, self.factor)


def measure_lying(factor: float) -> None:
    measure_all([LyingSubject(factor)], TINY, be_silent)


def test_wrong_answer_ends_the_benchmark() -> None:
    with pytest.raises(WrongAnswerError, match=r"Q1 hourly mean, today: .* right is"):
        measure_lying(1.000001)
    # The check of the check: without the lie nothing is raised.
    measure_lying(1.0)


# ── entropy ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("values", "bits"),
    [([7] * 10, 0.0), ([1, 2] * 8, 1.0), ([1, 2, 3, 4], 2.0), ([1, 1, 1, 2], 0.8112781244591328)],
)
def test_entropy_of_integers(values: list[int], bits: float) -> None:
    assert count_entropy_bits(np.array(values)) == pytest.approx(bits)


def test_entropy_takes_the_better_of_values_and_differences() -> None:
    n_rows = 4096
    series = np.zeros(n_rows, np.int32)
    rising = Column("energy", "energy_import_wh", 3, np.arange(n_rows) / 1000)
    # All differences are equal: only the first value costs something.
    assert find_column_entropy(rising, series) == pytest.approx(8 / n_rows)
    jumping = np.random.default_rng(5).integers(0, 16, n_rows) / 10
    found = find_column_entropy(Column("power", "active_power_w", 1, jumping), series)
    assert found == pytest.approx(4 / 8, rel=0.01)


def test_entropy_has_no_difference_from_one_series_to_the_next() -> None:
    series = np.repeat(np.arange(2, dtype=np.int32), 500)
    values = np.concatenate((np.arange(500), 77_777 + np.arange(500))) / 10
    column = Column("power", "active_power_w", 1, values)
    assert find_column_entropy(column, series) == pytest.approx(2 * 8 / 1000)


# ── charts ───────────────────────────────────────────────────────────────────────────────────────

AT_US = US_PER_S * np.arange(1000)
VALUES: FloatColumn = np.array([random.Random(at).uniform(0, 9) for at in range(1000)])


def draw(edges: list[int]) -> FloatColumn:
    """A right chart with intervals from each of these rows to the next."""
    parts = [VALUES[low:high] for low, high in zip(edges, [*edges[1:], 1000], strict=True)]
    return np.array(
        [(AT_US[edge], part.min(), part.max()) for edge, part in zip(edges, parts, strict=True)]
    )


def draw_shifted(slack: int) -> FloatColumn:
    """A chart whose intervals begin at the next multiple of ``slack`` rows after their pixels."""
    pixels = np.arange(0, 1000, 100)
    points = draw((-(-pixels // slack) * slack).tolist())
    points[:, 0] = AT_US[pixels]
    return np.column_stack((points, np.full(10, slack * US_PER_S)))


def find_fault(points: FloatColumn) -> str | None:
    return find_chart_fault(points, AT_US, VALUES, 10)


@pytest.mark.parametrize(
    "edges", [list(range(0, 1000, 100)), list(range(0, 1000, 60)), list(range(1000))]
)
def test_true_chart_has_no_fault(edges: list[int]) -> None:
    assert find_fault(draw(edges)) is None


@pytest.mark.parametrize(
    ("edges", "fault"),
    [
        (list(range(0, 1000, 200)), "does not reach|wider"),
        ([*range(0, 900, 100), 950], "wider than a pixel"),
        (list(range(100, 1000, 100)), "does not reach"),
        (list(range(0, 900, 100)), "does not reach"),
    ],
)
def test_coarse_or_short_chart_is_a_fault(edges: list[int], fault: str) -> None:
    found = find_fault(draw(edges))
    assert found is not None
    assert any(words in found for words in fault.split("|"))


@pytest.mark.parametrize(("column", "name"), [(1, "least"), (2, "greatest")])
def test_one_missed_extreme_is_a_fault(column: int, name: str) -> None:
    points = draw(list(range(0, 1000, 100)))
    points[3, column] = np.sort(VALUES[300:400])[1 if column == 1 else -2]
    found = find_fault(points)
    assert found is not None
    assert f"the {name} value of 1 intervals is wrong" in found


def test_chart_may_lay_its_edges_on_a_grid_of_its_own() -> None:
    points = draw_shifted(70)
    assert find_fault(points) is None
    # Only when it says so.
    assert "intervals is wrong" in str(find_fault(points[:, :3]))


def test_extreme_near_an_edge_must_be_on_one_side_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    points = draw_shifted(70)
    spiked = VALUES.copy()
    spiked[120] = 99.0
    monkeypatch.setitem(globals(), "VALUES", spiked)
    assert find_fault(draw_shifted(70)) is None
    assert "the greatest value" in str(find_fault(points))


def test_chart_out_of_order_is_a_fault() -> None:
    assert find_fault(draw(list(range(0, 1000, 100)))[::-1]) == "its intervals do not rise"


# ── sets and truth ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("measured", [make_grid(2), make_year(5000)], ids=["grid", "year"])
def test_values_are_decimals_of_the_digits_that_are_named(measured: MeasuredSet) -> None:
    for column in measured.columns:
        scaled = column.values * 10.0**column.decimals
        assert np.array_equal(np.rint(scaled) / 10.0**column.decimals, column.values)


def test_set_in_order_of_time_holds_the_same_readings() -> None:
    measured = make_grid(2)
    arriving = measured.order_by_time()
    assert np.all(np.diff(arriving.at_us) >= 0)
    chosen = arriving.meter == 1
    assert np.array_equal(
        arriving.columns[0].values[chosen], measured.columns[0].values[measured.meter == 1]
    )
    slices = list(measured.slices(1000))
    assert sum(one.n_rows for one in slices) == measured.n_rows
    assert slices[-1].n_rows == measured.n_rows % 1000


def test_truth_of_one_meter_by_hand() -> None:
    power = Column("power", "active_power_w", 1, np.array([1.0, 3.0, 5.0, 100.0]))
    at_us = np.array([0, US_PER_HOUR // 2, US_PER_HOUR, 0])
    meter = np.array([0, 0, 0, 1], np.int32)
    measured = MeasuredSet("grid", ("a", "b"), meter, at_us, (power,), US_PER_HOUR // 2)
    expected = [[0, 2, 1, 3], [US_PER_HOUR, 5, 5, 5]]
    assert answer_one_meter(measured, 0).tolist() == expected


# ── targets ──────────────────────────────────────────────────────────────────────────────────────


def test_targets_say_by_how_much_they_are_missed() -> None:
    ours = [
        Row("store", OURS, "grid: load", 2.5e6, "values/s"),
        Row("store", OURS, "grid: last value of 50 series", 0.1, "ms"),
        Row("store", OURS, "grid: size", 1.0, "B/value"),
    ]
    theirs = [
        replace(ours[2], subject="VictoriaMetrics 1.79", value=0.8),
        replace(ours[1], subject="DuckDB table", value=0.4),
    ]
    told = {row.metric: (row.value, row.target) for row in judge([*ours, *theirs]) if row.target}
    assert told == {
        "grid: load": (2.5e6, "≥ 5e+06 MISSED by 2.00 x"),
        "grid: last value of 50 series": (0.1, "≤ 0.2 met"),
        "grid: size, beside VictoriaMetrics": (1.25, "≤ 0.95 MISSED by 1.32 x"),
        "grid: last value of 50 series, beside DuckDB": (0.25, "≤ 1 met"),
    }
