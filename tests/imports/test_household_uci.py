"""Checks 1 and 2: a real household through import, SQL and API gives the published numbers."""

from __future__ import annotations

import csv
import gzip
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.cli.invocation import ask
from tests.imports.checks import read_check, read_days, read_number, tolerance
from tests.imports.conftest import MINUTES, Imported
from tests.web.applications import Application

PARIS = ZoneInfo("Europe/Paris")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
POWER = "device = 'household' AND quantity = 'active_power_w'"
FIVE_MINUTES = timedelta(minutes=5)
# The list prints 27.8 for 27.769…: its figures carry four decimals, energies of hours five.
FOUR, FIVE = 4, 5


@pytest.fixture(scope="session")
def first_check(shared_data: Path) -> str:
    return read_check(shared_data, 1)


@pytest.fixture(scope="session")
def second_check(shared_data: Path) -> str:
    return read_check(shared_data, 2)


def near(figure: float, decimals: int) -> Any:  # noqa: ANN401  # pytest names no type for it
    return pytest.approx(figure, abs=tolerance(figure, decimals))


def local(instant: str) -> datetime:
    """The wall clock of the house."""
    return datetime.fromisoformat(instant).astimezone(PARIS)


# ── check 1: minutes ─────────────────────────────────────────────────────────────────────────


def test_all_rows_arrive_and_the_marked_ones_are_missing(
    minutes: Imported, first_check: str
) -> None:
    counted = ask(
        minutes.data,
        "SELECT count(*) AS n_rows, count(value) AS n_values, "
        f"count(*) FILTER (WHERE quality = 'missing') AS n_missing FROM readings WHERE {POWER}",
    )[0]
    assert counted["n_rows"] == read_number(first_check, r"([\d,]+) rows in")
    assert counted["n_values"] == read_number(first_check, r"([\d,]+) with values")
    assert counted["n_missing"] == read_number(first_check, r"(\d+) marked missing")
    n_rows = int(counted["n_rows"])
    assert minutes.summary.startswith(f"{n_rows} rows with {n_rows * 7} values: {n_rows * 7} stor")
    assert f"{int(counted['n_missing']) * 7} marked missing; 0 rows set aside" in minutes.summary


def test_missing_is_null_everywhere_and_never_zero(
    minutes: Imported, minutes_api: Application
) -> None:
    missing = ask(
        minutes.data, f"SELECT measured_at, value FROM readings WHERE {POWER} AND value IS NULL"
    )
    assert missing
    for row in missing:
        at = datetime.fromisoformat(row["measured_at"])
        answer = minutes_api.get(
            "/api/devices/household/readings",
            quantity="active_power_w",
            interval="raw",
            start=at.isoformat(),
            end=(at + FIVE_MINUTES).isoformat(),
        )
        assert answer["points"][0] == {
            "t": row["measured_at"],
            "value": None,
            "quality": "missing",
        }


def test_energy_of_days_by_sql(minutes: Imported, first_check: str) -> None:
    rows = ask(
        minutes.data, f"SELECT bucket_start, energy_wh, coverage FROM rollup_1d WHERE {POWER}"
    )
    found = {local(row["bucket_start"]).date(): row for row in rows}
    known = read_days(first_check)
    assert len(known) >= 6
    for day, (kwh, remark) in known.items():
        assert found[day]["energy_wh"] / 1000 == near(kwh, FOUR), day
        is_incomplete = "partial" in remark or "missing" in remark
        assert (found[day]["coverage"] < 1) == is_incomplete, day


def test_energy_of_days_by_api(minutes_api: Application, first_check: str) -> None:
    answer = minutes_api.get(
        "/api/energy", site="household", start="2006-12-16", end="2007-01-20", interval="1d"
    )
    found = {local(bucket["start"]).date(): bucket for bucket in answer["buckets"]}
    for day, (kwh, remark) in read_days(first_check).items():
        assert found[day]["consumption_wh"] / 1000 == near(kwh, FOUR), day
        is_incomplete = "partial" in remark or "missing" in remark
        assert (found[day]["coverage"] < 1) == is_incomplete, day
        alone = minutes_api.get("/api/energy", site="household", day=day.isoformat())
        assert alone["totals"]["consumption_wh"] / 1000 == near(kwh, FOUR), day
        assert alone["totals"]["import_wh"] == alone["totals"]["consumption_wh"]
    whole = read_number(first_check, r"Total ([\d,.]+) kWh")
    assert answer["totals"]["consumption_wh"] / 1000 == near(whole, FOUR)


