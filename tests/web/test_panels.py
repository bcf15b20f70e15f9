"""The seed's routes: readings of a panel in buckets, newest first, and its efficiency by day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.applications import Application, open_application, put
from wattscope.assembly.storage import Storage
from wattscope.core.time_grid import US_PER_MINUTE, parse_instant
from wattscope.settings import parse_settings

SETTINGS = parse_settings("""
[site]
id = "roof"
time_zone = "Europe/Madrid"

[[devices]]
id = "PANEL-001"
kind = "panel"
rating_w = 400

[[devices]]
id = "roof/unrated"
kind = "panel"

[[devices]]
id = "silent"
kind = "panel"
rating_w = 400
""")
NOW = "2026-05-03T12:00:00Z"
FIELDS = ["panel_id", "timestamp", "avg_power", "max_power", "min_power", "avg_temperature"]


def fill(storage: Storage) -> None:
    """A reading a minute: 100 W from 10:00, 300 W from 10:30, 200 W from 11:00 to 12:00 UTC."""
    start_us = parse_instant("2026-05-03T10:00:00Z")
    watts = [100.0] * 30 + [300.0] * 30 + [200.0] * 60
    instants = [start_us + n * US_PER_MINUTE for n in range(len(watts))]
    for panel in ("PANEL-001", "roof/unrated"):
        put(storage, panel, "production_power_w", list(zip(instants, watts, strict=True)))
        put(storage, panel, "temperature_c", [(one, 20.0 + n) for n, one in enumerate(instants)])
    # 400 W at every quarter hour of 1 May by the clock of Madrid, and half of it on the 2nd.
    may_us = parse_instant("2026-04-30T22:00:00Z")
    quarters = [may_us + n * 15 * US_PER_MINUTE for n in range(2 * 96)]
    rows = [(one, 400.0 if n < 96 else 200.0) for n, one in enumerate(quarters)]
    put(storage, "PANEL-001", "production_power_w", rows)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("panels") / "data"
    with open_application(folder, now=NOW, settings=SETTINGS, fill=fill) as opened:
        yield opened


def rows(application: Application, path: str, **words: str | float) -> list[dict[str, Any]]:
    response = application.client.get(path, params=words)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()
    return found


def test_readings_have_the_seeds_fields_and_the_newest_hour_first(
    application: Application,
) -> None:
    found = rows(
        application,
        "/api/panels/PANEL-001/readings",
        start_time="2026-05-03T10:00:00Z",
        end_time="2026-05-03T11:59:00Z",
    )
    assert [list(one) for one in found] == [FIELDS, FIELDS]
    assert found[0]["timestamp"] == "2026-05-03T11:00:00Z"
    assert found[1] == {
        "panel_id": "PANEL-001",
        "timestamp": "2026-05-03T10:00:00Z",
        "avg_power": 200.0,
        "max_power": 300.0,
        "min_power": 100.0,
        "avg_temperature": 49.5,
    }


@pytest.mark.parametrize(("interval", "n_buckets"), [("1m", 120), ("15m", 8), ("1h", 2), ("1d", 1)])
def test_intervals_of_the_buckets(interval: str, n_buckets: int, application: Application) -> None:
    path = "/api/panels/roof/unrated/readings"
    found = rows(application, path, interval=interval, start_time="2026-05-03")
    assert len(found) == n_buckets
    stamps = [one["timestamp"] for one in found]
    assert stamps == sorted(stamps, reverse=True)
    assert max(one["max_power"] for one in found) == 300.0


def test_the_bucket_that_holds_the_start_is_whole(application: Application) -> None:
    words = {"start_time": "2026-05-03T10:40:00Z", "end_time": "2026-05-03T11:00:00Z"}
    found = rows(application, "/api/panels/PANEL-001/readings", **words)
    assert [one["min_power"] for one in found] == [200.0, 100.0]
    day = rows(application, "/api/panels/PANEL-001/readings", interval="1d", **words)
    assert [one["timestamp"] for one in day] == ["2026-05-02T22:00:00Z"]


def test_limit_keeps_the_newest(application: Application) -> None:
    found = rows(application, "/api/panels/PANEL-001/readings", limit=1)
    assert len(found) == 1
    assert found[0]["timestamp"] == "2026-05-03T11:00:00Z"


def test_readings_of_a_panel_that_said_nothing_are_none(application: Application) -> None:
    assert rows(application, "/api/panels/silent/readings") == []
    assert rows(application, "/api/panels/silent/efficiency") == []


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("PANEL-009/readings", 404, "does not exist"),
        ("PANEL-001/readings?interval=1%20hour", 422, "use 1m, 15m, 1h or 1d"),
        ("PANEL-001/readings?start_time=yesterday", 422, "RFC 3339"),
        ("PANEL-001/readings?start_time=2026-05-04&end_time=2026-05-03", 422, "before end"),
        ("PANEL-001/readings?start_time=2000-01-01&interval=1m", 422, "coarser interval"),
        ("PANEL-001/readings?limit=0", 422, "limit"),
        ("PANEL-001/efficiency?days=0", 422, "days"),
        ("PANEL-009/efficiency", 404, "does not exist"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(
    query: str, status: int, words: str, application: Application
) -> None:
    assert words in application.problem(f"/api/panels/{query}", status)["detail"]


def test_efficiency_calculation(application: Application) -> None:
    """The seed's own test, 400 W at a rating of 400 W are 100 %, by local days."""
    found = rows(application, "/api/panels/PANEL-001/efficiency", days=3)
    assert found == [
        {"date": "2026-05-03", "efficiency_percentage": pytest.approx(50.0)},
        {"date": "2026-05-02", "efficiency_percentage": pytest.approx(50.0)},
        {"date": "2026-05-01", "efficiency_percentage": pytest.approx(100.0)},
    ]


def test_days_count_today_and_the_general_form_says_the_same(application: Application) -> None:
    found = rows(application, "/api/panels/PANEL-001/efficiency", days=2)
    assert [one["date"] for one in found] == ["2026-05-03", "2026-05-02"]
    assert found == rows(application, "/api/devices/PANEL-001/efficiency", days=2)


def test_efficiency_without_a_rating_says_how_to_tell_it(application: Application) -> None:
    for form in ("panels", "devices"):
        problem = application.problem(f"/api/{form}/roof/unrated/efficiency", 422)
        assert problem["code"] == "bad_query"
        assert "rating_w" in problem["detail"]
        assert "[[devices]]" in problem["detail"]
