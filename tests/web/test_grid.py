"""``/api/grid``: now, the last hour, meters, days, load, peaks; numbers checked by hand."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.applications import Application, open_application
from tests.web.grid_places import (
    FIRST_US,
    GRID,
    METERS,
    NOW,
    NOW_US,
    PEAK_US,
    fill_grid,
)
from wattscope.assembly.storage import Storage
from wattscope.core.time_grid import US_PER_MINUTE, format_utc


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """The grid of three meters at noon; for looking only."""
    folder = tmp_path_factory.mktemp("grid")
    with open_application(folder, now=NOW, settings=GRID, fill=fill_grid) as application:
        yield application


def test_now_is_the_sum_of_what_is_fresh(grid: Application) -> None:
    now = grid.get("/api/grid/now")
    assert now["meters"] == {"all": 3, "ok": 3, "stale": 0, "silent": 0}
    assert now["load_w"] == 800.0
    assert now["load_meters"] == 3
    assert now["mean_w"] == pytest.approx(800 / 3)
    assert now["median_w"] == 300.0
    assert now["highest"] == {"meter": "1000000002", "name": "School", "power_w": 400.0}
    assert now["newest_at"] == NOW
    assert now["age_s"] == 0.0
    assert now["is_stale"] is False
    assert now["stale_after_s"] == 900.0


def test_last_hour_is_by_five_minutes_and_its_newest_are_not_known_yet(grid: Application) -> None:
    hour = grid.get("/api/grid/hour")
    assert hour["start"] == "2026-03-11T10:00:00Z"
    assert hour["interval_s"] == 300.0
    assert hour["load_w"] == [800.0] * 12
    assert hour["known"] == [3] * 12
    assert hour["meters"] == 3


def test_meters_are_found_by_a_part_of_their_id_or_name(grid: Application) -> None:
    assert grid.get("/api/grid/meters")["total"] == 3
    named = grid.get("/api/grid/meters", find="SCHOO")
    assert [one["meter"] for one in named["meters"]] == ["1000000002"]
    begins = grid.get("/api/grid/meters", find="2")["meters"]
    assert [one["meter"] for one in begins] == ["2000000003", "1000000002"]
    assert grid.get("/api/grid/meters", find="nobody")["total"] == 0


def test_meters_come_in_pages_and_in_the_wanted_order(grid: Application) -> None:
    page = grid.get("/api/grid/meters", order="power", limit=2)
    assert page["total"] == 3
    assert [one["power_w"] for one in page["meters"]] == [400.0, 300.0]
    rest = grid.get("/api/grid/meters", order="power", limit=2, offset=2)
    assert [one["meter"] for one in rest["meters"]] == ["1000000001"]
    mill = rest["meters"][0]
    assert mill["voltage_v"] == 231.5
    assert mill["current_a"] is None
    assert mill["state"] == "ok"


def test_days_have_the_energy_of_registers(grid: Application) -> None:
    days = {one["day"]: one for one in grid.get("/api/grid/days", days=5)["days"]}
    assert list(days) == [f"2026-03-{day:02}" for day in (7, 8, 9, 10, 11)]
    assert days["2026-03-07"]["energy_wh"] is None
    assert days["2026-03-09"]["energy_wh"] == pytest.approx(600 * 24)
    assert days["2026-03-10"]["energy_wh"] == pytest.approx(600 * 24 + 750)
    assert days["2026-03-11"]["energy_wh"] == pytest.approx(800 * 12)
    assert days["2026-03-09"]["meters"] == 3
    assert days["2026-03-09"]["coverage"] == pytest.approx(1.0)
    assert days["2026-03-11"]["coverage"] == pytest.approx(0.5)
    assert days["2026-03-09"]["mean_wh"] == pytest.approx(200 * 24)


def test_days_of_one_meter(grid: Application) -> None:
    days = grid.get("/api/grid/days", days=2, meter="2000000003")["days"]
    assert [one["energy_wh"] for one in days] == pytest.approx([300 * 24 + 750, 300 * 12])
    assert grid.problem("/api/grid/days?meter=weather", 404)["code"] == "unknown_name"


def test_load_of_days_by_quarter_hours_and_by_hours(grid: Application) -> None:
    load = grid.get("/api/grid/load", start="2026-03-10", end="2026-03-10")
    assert len(load["t"]) == 96
    assert load["t"][0] == "2026-03-09T23:00:00Z"
    assert load["load_w"][4 * 18] == pytest.approx(3600.0)
    others = load["load_w"][: 4 * 18] + load["load_w"][4 * 18 + 1 :]
    assert others == pytest.approx([600.0] * 95)
    hours = grid.get("/api/grid/load", start="2026-03-10", end="2026-03-10", interval="1h")
    assert len(hours["t"]) == 24
    assert hours["load_w"][18] == pytest.approx((3600 + 3 * 600) / 4)
    assert sum(hours["energy_wh"]) == pytest.approx(600 * 24 + 750)


def test_load_of_today_ends_now(grid: Application) -> None:
    load = grid.get("/api/grid/load")
    assert len(load["t"]) == 48
    assert load["load_w"] == pytest.approx([800.0] * 48)


def test_today_is_held_against_the_same_time_of_yesterday(grid: Application) -> None:
    today = grid.get("/api/grid/today")
    assert today["day"] == "2026-03-11"
    assert len(today["hours"]) == 12
    assert [one["energy_wh"] for one in today["hours"]] == pytest.approx([800.0] * 12)
    assert [one["yesterday_energy_wh"] for one in today["hours"]] == pytest.approx([600.0] * 12)
    so_far = today["so_far"]
    assert so_far["until"] == NOW
    assert so_far["energy_wh"] == pytest.approx(9600.0)
    assert so_far["yesterday_wh"] == pytest.approx(7200.0)
    assert so_far["change"] == pytest.approx(1 / 3)


def test_day_that_is_over_is_held_against_the_whole_day_before(grid: Application) -> None:
    day = grid.get("/api/grid/today", day="2026-03-10")
    assert len(day["hours"]) == 24
    assert day["hours"][18]["energy_wh"] == pytest.approx(600 + 750)
    assert day["so_far"]["until"] == "2026-03-10T23:00:00Z"
    assert day["so_far"]["change"] == pytest.approx(750 / (600 * 24))


def test_peak_is_the_quarter_hour_of_the_highest_load(grid: Application) -> None:
    found = grid.get("/api/grid/peaks", days=7, limit=3)
    assert [one["rank"] for one in found["peaks"]] == [1, 2, 3]
    assert found["peaks"][0] == {
        "rank": 1,
        "start": format_utc(PEAK_US),
        "end": format_utc(PEAK_US + 15 * US_PER_MINUTE),
        "load_w": pytest.approx(3600.0),
        "meters": 3,
    }
    # Of equal ones the earliest.
    assert found["peaks"][1]["start"] == "2026-03-10T23:00:00Z"
    assert found["known_quarters"] == 3 * 96 + 48
    assert found["mean_w"] == pytest.approx((600 * 72 + 750 + 800 * 12) / 84)


def test_regions_are_a_digit_of_the_ids(grid: Application) -> None:
    found = grid.get("/api/grid/regions")["regions"]
    assert [(one["region"], one["meters"]) for one in found] == [("1", 2), ("2", 1)]
    first, second = found
    assert (first["load_w"], second["load_w"]) == (500.0, 300.0)
    assert first["today_wh"] == pytest.approx(500 * 12)
    assert first["yesterday_wh"] == pytest.approx(300 * 24)
    assert first["month_wh"] == pytest.approx(300 * 72 + 500 * 12)
    assert second["month_wh"] == pytest.approx(300 * 84 + 750)
    assert first["share_of_month"] + second["share_of_month"] == pytest.approx(1.0)
    last = grid.get("/api/grid/regions", digit=10)["regions"]
    assert [one["region"] for one in last] == ["1", "2", "3"]
    none = grid.get("/api/grid/regions", digit=11)["regions"]
    assert [(one["region"], one["meters"]) for one in none] == [(None, 3)]


def test_month_ranks_its_meters(grid: Application) -> None:
    month = grid.get("/api/grid/months")
    assert (month["month"], month["is_running"], month["total"]) == ("2026-03", True, 3)
    assert [one["meter"] for one in month["meters"]] == [METERS[2], METERS[1], METERS[0]]
    energies = [300 * 84 + 750, 200 * 72 + 400 * 12, 100 * 84]
    assert [one["energy_wh"] for one in month["meters"]] == pytest.approx(energies)
    assert [one["share"] for one in month["meters"]] == pytest.approx(
        [one / sum(energies) for one in energies]
    )
    # Of February nothing is known, and of March not all.
    assert [one["change"] for one in month["meters"]] == [None, None, None]
    found = grid.get("/api/grid/months", find="Mill")["meters"]
    assert [(one["rank"], one["name"]) for one in found] == [(3, "Mill")]


@pytest.mark.parametrize(
    ("path", "n_rows", "first"),
    [
        ("hour", 12, ["2026-03-11T10:00:00Z", "800.0", "3"]),
        ("meters?limit=1", 3, ["1000000001", "Mill", "ok", NOW, "100.0", "231.5", "", ""]),
        ("days?days=2", 2, ["2026-03-10", "15150.0", "3", "1.0", "5050.0"]),
        ("load", 48, None),
        ("today", 12, None),
        ("peaks?limit=4", 4, None),
        ("regions", 2, None),
        ("months?limit=1", 3, None),
    ],
)
def test_every_answer_is_a_table_too(
    grid: Application, path: str, n_rows: int, first: list[str] | None
) -> None:
    joint = "&" if "?" in path else "?"
    response = grid.client.get(f"/api/grid/{path}{joint}format=csv")
    assert response.headers["content-type"].startswith("text/csv")
    _, *rows = list(csv.reader(io.StringIO(response.text)))
    assert len(rows) == n_rows
    if first is not None:
        assert rows[0] == first


def test_rollups_are_measured_against_the_same_answer_from_readings(grid: Application) -> None:
    found = grid.get("/api/grid/rollups", days=4)
    n_rows = (NOW_US - FIRST_US) // (5 * US_PER_MINUTE) + 1
    assert found["is_equal"] is True
    assert found["meters"] == found["all_meters"] == 3
    assert found["raw"]["rows"] == 3 * n_rows
    assert found["rolled_up"]["rows"] == found["answers"] == 3 * 4
    assert found["raw"]["duration_ms"] > 0
    assert found["rolled_up"]["plan_summary"].startswith("1d from")
    assert found["raw"]["plan_summary"].startswith("raw from")


def test_storage_is_that_of_the_files(tmp_path: Path) -> None:
    def fill(storage: Storage) -> None:
        fill_grid(storage)
        storage.store.flush()

    with open_application(tmp_path, now=NOW, settings=GRID, fill=fill) as grid:
        storage = grid.get("/api/grid/rollups", days=4)["storage"]
        store = grid.storage.store.describe()
    assert storage["values"] == store["chunk_rows"] > 0
    assert storage["bytes"] == store["bytes"]
    assert storage["saved"] == pytest.approx(1 - store["bytes"] / (21 * store["chunk_rows"]))
    assert storage["rollup_bytes"] == store["rollup_bytes"] > 0


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("now?site=nowhere", 404, "unknown_name"),
        ("load?start=2026-03-09&end=2026-03-08", 422, "bad_query"),
        ("load?start=2020-01-01", 422, "bad_query"),
        ("load?start=yesterday", 422, "bad_query"),
        ("load?interval=1d", 422, "invalid_parameter"),
        ("months?month=2026-13", 422, "bad_query"),
        ("months?order=size", 422, "invalid_parameter"),
        ("meters?limit=0", 422, "invalid_parameter"),
        ("peaks?days=32", 422, "invalid_parameter"),
        ("regions?digit=0", 422, "invalid_parameter"),
        ("days?end=2026-02-30", 422, "bad_query"),
    ],
)
def test_what_cannot_be_answered_is_a_problem(
    grid: Application, path: str, status: int, code: str
) -> None:
    assert grid.problem(f"/api/grid/{path}", status)["code"] == code