def test_total_and_sub_meters(minutes: Imported, first_check: str) -> None:
    rows = ask(
        minutes.data,
        "SELECT device, sum(energy_wh) / 1000 AS kwh FROM rollup_1d "
        "WHERE energy_wh IS NOT NULL GROUP BY device",
    )
    kwh = {row["device"]: row["kwh"] for row in rows}
    rooms = re.search(r"sub-meters ([\d.]+) / ([\d.]+) / ([\d.]+);", first_check)
    assert rooms is not None
    names = ("household-kitchen", "household-laundry", "household-heating")
    for name, figure in zip(names, rooms.groups(), strict=True):
        assert kwh[name] == near(float(figure), 3)
    assert kwh["household"] == near(read_number(first_check, r"Total ([\d,.]+) kWh"), FOUR)
    rest = kwh["household"] - sum(kwh[name] for name in names)
    assert rest == near(read_number(first_check, r"rest ([\d.]+\d)"), FOUR)


def test_peaks_of_minute_quarter_and_hour(minutes: Imported, first_check: str) -> None:
    cases = (
        ("rollup_1m", "max / 1000", r"Peak ([\d.]+) kW at ([\d-]+ [\d:]+)", 3),
        ("rollup_15m", "mean / 1000", r"15-min peak ([\d.]+) kW at ([\d-]+ [\d:]+)", FOUR),
        ("rollup_1h", "energy_wh / 1000", r"highest hour ([\d-]+ [\d:]+), ([\d.]+\d) kWh", FIVE),
    )
    for view, expression, pattern, decimals in cases:
        found = re.search(pattern, first_check)
        assert found is not None, pattern
        figure, moment = sorted(found.groups(), key=len)
        top = ask(
            minutes.data,
            f"SELECT bucket_start, {expression} AS top FROM {view} WHERE {POWER} "
            "ORDER BY top DESC NULLS LAST LIMIT 1",
        )[0]
        assert top["top"] == near(float(figure), decimals), view
        assert f"{local(top['bucket_start']):%Y-%m-%d %H:%M}" == moment, view


def test_api_names_the_highest_hour_and_minute(minutes_api: Application, first_check: str) -> None:
    hour = re.search(r"highest hour ([\d-]+) ([\d:]+), ([\d.]+\d) kWh", first_check)
    assert hour is not None
    day = minutes_api.get("/api/energy", site="household", day=hour[1], interval="1h")
    assert f"{local(day['peak']['start']):%H:%M}" == hour[2]
    assert day["peak"]["consumption_wh"] / 1000 == near(float(hour[3]), FIVE)
    minute = minutes_api.get(
        "/api/devices/household/readings",
        quantity="active_power_w",
        interval="1m",
        start=hour[1],
        end=(date.fromisoformat(hour[1]) + timedelta(days=1)).isoformat(),
    )
    top = max(minute["points"], key=lambda point: point["max"])
    assert top["max"] / 1000 == near(read_number(first_check, r"Peak ([\d.]+) kW"), 3)


def test_api_and_sql_agree_in_every_quarter_hour(
    minutes: Imported, minutes_api: Application
) -> None:
    rows = ask(
        minutes.data,
        f"SELECT bucket_start, energy_wh, coverage FROM rollup_15m WHERE {POWER} "
        "AND bucket_start >= '2006-12-20 23:00' AND bucket_start < '2006-12-22 23:00' "
        "ORDER BY bucket_start",
    )
    answer = minutes_api.get(
        "/api/energy", site="household", start="2006-12-21", end="2006-12-23", interval="15m"
    )
    assert [row["bucket_start"] for row in rows] == [one["start"] for one in answer["buckets"]]
    for row, bucket in zip(rows, answer["buckets"], strict=True):
        assert bucket["consumption_wh"] == pytest.approx(row["energy_wh"], rel=1e-9)
        assert bucket["coverage"] == pytest.approx(row["coverage"], abs=1e-9)


# ── check 2: the sums of a third party ───────────────────────────────────────────────────────


def test_hours_equal_the_published_ones_but_for_the_four_named(
    minutes: Imported, shared_data: Path, second_check: str
) -> None:
    counts = re.search(r"(\d+) of the (\d+) overlapping hourly sums", second_check)
    assert counts is not None
    n_equal, n_all = (int(one) for one in counts.groups())
    named = _read_named_hours(second_check)
    rows = ask(minutes.data, f"SELECT bucket_start, sum FROM rollup_1h WHERE {POWER}")
    ours = {_file_hour(row["bucket_start"]): row["sum"] / 1000 for row in rows}
    published = _read_published_hours(shared_data)
    both = ours.keys() & published.keys()
    different = {hour for hour in both if abs(ours[hour] - published[hour]) > 1e-3}
    assert (len(both), len(both) - len(different)) == (n_all, n_equal)
    assert different == set(named)
    for hour, figures in named.items():
        if figures is not None:
            assert ours[hour] == near(figures[0], 3)
            assert published[hour] == near(figures[1], 3)


def _file_hour(instant: str) -> str:
    """The hour as the file writes it: French winter time all year."""
    at = datetime.fromisoformat(instant).astimezone(UTC) + timedelta(hours=1)
    return f"{at:%Y-%m-%d %H:%M}"


