"""The numbers that real data must give, read from the list that came with the data."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

_DAY = re.compile(r"(?:(\d{4})-(\d{2}))?-(\d{2}) (\d+\.\d+)(?: \(([^)]*)\))?")


def read_check(folder: Path, number: int) -> str:
    """One item of the list of checks."""
    text = (folder / "CHECKS.md").read_text(encoding="utf-8")
    found = re.search(rf"^{number}\. (.*)$", text, re.MULTILINE)
    assert found is not None, f"check {number} is not in the list"
    return found[1]


def read_number(text: str, pattern: str) -> float:
    """The number in the one group of a pattern, with or without thousands separators."""
    found = re.search(pattern, text)
    assert found is not None, f"{pattern!r} is not in the check"
    return float(found[1].replace(",", ""))


def read_days(text: str) -> dict[date, tuple[float, str]]:
    """kWh and remark of each day in a list such as ``2006-12-16 20.1 (partial), -17 56.5``."""
    days: dict[date, tuple[float, str]] = {}
    year = month = 0
    for named_year, named_month, day, kwh, remark in _DAY.findall(text):
        if named_year:
            year, month = int(named_year), int(named_month)
        days[date(year, month, int(day))] = (float(kwh), remark)
    return days


def tolerance(figure: float, decimals: int) -> float:
    """Half of the last printed digit, or one millionth of the number, whichever is more."""
    return max(0.5 * 10.0**-decimals, abs(figure) * 1e-6)
