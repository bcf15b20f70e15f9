"""The home page in a real browser, on the running demo."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.conftest import Watch
from tests.page.live_script import SLOW_ANSWERS, heard_once

OpenPage = Callable[..., Page]
KeepPicture = Callable[[Page, str], None]
THIN_SPACE = "\u202f"
LIVE = "[data-testid=live-chip][data-state=live]"
CHARTS = ("power-chart", "cumulative-chart", "energy-chart")


def find(page: Page, test_id: str) -> Locator:
    return page.get_by_test_id(test_id)


def read_value(page: Page, test_id: str) -> float:
    text = find(page, test_id).get_attribute("data-value")
    assert text is not None, f"{test_id} shows no value"
    return float(text)


def read_api(page: Page, address: str) -> dict[str, Any]:
    response = page.request.get(address)
    assert response.ok, f"{address} answered {response.status}"
    answer: dict[str, Any] = response.json()
    return answer


def read_today(page: Page, demo_url: str) -> dict[str, Any]:
    """The API's answer for the day that the page shows."""
    site = read_api(page, f"{demo_url}/api/sites")["sites"][0]
    day = find(page, "day-picker").input_value()
    return read_api(page, f"{demo_url}/api/energy?site={site['id']}&day={day}")


def write_short(value: float, unit: str) -> str:
    """The number as the page should write it: three digits, scaled, thin space."""
    prefixes = ["", "k", "M"]
    step = 0
    while step < len(prefixes) - 1 and float(f"{abs(value):.3g}") >= 1000 ** (step + 1):
        step += 1
    scaled = value / 1000**step
    size = abs(float(f"{scaled:.3g}"))
    decimals = 0 if size == 0 or size >= 100 else 1 if size >= 10 else 2
    return f"{scaled:.{decimals}f}{THIN_SPACE}{prefixes[step]}{unit}"


def test_page_shows_live_values_within_five_seconds(open_page: OpenPage, demo_url: str) -> None:
    page = open_page()
    page.goto(demo_url, wait_until="commit")
    page.wait_for_selector(LIVE, timeout=5_000)
    page.wait_for_selector("[data-testid=power-now][data-value]", timeout=1_000)
    expect(page).to_have_url(f"{demo_url}/home")


def test_energy_on_the_page_equals_the_api(open_page: OpenPage, demo_url: str) -> None:
    page = open_page()
    page.goto(demo_url)
    page.wait_for_selector("[data-testid=consumed][data-value]")
    shown = {name: read_value(page, name) for name in ("consumed", "produced")}
    written = {name: find(page, name).inner_text() for name in shown}
    after = read_today(page, demo_url)["totals"]
    # The day goes on: what the page showed lies at or a little below what the API says now.
    for name, key in (("consumed", "consumption_wh"), ("produced", "production_wh")):
        assert shown[name] == pytest.approx(after[key], abs=20, rel=0.02)
        assert shown[name] <= after[key] + 1
        assert written[name] == write_short(shown[name], "Wh")


def test_energy_of_the_answer_is_written_unchanged(open_page: OpenPage, demo_url: str) -> None:
    page = open_page()
    with page.expect_response(
        lambda response: "/api/energy" in response.url and "interval=1h" in response.url
    ) as caught:
        page.goto(demo_url)
    totals = caught.value.json()["totals"]
    page.wait_for_selector("[data-testid=consumed][data-value]")
    assert read_value(page, "consumed") == pytest.approx(totals["consumption_wh"])
    assert read_value(page, "produced") == pytest.approx(totals["production_wh"])
    if totals["self_sufficiency"] is not None:
        assert read_value(page, "self-sufficiency") == pytest.approx(totals["self_sufficiency"])


def test_power_on_the_page_equals_the_api(open_page: OpenPage, demo_url: str) -> None:
    page = open_page()
    page.goto(demo_url)
    page.wait_for_selector(LIVE)
    # A new reading may arrive between the two looks: then look again.
    for _ in range(20):
        newest = read_api(page, f"{demo_url}/api/insights/now")
        if read_value(page, "power-now") == pytest.approx(newest["home_w"]):
            break
        page.wait_for_timeout(250)
    else:
        pytest.fail("the page never showed the power that the API states")


def test_no_page_asks_another_host_or_complains(
    open_page: OpenPage, watch: Watch, demo_url: str
) -> None:
    page = open_page()
    page.goto(demo_url)
    page.wait_for_selector(LIVE)
    device = read_api(page, f"{demo_url}/api/devices")["devices"][0]["id"]
    for path in (
        "/home?range=week",
        "/home?range=year",
        "/devices",
        f"/devices/{device}",
        "/health",
    ):
        page.goto(demo_url + path)
        page.wait_for_selector(LIVE)
        page.wait_for_timeout(500)
    assert watch.hosts == {demo_url.removeprefix("http://")}
    assert watch.complaints == []


