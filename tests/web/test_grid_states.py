"""``/api/grid`` where data are late, missing, of two months, or of thousands of meters."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.web.applications import open_application, put
from tests.web.conftest import steady
from tests.web.grid_places import GRID, METERS, NOW, NOW_US, PEAK_US, fill_grid, fill_meter
from wattscope.assembly.storage import Storage
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE, format_utc
from wattscope.settings import DeviceSettings, Settings, SiteSettings
from wattscope.web.services import Services


def test_silent_meter_is_left_out_and_counted(tmp_path: Path) -> None:
    def fill(storage: Storage) -> None:
        for meter in METERS[:2]:
            fill_meter(storage, meter)
        fill_meter(storage, METERS[2], end_us=NOW_US - US_PER_HOUR)

    with open_application(tmp_path, now=NOW, settings=GRID, fill=fill) as grid:
        now = grid.get("/api/grid/now")
        assert now["meters"] == {"all": 3, "ok": 2, "stale": 1, "silent": 0}
        assert now["load_w"] == 500.0
        assert now["is_stale"] is False
        oldest = grid.get("/api/grid/meters", order="age", limit=1)["meters"][0]
        assert (oldest["meter"], oldest["state"]) == (METERS[2], "stale")
        assert (oldest["power_w"], oldest["age_s"]) == (None, 3600.0)
        assert grid.get("/api/grid/meters", state="stale")["total"] == 1
        # Two of three are too few to stand for all.
        load = grid.get("/api/grid/load")
        assert load["load_w"][40:] == [pytest.approx(800.0)] * 4 + [None] * 4
        assert load["known"][44:] == [2, 2, 2, 2]
        so_far = grid.get("/api/grid/today")["so_far"]
        assert so_far["until"] == "2026-03-11T10:00:00Z"


def test_register_that_went_on_in_silence_keeps_its_energy_and_the_load_is_not_told(
    tmp_path: Path,
) -> None:
    silent = PEAK_US - 3 * US_PER_HOUR, PEAK_US - 2 * US_PER_HOUR

    def fill(storage: Storage) -> None:
        for meter in METERS[:2]:
            fill_meter(storage, meter)
        fill_meter(storage, METERS[2], silent=silent)

    with open_application(tmp_path, now=NOW, settings=GRID, fill=fill) as grid:
        load = grid.get("/api/grid/load", start="2026-03-10", end="2026-03-10")
        hour = slice(4 * 15, 4 * 16)
        assert load["load_w"][hour] == [None] * 4
        assert sum(load["energy_wh"]) == pytest.approx(600 * 24 + 750)
        assert sum(load["energy_wh"][hour]) == pytest.approx(600.0)
        assert load["load_w"][4 * 18] == pytest.approx(3600.0)


def test_energy_of_intervals_is_summed_as_what_it_is(tmp_path: Path) -> None:
    def fill(storage: Storage) -> None:
        for meter in METERS:
            fill_meter(storage, meter, quantity="energy_import_delta_wh")

    with open_application(tmp_path, now=NOW, settings=GRID, fill=fill) as grid:
        days = grid.get("/api/grid/days", days=3)["days"]
        assert [one["energy_wh"] for one in days[:2]] == pytest.approx([14_400, 15_150])
        peak = grid.get("/api/grid/peaks", limit=1)["peaks"][0]
        assert (peak["start"], peak["load_w"]) == (format_utc(PEAK_US), pytest.approx(3600.0))


def test_late_readings_change_a_day_that_was_looked_at_before(tmp_path: Path) -> None:
    clock = {"now_us": NOW_US}

    def tick(services: Services) -> Services:
        return dataclasses.replace(services, now_us=lambda: clock["now_us"])

    def fill(storage: Storage) -> None:
        for meter in METERS:
            fill_meter(storage, meter, silent=(PEAK_US, PEAK_US + 15 * US_PER_MINUTE))

    with open_application(tmp_path, settings=GRID, fill=fill, change=tick) as grid:
        before = grid.get("/api/grid/peaks", limit=1)["peaks"][0]
        fill_grid(grid.storage)
        clock["now_us"] += 3 * US_PER_MINUTE
        after = grid.get("/api/grid/peaks", limit=1)["peaks"][0]
    assert before["load_w"] < 2000
    assert after["load_w"] == pytest.approx(3600.0)


LONG = Settings(
    sources=(),
    site=SiteSettings(id="grid", time_zone="Europe/Paris"),
    devices=(DeviceSettings(id="7", interval_s=900), DeviceSettings(id="8", interval_s=900)),
)


def fill_two_months(storage: Storage) -> None:
    """Register 7 grows by 1,000 Wh an hour; 8 by a tenth more from March on."""
    rows = steady("Europe/Paris", date(2026, 2, 1), 59)
    put(storage, "7", "energy_import_wh", rows)
    march = [wh for _, wh in steady("Europe/Paris", date(2026, 2, 1), 28)][-1]
    faster = [
        (t, wh if wh is None or march is None or wh <= march else march + (wh - march) * 1.1)
        for t, wh in rows
    ]
    put(storage, "8", "energy_import_wh", faster)


def test_running_month_is_held_against_as_many_days_of_the_one_before(tmp_path: Path) -> None:
    with open_application(tmp_path, now=NOW, settings=LONG, fill=fill_two_months) as grid:
        month = grid.get("/api/grid/months", order="rise")
        assert month["compared"] == {
            "days": 10,
            "start": "2026-03-01",
            "end": "2026-03-11",
            "before_start": "2026-02-01",
            "before_end": "2026-02-11",
        }
        assert [one["meter"] for one in month["meters"]] == ["8", "7"]
        changes = [one["change"] for one in month["meters"]]
        assert changes == pytest.approx([0.1, 0.0], abs=1e-9)
        assert month["meters"][1]["before_wh"] == pytest.approx(240_000)


def test_month_that_is_over_is_held_against_the_whole_one_before(tmp_path: Path) -> None:
    with open_application(tmp_path, now=NOW, settings=LONG, fill=fill_two_months) as grid:
        month = grid.get("/api/grid/months", month="2026-02")
        assert (month["is_running"], month["compared"]["days"]) == (False, 28)
        assert month["compared"]["before_end"] == "2026-02-01"
        assert [one["energy_wh"] for one in month["meters"]] == pytest.approx([672_000, 672_000])
        assert [one["change"] for one in month["meters"]] == [None, None]


def test_days_of_summer_time_have_their_hours_and_yesterdays_by_the_wall_clock(
    tmp_path: Path,
) -> None:
    now = "2026-03-29T20:00:00Z"
    with open_application(tmp_path, now=now, settings=LONG, fill=fill_two_months) as grid:
        day = grid.get("/api/grid/today")
        # 22 local hours of which one was left out.
        assert len(day["hours"]) == 21
        starts = [one["start"] for one in day["hours"]]
        assert starts[1:3] == ["2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"]
        assert day["so_far"]["energy_wh"] == pytest.approx(21 * 2100)
        # By 22:00 the day before had 22 hours.
        assert day["so_far"]["yesterday_wh"] == pytest.approx(22 * 2100)
        full = grid.get("/api/grid/load", start="2026-03-29", end="2026-03-29")
        assert full["end"] == "2026-03-29T22:00:00Z"


def test_grid_without_a_reading(tmp_path: Path) -> None:
    with open_application(tmp_path, now=NOW, settings=GRID) as grid:
        now = grid.get("/api/grid/now")
        assert (now["meters"]["all"], now["load_w"], now["age_s"]) == (0, None, None)
        assert grid.get("/api/grid/hour")["load_w"] == [None] * 12
        assert grid.get("/api/grid/peaks")["peaks"] == []
        assert grid.get("/api/grid/today")["so_far"]["energy_wh"] is None
        assert grid.get("/api/grid/months")["energy_wh"] is None
        assert grid.get("/api/grid/regions")["regions"] == []
        assert grid.get("/api/grid/meters")["meters"] == []
        assert {one["energy_wh"] for one in grid.get("/api/grid/days")["days"]} == {None}
        assert grid.get("/api/grid/rollups")["raw"]["rows"] == 0


class _CountedStore:
    """A store that counts what it is asked."""

    def __init__(self, store: Any) -> None:  # noqa: ANN401  # the real one, whatever it is
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # likewise
        self.asked.append(name)
        return getattr(self._store, name)


@pytest.mark.parametrize(
    "path", ["now", "hour", "meters", "days", "load", "today", "peaks", "months", "regions"]
)
def test_thousands_of_meters_are_one_question_and_not_thousands(tmp_path: Path, path: str) -> None:
    n_meters = 40
    many = Settings(
        sources=(),
        site=SiteSettings(id="grid"),
        devices=tuple(DeviceSettings(id=f"{n}", interval_s=900) for n in range(n_meters)),
    )
    counted: list[_CountedStore] = []

    def fill(storage: Storage) -> None:
        for n in range(n_meters):
            rows: list[tuple[int, float | None]] = [
                (NOW_US - hour * US_PER_HOUR, 1e5 - 10.0 * hour) for hour in range(60, -1, -1)
            ]
            put(storage, f"{n}", "energy_import_wh", rows)

    def count(services: Services) -> Services:
        counted.append(_CountedStore(services.store))
        return dataclasses.replace(services, store=counted[0])

    with open_application(tmp_path, now=NOW, settings=many, fill=fill, change=count) as grid:
        grid.get(f"/api/grid/{path}")
        first = len(counted[0].asked)
        grid.get(f"/api/grid/{path}")
    assert first <= 2
    # What was worked out a moment ago is not worked out again.
    assert len(counted[0].asked) == first


def test_weeks_are_asked_for_in_some_days_at_a_time(tmp_path: Path) -> None:
    with open_application(tmp_path, now=NOW, settings=LONG, fill=fill_two_months) as grid:
        load = grid.get("/api/grid/load", start="2026-02-01", end="2026-03-10", interval="1h")
        told = [one for one in load["load_w"] if one is not None]
        assert len(told) == 38 * 24
        assert told[: 28 * 24] == pytest.approx([2000.0] * 28 * 24)
        assert told[28 * 24 :] == pytest.approx([2100.0] * 10 * 24)
        assert len(load["t"]) == 38 * 24
