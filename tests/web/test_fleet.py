"""The fleet: what each panel gives, should give and costs; what is expected of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tests.web.applications import Application, open_application, put
from wattscope.assembly.storage import Storage
from wattscope.core.findings import Finding, Severity
from wattscope.core.incidents import Cause, Incident
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, format_utc
from wattscope.registry.incident_book import SqlIncidentBook
from wattscope.settings import ArraySettings, Settings, SiteSettings

DAY_US = 1_780_272_000_000_000
"""2026-06-01."""
NOON_US = DAY_US + 3 * US_PER_DAY + 12 * US_PER_HOUR
STEP_US = 5 * US_PER_MINUTE
WEAK = "Panel-003"
FARM = Settings(
    sources=(),
    site=SiteSettings(
        id="farm",
        name="Farm",
        time_zone="UTC",
        currency="EUR",
        latitude=37.0,
        longitude=0.0,
        energy_price=0.2,
    ),
    arrays=(ArraySettings(count=6, per_string=6, strings_per_inverter=1, rating_w=400.0),),
)


def _shine(instant_us: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[float]:
    """Power of a sound panel [W]: the sun is up from six to eighteen."""
    into = (instant_us % US_PER_DAY) / US_PER_DAY
    power: list[float] = (
        np.maximum(0.0, 380.0 * np.sin(2 * np.pi * (into - 0.25))).round(1).tolist()
    )
    return power


def _fill(storage: Storage) -> None:
    instants = np.arange(DAY_US, NOON_US + 1, STEP_US, dtype=np.int64)
    for number in range(1, 7):
        share = 0.5 if f"Panel-{number:03d}" == WEAK else 1.0
        rows = [(int(t), share * w) for t, w in zip(instants, _shine(instants), strict=True)]
        put(storage, f"Panel-{number:03d}", "production_power_w", rows)
    start_us, end_us = DAY_US, NOON_US
    finding = Finding("soiling", WEAK, start_us, end_us, "half of it", lost_wh=7000.0)
    incident = Incident(
        "abc",
        "farm",
        WEAK,
        start_us,
        end_us,
        is_over=False,
        severity=Severity.WARNING,
        causes=(Cause("soiling", 1.0),),
        findings=(finding,),
        recommendation="Clean it.",
        lost_wh=7000.0,
    )
    SqlIncidentBook(storage.database).put_all([incident], NOON_US)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Application]:
    with open_application(tmp_path, now=format_utc(NOON_US), settings=FARM, fill=_fill) as found:
        yield found


def test_panel_that_costs_most_comes_first(farm: Application) -> None:
    fleet = farm.get("/api/fleet")
    first = fleet["devices"][0]
    assert first["id"] == WEAK
    assert first["incident"] == "abc"
    assert first["cause"] == "slowly less power than expected"
    assert first["lost_kwh_per_day"] == pytest.approx(2.0)
    assert first["lost_money_per_day"] == pytest.approx(0.4)
    assert fleet["summary"]["n"] == 6
    assert fleet["summary"]["lost_money_per_day"] == pytest.approx(0.4)


def test_power_stands_beside_what_neighbours_make_expect(farm: Application) -> None:
    devices = {one["id"]: one for one in farm.get("/api/fleet")["devices"]}
    assert devices[WEAK]["power_w"] == pytest.approx(190.0, abs=1.0)
    assert devices[WEAK]["expected_w"] == pytest.approx(380.0, rel=0.05)
    assert devices[WEAK]["performance"] == pytest.approx(0.5, abs=0.03)
    assert devices["Panel-001"]["performance"] == pytest.approx(1.0, abs=0.03)


def test_spark_is_the_last_day_by_hours(farm: Application) -> None:
    [first] = [one for one in farm.get("/api/fleet")["devices"] if one["id"] == "Panel-001"]
    spark = first["spark"]
    assert len(spark) == 24
    assert spark[-1] == pytest.approx(375.0, abs=5.0)
    # Twelve hours before noon it was midnight.
    assert spark[11] == 0.0


def test_expected_of_a_device_has_a_band_and_neighbours(farm: Application) -> None:
    start, end = format_utc(NOON_US - US_PER_DAY), format_utc(NOON_US)
    found = farm.get(f"/api/devices/{WEAK}/expected", start=start, end=end)
    assert found["quantity"] == "production_power_w"
    assert len(found["times"]) == len(found["power"]) == len(found["expected"]) == 96
    assert found["times"][0] == start
    assert len(found["peers"]) == 5
    assert WEAK not in found["peer_devices"]
    known = [
        (low, mean, high)
        for low, mean, high in zip(found["low"], found["expected"], found["high"], strict=True)
        if mean is not None and low is not None and high is not None
    ]
    assert all(low <= mean <= high for low, mean, high in known)


def test_what_tells_no_power_is_refused_with_words(farm: Application) -> None:
    problem = farm.problem("/api/devices/Inverter-1/expected", 404)
    assert "tells no power" in problem["detail"]


def test_without_detection_the_fleet_says_how_to_have_it(tmp_path: Path) -> None:
    settings = replace(FARM, detect=replace(FARM.detect, enabled=False))
    with open_application(tmp_path, settings=settings) as found:
        assert "[detect]" in found.problem("/api/fleet", 404)["detail"]
