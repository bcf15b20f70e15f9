"""The daily report over a real household gives the published days, and says what is missing."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

import pytest

from tests.cli.invocation import Outcome, invoke
from tests.imports.checks import read_check, read_days, tolerance
from tests.imports.conftest import Imported
from tests.web.applications import Application

DAYS = ("--from", "2006-12-15", "--to", "2007-01-19")
FOUR_YEARS = ("--device", "household-sums", "--from", "2006-12-16", "--to", "2010-11-26")


def report(data: Path, *words: str) -> Outcome:
    outcome = invoke("report", "daily", "--data", data, *words)
    assert outcome.status == 0, outcome.err
    return outcome


def read_csv(text: str) -> dict[date, dict[str, str]]:
    return {date.fromisoformat(row["date"]): row for row in csv.DictReader(io.StringIO(text))}


def test_days_of_the_household_are_the_published_ones(minutes: Imported, shared_data: Path) -> None:
    text = report(minutes.data, *DAYS, "--device", "household", "--format", "csv").out
    rows = read_csv(text)
    assert len(rows) == 36
    assert rows[date(2006, 12, 15)]["status"] == "no data"
    assert rows[date(2006, 12, 15)]["kwh"] == ""
    known = read_days(read_check(shared_data, 1))
    assert len(known) >= 6
    for day, (kwh, remark) in known.items():
        row = rows[day]
        assert float(row["kwh"]) == pytest.approx(kwh, abs=tolerance(kwh, 4)), day
        is_incomplete = "partial" in remark or "missing" in remark
        assert row["status"] == ("incomplete" if is_incomplete else "complete"), day
    # Two of 1,440 minutes are marked missing.
    assert float(rows[date(2006, 12, 21)]["coverage"]) == pytest.approx(1438 / 1440)
    total = sum(float(row["kwh"]) for row in rows.values() if row["kwh"])
    assert total == pytest.approx(1357.8008, abs=5e-4)


def test_api_gives_the_same_rows(minutes: Imported, minutes_api: Application) -> None:
    printed = report(minutes.data, *DAYS, "--device", "household", "--format", "csv").out
    answer = minutes_api.client.get(
        "/api/reports/daily",
        params={
            "device": "household",
            "from": "2006-12-15",
            "to": "2007-01-19",
            "format": "csv",
        },
    )
    assert answer.status_code == 200
    assert read_csv(answer.text) == read_csv(printed)


def test_table_leaves_out_columns_of_which_nothing_is_known(minutes: Imported) -> None:
    text = report(minutes.data, *DAYS, "--device", "household").out
    assert "Daily kWh" in text
    assert "Start kWh" not in text
    assert "L1 kWh" not in text
    (line,) = [line for line in text.splitlines() if "2006-12-17" in line]
    assert "56.508" in line
    assert "complete" in line


def test_lowest_day_of_four_years(days: Imported) -> None:
    text = report(days.data, *FOUR_YEARS, "--format", "csv").out
    rows = {day: float(row["kwh"]) for day, row in read_csv(text).items() if row["kwh"]}
    assert len(rows) == 1442
    assert min(rows, key=lambda day: rows[day]) == date(2008, 8, 25)
    assert rows[date(2008, 8, 25)] == pytest.approx(4.1716, abs=5e-5)
    assert sum(rows.values()) == pytest.approx(37_680.40, abs=5e-3)


def test_words_that_cannot_be_meant_end_with_one_line(minutes: Imported) -> None:
    outcome = invoke("report", "daily", "--data", minutes.data, "--device", "houshold")
    assert outcome.status == 1
    assert outcome.last_line().endswith("did you mean household?")
    outcome = invoke("report", "daily", "--data", minutes.data, "--from", "1.5.2026")
    assert "no date" in outcome.last_line()
    outcome = invoke("report", "daily", "--data", minutes.data.parent / "none")
    assert outcome.status == 78
