from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from wattscope.detectors.copied_day import Day, find_copied_days

# The folder's README names them: "equal the day before in every column".
COPIED_DAYS = [
    date(2007, 4, 29),
    date(2009, 6, 14),
    date(2010, 1, 13),
    date(2010, 8, 18),
    date(2010, 8, 19),
    date(2010, 8, 20),
    date(2010, 8, 21),
    date(2010, 9, 26),
    date(2010, 9, 27),
]
FIRST, SECOND, THIRD = date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)


def read_days(path: Path) -> dict[date, list[Day]]:
    """Days of a file of sums: one array a column, with its rows of the day in order."""
    rows: dict[date, list[list[float]]] = defaultdict(list)
    with gzip.open(path, "rt", newline="") as file:
        lines = csv.reader(file, delimiter=";" if ";" in file.readline() else ",")
        for stamp, *cells in lines:
            numbers = [float(cell) for cell in cells if cell and ":" not in cell]
            rows[read_date(stamp)].append(numbers)
    return {day: list(np.array(values).T) for day, values in rows.items()}


def read_date(stamp: str) -> date:
    text = stamp.split(" ", maxsplit=1)[0]
    if "/" in text:
        day, month, year = (int(part) for part in text.split("/"))
        return date(year, month, day)
    return date.fromisoformat(text)


@pytest.mark.parametrize("name", ["household_daily_sums", "household_hourly_sums"])
def test_copied_days_of_the_household_are_found(shared_data: Path, name: str) -> None:
    days = read_days(shared_data / "household-uci" / f"{name}.csv.gz")
    assert len(days) == 1442
    assert find_copied_days(days) == COPIED_DAYS


def days_of(*days: list[float] | None) -> dict[date, list[Day]]:
    dates = (FIRST, SECOND, THIRD)
    return {
        one: [np.array(values)]
        for one, values in zip(dates, days, strict=False)
        if values is not None
    }


def test_day_equal_to_the_day_before_is_a_copy() -> None:
    assert find_copied_days(days_of([1.0, 2.0], [1.0, 2.0])) == [SECOND]


def test_every_day_of_a_row_of_copies_is_found() -> None:
    assert find_copied_days(days_of([1.0, 2.0], [1.0, 2.0], [1.0, 2.0])) == [SECOND, THIRD]


def test_gaps_may_be_copied_too() -> None:
    nan = float("nan")
    assert find_copied_days(days_of([1.0, nan, 2.0], [1.0, nan, 2.0])) == [SECOND]


@pytest.mark.parametrize(
    "days",
    [
        days_of([1.0, 2.0], [1.0, 2.5]),
        days_of([1.0, 2.0], None, [1.0, 2.0]),
        days_of([1.0, 2.0], [1.0, 2.0, 3.0]),
        days_of([0.0, 0.0], [0.0, 0.0]),
        days_of([7.0, 7.0], [7.0, 7.0]),
        days_of([], []),
        {},
    ],
    ids=["another value", "a day between", "more values", "zero", "constant", "no values", "none"],
)
def test_other_days_are_no_copies(days: dict[date, list[Day]]) -> None:
    assert find_copied_days(days) == []


def test_copy_must_be_one_in_every_series() -> None:
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    assert find_copied_days({FIRST: [a, a], SECOND: [a, b]}) == []
    assert find_copied_days({FIRST: [a, b], SECOND: [a, b]}) == [SECOND]
