"""Numbers that stand for "no value" do not count as measured."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from tests.cli.invocation import ask, invoke

SENTINEL_KW = -1_000_000.0
# The folder's README says so: kW every five minutes, three rows of a million below zero.
MAP = "time=ts,active_power_w=meas_val_f:kW@inverter,interval_s=300,sampling=mean"
CHECKED_KWH = 6993.63


def read_kw(file: Path) -> list[float]:
    with gzip.open(file, "rt", newline="", encoding="utf-8") as rows:
        return [float(row["meas_val_f"]) for row in csv.DictReader(rows)]


def test_sentinels_of_an_inverter_are_kept_out_of_its_energy(
    shared_data: Path, tmp_path: Path
) -> None:
    file = shared_data / "pv-inverters-5min" / "TAEFC1044741.csv.gz"
    every = read_kw(file)
    good = [kw for kw in every if kw != SENTINEL_KW]
    assert len(every) - len(good) == 3
    assert sum(good) / 12 == pytest.approx(CHECKED_KWH, abs=0.005)
    assert sum(every) / 12 < -240_000, "with them the plant would have eaten a town's power"
    data = tmp_path / "data"
    outcome = invoke("import", file, "--map", MAP, "--data", data)
    assert outcome.status == 0, outcome.err
    assert "3 values are out of range or stand for no value" in outcome.out
    marked = ask(data, "SELECT value FROM readings WHERE quality LIKE '%implausible%'")
    assert [row["value"] for row in marked] == [SENTINEL_KW * 1000.0] * 3
    (total,) = ask(data, "SELECT sum(energy_wh) / 1000 AS kwh FROM rollup_1d")
    assert total["kwh"] == pytest.approx(sum(good) / 12, rel=1e-6)


@pytest.mark.parametrize("number", ["-999", "32767", "4294967295", "-9999.9"])
def test_number_that_stands_for_no_value_is_marked(tmp_path: Path, number: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(
        "measured_at,active_power_w\n"
        "2024-05-01T10:00:00Z,250\n"
        f"2024-05-01T10:01:00Z,{number}\n"
        "2024-05-01T10:02:00Z,260\n",
        encoding="utf-8",
    )
    outcome = invoke("import", file, "--profile", "generic-csv", "--data", tmp_path / "data")
    assert outcome.status == 0, outcome.err
    rows = ask(tmp_path / "data", "SELECT value, quality FROM readings ORDER BY measured_at")
    assert ["implausible" in row["quality"] for row in rows] == [False, True, False]


def test_number_among_its_like_is_a_measured_one(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(
        "measured_at,active_power_w\n"
        "2024-05-01T10:00:00Z,9998\n2024-05-01T10:01:00Z,9999\n2024-05-01T10:02:00Z,-999\n"
        "2024-05-01T10:03:00Z,-998\n",
        encoding="utf-8",
    )
    outcome = invoke("import", file, "--profile", "generic-csv", "--data", tmp_path / "data")
    assert "implausible" not in outcome.out
    assert not ask(
        tmp_path / "data", "SELECT value FROM readings WHERE quality LIKE '%implausible%'"
    )