def test_age_counts_on_between_readings(open_page: OpenPage, demo_url: str) -> None:
    page = open_page()
    page.add_init_script(heard_once(age_s=3))
    asked_s = time.monotonic()
    page.goto(demo_url)
    page.wait_for_selector(LIVE)
    chip = find(page, "live-chip")
    first = int(chip.get_attribute("data-age") or -1)
    seen_s = time.monotonic()
    page.wait_for_timeout(3_100)
    later_s = time.monotonic()
    second = int(chip.get_attribute("data-age") or -1)
    # Within what this test's own clock says, however slow the machine is.
    assert 3 <= first <= 3 + (seen_s - asked_s) + 1
    assert later_s - seen_s - 2 <= second - first <= time.monotonic() - asked_s + 1
    assert second > first


def test_slow_answer_does_not_change_an_age(open_page: OpenPage, demo_url: str) -> None:
    page = open_page()
    page.add_init_script(heard_once(age_s=3))
    page.add_init_script(SLOW_ANSWERS)
    page.goto(demo_url)
    page.wait_for_selector(LIVE)
    chip = find(page, "live-chip")
    ages = []
    while page.evaluate("!window.isSlowAnswerThere"):
        ages.append(int(chip.get_attribute("data-age") or -1))
        page.wait_for_timeout(250)
    page.wait_for_timeout(1_500)
    ages.append(int(chip.get_attribute("data-age") or -1))
    assert ages[0] >= 3
    assert ages == sorted(ages)
    assert ages[-1] > ages[0] + 3


def test_silent_meter_is_shown_as_stale_with_its_age(
    open_page: OpenPage, keep_picture: KeepPicture, demo_url: str
) -> None:
    page = open_page()
    page.add_init_script(heard_once(age_s=41 * 60, is_stale=True))
    page.goto(demo_url)
    page.wait_for_selector("[data-testid=live-chip][data-state=stale]")
    expect(find(page, "live-chip")).to_contain_text(f"41{THIN_SPACE}min ago")
    expect(find(page, "tile-power")).to_contain_text("Last known power")
    expect(find(page, "tile-power")).to_contain_text(f"41{THIN_SPACE}min old")
    expect(find(page, "flow-drawing")).to_have_attribute("data-moving", "no")
    assert page.locator(".flow-dot").count() == 0
    keep_picture(page, "home-stale")


def test_reading_grows_stale_in_the_browser_alone(open_page: OpenPage, demo_url: str) -> None:
    page = open_page()
    page.add_init_script(heard_once(age_s=1, stale_after_s=3))
    page.goto(demo_url)
    page.wait_for_selector(LIVE)
    page.wait_for_selector("[data-testid=live-chip][data-state=stale]", timeout=6_000)


def test_lost_stream_is_said_and_found_again(
    open_page: OpenPage, watch: Watch, demo_url: str
) -> None:
    page = open_page()
    page.goto(demo_url)
    page.wait_for_selector(LIVE)
    page.route("**/api/live", lambda route: route.fulfill(status=503, body="{}"))
    page.goto(f"{demo_url}/home")
    page.wait_for_selector("[data-testid=live-chip][data-state=broken]")
    page.unroute("**/api/live")
    page.wait_for_selector(LIVE, timeout=20_000)
    # The refused streams are what the browser itself writes on the console.
    assert all("503" in complaint for complaint in watch.complaints)


def test_empty_home_says_how_to_connect_a_meter(
    open_page: OpenPage, keep_picture: KeepPicture, demo_url: str
) -> None:
    page = open_page()
    page.add_init_script(heard_once(age_s=None))
    page.route("**/api/devices", lambda route: route.fulfill(json={"devices": []}))
    page.goto(demo_url)
    broker = read_api(page, f"{demo_url}/api/topics")["broker_url"]
    expect(find(page, "broker-url")).to_have_text(broker)
    expect(find(page, "live-chip")).to_contain_text("no readings yet")
    keep_picture(page, "home-empty")


def test_failed_answer_is_explained_and_can_be_tried_again(
    open_page: OpenPage, demo_url: str
) -> None:
    page = open_page()
    problem = {"title": "The store is busy.", "detail": "Try again soon.", "code": "store_busy"}
    page.route("**/api/energy*", lambda route: route.fulfill(status=503, json=problem))
    page.goto(demo_url)
    expect(find(page, "error").first).to_contain_text("The store is busy. Try again soon.")
    page.unroute("**/api/energy*")
    find(page, "error").first.get_by_role("button").click()
    page.wait_for_selector("[data-testid=consumed][data-value]")


