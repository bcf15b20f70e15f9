"""Checks 3 and 4: a solar plant of 22 inverters and its weather, each file read by its header."""

from __future__ import annotations

import csv
import gzip
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.cli.invocation import ask, invoke
from tests.imports.checks import read_check, read_number, tolerance
from wattscope.assembly.file_import import find_profile
from wattscope.registry.profile_library import ProfileLibrary

GENERATION, WEATHER = "Plant_1_Generation_Data.csv.gz", "Plant_1_Weather_Sensor_Data.csv.gz"


def read_rows(file: Path) -> list[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "solar-plant-1"


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, str]]:
    return read_rows(folder / GENERATION)


@pytest.fixture(scope="module")
def plant(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with both files, imported by one command that names no profile."""
    data = tmp_path_factory.mktemp("plant")
    outcome = invoke("import", folder / GENERATION, folder / WEATHER, "--data", data)
    assert outcome.status == 0, outcome.err
    assert f"{GENERATION}: read by profile kaggle-solar-generation" in outcome.out
    assert f"{WEATHER}: read by profile kaggle-solar-weather" in outcome.out
    assert "0 rows set aside" in outcome.out
    return data


def test_every_row_and_value_is_taken_in(plant: Path, folder: Path, rows: list[object]) -> None:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for quantity, n_rows, file in (
        ("production_power_w", len(rows), GENERATION),
        ("irradiance_w_m2", len(read_rows(folder / WEATHER)), WEATHER),
    ):
        told = re.search(rf"\| {file} \| ([\d,]+) \|", readme)
        assert told is not None
        assert n_rows == int(told[1].replace(",", ""))
        [found] = ask(
            plant,
            "select count(*) as n, count(distinct device) as devices from readings "
            f"where quantity = '{quantity}'",
        )
        assert found == {"n": n_rows, "devices": 22 if file == GENERATION else 1}


def test_the_same_again_changes_nothing(plant: Path, folder: Path) -> None:
    outcome = invoke("import", folder / WEATHER, "--data", plant)
    assert " 0 stored" in outcome.out
    assert "0 rows set aside" in outcome.out


def test_energy_of_the_plant_and_of_its_best_day(
    plant: Path, shared_data: Path, rows: list[dict[str, str]]
) -> None:
    third = read_check(shared_data, 3)
    by_day: dict[str, float] = defaultdict(float)
    for row in rows:
        day, month, year = row["DATE_TIME"].partition(" ")[0].split("-")
        by_day[f"{year}-{month}-{day}"] += float(row["AC_POWER"]) * 0.25
    days = ask(
        plant,
        "select strftime(bucket_start + interval 330 minute, '%Y-%m-%d') as day, "
        "sum(energy_wh) / 1000 as kwh from rollup_1d where quantity = 'production_power_w' "
        "group by 1 order by 2 desc",
    )
    assert {day["day"]: day["kwh"] for day in days} == pytest.approx(by_day)
    total = read_number(third, r"AC integral \(x 0\.25 h\) ([\d,]+\.\d) kWh")
    assert sum(day["kwh"] for day in days) == pytest.approx(total, abs=tolerance(total, 1))
    best = read_number(third, r"best day 2020-05-25 ([\d,]+\.\d) kWh")
    assert days[0]["day"] == "2020-05-25"
    assert days[0]["kwh"] == pytest.approx(best, abs=tolerance(best, 1))


def test_inverters_rank_as_their_power_says(plant: Path, shared_data: Path) -> None:
    fourth = read_check(shared_data, 4)
    ranked = ask(
        plant,
        "select device, sum(energy_wh) / 1000 as kwh from rollup_1d "
        "where quantity = 'production_power_w' group by 1 order by 2",
    )
    for place, device in ((0, "bvBOhCH3iADSZry"), (1, "1BY6WEcLGh8j5v7"), (-1, "adLQvlD726eNBSB")):
        kwh = read_number(fourth, rf"{device} ([\d,]+\.\d)")
        assert ranked[place]["device"] == device
        assert ranked[place]["kwh"] == pytest.approx(kwh, abs=tolerance(kwh, 1))


def test_registers_grow_by_what_they_show_at_their_ends(
    plant: Path, rows: list[dict[str, str]]
) -> None:
    shown: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        shown[row["SOURCE_KEY"]].append(float(row["TOTAL_YIELD"]))
    grown = ask(
        plant,
        "select device, sum(increase) / 1000 as kwh from rollup_1d "
        "where quantity = 'energy_production_wh' group by 1",
    )
    assert {one["device"]: one["kwh"] for one in grown} == pytest.approx(
        {device: values[-1] - values[0] for device, values in shown.items()}
    )


def test_light_is_kept_in_watts(plant: Path, folder: Path) -> None:
    most = max(float(row["IRRADIATION"]) for row in read_rows(folder / WEATHER))
    question = "select max(value) as w_m2 from readings where quantity = 'irradiance_w_m2'"
    [found] = ask(plant, question)
    assert found["w_m2"] == pytest.approx(1000.0 * most)


def test_devices_are_what_the_files_are_of(plant: Path) -> None:
    kinds = ask(plant, "select kind, count(*) as n from devices group by 1 order by 1")
    assert kinds == [{"kind": "inverter", "n": 22}, {"kind": "sensor", "n": 1}]


def test_a_header_that_fits_no_profile_names_none(tmp_path: Path) -> None:
    library = ProfileLibrary()
    for name, content in (
        ("other.csv", b"when,power\n2026-01-01,1\n"),
        ("empty.csv", b""),
        ("binary.csv", bytes(range(256))),
        ("part.csv", b"DATE_TIME,SOURCE_KEY,DC_POWER,AC_POWER\n"),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        assert find_profile(file, library) is None


def test_a_header_may_begin_with_a_mark_and_hold_more_columns(tmp_path: Path) -> None:
    file = tmp_path / "some.csv"
    header = "NOTE,DATE_TIME,SOURCE_KEY,DC_POWER,AC_POWER,DAILY_YIELD,TOTAL_YIELD"
    file.write_bytes(b"\xef\xbb\xbf" + header.encode() + b"\r\n")
    assert find_profile(file, ProfileLibrary()) == "kaggle-solar-generation"
