"""States, grid quality, phases and energy of a heat pump whose day can be checked by hand.

::

    2026-03-10 in Berlin, a reading every minute (powers in W, half a minute around each change)
    00:00  standby 6     06:00  active 46     07:00  high 2,400     09:00  standby 6
    12:00 to 13:00       no readings
    13:00  high 2,400    14:00  active 46     now: 15:00
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.web.applications import Application, open_application, put
from wattscope.assembly.storage import Storage
from wattscope.core.time_grid import US_PER_MINUTE, day_start_us, load_zone
from wattscope.settings import DeviceSettings, HeatPumpSettings, Settings, SiteSettings

BERLIN = load_zone("Europe/Berlin")
DAY = date(2026, 3, 10)
START_US = day_start_us(DAY, BERLIN)
NOW = "2026-03-10T14:00:00Z"
WORKS = Settings(
    sources=(),
    site=SiteSettings(id="works", time_zone="Europe/Berlin"),
    devices=(
        DeviceSettings(id="main", interval_s=60),
        DeviceSettings(id="pump", kind="heat_pump", parent="main", interval_s=60),
    ),
    heat_pump=HeatPumpSettings(device="pump"),
)
ASK = {"device": "pump", "day": "2026-03-10"}


def pump_power(minute: int) -> float:
    """Power at a minute of the day [W]."""
    hour = minute / 60
    if 7 <= hour < 9 or 13 <= hour < 14:
        return 2400.0
    return 46.0 if 6 <= hour < 7 or hour >= 14 else 6.0


def fill(storage: Storage) -> None:
    """The day of the drawing, and a quiet evening before it."""
    minutes = [one for one in range(-120, 15 * 60 + 1) if not 12 * 60 < one < 13 * 60]
    at = {one: START_US + one * US_PER_MINUTE for one in minutes}
    power = {one: pump_power(one) if one >= 0 else 6.0 for one in minutes}

    def store(quantity: str, rows: dict[int, float]) -> None:
        put(storage, "pump", quantity, [(at[one], value) for one, value in rows.items()])

    store("active_power_w", power)
    store("active_power_l1_w", {one: value * 0.5 for one, value in power.items()})
    store("active_power_l2_w", {one: value * 0.3 for one, value in power.items()})
    store("active_power_l3_w", {one: value * 0.2 for one, value in power.items()})
    store("frequency_hz", {one: 49.7 if 60 <= one < 90 else 50.01 for one in minutes})
    store(
        "power_factor",
        {
            one: 0.3 if watts < 20 else 0.8 if watts < 1000 else -0.95
            for one, watts in power.items()
        },
    )
    store("voltage_l1_v", dict.fromkeys(minutes, 233.0))
    store("voltage_l2_v", dict.fromkeys(minutes, 230.0))
    store("voltage_l3_v", dict.fromkeys(minutes, 227.0))
    store("energy_import_wh", {one: 1e6 + one * 10.0 for one in minutes})
    for phase, share in (("l1", 5.0), ("l2", 3.0), ("l3", 2.0)):
        store(f"energy_import_{phase}_wh", {one: 1e6 + one * share for one in minutes})


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("works")
    with open_application(folder, now=NOW, settings=WORKS, fill=fill) as application:
        yield application


def test_states_of_the_day_have_their_time_and_energy(works: Application) -> None:
    answer = works.get("/api/insights/states", **ASK)
    by_state = {one["state"]: one for one in answer["states"]}
    # A change lies half a minute before the first reading of the new state.
    assert by_state["standby"]["duration_s"] == pytest.approx((6 + 3) * 3600, abs=60)
    assert by_state["active"]["duration_s"] == pytest.approx(2 * 3600, abs=60)
    assert by_state["high"]["duration_s"] == pytest.approx(3 * 3600, abs=60)
    assert by_state["high"]["energy_wh"] == pytest.approx(3 * 2400, rel=0.01)
    assert by_state["standby"]["energy_wh"] == pytest.approx(9 * 6, rel=0.01)
    assert sum(one["share"] for one in answer["states"]) == pytest.approx(1)


def test_hour_without_readings_is_in_no_state(works: Application) -> None:
    answer = works.get("/api/insights/states", **ASK)
    assert answer["unknown_s"] == pytest.approx(3600, abs=1)
    assert answer["known_s"] + answer["unknown_s"] == pytest.approx(15 * 3600, abs=1)
    for one in answer["segments"]:
        assert not one["start"] <= "2026-03-10T11:30:00Z" < one["end"]


def test_start_is_counted_and_what_follows_a_gap_is_not(works: Application) -> None:
    answer = works.get("/api/insights/states", **ASK)
    assert answer["starts"] == 1
    assert answer["high_starts"] == 1
    assert [day["date"] for day in answer["days"]] == ["2026-03-10"]
    assert answer["days"][0]["starts"] == 1


def test_state_at_this_moment_and_since_when(works: Application) -> None:
    now = works.get("/api/insights/states", **ASK)["now"]
    assert now == {"state": "active", "since": "2026-03-10T12:59:30Z", "is_since_known": True}


def test_energies_of_the_states_are_the_energy_of_the_day(works: Application) -> None:
    states = works.get("/api/insights/states", **ASK)["states"]
    readings = works.get(
        "/api/devices/pump/readings",
        quantity="active_power_w",
        start="2026-03-10",
        end="2026-03-11",
        interval="1d",
    )["points"]
    assert sum(one["energy_wh"] for one in states) == pytest.approx(readings[0]["energy_wh"])


def test_segments_as_csv(works: Application) -> None:
    segments = works.get("/api/insights/states", **ASK)["segments"]
    response = works.client.get("/api/insights/states", params={**ASK, "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["state"] for row in rows] == [one["state"] for one in segments]
    assert [row["state"] for row in rows] == [
        "standby",
        "active",
        "high",
        "standby",
        "high",
        "active",
    ]


def test_month_of_states_is_told_and_a_year_refused(works: Application) -> None:
    month = works.get("/api/insights/states", device="pump", month="2026-03")
    assert month["starts"] == 1
    assert len(month["days"]) == 10
    words = "start=2026-01-01&end=2026-12-31"
    assert works.problem(f"/api/insights/states?device=pump&{words}", 422)["code"]


def test_days_to_come_have_no_states(works: Application) -> None:
    answer = works.get("/api/insights/states", device="pump", day="2026-03-11")
    assert answer["segments"] == []
    assert [one["share"] for one in answer["states"]] == [None] * 3
    assert answer["days"] == []


def test_device_without_power_has_no_states(works: Application) -> None:
    assert works.problem("/api/insights/states?device=main", 404)["code"]


def test_frequency_is_graded_by_time(works: Application) -> None:
    graded = works.get("/api/insights/grid-quality", **ASK)["frequency_hz"]
    assert graded["graded_h"] == pytest.approx(14, abs=0.02)
    assert graded["shares"]["yellow"] == pytest.approx(0.5 / 14, abs=0.002)
    assert graded["shares"]["red"] == 0
    assert sum(graded["shares"].values()) == pytest.approx(1)
    assert graded["lowest"] == {"value": 49.7, "at": "2026-03-10T00:00:00Z"}
    assert graded["bands"] == {
        "red_low": 49.5,
        "green_low": 49.8,
        "green_high": 50.2,
        "red_high": 50.5,
    }


def test_power_factor_is_graded_only_while_the_machine_runs(works: Application) -> None:
    graded = works.get("/api/insights/grid-quality", **ASK)["power_factor"]
    # Two hours of 0.8 and three of 0.95 whose sign does not matter; nine of 0.3 in standby do not.
    assert graded["shares"]["yellow"] == pytest.approx(2 / 5, abs=0.01)
    assert graded["shares"]["green"] == pytest.approx(3 / 5, abs=0.01)
    assert graded["graded_h"] == pytest.approx(5, abs=0.05)


def test_quality_of_what_is_not_measured_is_unknown(works: Application) -> None:
    answer = works.get("/api/insights/grid-quality", device="main")
    assert answer["frequency_hz"] is answer["power_factor"] is None


def test_energy_of_a_device_by_phase(works: Application) -> None:
    answer = works.get("/api/devices/pump/energy", day="2026-03-10")
    assert answer["quantities"]["l2"] == "energy_import_l2_wh"
    assert answer["totals"] == {
        "total_wh": pytest.approx(15 * 600),
        "l1_wh": pytest.approx(15 * 300),
        "l2_wh": pytest.approx(15 * 180),
        "l3_wh": pytest.approx(15 * 120),
    }
    assert len(answer["buckets"]) == 24
    assert answer["buckets"][3]["total_wh"] == pytest.approx(600)
    assert answer["buckets"][20]["total_wh"] is None


def test_comparison_is_cut_to_the_minute(tmp_path: Path) -> None:
    def two_days(storage: Storage) -> None:
        rows: list[tuple[int, float | None]] = [
            (START_US + one * US_PER_MINUTE, 1000.0 + one) for one in range(-24 * 60, 3 * 60 + 8)
        ]
        put(storage, "pump", "energy_import_wh", rows)

    with open_application(
        tmp_path, now="2026-03-10T02:07:00Z", settings=WORKS, fill=two_days
    ) as application:
        answer = application.get("/api/devices/pump/energy", day="2026-03-10")
    assert answer["totals"]["total_wh"] == pytest.approx(187)
    assert answer["previous"]["totals"]["total_wh"] == pytest.approx(187)
    assert answer["previous"]["end"] == "2026-03-09T02:07:00Z"


def test_phases_and_their_imbalance(works: Application) -> None:
    rows = {one["name"]: one for one in works.get("/api/insights/phases", **ASK)["rows"]}
    assert rows["voltage"]["imbalance"] == pytest.approx(3 / 230)
    assert rows["active_power"]["phases"] == {"l1": 23.0, "l2": 13.8, "l3": 9.2}
    assert rows["active_power"]["imbalance"] == pytest.approx(0.5)
    assert rows["energy"]["phases"]["l1"] == pytest.approx(15 * 300)
    assert rows["current"]["imbalance"] is None


def test_age_of_a_site_without_a_main_meter_is_that_of_its_newest_reading(
    works: Application,
) -> None:
    now = works.get("/api/insights/now")
    assert now["at"] == "2026-03-10T14:00:00Z"
    assert not now["is_stale"]
    # It is no balance of the site: nothing is known of what comes from the grid.
    assert now["grid_w"] is now["home_w"] is None


def test_settings_of_the_pages(works: Application) -> None:
    answer = works.get("/api/pages/settings")
    assert answer["phase_colours"] == "seed"
    assert [one["id"] for one in answer["heat_pump"]["devices"]] == ["pump"]
    assert answer["heat_pump"]["limits"] == {
        "standby_below_w": 20.0,
        "high_from_w": 2000.0,
        "hysteresis": 0.1,
        "min_state_s": 60.0,
    }
    assert answer["heat_pump"]["bands"]["power_factor"] == {
        "red_low": 0.7,
        "green_low": 0.85,
        "green_high": None,
        "red_high": None,
    }