def test_name_of_a_device_is_never_markup(open_page: OpenPage, demo_url: str) -> None:
    page = open_page()
    hostile = '<img src="x" onerror="document.title=1">'
    devices = read_api(page, f"{demo_url}/api/devices")["devices"]
    devices[0]["name"] = hostile
    page.route("**/api/devices", lambda route: route.fulfill(json={"devices": devices}))
    page.goto(f"{demo_url}/devices")
    expect(page.locator(".device-row").first).to_contain_text(hostile)
    assert page.locator("main img").count() == 0


def test_address_holds_the_view_and_back_leads_back(open_page: OpenPage, demo_url: str) -> None:
    page = open_page()
    page.goto(demo_url)
    page.wait_for_selector("[data-testid=bar]")
    today = find(page, "day-picker").input_value()
    find(page, "range-year").click()
    expect(page).to_have_url(f"{demo_url}/home?range=year")
    expect(find(page, "bar")).to_have_count(12)
    find(page, "bar").nth(int(today[5:7]) - 1).click()
    expect(page).to_have_url(f"{demo_url}/home?range=month")
    find(page, "bar").nth(int(today[8:]) - 1).click()
    expect(page).to_have_url(f"{demo_url}/home")
    page.go_back()
    expect(page).to_have_url(f"{demo_url}/home?range=month")
    page.go_back()
    expect(page).to_have_url(f"{demo_url}/home?range=year")


def test_day_picker_and_keys_choose_the_day(open_page: OpenPage, demo_url: str) -> None:
    page = open_page()
    page.goto(demo_url)
    find(page, "day-picker").fill("2026-03-10")
    expect(page).to_have_url(f"{demo_url}/home?range=day&date=2026-03-10")
    page.locator("h1").click()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(f"{demo_url}/home?range=day&date=2026-03-09")
    page.keyboard.press("t")
    expect(page).to_have_url(f"{demo_url}/home")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_drag_on_a_chart_zooms_and_double_click_resets(open_page: OpenPage, demo_url: str) -> None:
    page = open_page()
    page.goto(demo_url)
    plot = find(page, "power-chart").locator(".u-over")
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, middle, steps=4)
    page.mouse.up()
    page.wait_for_url("**/home?from=*&to=*")
    page.mouse.dblclick(box["x"] + box["width"] * 0.5, middle)
    expect(page).to_have_url(f"{demo_url}/home")


@pytest.mark.parametrize("chart", CHARTS)
def test_csv_holds_the_numbers_of_the_table(open_page: OpenPage, demo_url: str, chart: str) -> None:
    page = open_page()
    page.goto(demo_url)
    page.wait_for_selector(f"[data-testid={chart}-csv]:enabled")
    # The event loop of the page stands still for both looks, or a live value comes between.
    page.clock.install()
    find(page, f"{chart}-table").click()
    with page.expect_download() as caught:
        find(page, f"{chart}-csv").click()
    assert caught.value.suggested_filename.endswith(".csv")
    rows = list(csv.reader(io.StringIO(caught.value.path().read_text(encoding="utf-8"))))
    table = find(page, chart).locator("tbody tr")
    # Just after midnight the day has few rows.
    at = min(3, len(rows) - 2)
    shown = table.nth(at).locator("td").all_inner_texts()
    # The table groups thousands for the eye; the file does not.
    assert [cell.replace("–", "").replace(",", "") for cell in shown] == [
        cell.replace("-", "−") for cell in rows[at + 1][1:]
    ]
    assert abs(table.count() - len(rows) + 1) <= 3


def test_times_are_those_of_the_site_not_of_the_browser(open_page: OpenPage, demo_url: str) -> None:
    days = set()
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        page = open_page(timezone_id=zone)
        page.goto(demo_url)
        page.wait_for_selector(LIVE)
        days.add(find(page, "period").inner_text())
    assert len(days) == 1


def test_nothing_runs_where_less_motion_is_wanted(open_page: OpenPage, demo_url: str) -> None:
    page = open_page(reduced_motion="reduce")
    page.goto(demo_url)
    page.wait_for_selector(LIVE)
    page.wait_for_selector("[data-testid=flow-drawing]")
    assert page.locator(".flow-dot").count() == 0


def test_appearance_is_remembered(open_page: OpenPage, demo_url: str) -> None:
    page = open_page(color_scheme="light")
    page.goto(demo_url)
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "light")
    find(page, "theme").click()
    find(page, "theme").click()
    expect(root).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(root).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("home-light", {"color_scheme": "light"}),
        ("home-dark", {"color_scheme": "dark"}),
        (
            "home-phone",
            {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}, "has_touch": True},
        ),
    ],
)
def test_page_fits_its_screen(
    open_page: OpenPage,
    keep_picture: KeepPicture,
    demo_url: str,
    name: str,
    options: dict[str, Any],
) -> None:
    page = open_page(**options)
    page.goto(demo_url)
    page.wait_for_selector(LIVE)
    page.wait_for_selector("[data-testid=bar]")
    page.wait_for_timeout(1_500)
    keep_picture(page, name)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.evaluate("innerWidth")