def _read_named_hours(text: str) -> dict[str, tuple[float, float] | None]:
    """The hours that differ, with our sum and the published one where they are told."""
    part = text.partition("the four others are")[2].partition("Long series")[0]
    found: dict[str, tuple[float, float] | None] = {}
    year = ""
    for named_year, day, hour, pair in re.findall(
        r"(?:(\d{4})-)?(\d\d-\d\d) (\d\d:\d\d) \(([^)]*)\)", part
    ):
        year = named_year or year
        figures = re.fullmatch(r"([\d.]+) vs ([\d.]+)", pair)
        known = None if figures is None else (float(figures[1]), float(figures[2]))
        found[f"{year}-{day} {hour}"] = known
    assert len(found) == 4
    return found


def _read_published_hours(shared_data: Path) -> dict[str, float]:
    path = shared_data / "household-uci" / "household_hourly_sums.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return {row["datetime"][:16]: float(row["Global_active_power"]) for row in rows}


def test_long_series_has_its_days_and_its_energy(days: Imported, second_check: str) -> None:
    counted = ask(
        days.data,
        "SELECT count(*) AS n_days, sum(value) / 1000 AS kwh FROM readings "
        "WHERE device = 'household-sums'",
    )[0]
    assert counted["n_days"] == read_number(second_check, r"([\d,]+) days,")
    assert counted["kwh"] == near(read_number(second_check, r"days, ([\d,.]+) kWh"), 2)


def test_years_of_the_long_series_by_api(days_api: Application, second_check: str) -> None:
    years = re.findall(r"(20\d\d) (\d,\d{3}\.\d\d)[,;]", second_check)
    assert len(years) == 3
    for year, figure in years:
        answer = days_api.get("/api/energy", site="household-sums", year=year)
        kwh = float(figure.replace(",", ""))
        assert answer["totals"]["consumption_wh"] / 1000 == near(kwh, 2)
        assert answer["is_complete"]
        assert len(answer["buckets"]) == 12


def test_lowest_day_of_the_long_series(days: Imported, second_check: str) -> None:
    named = re.search(r"lowest day (\S+) ([\d.]+\d)\.", second_check)
    assert named is not None
    lowest = ask(
        days.data,
        "SELECT bucket_start, energy_wh / 1000 AS kwh FROM rollup_1d "
        "WHERE device = 'household-sums' AND coverage > 0.99 ORDER BY energy_wh LIMIT 1",
    )[0]
    assert local(lowest["bucket_start"]).date().isoformat() == named[1]
    assert lowest["kwh"] == near(float(named[2]), FOUR)


def test_copied_days_are_exactly_the_nine_known(days_api: Application, shared_data: Path) -> None:
    known = _read_copied_days(shared_data)
    assert len(known) == 9
    answer = days_api.get("/api/insights/copied-days", device="household-sums")
    assert [date.fromisoformat(day) for day in answer["days"]] == known
    one_year = days_api.get(
        "/api/insights/copied-days",
        device="household-sums",
        start="2010-01-01",
        end="2011-01-01",
    )
    assert [date.fromisoformat(day) for day in one_year["days"]] == [
        day for day in known if day.year == 2010
    ]


def _read_copied_days(shared_data: Path) -> list[date]:
    """The days that the description of the data names."""
    text = (shared_data / "household-uci" / "README.md").read_text(encoding="utf-8")
    part = text.partition("the hour 24 h before, and ")[2].partition(" equal the day before")[0]
    groups = re.findall(r"((?:\d+(?:, | and )?)+) ([A-Z][a-z]+) (20\d\d)", part)
    return sorted(
        date(int(year), MONTHS.index(month[:3]) + 1, int(day))
        for days_of_month, month, year in groups
        for day in re.findall(r"\d+", days_of_month)
    )


def test_minutes_hold_no_copied_day(minutes_api: Application) -> None:
    answer = minutes_api.get("/api/insights/copied-days", device="household")
    assert answer["days"] == []


# ── again ────────────────────────────────────────────────────────────────────────────────────


def test_import_again_changes_nothing(minutes: Imported) -> None:
    question = (
        "SELECT device, quantity, count(*) AS n, count(value) AS n_values, sum(value) AS total "
        "FROM readings GROUP BY ALL ORDER BY ALL"
    )
    before = ask(minutes.data, question)
    outcome = minutes.again()
    assert outcome.status == 0
    n_values = sum(row["n"] for row in before)
    assert f"0 stored, {n_values} known already" in outcome.out
    assert "0 rows set aside" in outcome.out
    assert ask(minutes.data, question) == before
    assert ask(minutes.data, "SELECT count(*) AS n FROM quarantine") == [{"n": 0}]
    assert MINUTES in minutes.file.name
