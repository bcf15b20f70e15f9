"""The Streamlit example: all that it asks is asked of the program itself.

The page is run by Streamlit's own test where Streamlit is installed, which it need not be.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest

from examples import grid_questions as questions
from tests.web.applications import Application, open_application
from wattscope.assembly.fleet_history import FleetHistory
from wattscope.assembly.simulation import build_simulator
from wattscope.assembly.storage import Storage
from wattscope.cli.options import read_recipe
from wattscope.core.time_grid import US_PER_DAY, parse_instant
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.simulate.simulator import FleetSimulator

FOLDER = Path(questions.__file__).parent
NOW = "2026-03-05T17:30:00Z"
AT = datetime.fromisoformat(NOW)
SETTINGS = read_recipe("grid")
BERLIN = "Europe/Berlin"


def fill(energy: str) -> Callable[[Storage], None]:
    def fill_grid(storage: Storage) -> None:
        changes = {"meters": 20, "energy": energy, "per_feeder": 4}
        simulator = build_simulator("grid", SETTINGS, ProfileLibrary(), changes=changes)
        assert isinstance(simulator, FleetSimulator)
        end_us = parse_instant(NOW)
        fleet = FleetHistory(storage.store, storage.registry, simulator)
        fleet.write(end_us - 8 * US_PER_DAY, end_us, lambda _done, _all: None)
        storage.persist.flush()

    return fill_grid


@pytest.fixture(scope="module", params=["counter", "interval"])
def grid(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("grid")
    with open_application(
        folder, now=NOW, settings=SETTINGS, fill=fill(request.param)
    ) as application:
        yield application


@pytest.fixture
def send(grid: Application) -> questions.Send:
    return send_to(grid)


def send_to(grid: Application) -> questions.Send:
    """As over HTTP, without the socket."""

    def sending(path: str, body: bytes | None) -> bytes:
        response = (
            grid.client.get(path)
            if body is None
            else grid.client.post(path, content=body, headers={"Content-Type": "application/json"})
        )
        assert response.status_code == 200, response.text
        return response.content

    return sending


def test_the_site_tells_its_zone(send: questions.Send) -> None:
    assert questions.find_site(send)["time_zone"] == BERLIN


def test_meters_are_listed_with_their_region(send: questions.Send) -> None:
    meters = questions.list_meters(send)
    assert len(meters) == 20
    assert {row["region"] for row in meters} == set("12345")
    assert all(row["meter"][0] == row["region"] and row["name"] for row in meters)


def test_the_last_hour_is_told_by_five_minutes(send: questions.Send) -> None:
    rows = questions.read_live(send, AT)
    assert 12 <= len(rows) <= 13
    assert max(row["meters"] for row in rows) == 20
    assert all(49 < row["frequency_hz"] < 51 for row in rows)
    assert all(200 < row["mean_voltage_v"] < 260 for row in rows)
    assert all(row["mean_power_w"] > 0 for row in rows)


def test_daily_totals_are_of_local_days(send: questions.Send) -> None:
    rows = questions.read_daily_totals(send, AT, 7)
    assert [row["day"] for row in rows[:2]] == ["2026-02-26T23:00:00Z", "2026-02-27T23:00:00Z"]
    assert [row["coverage"] > 0.99 for row in rows] == [True] * 6 + [False]
    assert all(row["kwh"] > 0 for row in rows)


def test_a_meter_has_a_trend(send: questions.Send) -> None:
    meter = questions.list_meters(send)[3]["meter"]
    rows = questions.read_meter_trend(send, meter, AT, days=2)
    assert 190 <= len(rows) <= 193
    assert all(row["min"] <= row["mean"] <= row["max"] for row in rows)


def test_today_begins_at_the_sites_midnight(send: questions.Send) -> None:
    rows = questions.read_hours_of_today(send, AT, BERLIN)
    assert rows[0]["hour"] == "2026-03-04T23:00:00Z"
    assert len(rows) == 19


def test_peaks_fall_from_the_highest(send: questions.Send) -> None:
    rows = questions.read_peaks(send, AT)
    loads = [row["load_kw"] for row in rows]
    assert len(loads) == 10
    assert loads == sorted(loads, reverse=True)
    by_hand = questions.ask(
        send,
        "SELECT sum(energy_wh) * 4 / 1000 AS kw FROM rollup_15m "
        f"WHERE quantity LIKE 'energy_import%' "
        f"AND bucket_start = '{rows[0]['quarter_hour'].removesuffix('Z')}'",
    )
    assert by_hand == [{"kw": pytest.approx(loads[0])}]


def test_months_regions_and_days_sum_to_the_same_energy(send: questions.Send) -> None:
    months = questions.read_months(send)
    assert len(months) == 40
    assert sorted({row["month"][:7] for row in months}) == ["2026-02", "2026-03"]
    days = questions.read_daily_totals(send, AT, 30)
    total_kwh = sum(row["kwh"] for row in days)
    assert sum(row["kwh"] for row in months) == pytest.approx(total_kwh)
    regions = questions.read_regions(send, AT, BERLIN)
    assert [row["region"] for row in regions] == list("12345")
    assert sum(row["today_kwh"] for row in regions) == pytest.approx(days[-1]["kwh"])
    assert sum(row["yesterday_kwh"] for row in regions) == pytest.approx(days[-2]["kwh"])


def test_all_readings_are_scanned(send: questions.Send) -> None:
    [row] = questions.read_whole(send)
    assert row["readings"] == 20 * 288 * 8
    assert row["min_w"] <= row["mean_w"] <= row["max_w"]


def test_a_refusal_is_told_in_its_own_words(grid: Application) -> None:
    def refuse(_path: str, _body: bytes | None) -> bytes:
        response = grid.client.post("/api/sql", json={"sql": "DROP TABLE readings"})
        raise questions.AskError(questions._read_detail(response.content))

    with pytest.raises(questions.AskError, match="SELECT"):
        questions.ask(refuse, "DROP TABLE readings")


@pytest.mark.integration
def test_a_program_that_is_not_there_is_named(free_port: int) -> None:
    send = questions.over_http(f"http://127.0.0.1:{free_port}/", timeout_s=2)
    with pytest.raises(questions.AskError, match=f"nothing answers at .*:{free_port}"):
        questions.find_site(send)


def test_the_page_asks_nothing_that_is_not_tested_here() -> None:
    page = ast.parse((FOLDER / "grid_streamlit.py").read_text(encoding="utf-8"))
    asked = {
        node.attr
        for node in ast.walk(page)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "questions"
    }
    own = Path(__file__).read_text(encoding="utf-8")
    assert {one for one in asked if f"questions.{one}" not in own} == set()
    assert len(asked) > 8


def test_the_page_runs_in_streamlit(grid: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    testing = pytest.importorskip("streamlit.testing.v1", reason="streamlit is not installed")
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(import_module("grid_questions"), "over_http", lambda _url: send_to(grid))
    page = testing.AppTest.from_file(str(FOLDER / "grid_streamlit.py"), default_timeout=60).run()
    assert not page.exception
    assert not page.error
    assert page.title[0].value == "Grid"
    assert len(page.dataframe) >= 5


def test_an_instant_is_told_in_utc() -> None:
    berlin = AT.astimezone().replace(microsecond=0)
    assert questions._instant(berlin) == "TIMESTAMP '2026-03-05 17:30:00'"
    assert questions._instant(AT.astimezone(UTC) - timedelta(hours=1)) == (
        "TIMESTAMP '2026-03-05 16:30:00'"
    )
