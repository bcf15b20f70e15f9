"""``/api/energy``: numbers that can be checked by hand, on days of every length."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.web.applications import Application, open_application, put
from tests.web.conftest import steady
from wattscope.assembly.storage import Storage
from wattscope.settings import DeviceSettings, Settings, SiteSettings

SUMS = ("import_wh", "export_wh", "production_wh", "consumption_wh", "self_consumed_wh")


def test_balance_of_a_whole_day(house: Application) -> None:
    answer = house.get("/api/energy", day="2026-03-10")
    assert (answer["start"], answer["end"]) == ("2026-03-09T23:00:00Z", "2026-03-10T23:00:00Z")
    # 16 h of 1 kW in; 8 h of 2 kW made, of which 0.8 kW out: 1.2 kW used on the spot.
    assert answer["totals"] == {
        "import_wh": 16_000.0,
        "export_wh": 6_400.0,
        "production_wh": 16_000.0,
        "consumption_wh": 25_600.0,
        "self_consumed_wh": 9_600.0,
        "self_sufficiency": 0.375,
        "self_consumption": 0.6,
    }
    assert answer["is_complete"]
    assert answer["coverage"] == 1


def test_hours_of_a_day_and_the_highest(house: Application) -> None:
    answer = house.get("/api/energy", day="2026-03-10", interval="1h")
    buckets = answer["buckets"]
    assert len(buckets) == 24
    assert [buckets[7][name] for name in SUMS] == [1000.0, 0.0, 0.0, 1000.0, 0.0]
    assert [buckets[8][name] for name in SUMS] == [0.0, 800.0, 2000.0, 1200.0, 1200.0]
    assert {bucket["coverage"] for bucket in buckets} == {1.0}
    assert answer["peak"] == {
        "start": "2026-03-10T07:00:00Z",
        "end": "2026-03-10T08:00:00Z",
        "consumption_wh": 1200.0,
    }
    assert answer["power_peak"] == {"production_w": 2000.0, "at": "2026-03-10T07:00:00Z"}
    for name in SUMS:
        assert sum(bucket[name] for bucket in buckets) == pytest.approx(answer["totals"][name])


def test_sub_meters_are_not_counted_twice(house: Application) -> None:
    answer = house.get("/api/energy", day="2026-03-09")
    assert answer["totals"]["consumption_wh"] == 12_800.0


def test_day_before_is_the_comparison(house: Application) -> None:
    previous = house.get("/api/energy", day="2026-03-10")["previous"]
    assert (previous["start"], previous["end"]) == ("2026-03-08T23:00:00Z", "2026-03-09T23:00:00Z")
    assert previous["totals"]["consumption_wh"] == 12_800.0
    assert previous["totals"]["self_sufficiency"] == 0.375


def test_comparison_of_an_unfinished_day_is_cut_to_the_same_length(house: Application) -> None:
    answer = house.get("/api/energy", day="2026-03-11")
    # At noon: 8 h of 1 kW, then 4 h of 1.2 kW; the same hours of the day before.
    assert answer["totals"]["consumption_wh"] == 12_800.0
    assert answer["previous"]["end"] == "2026-03-10T11:00:00Z"
    assert answer["previous"]["totals"]["consumption_wh"] == 12_800.0
    assert house.get("/api/energy")["totals"] == answer["totals"]


def test_nothing_before_the_first_day_is_no_comparison(house: Application) -> None:
    assert house.get("/api/energy", day="2026-03-09")["previous"] is None


def test_hour_without_data_makes_the_day_incomplete(house: Application) -> None:
    answer = house.get("/api/energy", day="2026-03-11")
    # One of the twelve hours that have passed; the registers tell what went through meanwhile.
    assert answer["coverage"] == pytest.approx(11 / 12)
    assert not answer["is_complete"]
    gap = answer["buckets"][10]
    assert gap["coverage"] == 0
    assert gap["consumption_wh"] == 1200.0


def test_hours_that_are_still_to_come_are_unknown_not_zero(house: Application) -> None:
    buckets = house.get("/api/energy", day="2026-03-11")["buckets"]
    assert len(buckets) == 24
    for bucket in buckets[12:]:
        assert [bucket[name] for name in SUMS] == [None] * 5
        assert bucket["coverage"] == 0


def test_day_without_data_is_unknown_not_zero(house: Application) -> None:
    answer = house.get("/api/energy", day="2026-01-05")
    assert set(answer["totals"].values()) == {None}
    assert answer["peak"] is answer["power_peak"] is answer["previous"] is None
    assert answer["coverage"] == 0
    assert not answer["is_complete"]


@pytest.mark.parametrize(
    ("words", "n_buckets", "start", "end"),
    [
        ({"month": "2026-03"}, 31, "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
        ({"year": "2026"}, 12, "2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z"),
        (
            {"start": "2026-03-09", "end": "2026-03-12", "interval": "1d"},
            3,
            "2026-03-08T23:00:00Z",
            "2026-03-11T23:00:00Z",
        ),
        (
            {"start": "2026-03-09T00:00:00+01:00", "end": "2026-03-12T00:00:00+01:00"},
            72,
            "2026-03-08T23:00:00Z",
            "2026-03-11T23:00:00Z",
        ),
    ],
)
def test_month_year_and_range_hold_all_days(
    house: Application, words: dict[str, str], n_buckets: int, start: str, end: str
) -> None:
    answer = house.get("/api/energy", **words)
    assert (answer["start"], answer["end"]) == (start, end)
    assert len(answer["buckets"]) == n_buckets
    assert answer["totals"]["consumption_wh"] == pytest.approx(12_800 + 25_600 + 12_800)
    assert answer["buckets"][0]["start"] == start
    assert answer["buckets"][-1]["end"] == end


def test_months_of_a_year_are_its_local_months(house: Application) -> None:
    buckets = house.get("/api/energy", year="2026")["buckets"]
    assert buckets[2]["start"] == "2026-02-28T23:00:00Z"
    assert buckets[2]["consumption_wh"] == pytest.approx(51_200)
    assert buckets[3] == {
        "start": "2026-03-31T22:00:00Z",
        "end": "2026-04-30T22:00:00Z",
        **dict.fromkeys(SUMS),
        "coverage": 0.0,
    }


def test_range_is_widened_to_whole_quarter_hours(house: Application) -> None:
    answer = house.get(
        "/api/energy", start="2026-03-10T00:07:00+01:00", end="2026-03-10T00:52:00+01:00"
    )
    assert (answer["start"], answer["end"]) == ("2026-03-09T23:00:00Z", "2026-03-10T00:00:00Z")
    assert answer["totals"]["consumption_wh"] == 1000.0


@pytest.mark.parametrize("interval", ["1d", "1mo"])
def test_long_range_that_begins_within_a_day_counts_the_rest_of_it(
    house: Application, interval: str
) -> None:
    answer = house.get(
        "/api/energy", start="2026-03-09T02:00:00+01:00", end="2026-07-01", interval=interval
    )
    # All three days but for the first two hours of 0.5 kW.
    assert answer["totals"]["consumption_wh"] == pytest.approx(51_200 - 1_000)


def read_table(house: Application, **words: str) -> list[dict[str, str]]:
    response = house.client.get("/api/energy", params={**words, "format": "csv"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"].startswith('attachment; filename="energy-')
    return list(csv.DictReader(io.StringIO(response.text)))


@pytest.mark.parametrize("words", [{"day": "2026-03-11"}, {"month": "2026-03"}])
def test_csv_holds_what_json_holds(house: Application, words: dict[str, str]) -> None:
    buckets = house.get("/api/energy", **words)["buckets"]
    rows = read_table(house, **words)
    assert len(rows) == len(buckets)
    for row, bucket in zip(rows, buckets, strict=True):
        assert list(row) == list(bucket)
        for name, cell in row.items():
            known = bucket[name]
            assert cell == ("" if known is None else str(known))


def make_site(zone: str) -> Settings:
    return Settings(
        site=SiteSettings(id="far", time_zone=zone),
        devices=(DeviceSettings(id="grid", kind="meter", interval_s=900),),
    )


def ask_steady(tmp_path: Path, zone: str, first: date, **words: str) -> dict[str, Any]:
    def fill(storage: Storage) -> None:
        put(storage, "grid", "energy_import_wh", steady(zone, first, 3))

    with open_application(
        tmp_path, now="2026-12-31T00:00:00Z", settings=make_site(zone), fill=fill
    ) as application:
        return application.get("/api/energy", **words)


@pytest.mark.parametrize(
    ("zone", "day", "hours", "start"),
    [
        ("Europe/Paris", date(2026, 3, 29), 23, "2026-03-28T23:00:00Z"),
        ("Europe/Paris", date(2026, 10, 25), 25, "2026-10-24T22:00:00Z"),
        ("Asia/Kolkata", date(2026, 3, 29), 24, "2026-03-28T18:30:00Z"),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5, "2026-04-04T13:00:00Z"),
        # Here the day begins at 01:00: midnight is skipped.
        ("America/Santiago", date(2026, 9, 6), 23, "2026-09-06T04:00:00Z"),
    ],
)
def test_days_are_as_long_as_the_site_lives_them(
    tmp_path: Path, zone: str, day: date, hours: float, start: str
) -> None:
    first = day.replace(day=day.day - 1)
    answer = ask_steady(tmp_path, zone, first, day=day.isoformat(), interval="1h")
    assert answer["start"] == start
    assert answer["totals"]["consumption_wh"] == pytest.approx(hours * 1000)
    assert answer["is_complete"]
    assert len(answer["buckets"]) == -(-hours // 1)
    assert answer["buckets"][0]["consumption_wh"] == pytest.approx(1000)
    assert answer["previous"]["totals"]["consumption_wh"] == pytest.approx(min(24, hours) * 1000)


def test_days_of_a_range_follow_the_zone_with_half_an_hour(tmp_path: Path) -> None:
    answer = ask_steady(
        tmp_path,
        "Asia/Kolkata",
        date(2026, 3, 1),
        start="2026-03-01",
        end="2026-03-04",
        interval="1d",
    )
    assert [bucket["consumption_wh"] for bucket in answer["buckets"]] == pytest.approx([24e3] * 3)
    assert answer["buckets"][1]["start"] == "2026-03-01T18:30:00Z"
