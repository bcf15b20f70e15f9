"""The pages Heat pump and Plant in a real browser, over a works that goes on."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import OpenPage, Watch, keep_picture
from tests.page.demo import RunningPage
from tests.page.test_contrast import DRAWN_RATIO, TEXT_RATIO, list_weak_texts, ratio
from tests.page.works import ZONE, run_works

LIVE = "[data-testid=live-chip][data-state=live]"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
CHARTS = (
    "power-chart",
    "states",
    "cumulative-chart",
    "daily-chart",
    "frequency_hz-chart",
    "power_factor-chart",
)


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPage]:
    """A works with a heat pump that was measured for some days, and is."""
    with run_works(tmp_path_factory.mktemp("works")) as page:
        yield page


def yesterday() -> str:
    return (datetime.now(UTC).astimezone(ZONE) - timedelta(days=1)).date().isoformat()


def read_value(page: Page, name: str) -> float:
    text = page.get_by_test_id(name).get_attribute("data-value")
    assert text is not None, f"{name} shows no value"
    return float(text)


def open_pump(works: RunningPage, open_page: OpenPage, words: str = "", **options: object) -> Page:
    page = open_page(**options)
    page.goto(f"{works.url}/heatpump{words}")
    page.wait_for_selector("[data-testid=energy-total][data-value]", timeout=20_000)
    page.wait_for_selector("[data-testid=state-ribbon] [data-testid=segment]")
    return page


def open_plant(works: RunningPage, open_page: OpenPage, **options: object) -> Page:
    page = open_page(**options)
    page.goto(f"{works.url}/plant")
    page.wait_for_selector("[data-testid=meter-pump]", timeout=20_000)
    page.wait_for_selector("[data-testid=phases-chart] .u-over")
    return page


def test_pages_open_without_a_complaint_and_ask_no_other_host(
    works: RunningPage, open_page: OpenPage, watch: Watch
) -> None:
    page = open_page()
    page.goto(works.url)
    # The first page of the settings is where one lands.
    expect(page).to_have_url(f"{works.url}/plant")
    day = f"range=day&date={yesterday()}"
    addresses = ["/plant", "/heatpump", "/devices", "/devices/pump", "/health"]
    addresses += [f"/heatpump?{one}" for one in (day, "range=week", "range=month", "range=year")]
    for address in addresses:
        page.goto(works.url + address)
        page.wait_for_timeout(900)
        assert watch.complaints == [], address
    assert watch.hosts == {works.url.removeprefix("http://")}


def test_tiles_of_a_whole_day_equal_the_api(works: RunningPage, open_page: OpenPage) -> None:
    day = yesterday()
    page = open_pump(works, open_page, f"?range=day&date={day}")
    energy = works.get("/api/devices/pump/energy", day=day)
    states = works.get("/api/insights/states", device="pump", day=day)
    assert read_value(page, "energy-total") == pytest.approx(energy["totals"]["total_wh"])
    assert read_value(page, "starts") == states["starts"] > 5
    for one in states["states"]:
        row = page.get_by_test_id(f"state-{one['state']}").locator("b")
        assert float(row.get_attribute("data-value") or "nan") == pytest.approx(one["duration_s"])
    balance = works.get("/api/insights/phases", device="pump", day=day)["rows"]
    shown = page.get_by_test_id("balance-energy").locator("b").get_attribute("data-value")
    assert float(shown or "nan") == pytest.approx(balance[-1]["imbalance"])
    assert page.get_by_test_id("segment").count() == len(states["segments"])


def test_values_of_this_moment_equal_the_api(works: RunningPage, open_page: OpenPage) -> None:
    page = open_pump(works, open_page)
    page.wait_for_selector(LIVE)
    for _ in range(40):
        said = {one["name"]: one["value"] for one in works.get("/api/devices/pump")["quantities"]}
        shown = {
            name: read_value(page, name) for name in ("power-now", "frequency", "power-factor")
        }
        wanted = (said["active_power_w"], said["frequency_hz"], said["power_factor"])
        if list(shown.values()) == [pytest.approx(one) for one in wanted]:
            return
        page.wait_for_timeout(250)
    pytest.fail("the tiles never showed what the API states")


def test_answer_of_the_page_says_state_starts_and_grid(
    works: RunningPage, open_page: OpenPage
) -> None:
    page = open_pump(works, open_page)
    now = works.get("/api/insights/states", device="pump")["now"]["state"]
    words = {"standby": "Standing by", "active": "Running", "high": "Running under high load"}
    verdict = page.get_by_test_id("verdict")
    expect(verdict).to_contain_text(re.compile(rf"^({'|'.join(words.values())}) since"))
    assert now in words
    expect(verdict).to_contain_text("start")


@pytest.mark.parametrize("chart", CHARTS)
def test_csv_holds_the_numbers_of_the_table(
    works: RunningPage, open_page: OpenPage, chart: str
) -> None:
    page = open_pump(works, open_page, f"?range=day&date={yesterday()}")
    page.wait_for_selector(f"[data-testid={chart}-csv]:enabled")
    page.get_by_test_id(f"{chart}-table").click()
    with page.expect_download() as caught:
        page.get_by_test_id(f"{chart}-csv").click()
    assert caught.value.suggested_filename.startswith("wattscope-pump-")
    rows = list(csv.reader(io.StringIO(caught.value.path().read_text(encoding="utf-8"))))
    table = page.get_by_test_id(chart).locator("tbody tr")
    assert table.count() == len(rows) - 1
    for at in (0, len(rows) // 2, len(rows) - 2):
        shown = table.nth(at).locator("td").all_inner_texts()
        # The table groups thousands for the eye; the file does not.
        assert [cell.replace("–", "").replace(",", "") for cell in shown] == [
            cell.replace("-", "−") for cell in rows[at + 1][1:]
        ]


def test_silence_is_a_state_and_not_an_old_number(works: RunningPage, open_page: OpenPage) -> None:
    page = open_page()
    heard = datetime.now(UTC) - timedelta(minutes=12)

    def silent(route: Route) -> None:
        device = route.fetch().json()
        at = heard.isoformat().replace("+00:00", "Z")
        route.fulfill(json=device | {"last_measured_at": at, "age_s": 720.0, "is_stale": True})

    page.route("**/api/devices/pump", silent)
    page.goto(f"{works.url}/heatpump")
    page.wait_for_selector("[data-testid=live-chip][data-state=stale]", timeout=20_000)
    expect(page.get_by_test_id("verdict")).to_contain_text("Silent for 12")
    expect(page.get_by_test_id("tile-power")).to_contain_text("Last known power")
    expect(page.get_by_test_id("tile-power")).to_contain_text("not now")
    assert page.locator(".tile .mark").count() == 0
    keep_picture(page, "heatpump-silent")


def test_bar_of_a_day_leads_to_it_and_back_leads_back(
    works: RunningPage, open_page: OpenPage
) -> None:
    page = open_pump(works, open_page)
    page.wait_for_selector("[data-testid=daily-chart] [data-testid=bar]")
    page.get_by_test_id("daily-chart").get_by_test_id("bar").nth(12).click()
    expect(page).to_have_url(f"{works.url}/heatpump?range=day&date={yesterday()}")
    page.go_back()
    expect(page).to_have_url(f"{works.url}/heatpump")
    page.locator("h1").click()
    page.keyboard.press("w")
    expect(page).to_have_url(f"{works.url}/heatpump?range=week")


def test_zoom_is_that_of_every_chart_and_of_the_ribbon(
    works: RunningPage, open_page: OpenPage
) -> None:
    page = open_pump(works, open_page, f"?range=day&date={yesterday()}")
    all_of_it = page.get_by_test_id("segment").count()
    plot = page.get_by_test_id("power-chart").locator(".u-over")
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=4)
    page.mouse.up()
    page.wait_for_url("**/heatpump?*from=*&to=*")
    expect(page.get_by_test_id("segment")).not_to_have_count(all_of_it)
    page.mouse.dblclick(box["x"] + box["width"] * 0.5, middle)
    expect(page.get_by_test_id("segment")).to_have_count(all_of_it)


def test_plant_says_which_meter_cannot_be_trusted_and_why(
    works: RunningPage, open_page: OpenPage
) -> None:
    page = open_plant(works, open_page)
    verdict = page.get_by_test_id("verdict")
    expect(verdict).to_contain_text("5 of 6 meters answer.")
    expect(verdict).to_contain_text("Press is implausible: its phases make")
    expect(verdict).to_contain_text("Cold store is silent")
    states = {one["device"]: one["state"] for one in works.get("/api/plant")["meters"]}
    assert states["press"] == "faulty"
    assert states["store"] == "stale"
    for device, state in states.items():
        expect(page.get_by_test_id(f"meter-{device}")).to_have_attribute("data-state", state)
    expect(page.get_by_test_id("sum-hall")).to_contain_text("Not told while Cold store")
    assert read_value(page, "meters-ok") == 4


def test_plant_names_sub_meters_that_say_too_much(works: RunningPage, open_page: OpenPage) -> None:
    page = open_page()

    def exaggerate(route: Route) -> None:
        plant = route.fetch().json()
        for one in plant["sums"]:
            if one["device"] == "main":
                one["power_w"] |= {"rest": -1200.0, "is_contradiction": True}
        route.fulfill(json=plant)

    page.route("**/api/plant*", exaggerate)
    page.goto(f"{works.url}/plant")
    expect(page.get_by_test_id("contradiction")).to_contain_text(
        "The meters below Main meter say 1.20\u202fkW more than it does"
    )
    expect(page.get_by_test_id("verdict")).to_have_attribute("data-good", "no")


def test_meter_of_the_plant_shows_its_phases_and_opens_its_page(
    works: RunningPage, open_page: OpenPage
) -> None:
    page = open_plant(works, open_page)
    expect(page.get_by_test_id("phases-chart")).to_contain_text("Power of Main meter")
    page.get_by_role("button", name="Phases of Office").click()
    expect(page).to_have_url(f"{works.url}/plant?device=office")
    expect(page.get_by_test_id("phases-chart")).to_contain_text("Power of Office")
    page.get_by_test_id("range-week").click()
    expect(page).to_have_url(re.compile(r"/plant\?device=office&range=week$"))
    page.get_by_test_id("meter-pump").get_by_role("link").click()
    expect(page).to_have_url(f"{works.url}/devices/pump")


def test_thousands_of_meters_stay_few_in_the_page(works: RunningPage, open_page: OpenPage) -> None:
    page = open_page()

    def many(route: Route) -> None:
        plant = route.fetch().json()
        office = next(one for one in plant["meters"] if one["device"] == "office")
        plant["meters"] += [
            office | {"device": f"m{n}", "name": f"Meter {n}", "parent": None} for n in range(5000)
        ]
        route.fulfill(json=plant)

    page.route("**/api/plant*", many)
    page.route("**/api/devices/m*/readings*", lambda route: route.fulfill(json={"points": []}))
    page.goto(f"{works.url}/plant")
    page.wait_for_selector("[data-testid=meter-main]", timeout=20_000)
    assert page.locator(".meter-row").count() < 120
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_selector("[data-testid=meter-m4999]")
    assert page.locator(".meter-row").count() < 120


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("colours", ["seed", "iec", "grey"])
def test_phases_and_states_can_be_told_apart_from_their_card(
    works: RunningPage, open_page: OpenPage, scheme: str, colours: str
) -> None:
    page = open_page(color_scheme=scheme)

    def recolour(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"phase_colours": colours})

    page.route("**/api/pages/settings*", recolour)
    page.goto(f"{works.url}/heatpump")
    page.wait_for_selector(f"html[data-phases={colours}] [data-testid=power-chart]")
    names = ["card", "total", "l1", "l2", "l3", "standby", "active", "high", "on-high"]
    found: dict[str, str] = page.evaluate(
        """names => Object.fromEntries(names.map(name => {
          const probe = document.createElement("i");
          probe.style.color = `var(--${name})`;
          document.body.append(probe);
          const parts = getComputedStyle(probe).color.match(/\\d+/g).slice(0, 3).map(Number);
          probe.remove();
          return [name, "#" + parts.map(n => n.toString(16).padStart(2, "0")).join("")];
        }))""",
        names,
    )
    weak = {
        name: round(ratio(found[name], found["card"]), 2)
        for name in names[1:-1]
        if ratio(found[name], found["card"]) < DRAWN_RATIO
    }
    assert weak == {}
    assert ratio(found["on-high"], found["high"]) >= TEXT_RATIO
    assert len({found[name] for name in ("total", "l1", "l2", "l3")}) == 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/heatpump", "/plant"])
def test_every_text_can_be_read(
    works: RunningPage, open_page: OpenPage, scheme: str, path: str
) -> None:
    page = open_page(color_scheme=scheme)
    page.goto(works.url + path)
    page.wait_for_selector("[data-testid=verdict]", timeout=20_000)
    assert list_weak_texts(page, at_least=60, settle_ms=2_500) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [("light", {"color_scheme": "light"}), ("dark", {"color_scheme": "dark"}), ("phone", PHONE)],
)
@pytest.mark.parametrize("path", ["heatpump", "plant", "devices"])
def test_page_fits_its_screen(
    works: RunningPage, open_page: OpenPage, path: str, name: str, options: dict[str, Any]
) -> None:
    page = open_page(**options)
    page.goto(f"{works.url}/{path}")
    page.wait_for_selector("[data-testid=verdict], .device-row", timeout=20_000)
    page.wait_for_timeout(3_000)
    keep_picture(page, f"{path}-{name}")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
    # Nothing sticks out of its card either.
    wide: list[str] = page.evaluate(
        """() => [...document.querySelectorAll(".card, .tile")]
          .filter(one => one.scrollWidth > one.clientWidth + 1)
          .map(one => one.getAttribute("aria-label"))"""
    )
    assert wide == []
