"""Modbus meters on the page Devices: their links, and the form that adds one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import OpenPage, keep_picture
from tests.page.demo import RunningPage
from tests.page.works import run_works

LINKS = [
    {
        "device": "pump",
        "endpoint": "192.168.2.10:8899",
        "unit": 2,
        "type": "wago-879-30xx",
        "state": "online",
        "detail": "",
        "last_ok_at": "2026-11-26T04:00:00Z",
        "polls": 1200,
        "failed": 3,
        "skipped": 0,
        "faults": {"timeout": 3},
    },
    {
        "device": "store",
        "endpoint": "192.168.2.10:8899",
        "unit": 7,
        "type": "sdm630",
        "state": "offline",
        "detail": "no reply within 1 s; next try in 30 s",
        "last_ok_at": None,
        "polls": 0,
        "failed": 40,
        "skipped": 2,
        "faults": {"timeout": 40},
    },
]
VALUES = [
    {"quantity": "voltage_l1_v", "title": "Voltage, phase L1", "unit": "V", "value": 230.4},
    {"quantity": "active_power_w", "title": "Active power", "unit": "W", "value": 1432.0},
]
FOUND = {
    "port": 8899,
    "unit": 3,
    "framing": "rtu_over_tcp",
    "type": "sdm630",
    "title": "Eastron SDM630",
    "identity": None,
    "values": VALUES,
    "score": 0.9,
}


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPage]:
    with run_works(tmp_path_factory.mktemp("works"), is_live=False) as page:
        yield page


def add_modbus(page: Page, asked: list[tuple[str, Any]], *, values: list[dict[str, Any]]) -> None:
    """Let the server seem to have a bus with two meters; notes what is asked of it."""

    def health(route: Route) -> None:
        answer = route.fetch().json()
        answer["sources"].append(answer["sources"][0] | {"kind": "modbus", "meters": LINKS})
        route.fulfill(json=answer)

    def note(answer: dict[str, Any], status: int = 200) -> Any:  # noqa: ANN401  # a route's action
        def act(route: Route) -> None:
            request = route.request
            asked.append(
                (request.url.partition("/api/")[2], json.loads(request.post_data or "null"))
            )
            route.fulfill(status=status, json=answer)

        return act

    book = {
        "book": {"kind": "sqlite", "where": "meters.db"},
        "meters": [],
        "faults": [
            {"table": "energy_meters", "row": "row 9", "reason": "type 'nix' is unknown"},
        ],
    }
    types = [{"name": "sdm630", "title": "Eastron SDM630", "kind": "meter"}]

    def meters(route: Route) -> None:
        if route.request.method == "POST":
            note({"id": "press-2"}, 201)(route)
        else:
            route.fulfill(json=book)

    page.route("**/api/health", health)
    page.route("**/api/meters", meters)
    page.route("**/api/meter-types", lambda route: route.fulfill(json={"types": types}))
    page.route("**/api/meters/scan*", note({"found": [FOUND], "tried": 12}))
    page.route("**/api/meters/test-read", note({"values": values, "faults": []}))


def test_links_say_who_answers_and_what_was_left_out(
    works: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    add_modbus(page, [], values=VALUES)
    page.goto(f"{works.url}/devices")
    card = page.get_by_test_id("modbus")
    expect(card).to_contain_text("2 meters, 1 without an answer")
    rows = card.locator(".link-row")
    # What needs a look comes first.
    expect(rows.nth(0)).to_contain_text("Cold store")
    expect(rows.nth(0)).to_contain_text("no reply within 1 s")
    expect(rows.nth(1)).to_contain_text("192.168.2.10:8899")
    expect(rows.nth(1)).to_contain_text("unit 2")
    expect(card).to_contain_text("Left out: energy_meters row 9: type 'nix' is unknown")


def test_server_without_a_bus_shows_no_form(works: RunningPage, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{works.url}/devices")
    page.wait_for_selector(".device-row")
    page.wait_for_timeout(800)
    assert page.get_by_test_id("modbus").count() == 0


def test_meter_is_found_read_once_and_kept(works: RunningPage, open_page: OpenPage) -> None:
    page = open_page()
    asked: list[tuple[str, Any]] = []
    add_modbus(page, asked, values=VALUES)
    page.goto(f"{works.url}/devices")
    page.get_by_test_id("add-meter").click()
    save = page.get_by_test_id("meter-save")
    expect(save).to_be_disabled()
    page.get_by_test_id("meter-host").fill("192.168.2.10")
    page.get_by_test_id("meter-port").fill("8899")
    page.get_by_test_id("meter-scan").click()
    page.get_by_test_id("meters-found").get_by_role("button").click()
    expect(page.get_by_test_id("meter-unit")).to_have_value("3")
    expect(page.get_by_test_id("meter-framing")).to_have_value("rtu_over_tcp")
    expect(save).to_be_disabled()
    page.get_by_test_id("meter-test").click()
    expect(page.get_by_test_id("meter-tested")).to_contain_text("1.43\u202fkW")
    expect(save).to_be_enabled()
    page.get_by_test_id("meter-device").fill("press-2")
    expect(save).to_be_enabled()
    keep_picture(page, "devices-modbus")
    save.click()
    expect(page.get_by_test_id("meter-added")).to_contain_text("press-2")
    connection = {"host": "192.168.2.10", "port": 8899, "framing": "rtu_over_tcp", "type": "sdm630"}
    assert asked == [
        ("meters/scan?host=192.168.2.10&port=8899", None),
        ("meters/test-read", connection | {"unit": 3}),
        ("meters", connection | {"slave_address": 3, "device": "press-2"}),
    ]


def test_change_after_the_test_read_asks_for_another(
    works: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    add_modbus(page, [], values=VALUES)
    page.goto(f"{works.url}/devices")
    page.get_by_test_id("add-meter").click()
    page.get_by_test_id("meter-host").fill("meter.lan")
    page.get_by_test_id("meter-type").select_option("sdm630")
    page.get_by_test_id("meter-test").click()
    expect(page.get_by_test_id("meter-save")).to_be_enabled()
    page.get_by_test_id("meter-unit").fill("4")
    expect(page.get_by_test_id("meter-save")).to_be_disabled()


def test_meter_of_which_nothing_was_read_is_not_kept(
    works: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    add_modbus(page, [], values=[VALUES[0] | {"value": None}])
    page.goto(f"{works.url}/devices")
    page.get_by_test_id("add-meter").click()
    page.get_by_test_id("meter-host").fill("meter.lan")
    page.get_by_test_id("meter-type").select_option("sdm630")
    page.get_by_test_id("meter-test").click()
    expect(page.get_by_test_id("add-meter-form")).to_contain_text("Nothing was read")
    expect(page.get_by_test_id("meter-save")).to_be_disabled()


ROW = {
    "id": 4,
    "host": "192.168.2.10",
    "port": 8899,
    "slave_address": 2,
    "type": "sdm630",
    "description": "Pump",
    "device": "pump",
    "framing": "rtu_over_tcp",
    "poll": None,
    "rating_w": 5_000.0,
}


def add_described(page: Page, asked: list[tuple[str, str, Any]]) -> None:
    """Let the pump stand in the tables, and the store in the settings; notes what changes it."""
    add_modbus(page, [], values=VALUES)
    meter = {"id": "pump", "is_in_settings": False, "is_polled": True, "fault": None, "row": ROW}
    listed = meter | {"id": "store", "is_in_settings": True, "row": None}
    book = {
        "book": {"kind": "sqlite", "where": "meters.db"},
        "meters": [meter, listed],
        "faults": [],
    }

    def change(route: Route) -> None:
        request = route.request
        asked.append(
            (
                request.method,
                request.url.partition("/api/")[2],
                json.loads(request.post_data or "null"),
            )
        )
        route.fulfill(json={"id": "pump"})

    page.route("**/api/meters", lambda route: route.fulfill(json=book))
    page.route("**/api/meters/pump", change)


def test_meter_of_the_tables_is_changed_with_its_other_columns_kept(
    works: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    asked: list[tuple[str, str, Any]] = []
    add_described(page, asked)
    page.goto(f"{works.url}/devices")
    page.get_by_test_id("edit-pump").click()
    form = page.get_by_test_id("add-meter-form")
    expect(form).to_contain_text("Change pump")
    expect(page.get_by_test_id("meter-host")).to_have_value("192.168.2.10")
    expect(page.get_by_test_id("meter-framing")).to_have_value("rtu_over_tcp")
    page.get_by_test_id("meter-unit").fill("5")
    page.get_by_test_id("meter-poll").fill("30s")
    expect(page.get_by_test_id("meter-save")).to_be_disabled()
    page.get_by_test_id("meter-test").click()
    page.get_by_test_id("meter-save").click()
    expect(form).to_have_count(0)
    columns = {name: value for name, value in ROW.items() if name != "id"}
    assert asked == [("PUT", "meters/pump", columns | {"slave_address": 5, "poll": "30s"})]


def test_meter_is_removed_after_a_second_click(works: RunningPage, open_page: OpenPage) -> None:
    page = open_page()
    asked: list[tuple[str, str, Any]] = []
    add_described(page, asked)
    page.goto(f"{works.url}/devices")
    page.get_by_test_id("edit-pump").click()
    remove = page.get_by_test_id("meter-remove")
    remove.click()
    expect(remove).to_have_text("Remove it, its readings stay")
    assert asked == []
    keep_picture(page, "devices-modbus-change")
    remove.click()
    expect(page.get_by_test_id("add-meter-form")).to_have_count(0)
    assert asked == [("DELETE", "meters/pump", None)]


def test_meter_of_the_settings_is_not_offered_for_a_change(
    works: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    add_described(page, [])
    page.goto(f"{works.url}/devices")
    expect(page.get_by_test_id("edit-pump")).to_be_visible()
    assert page.get_by_test_id("edit-store").count() == 0
