"""The page Solar, its incidents and the page of a panel in a real browser, over a real farm."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import OpenPage, Watch, keep_picture
from tests.page.demo import RunningPage
from tests.page.farm import BROKEN, WEAK, run_farm
from tests.page.test_contrast import list_weak_texts

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
MANY = 3000
WELL = {
    "state": "ok",
    "performance": 1.0,
    "incident": None,
    "cause": None,
    "lost_kwh_per_day": 0,
    "lost_money_per_day": 0,
}
WATCH_TASKS = """
window.longTasks = [];
new PerformanceObserver(list => {
  for (const one of list.getEntries()) window.longTasks.push(Math.round(one.duration));
}).observe({ type: "longtask", buffered: true });
"""


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPage]:
    """A farm of which one panel is broken and one is weak, at noon."""
    with run_farm(tmp_path_factory.mktemp("farm")) as page:
        yield page


def open_solar(farm: RunningPage, open_page: OpenPage, words: str = "", **options: object) -> Page:
    page = open_page(**options)
    page.goto(f"{farm.url}/solar{words}")
    page.wait_for_selector("[data-testid=map-cells]", timeout=20_000)
    page.wait_for_selector(".panel-row, [data-testid=panels] .nothing")
    return page


def incident_of(farm: RunningPage, device: str) -> dict[str, Any]:
    """The incident of a device that goes on and costs most."""
    found: list[dict[str, Any]] = farm.get("/api/incidents", device=device)["incidents"]
    assert found, f"nothing was found at {device}"
    return found[0]


def open_incident(farm: RunningPage, open_page: OpenPage, **options: object) -> Page:
    page = open_page(**options)
    page.goto(f"{farm.url}/incidents/{incident_of(farm, BROKEN)['id']}")
    page.wait_for_selector("[data-testid=evidence] .u-over", timeout=20_000)
    return page


def test_pages_open_without_a_complaint_and_ask_no_other_host(
    farm: RunningPage, open_page: OpenPage, watch: Watch
) -> None:
    page = open_page()
    page.goto(farm.url)
    expect(page).to_have_url(f"{farm.url}/solar")
    incident = incident_of(farm, BROKEN)["id"]
    for address in ("/solar", f"/incidents/{incident}", f"/devices/{BROKEN}", "/alerts"):
        page.goto(farm.url + address)
        page.wait_for_timeout(1500)
        assert watch.complaints == [], address
    assert watch.hosts == {farm.url.removeprefix("http://")}


def test_first_line_says_how_many_lose_how_much(farm: RunningPage, open_page: OpenPage) -> None:
    page = open_solar(farm, open_page)
    fleet = farm.get("/api/fleet")
    losing = [one for one in fleet["devices"] if one["lost_kwh_per_day"] > 0]
    assert {one["id"] for one in losing} >= {BROKEN}
    verdict = page.get_by_test_id("verdict")
    expect(verdict).to_have_attribute("data-mood", "bad")
    of_all = f"{len(losing)} of {fleet['summary']['n']} panels lose"
    expect(verdict).to_contain_text(of_all)
    money = sum(one["lost_money_per_day"] for one in losing)
    expect(verdict).to_contain_text(f"{money:.2f}\u202f€ a day")
    lost = page.get_by_test_id("lost").get_attribute("data-value")
    assert float(lost or "nan") == pytest.approx(money, rel=0.05)


def test_list_begins_with_what_costs_most(farm: RunningPage, open_page: OpenPage) -> None:
    page = open_solar(farm, open_page)
    fleet = farm.get("/api/fleet")["devices"]
    ids = page.locator("[data-testid^=panel-][data-state]").evaluate_all(
        "all => all.map(one => one.dataset.testid.slice(6))"
    )
    assert sorted(ids) == sorted(one["id"] for one in fleet)
    cost = {one["id"]: one["lost_money_per_day"] for one in fleet}
    assert [cost[one] for one in ids] == sorted(cost.values(), reverse=True)
    states = {one["id"]: one["state"] for one in fleet}
    for device in (BROKEN, WEAK):
        row = page.get_by_test_id(f"panel-{device}")
        expect(row).to_have_attribute("data-state", states[device])
    assert page.get_by_test_id("map-cells").get_attribute("data-cells") == str(len(fleet))


def test_filter_and_search_are_in_the_address(farm: RunningPage, open_page: OpenPage) -> None:
    page = open_solar(farm, open_page)
    page.get_by_test_id("show-losing").click()
    expect(page).to_have_url(f"{farm.url}/solar?show=losing")
    losing = page.locator(".panel-row").count()
    assert 0 < losing < len(farm.get("/api/fleet")["devices"])
    page.get_by_test_id("panel-search").fill(BROKEN)
    expect(page.locator(".panel-row")).to_have_count(1)
    page.reload()
    expect(page.locator(".panel-row")).to_have_count(1)
    expect(page.get_by_test_id("panel-search")).to_have_value(BROKEN)
    page.get_by_test_id("panel-search").fill("no such panel")
    page.get_by_role("button", name=re.compile("^Show all")).click()
    expect(page).to_have_url(f"{farm.url}/solar")


def test_row_opens_its_incident_over_the_page_and_back_closes_it(
    farm: RunningPage, open_page: OpenPage
) -> None:
    page = open_solar(farm, open_page, "?show=losing")
    incident = incident_of(farm, BROKEN)
    page.get_by_test_id(f"panel-{BROKEN}").click()
    expect(page).to_have_url(f"{farm.url}/incidents/{incident['id']}?show=losing")
    drawer = page.get_by_test_id("incident")
    expect(drawer).to_contain_text(incident["device_name"])
    expect(drawer.get_by_test_id("recommendation")).to_have_text(incident["recommendation"])
    shares = drawer.locator("[data-cause]")
    assert shares.count() == len(incident["causes"])
    assert drawer.locator(".findings > li").count() == len(incident["findings"])
    # The page below stays, and so does what it shows.
    expect(page.get_by_test_id("show-losing")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.get_by_test_id("incident")).to_contain_text(incident["title"])
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{farm.url}/solar?show=losing")
    expect(page.get_by_test_id("incident")).to_have_count(0)


def test_link_to_an_incident_shows_it_and_leads_to_the_page(
    farm: RunningPage, open_page: OpenPage
) -> None:
    page = open_incident(farm, open_page)
    page.get_by_test_id("incident-close").click()
    expect(page).to_have_url(f"{farm.url}/solar")
    page.goto(f"{farm.url}/incidents/none-such")
    expect(page.get_by_test_id("incident").get_by_test_id("error")).to_contain_text("none-such")


def test_acknowledging_survives_a_reload(farm: RunningPage, open_page: OpenPage) -> None:
    page = open_incident(farm, open_page)
    state = page.get_by_test_id("incident-state")
    expect(state).to_have_attribute("data-state", "open")
    page.get_by_test_id("incident").get_by_test_id("acknowledge").click()
    expect(state).to_have_attribute("data-state", "acknowledged")
    page.reload()
    expect(state).to_have_attribute("data-state", "acknowledged")
    assert incident_of(farm, BROKEN)["state"] == "acknowledged"
    page.get_by_test_id("silence").click()
    page.get_by_test_id("silence-8").click()
    expect(state).to_have_attribute("data-state", "silenced")
    expect(state).to_contain_text("until")
    page.reload()
    expect(state).to_have_attribute("data-state", "silenced")
    page.get_by_test_id("reopen").click()
    expect(state).to_have_attribute("data-state", "open")
    assert incident_of(farm, BROKEN)["state"] == "open"


def test_evidence_as_csv_holds_the_numbers_of_the_table(
    farm: RunningPage, open_page: OpenPage
) -> None:
    page = open_incident(farm, open_page)
    # The device is drawn at once; what was to be expected of it takes longer.
    note = page.get_by_test_id("evidence").locator(".chart-note")
    expect(note).to_contain_text("Expected: ", timeout=120_000)
    page.get_by_test_id("evidence-table").click()
    with page.expect_download() as caught:
        page.get_by_test_id("evidence-csv").click()
    assert caught.value.suggested_filename.startswith(f"wattscope-{BROKEN}-evidence-")
    rows = list(csv.reader(io.StringIO(caught.value.path().read_text(encoding="utf-8"))))
    assert rows[0][:5] == [
        "time",
        "measured [W]",
        "lowest expected [W]",
        "expected [W]",
        "highest expected [W]",
    ]
    table = page.get_by_test_id("evidence").locator("tbody tr")
    assert table.count() == len(rows) - 1 > 90
    for at in (0, len(rows) // 2, len(rows) - 2):
        shown = table.nth(at).locator("td").all_inner_texts()
        assert [cell.replace("–", "").replace(",", "") for cell in shown] == [
            cell.replace("-", "−") for cell in rows[at + 1][1:]
        ]


def test_page_of_a_panel_shows_what_was_expected_and_its_incidents(
    farm: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    page.goto(f"{farm.url}/devices/{BROKEN}")
    page.wait_for_selector("[data-testid=expected-chart] >> text=Expected:", timeout=60_000)
    chart = page.get_by_test_id("expected-chart")
    expect(chart).to_contain_text("expected")
    expect(chart.locator(".legend")).to_contain_text("finding")
    incident = incident_of(farm, BROKEN)
    page.get_by_test_id("incidents").get_by_role("link").first.click()
    expect(page).to_have_url(f"{farm.url}/incidents/{incident['id']}")
    page.go_back()
    expect(page).to_have_url(f"{farm.url}/devices/{BROKEN}")


def test_map_is_told_and_opened_by_keys(farm: RunningPage, open_page: OpenPage) -> None:
    page = open_solar(farm, open_page)
    page.get_by_test_id("map-cells").focus()
    names = set()
    for key in ("Home", "ArrowRight", "ArrowDown", "End", "ArrowLeft"):
        page.keyboard.press(key)
        name = page.get_by_test_id("map-tip").locator("strong").inner_text()
        names.add(name)
        # What is seen is what a screen reader is told.
        expect(page.locator("#map-active")).to_contain_text(f"{name}: ")
    assert len(names) >= 4
    page.keyboard.press("Home")
    first = page.get_by_test_id("map-tip").get_attribute("data-device")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/incidents/|/devices/{first}$"))


def test_pointer_on_the_map_tells_a_panel(farm: RunningPage, open_page: OpenPage) -> None:
    page = open_solar(farm, open_page)
    cells = page.get_by_test_id("map-cells")
    size = float(cells.get_attribute("data-size") or "0")
    cells.hover(position={"x": size / 2, "y": 17 + size / 2})
    tip = page.get_by_test_id("map-tip")
    expect(tip).to_be_visible()
    device = tip.get_attribute("data-device")
    assert device in {one["id"] for one in farm.get("/api/fleet")["devices"]}


def test_thousands_of_panels_stay_few_in_the_page(farm: RunningPage, open_page: OpenPage) -> None:
    page = open_page()
    page.add_init_script(WATCH_TASKS)
    more = MANY - len(farm.get("/api/fleet")["devices"])

    def many(route: Route) -> None:
        fleet = route.fetch().json()
        well = fleet["devices"][0] | WELL
        fleet["devices"] += [
            well | {"id": f"z{n}", "name": f"Z {n:04}", "parent": f"row {n // 100}"}
            for n in range(more)
        ]
        fleet["summary"]["n"] = MANY
        route.fulfill(json=fleet)

    page.route("**/api/fleet*", many)
    page.goto(f"{farm.url}/solar")
    page.wait_for_selector(".panel-row", timeout=30_000)
    assert page.get_by_test_id("map-cells").get_attribute("data-cells") == str(MANY)
    assert page.locator("canvas").count() == 1
    page.wait_for_timeout(1000)
    page.evaluate("longTasks.length = 0")
    for _ in range(40):
        page.mouse.wheel(0, 240)
        page.wait_for_timeout(25)
    tasks = page.evaluate("longTasks")
    print("long tasks while scrolling [ms]:", tasks)  # noqa: T201 - how fast this machine is
    assert page.locator(".panel-row").count() < 120
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_selector(f"[data-testid=panel-z{more - 1}]")
    assert page.locator(".panel-row").count() < 120
    assert page.evaluate("document.querySelectorAll('*').length") < 4000
    page.evaluate("scrollTo(0, 0)")
    page.get_by_test_id("panel-search").fill("Z 2718")
    expect(page.locator(".panel-row")).to_have_count(1)


def test_night_silence_and_an_empty_farm_have_words_of_their_own(
    farm: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    change: dict[str, Any] = {}

    def as_changed(route: Route) -> None:
        fleet = route.fetch().json()
        fleet["devices"] = [one | change["device"] for one in fleet["devices"]]
        if change.get("empty"):
            fleet["devices"] = []
        route.fulfill(json=fleet | change["fleet"])

    page.route("**/api/fleet*", as_changed)
    well = {"lost_kwh_per_day": 0, "incident": None, "cause": None, "performance": None}
    cases = [
        ("night", well | {"state": "night"}, {"is_day": False}, "Night, and all"),
        ("silent", well | {"state": "stale", "age_s": 900.0}, {}, "are silent"),
        ("new", well | {"state": "unknown", "age_s": None}, {}, "have yet to say anything"),
    ]
    for name, device, fleet, words in cases:
        change |= {"device": device, "fleet": fleet}
        page.goto(f"{farm.url}/solar")
        expect(page.get_by_test_id("verdict")).to_contain_text(words)
        keep_picture(page, f"solar-{name}")
    change |= {"empty": True}
    page.goto(f"{farm.url}/solar")
    expect(page.locator(".nothing")).to_contain_text("No panel and no inverter has reported yet.")


def test_what_cannot_be_loaded_says_so_and_can_be_tried_again(
    farm: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    detail = "enabled = false"
    page.route(
        "**/api/fleet*",
        lambda route: route.fulfill(status=503, json={"title": "Not now.", "detail": detail}),
    )
    page.goto(f"{farm.url}/solar")
    expect(page.get_by_test_id("error")).to_contain_text(f"Not now. {detail}")
    page.unroute("**/api/fleet*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_test_id("verdict")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["solar", "incident", "device"])
def test_every_text_can_be_read(
    farm: RunningPage, open_page: OpenPage, scheme: str, path: str
) -> None:
    if path == "incident":
        page = open_incident(farm, open_page, color_scheme=scheme)
    elif path == "solar":
        page = open_solar(farm, open_page, color_scheme=scheme)
    else:
        page = open_page(color_scheme=scheme)
        page.goto(f"{farm.url}/devices/{BROKEN}")
    assert list_weak_texts(page, at_least=40, settle_ms=2_500) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [("light", {"color_scheme": "light"}), ("dark", {"color_scheme": "dark"}), ("phone", PHONE)],
)
@pytest.mark.parametrize("path", ["solar", "incident", "panel"])
def test_page_fits_its_screen(
    farm: RunningPage, open_page: OpenPage, path: str, name: str, options: dict[str, Any]
) -> None:
    if path == "incident":
        page = open_incident(farm, open_page, **options)
    elif path == "solar":
        page = open_solar(farm, open_page, **options)
    else:
        page = open_page(**options)
        page.goto(f"{farm.url}/devices/{BROKEN}")
        page.wait_for_selector("[data-testid=expected-chart] .u-over", timeout=20_000)
    page.wait_for_timeout(2_000)
    keep_picture(page, f"{path}-{name}")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
    wide: list[str] = page.evaluate(
        """() => [...document.querySelectorAll(".card, .tile, .drawer")]
          .filter(one => one.scrollWidth > one.clientWidth + 1)
          .map(one => one.getAttribute("aria-label"))"""
    )
    assert wide == []
