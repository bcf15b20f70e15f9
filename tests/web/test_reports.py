"""The daily report: a row for each local day, whatever befell the clock, the meter or the data."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.web.applications import Application, open_application, put
from tests.web.conftest import PARIS, QUARTER_US, steady
from wattscope.assembly.storage import Storage
from wattscope.core.time_grid import US_PER_HOUR, day_start_us
from wattscope.core.topology import Device, DeviceKind
from wattscope.settings import DeviceSettings, Settings, SiteSettings

DAILY = "/api/reports/daily"


def read_days(application: Application, **words: str | float) -> dict[str, dict[str, Any]]:
    """The rows of the only device of a report, by date."""
    words = {name.rstrip("_"): word for name, word in words.items()}
    (report,) = application.get(DAILY, **words)["devices"]
    return {row["date"]: row for row in report["days"]}


def test_days_of_the_house(house: Application) -> None:
    days = read_days(house, device="grid", from_="2026-03-08", to="2026-03-10")
    assert list(days) == ["2026-03-08", "2026-03-09", "2026-03-10"]
    assert days["2026-03-09"] == {
        "date": "2026-03-09",
        "hours": 24,
        "start_kwh": 1000.0,
        "end_kwh": 1007.875,
        "kwh": 8.0,
        "l1_kwh": None,
        "l2_kwh": None,
        "l3_kwh": None,
        "mean_outdoor_c": None,
        "status": "complete",
        "coverage": 1,
    }
    assert (days["2026-03-10"]["start_kwh"], days["2026-03-10"]["kwh"]) == (1008.0, 16.0)
    before = days["2026-03-08"]
    assert (before["status"], before["kwh"], before["coverage"]) == ("no data", None, 0)


def test_today_is_left_out_until_it_is_asked_for(house: Application) -> None:
    assert list(read_days(house, device="grid", to="2026-04-30"))[-1] == "2026-03-10"
    days = read_days(house, device="grid", to="2026-04-30", with_today="true")
    assert list(days)[-1] == "2026-03-11"
    assert days["2026-03-11"]["status"] == "running"
    assert days["2026-03-11"]["kwh"] == 8.0
    assert 0 < days["2026-03-11"]["coverage"] < 1


def test_default_is_the_last_thirty_days(house: Application) -> None:
    days = list(read_days(house, device="grid"))
    assert (len(days), days[0], days[-1]) == (30, "2026-02-09", "2026-03-10")
    days = list(read_days(house, device="grid", with_today="true"))
    assert (len(days), days[0], days[-1]) == (30, "2026-02-10", "2026-03-11")


def test_all_devices_that_tell_an_energy_are_reported_by_id(house: Application) -> None:
    answer = house.get(DAILY, **{"from": "2026-03-10"})
    assert [(one["device"], one["quantity"]) for one in answer["devices"]] == [
        ("grid", "energy_import_wh"),
        ("kettle", "active_power_w"),
        ("roof", "energy_production_wh"),
    ]
    by_device = {one["device"]: one["days"][0] for one in answer["devices"]}
    assert by_device["roof"]["kwh"] == 16.0
    # A power has no register whose reading could be shown.
    assert by_device["kettle"]["start_kwh"] is None


def test_csv_has_the_same_rows(house: Application) -> None:
    response = house.client.get(
        DAILY, params={"device": "grid", "from": "2026-03-08", "format": "csv"}
    )
    assert response.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["date"] for row in rows] == ["2026-03-08", "2026-03-09", "2026-03-10"]
    assert rows[1]["kwh"] == "8.0"
    assert rows[0] | {"status": "", "coverage": "", "hours": ""} == dict.fromkeys(rows[0], "") | {
        "device": "grid",
        "date": "2026-03-08",
    }


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from=2026-03-11&to=2026-03-01", "after to"),
        ("from=20260301", "write 2026-05-01"),
        ("to=yesterday", "write 2026-05-01"),
        ("to=2026-02-30", "write 2026-05-01"),
        ("to=9999-01-01", "beyond the years"),
        ("outdoor=kettle", "has no temperature_c"),
    ],
)
def test_dates_that_cannot_be_meant_are_refused(house: Application, query: str, words: str) -> None:
    assert words in house.problem(f"{DAILY}?{query}", 422)["detail"]


def test_more_rows_than_anybody_reads_are_refused(
    house: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattscope.web.daily_days.MAX_ROWS", 8)
    assert "fewer days" in house.problem(f"{DAILY}?from=2026-03-08", 422)["detail"]
    assert len(read_days(house, device="grid", from_="2026-03-08")) == 3


def test_device_without_an_energy_is_refused(own_house: Application) -> None:
    storage = own_house.storage
    storage.registry.put_device(Device("yard", "home", "Yard", DeviceKind.SENSOR))
    put(storage, "yard", "temperature_c", [(day_start_us(date(2026, 3, 10), PARIS), 5.0)])
    assert "counts no energy" in own_house.problem(f"{DAILY}?device=yard", 422)["detail"]


def test_unknown_device_names_the_nearest(house: Application) -> None:
    assert "did you mean kettle?" in house.problem(f"{DAILY}?device=ketle", 404)["detail"]


# ── clocks, registers, phases, weather ───────────────────────────────────────────────────────

Rows = list[tuple[int, float | None]]


@pytest.fixture
def open_pump(tmp_path: Path) -> Iterator[Callable[..., Application]]:
    """Opens the application over a heat pump with an outdoor sensor, filled as a test says."""
    with contextlib.ExitStack() as stack:

        def open_it(
            fill: Callable[[Storage], None], *, zone: str = "Europe/Paris", now: str
        ) -> Application:
            settings = Settings(
                sources=(),
                site=SiteSettings(time_zone=zone),
                devices=(
                    DeviceSettings(id="pump", kind="heat_pump", interval_s=900),
                    DeviceSettings(id="outdoor", kind="sensor", interval_s=900),
                    DeviceSettings(id="cellar", kind="sensor", interval_s=900),
                ),
            )
            return stack.enter_context(
                open_application(tmp_path, now=now, settings=settings, fill=fill)
            )

        yield open_it


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Paris", date(2026, 3, 29), 23),
        ("Europe/Paris", date(2026, 10, 25), 25),
        ("America/Denver", date(2026, 3, 8), 23),
        ("America/Denver", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ],
)
def test_day_on_which_the_clock_changes_is_one_day(
    open_pump: Callable[..., Application], zone: str, day: date, hours: float
) -> None:
    first = day - timedelta(days=1)
    rows = steady(zone, first, 4)
    application = open_pump(
        lambda storage: put(storage, "pump", "energy_total_wh", rows),
        zone=zone,
        now=f"{day + timedelta(days=5)}T12:00:00Z",
    )
    days = read_days(application, from_=first.isoformat(), to=str(day + timedelta(days=1)))
    assert [(row["hours"], row["kwh"], row["status"]) for row in days.values()] == [
        (24, 24.0, "complete"),
        (hours, hours, "complete"),
        (24, 24.0, "complete"),
    ]
    ends = [row["start_kwh"] for row in days.values()]
    assert ends == [1000.0, 1024.0, 1024.0 + hours]


def test_gap_makes_a_day_incomplete_and_a_reset_no_day_negative(
    open_pump: Callable[..., Application],
) -> None:
    """3 days at 1 kW: a reset at noon of the first, hours 6 to 18 of the second not read."""
    start_us = day_start_us(date(2026, 5, 1), PARIS)
    reset_us, gap_us = start_us + 12 * US_PER_HOUR, start_us + 30 * US_PER_HOUR
    rows: Rows = []
    for t in range(start_us, start_us + 72 * US_PER_HOUR + 1, QUARTER_US):
        since_us = t - reset_us if t >= reset_us else t - start_us + 5000 * US_PER_HOUR
        if not gap_us < t < gap_us + 12 * US_PER_HOUR:
            rows.append((t, since_us / US_PER_HOUR * 1000))
    application = open_pump(
        lambda storage: put(storage, "pump", "energy_total_wh", rows), now="2026-05-20T12:00:00Z"
    )
    days = read_days(application, from_="2026-05-01", to="2026-05-04")
    first, second, third, fourth = days.values()
    # What was used in the quarter hour before the reset nobody knows.
    assert (first["start_kwh"], first["end_kwh"]) == (5000.0, 11.75)
    assert first["kwh"] == 23.75
    # A register also counts while it is not read; how its growth was spread is not known.
    assert (second["kwh"], second["status"], second["coverage"]) == (24.0, "incomplete", 0.5)
    assert (third["kwh"], third["status"]) == (24.0, "complete")
    assert fourth["status"] == "no data"


def test_phases_and_the_temperature_outside(open_pump: Callable[..., Application]) -> None:
    day = date(2026, 1, 10)
    start_us = day_start_us(day, PARIS)

    def fill(storage: Storage) -> None:
        rows = steady("Europe/Paris", day, 2)
        put(storage, "pump", "energy_total_wh", rows)
        for n, share in ((1, 0.5), (2, 0.3), (3, 0.2)):
            phase: Rows = [(t, None if wh is None else wh * share) for t, wh in rows]
            put(storage, "pump", f"energy_total_l{n}_wh", phase)
        hours = [start_us + hour * US_PER_HOUR for hour in range(24)]
        put(storage, "outdoor", "temperature_c", [(t, -5.0 + at % 2) for at, t in enumerate(hours)])
        put(storage, "cellar", "temperature_c", [(t, 12.0) for t in hours])

    application = open_pump(fill, now="2026-01-20T12:00:00Z")
    row = read_days(application, from_="2026-01-10", to="2026-01-11")["2026-01-10"]
    assert (row["l1_kwh"], row["l2_kwh"], row["l3_kwh"]) == (12.0, 7.2, 4.8)
    assert row["mean_outdoor_c"] == -4.5
    following = read_days(application, from_="2026-01-11", to="2026-01-11")["2026-01-11"]
    assert (following["kwh"], following["mean_outdoor_c"]) == (24.0, None)
    named = read_days(application, from_="2026-01-10", to="2026-01-10", outdoor="cellar")
    assert named["2026-01-10"]["mean_outdoor_c"] == 12.0
