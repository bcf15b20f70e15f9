"""``/api/sites``, ``/api/devices`` and the history of one quantity."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.applications import Application, open_application, put
from tests.web.conftest import HOUSE, NOW
from wattscope.assembly.storage import Storage
from wattscope.core.time_grid import US_PER_MINUTE, parse_instant

START = "2026-03-11T10:00:00Z"


def fill_power(storage: Storage) -> None:
    """A value a quarter hour: 100, 200, missing, -400, 500, beyond any plant, 0, 800 W."""
    values = [100.0, 200.0, None, -400.0, 500.0, 5e12, 0.0, 800.0]
    start_us = parse_instant(START)
    rows = [(start_us + n * 15 * US_PER_MINUTE, value) for n, value in enumerate(values)]
    put(storage, "grid", "active_power_w", rows)


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[Application]:
    with open_application(tmp_path, now=NOW, settings=HOUSE, fill=fill_power) as application:
        yield application


def ask_readings(meter: Application, **words: str) -> list[dict[str, object]]:
    answer = meter.get(
        "/api/devices/grid/readings",
        quantity="active_power_w",
        start=START,
        end="2026-03-11T12:00:00Z",
        **words,
    )
    assert answer["unit"] == "W"
    points: list[dict[str, object]] = answer["points"]
    return points


def test_raw_values_carry_null_for_the_missing_and_their_quality(meter: Application) -> None:
    points = ask_readings(meter, interval="raw")
    assert [point["value"] for point in points] == [100, 200, None, -400, 500, 5e12, 0, 800]
    assert [point["quality"] for point in points][2] == "missing"
    assert points[0]["t"] == START


def test_bucket_statistics_leave_the_missing_out(meter: Application) -> None:
    first = ask_readings(meter, interval="1h")[0]
    assert first["count"] == 3
    assert first["mean"] == pytest.approx(-100 / 3)
    assert (first["min"], first["max"]) == (-400, 200)
    assert (first["first"], first["last"]) == (100, -400)
    assert first["increase"] is None
    # Known are 10:00 to 10:15 and 10:45 to 11:00; a missing value in between is a gap.
    assert first["coverage"] == pytest.approx(0.5)
    assert first["energy_wh"] == pytest.approx(150 / 4 + 50 / 4)


def test_bucket_with_only_a_missing_value_has_no_numbers(meter: Application) -> None:
    points = {point["t"]: point for point in ask_readings(meter, interval="15m")}
    empty = points.get("2026-03-11T10:30:00Z")
    if empty is not None:
        assert empty["count"] == 0
        assert [empty[name] for name in ("mean", "min", "max", "first", "last")] == [None] * 5


@pytest.mark.parametrize("interval", ["raw", "1m", "15m", "1h", "1d"])
def test_readings_as_csv_hold_what_json_holds(meter: Application, interval: str) -> None:
    points = ask_readings(meter, interval=interval)
    response = meter.client.get(
        "/api/devices/grid/readings",
        params={
            "quantity": "active_power_w",
            "start": START,
            "end": "2026-03-11T12:00:00Z",
            "interval": interval,
            "format": "csv",
        },
    )
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert len(rows) == len(points)
    for row, point in zip(rows, points, strict=True):
        assert row == {name: "" if value is None else str(value) for name, value in point.items()}


def test_device_tells_its_newest_value_and_age(meter: Application) -> None:
    devices = meter.get("/api/devices")["devices"]
    assert [device["id"] for device in devices] == ["grid", "kettle", "roof"]
    grid = devices[0]
    assert grid == meter.get("/api/devices/grid")
    assert grid["last_measured_at"] == "2026-03-11T11:45:00Z"
    assert grid["stale_after_s"] == 2700
    assert grid["quantities"] == [
        {
            "name": "active_power_w",
            "title": "Active power",
            "unit": "W",
            "kind": "gauge",
            "value": 800.0,
            "measured_at": "2026-03-11T11:45:00Z",
        }
    ]


def test_device_that_never_spoke_is_stale_and_empty(meter: Application) -> None:
    roof = meter.get("/api/devices/roof")
    assert roof["is_stale"]
    assert roof["last_measured_at"] is roof["age_s"] is None
    assert roof["quantities"] == []


def test_silent_meter_grows_stale(tmp_path: Path) -> None:
    for now, is_stale in (("2026-03-11T12:29:00Z", False), ("2026-03-11T12:31:00Z", True)):
        folder = tmp_path / now[:16].replace(":", "")
        with open_application(folder, now=now, settings=HOUSE, fill=fill_power) as application:
            assert application.get("/api/devices/grid")["is_stale"] is is_stale
            newest = application.get("/api/insights/now")
            assert newest["is_stale"] is is_stale
            assert newest["grid_w"] == 800.0
            assert newest["age_s"] == pytest.approx(2640 if not is_stale else 2760)


def test_site_tells_its_zone_currency_and_pages(meter: Application) -> None:
    assert meter.get("/api/sites")["sites"] == [
        {
            "id": "home",
            "name": "Home",
            "time_zone": "Europe/Paris",
            "currency": "EUR",
            "latitude": None,
            "longitude": None,
            "recipes": ["home"],
        }
    ]


def test_power_chart_breaks_where_the_registers_were_silent(house: Application) -> None:
    chart = house.get(
        "/api/power", start="2026-03-11T08:00:00Z", end="2026-03-11T11:00:00Z", points=12
    )
    assert chart["interval_s"] == 900
    lengths = {len(chart[name]) for name in ("t", "home_w", "solar_w", "grid_w")}
    assert lengths == {12}
    at = dict(zip(chart["t"], zip(chart["home_w"], chart["solar_w"], strict=True), strict=True))
    assert at["2026-03-11T08:30:00Z"] == (1200.0, 2000.0)
    assert at["2026-03-11T09:15:00Z"] == (None, None)
    assert chart["gaps"] == [
        {"start": "2026-03-11T09:00:00Z", "end": "2026-03-11T10:00:00Z", "duration_s": 3600.0}
    ]


def test_register_that_grew_over_a_gap_does_not_raise_the_power(house: Application) -> None:
    # The two hours from 10:00 hold the hour of silence; the registers grew all the while.
    chart = house.get(
        "/api/power", start="2026-03-11T07:00:00Z", end="2026-03-13T07:00:00Z", points=24
    )
    assert chart["interval_s"] == 7200
    home = dict(zip(chart["t"], chart["home_w"], strict=True))
    assert home["2026-03-11T08:00:00Z"] == pytest.approx(1200)


def test_copied_day_of_a_power_meter_is_found(tmp_path: Path) -> None:
    start_us = parse_instant("2026-03-06T23:00:00Z")
    days = [3.0, 5.0, 5.0, 7.0]
    values = [
        (start_us + (24 * 60 * day + 15 * n) * US_PER_MINUTE, base + n * n % 11)
        for day, base in enumerate(days)
        for n in range(96)
    ]

    def fill(storage: Storage) -> None:
        put(storage, "grid", "active_power_w", values)

    with open_application(tmp_path, now=NOW, settings=HOUSE, fill=fill) as application:
        found = application.get("/api/insights/copied-days", device="grid")
        assert found["days"] == ["2026-03-09"]
        put(
            application.storage,
            "kettle",
            "active_power_w",
            [(t, float(n)) for n, (t, _) in enumerate(values)],
        )
        # The plug below the meter was not copied: nobody filled that gap.
        again = application.get("/api/insights/copied-days", device="grid")
        assert again["days"] == []
