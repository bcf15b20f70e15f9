"""The UCI household through its profile gives the numbers of CHECKS.md, checks 1 and 2."""

from __future__ import annotations

import gzip
import tomllib
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from wattscope.compute.files.column_map import parse_column_map
from wattscope.compute.files.csv_table import RowGroup, decode_rows
from wattscope.core.reading import ByteColumn, FloatColumn, Int64Column, Quality
from wattscope.core.time_grid import US_PER_MINUTE, day_start_us, load_zone

PROFILES = Path(__file__).parents[3] / "src" / "wattscope" / "profiles"
MINUTES = "household_minute_2006-12-16_2007-01-19.csv.gz"
PARIS = load_zone("Europe/Paris")

Columns = dict[tuple[str, str], tuple[FloatColumn, ByteColumn]]


def _read(path: Path, profile: str) -> tuple[Int64Column, Columns]:
    text = (PROFILES / f"{profile}.toml").read_text(encoding="utf-8")
    column_map = parse_column_map(tomllib.loads(text))
    with gzip.open(path) as file:
        found = list(decode_rows(iter(lambda: file.read(65_536), b""), column_map))
    groups = [part for part in found if isinstance(part, RowGroup)]
    assert len(groups) == len(found)
    values: dict[tuple[str, str], list[FloatColumn]] = defaultdict(list)
    qualities: dict[tuple[str, str], list[ByteColumn]] = defaultdict(list)
    for group in groups:
        for column in group.columns:
            values[column.device, column.quantity].append(column.value)
            qualities[column.device, column.quantity].append(column.quality)
    columns = {key: (np.concatenate(values[key]), np.concatenate(qualities[key])) for key in values}
    return np.concatenate([group.measured_at_us for group in groups]), columns


def _kwh_of_day(at_us: Int64Column, power_w: FloatColumn, day: date) -> float:
    start, end = day_start_us(day, PARIS), day_start_us(day + timedelta(days=1), PARIS)
    return float(np.nansum(power_w[(at_us >= start) & (at_us < end)])) / 60_000


def test_minutes_add_up_to_the_known_days(shared_data: Path) -> None:
    at_us, columns = _read(shared_data / "household-uci" / MINUTES, "uci-household")
    assert len(at_us) == 47_960
    assert (np.diff(at_us) == US_PER_MINUTE).all()
    power_w, quality = columns["household", "active_power_w"]
    assert int((quality == Quality.MISSING).sum()) == 5
    assert int(np.isfinite(power_w).sum()) == 47_955
    assert np.nansum(power_w) / 60_000 == pytest.approx(1357.8008, abs=5e-5)
    for day, kwh in (
        (date(2006, 12, 16), 20.1529),
        (date(2006, 12, 17), 56.5077),
        (date(2006, 12, 18), 36.7304),
        (date(2006, 12, 21), 28.6104),
        (date(2006, 12, 23), 79.5564),
        (date(2007, 1, 18), 30.3577),
    ):
        assert _kwh_of_day(at_us, power_w, day) == pytest.approx(kwh, abs=6e-5)
    for room, kwh in (("kitchen", 53.399), ("laundry", 94.256), ("heating", 351.801)):
        energy_wh, _ = columns[f"household-{room}", "energy_import_delta_wh"]
        assert np.nansum(energy_wh) / 1000 == pytest.approx(kwh, rel=1e-6)


def test_the_peak_minute_is_where_it_is_known_to_be(shared_data: Path) -> None:
    at_us, columns = _read(shared_data / "household-uci" / MINUTES, "uci-household")
    power_w, _ = columns["household", "active_power_w"]
    peak = int(np.nanargmax(power_w))
    assert power_w[peak] == pytest.approx(9272.0)
    minute = (int(at_us[peak]) - day_start_us(date(2007, 1, 13), PARIS)) // US_PER_MINUTE
    assert divmod(minute, 60) == (22, 53)


@pytest.mark.parametrize(("span", "rows"), [("daily", 1442), ("hourly", 34_589)])
def test_published_sums_add_up_to_the_known_years(shared_data: Path, span: str, rows: int) -> None:
    path = shared_data / "household-uci" / f"household_{span}_sums.csv.gz"
    at_us, columns = _read(path, "uci-household-sums")
    energy_wh, _ = columns["household-sums", "energy_import_delta_wh"]
    assert len(energy_wh) == rows
    assert energy_wh.sum() / 1000 == pytest.approx(37_680.40, abs=0.005)
    for year, kwh in ((2007, 9759.07), (2008, 9418.45), (2009, 9423.73)):
        start, end = (day_start_us(date(y, 1, 1), PARIS) for y in (year, year + 1))
        of_year = energy_wh[(at_us >= start) & (at_us < end)]
        assert of_year.sum() / 1000 == pytest.approx(kwh, abs=0.005)


def test_all_but_four_hours_of_minutes_equal_the_published_hours(shared_data: Path) -> None:
    """All but the four that CHECKS.md names; the first and the last hour are cut alike."""
    folder = shared_data / "household-uci"
    minute_us, minutes = _read(folder / MINUTES, "uci-household")
    hour_us, hours = _read(folder / "household_hourly_sums.csv.gz", "uci-household-sums")
    power_kw = np.nan_to_num(minutes["household", "active_power_w"][0]) / 1000
    published_kw = hours["household-sums", "energy_import_delta_wh"][0] * 60 / 1000
    place = np.searchsorted(hour_us, minute_us, side="right") - 1
    summed_kw = np.bincount(place, power_kw)
    differs = np.abs(summed_kw - published_kw[: len(summed_kw)]) > 1e-3
    assert len(summed_kw) == 800
    assert int(differs.sum()) == 4
