"""``/api/plant``: every meter, whether it answers, and whether its numbers fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.web.applications import open_application, put
from wattscope.assembly.storage import Storage
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE, US_PER_S, parse_instant
from wattscope.settings import DeviceSettings, Settings, SiteSettings
from wattscope.web.services import Services

NOW = "2026-03-10T12:00:00Z"
NOW_US = parse_instant(NOW)
PLANT = Settings(
    sources=(),
    site=SiteSettings(id="plant"),
    devices=(
        DeviceSettings(id="main", interval_s=10),
        DeviceSettings(id="hall", interval_s=10, parent="main"),
        DeviceSettings(id="office", interval_s=10, parent="main"),
        DeviceSettings(id="weather", kind="sensor"),
    ),
)
POWERS = {"main": 3000.0, "hall": 1800.0, "office": 700.0}


def write(storage: Storage, powers: dict[str, float], ages_s: dict[str, float]) -> None:
    """Power at one instant each, and a register that grew by as much since midnight."""
    for device, power in powers.items():
        at_us = NOW_US - int(ages_s.get(device, 2.0) * US_PER_S)
        put(storage, device, "active_power_w", [(at_us, power)])
        midnight_us = NOW_US - 12 * US_PER_HOUR
        rows: list[tuple[int, float | None]] = [
            (t, 1e6 + power * (t - midnight_us) / US_PER_HOUR)
            for t in range(midnight_us, at_us + 1, 5 * US_PER_MINUTE)
        ]
        put(storage, device, "energy_import_wh", rows)


def look(
    folder: Path,
    *,
    powers: dict[str, float] | None = None,
    ages_s: dict[str, float] | None = None,
    settings: Settings = PLANT,
    links: list[dict[str, Any]] | None = None,
    more: Callable[[Storage], None] = lambda _: None,
) -> dict[str, Any]:
    """The answer over some meters."""

    def fill(storage: Storage) -> None:
        write(storage, POWERS if powers is None else powers, ages_s or {})
        more(storage)

    def change(services: Services) -> Services:
        if links is None:
            return services
        return dataclasses.replace(
            services, read_health=lambda: {"sources": [{"name": "bus", "meters": links}]}
        )

    with open_application(folder, now=NOW, settings=settings, fill=fill, change=change) as found:
        return found.get("/api/plant")


def find(answer: dict[str, Any], device: str) -> dict[str, Any]:
    return next(one for one in answer["meters"] if one["device"] == device)


def test_meters_that_answer_and_what_none_of_them_sees(tmp_path: Path) -> None:
    answer = look(tmp_path)
    assert answer["summary"] == {
        "meters": 3,
        "ok": 3,
        "faulty": 0,
        "stale": 0,
        "offline": 0,
        "silent": 0,
    }
    assert find(answer, "hall")["share_of_parent"] == pytest.approx(0.6)
    assert find(answer, "main")["share_of_parent"] is None
    [total] = answer["sums"]
    assert total["device"] == "main"
    assert total["power_w"] == {
        "whole": 3000.0,
        "parts": 2500.0,
        "rest": 500.0,
        "is_contradiction": False,
    }
    assert total["energy_today_wh"]["rest"] == pytest.approx(500 * 12, rel=0.01)


def test_energy_today_is_that_of_the_local_day_not_of_24_hours(tmp_path: Path) -> None:
    # Far in the east the day began 21 hours ago.
    east = Settings(
        sources=(),
        site=SiteSettings(id="plant", time_zone="Asia/Tokyo"),
        devices=(DeviceSettings(id="main", interval_s=3600),),
    )

    def register(storage: Storage) -> None:
        start_us = NOW_US - 48 * US_PER_HOUR
        rows: list[tuple[int, float | None]] = [
            (start_us + hour * US_PER_HOUR, 1000.0 * hour) for hour in range(49)
        ]
        put(storage, "main", "energy_import_wh", rows)

    answer = look(tmp_path, settings=east, powers={}, more=register)
    assert find(answer, "main")["energy_today_wh"] == pytest.approx(21_000)


def test_meter_that_fell_silent_has_no_power_and_its_sum_no_rest(tmp_path: Path) -> None:
    answer = look(tmp_path, ages_s={"office": 3600.0})
    office = find(answer, "office")
    assert office["state"] == "stale"
    assert office["power_w"] is None
    assert office["age_s"] == pytest.approx(3600)
    [total] = answer["sums"]
    assert total["power_w"] is None
    # Its register stopped too: what the others miss is not what nobody sees.
    assert total["energy_today_wh"] is None
    assert total["missing"] == ["office"]


def test_sub_meters_that_say_more_than_the_main_meter(tmp_path: Path) -> None:
    answer = look(tmp_path, powers=POWERS | {"office": 2000.0})
    assert answer["sums"][0]["power_w"]["rest"] == -800.0
    assert answer["sums"][0]["power_w"]["is_contradiction"]
    assert answer["sums"][0]["energy_today_wh"]["is_contradiction"]


def test_meter_whose_phases_do_not_add_up_is_faulty(tmp_path: Path) -> None:
    def phases(storage: Storage) -> None:
        for phase in ("l1", "l2", "l3"):
            put(storage, "hall", f"active_power_{phase}_w", [(NOW_US - 2 * US_PER_S, 300.0)])

    hall = find(look(tmp_path, more=phases), "hall")
    assert hall["state"] == "faulty"
    assert hall["words"] == "its phases make 900 W, it says 1800 W"


def test_values_of_different_moments_are_not_held_against_each_other(tmp_path: Path) -> None:
    def old_phases(storage: Storage) -> None:
        for phase in ("l1", "l2", "l3"):
            put(storage, "hall", f"active_power_{phase}_w", [(NOW_US - 20 * US_PER_S, 300.0)])

    assert find(look(tmp_path, more=old_phases), "hall")["state"] == "ok"


def test_power_that_is_read_less_often_than_the_rest_is_still_known(tmp_path: Path) -> None:
    def voltage(storage: Storage) -> None:
        put(storage, "office", "voltage_l1_v", [(NOW_US - US_PER_S, 230.0)])

    office = find(look(tmp_path, ages_s={"office": 25.0}, more=voltage), "office")
    assert office["state"] == "ok"
    assert office["power_w"] == 700.0
    assert office["age_s"] == pytest.approx(1)


LINK = {
    "endpoint": "10.0.0.7:502",
    "unit": 3,
    "detail": "no reply within 1 s",
    "last_ok_at": None,
    "polls": 10,
    "failed": 4,
    "skipped": 0,
    "faults": {"timeout": 4},
}


@pytest.mark.parametrize(
    ("link_state", "state"), [("offline", "offline"), ("refused", "offline"), ("online", "ok")]
)
def test_state_of_the_link_counts_before_the_age(
    tmp_path: Path, link_state: str, state: str
) -> None:
    answer = look(tmp_path, links=[LINK | {"device": "hall", "state": link_state}])
    hall = find(answer, "hall")
    assert hall["state"] == state
    assert hall["words"] == "no reply within 1 s"
    assert hall["link"]["endpoint"] == "10.0.0.7:502"


def test_meter_that_never_spoke_is_listed(tmp_path: Path) -> None:
    answer = look(tmp_path, powers={"main": 3000.0})
    assert [find(answer, one)["state"] for one in ("hall", "office")] == ["silent", "silent"]
    assert answer["summary"]["silent"] == 2
    with pytest.raises(StopIteration):
        find(answer, "weather")


def test_generator_below_the_main_meter_covers_its_neighbours(tmp_path: Path) -> None:
    sunny = Settings(
        sources=(),
        site=SiteSettings(id="plant"),
        devices=(
            DeviceSettings(id="main", interval_s=10),
            DeviceSettings(id="hall", interval_s=10, parent="main"),
            DeviceSettings(
                id="roof", kind="inverter", interval_s=10, parent="main", is_production=True
            ),
        ),
    )

    def roof(storage: Storage) -> None:
        put(storage, "roof", "production_power_w", [(NOW_US, 2000.0)])

    answer = look(tmp_path, settings=sunny, powers={"main": 300.0, "hall": 1800.0}, more=roof)
    assert answer["sums"][0]["power_w"]["rest"] == 500.0
    assert find(answer, "roof")["share_of_parent"] is None


def test_site_that_does_not_exist(tmp_path: Path) -> None:
    with open_application(tmp_path, now=NOW, settings=PLANT) as found:
        assert found.problem("/api/plant?site=nowhere", 404)["code"]
