"""Check 7: quarter hours of a steel works whose midnights bear the date of the day they end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.cli.invocation import ask, invoke
from tests.imports.checks import read_check, read_number, tolerance
from tests.web.applications import Application, open_application

SEOUL = ZoneInfo("Asia/Seoul")
QUARTER = timedelta(minutes=15)
ENERGY = "quantity = 'energy_import_delta_wh'"


@pytest.fixture(scope="module")
def seventh_check(shared_data: Path) -> str:
    return read_check(shared_data, 7)


@pytest.fixture(scope="module")
def file(shared_data: Path) -> Path:
    return shared_data / "steel-industry-15min" / "Steel_industry_data.csv.gz"


@pytest.fixture(scope="module")
def works(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the year of the works."""
    data = tmp_path_factory.mktemp("works")
    outcome = invoke("import", file, "--profile", "uci-steel-industry", "--data", data)
    assert outcome.status == 0, outcome.err
    assert "0 rows set aside" in outcome.out
    return data


@pytest.fixture
def works_api(works: Path) -> Iterator[Application]:
    with open_application(works) as application:
        yield application


def near(figure: float, decimals: int = 2) -> Any:  # noqa: ANN401  # pytest names no type for it
    return pytest.approx(figure, abs=tolerance(figure, decimals))


def stamp(start: str) -> datetime:
    """What the works' clock shows at the end of a quarter hour."""
    return datetime.fromisoformat(start).astimezone(SEOUL) + QUARTER


def test_year_and_january(works: Path, works_api: Application, seventh_check: str) -> None:
    year = works_api.get("/api/energy", site="steel-works", year="2018")
    total = read_number(seventh_check, r"([\d,.]+\d) kWh in 2018")
    january = read_number(seventh_check, r"January ([\d,.]+\d) ")
    assert year["totals"]["consumption_wh"] / 1000 == near(total)
    assert year["buckets"][0]["consumption_wh"] / 1000 == near(january)
    assert year["is_complete"]
    rows = ask(works, f"SELECT bucket_start, energy_wh FROM rollup_1d WHERE {ENERGY}")
    assert sum(row["energy_wh"] for row in rows) / 1000 == near(total)
    of_january = [
        row["energy_wh"]
        for row in rows
        if datetime.fromisoformat(row["bucket_start"]).astimezone(SEOUL).month == 1
    ]
    assert len(of_january) == 31
    assert sum(of_january) / 1000 == near(january)


def test_peak_as_energy_and_as_power(works: Path, seventh_check: str) -> None:
    found = re.search(r"peak ([\d.]+) kWh = ([\d.]+) kW at (\S+ \d\d:\d\d)", seventh_check)
    assert found is not None
    top = ask(
        works,
        "SELECT bucket_start, energy_wh / 1000 AS kwh, energy_wh / 250 AS kw FROM rollup_15m "
        f"WHERE {ENERGY} ORDER BY energy_wh DESC LIMIT 1",
    )[0]
    assert top["kwh"] == near(float(found[1]))
    assert top["kw"] == near(float(found[2]))
    assert f"{stamp(top['bucket_start']):%Y-%m-%d %H:%M}" == found[3]


def test_carbon_dioxide(works: Path, seventh_check: str) -> None:
    whole = ask(
        works,
        "SELECT sum(sum) / 1000 AS t, min(unit) AS unit, count(energy_wh) AS n_energies "
        "FROM rollup_1d WHERE quantity = 'co2_emission_delta_kg'",
    )[0]
    assert whole["t"] == near(read_number(seventh_check, r"CO2 ([\d.]+) t"))
    assert (whole["unit"], whole["n_energies"]) == ("kg", 0)


def test_midnights_end_their_days(works: Path, seventh_check: str) -> None:
    found = re.search(r"([\d,]+) intervals, no gap, (\S+ \S+) to (\S+ \d\d:\d\d)", seventh_check)
    assert found is not None
    rows = ask(works, f"SELECT measured_at FROM readings WHERE {ENERGY} ORDER BY measured_at")
    stamps = [stamp(row["measured_at"]) for row in rows]
    assert len(stamps) == int(found[1].replace(",", ""))
    assert {later - earlier for earlier, later in pairwise(stamps)} == {QUARTER}
    assert [f"{one:%Y-%m-%d %H:%M}" for one in (stamps[0], stamps[-1])] == [found[2], found[3]]
    days = ask(works, f"SELECT count, coverage FROM rollup_1d WHERE {ENERGY}")
    assert [(day["count"], day["coverage"]) for day in days] == [(96, 1.0)] * 365


def test_without_the_option_midnights_land_a_day_early(file: Path, tmp_path: Path) -> None:
    words = (
        'time=date,time_format="%d/%m/%Y %H:%M",time_zone=Asia/Seoul,stamp=end,interval_s=900,'
        "energy_import_delta_wh=Usage_kWh:kWh@works"
    )
    outcome = invoke("import", file, "--map", words, "--data", tmp_path / "data")
    assert outcome.status == 0, outcome.err
    first = ask(tmp_path / "data", "SELECT min(measured_at) AS first FROM readings")[0]
    assert f"{stamp(first['first']):%Y-%m-%d %H:%M}" == "2018-01-01 00:00"
    placed = invoke(
        "import",
        file,
        "--map",
        f"{words},midnight_is_day_end=true",
        "--data",
        tmp_path / "placed",
    )
    assert placed.status == 0, placed.err
    first = ask(tmp_path / "placed", "SELECT min(measured_at) AS first FROM readings")[0]
    assert f"{stamp(first['first']):%Y-%m-%d %H:%M}" == "2018-01-01 00:15"


def test_import_again_changes_nothing(works: Path, file: Path) -> None:
    outcome = invoke("import", file, "--profile", "uci-steel-industry", "--data", works)
    assert ": 0 stored, 70080 known already" in outcome.out
