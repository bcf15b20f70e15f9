"""The page of a real demo in a real browser: live, true, quiet, and its own host only."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import OpenPage, Watch, keep_picture
from tests.page.demo import RunningPage

LIVE = "[data-testid=live-chip][data-state=live]"
DENVER = ZoneInfo("America/Denver")
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def yesterday() -> str:
    return (datetime.now(UTC).astimezone(DENVER) - timedelta(days=1)).date().isoformat()


def read_value(page: Page, name: str) -> float:
    text = page.get_by_test_id(name).get_attribute("data-value")
    assert text is not None, f"{name} shows no value"
    return float(text)


def write_energy(value_wh: float) -> str:
    """Three significant digits in Wh, kWh or MWh, as a person reads them."""
    step = 0
    while step < 2 and float(f"{abs(value_wh):.3g}") >= 1000 ** (step + 1):
        step += 1
    scaled = value_wh / 1000**step
    size = abs(float(f"{scaled:.3g}"))
    decimals = 0 if size == 0 or size >= 100 else 1 if size >= 10 else 2
    return f"{scaled:.{decimals}f}\u202f{('', 'k', 'M')[step]}Wh"


def test_live_values_are_shown_within_five_seconds(
    demo: RunningPage, open_page: OpenPage, watch: Watch
) -> None:
    page = open_page()
    began_s = time.monotonic()
    page.goto(demo.url, wait_until="commit")
    page.wait_for_selector(LIVE, timeout=5_000)
    page.wait_for_selector("[data-testid=power-now][data-value]", timeout=5_000)
    assert time.monotonic() - began_s < 5
    first = read_value(page, "power-now")
    # A new value comes every 5 s.
    page.wait_for_function(
        """first => Number(
          document.querySelector("[data-testid=power-now]").dataset.value) !== first""",
        arg=first,
        timeout=12_000,
    )
    assert watch.complaints == []


def test_energies_of_a_whole_day_equal_the_api(demo: RunningPage, open_page: OpenPage) -> None:
    day = yesterday()
    totals = demo.get("/api/energy", site="home", day=day)["totals"]
    page = open_page()
    page.goto(f"{demo.url}/?range=day&date={day}")
    page.wait_for_selector("[data-testid=consumed][data-value]")
    for name, key in (("consumed", "consumption_wh"), ("produced", "production_wh")):
        assert read_value(page, name) == pytest.approx(totals[key], rel=1e-9)
        assert page.get_by_test_id(name).inner_text() == write_energy(totals[key])
    share = totals["self_sufficiency"]
    assert read_value(page, "self-sufficiency") == pytest.approx(share, rel=1e-9)
    assert f"{share * 100:.0f}" in page.get_by_test_id("self-sufficiency").inner_text()


def test_power_of_this_moment_equals_the_api(demo: RunningPage, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(demo.url)
    page.wait_for_selector(LIVE)
    for _ in range(40):
        # A reading may come between the two looks: then look again.
        if read_value(page, "power-now") == pytest.approx(demo.get("/api/insights/now")["home_w"]):
            return
        page.wait_for_timeout(250)
    pytest.fail("the page never showed the power that the API states")


def read_addresses(demo: RunningPage) -> list[str]:
    devices = demo.get("/api/devices")["devices"]
    return [
        "/",
        f"/?range=day&date={yesterday()}",
        "/home?range=week",
        "/home?range=month",
        "/home?range=year",
        "/devices",
        *(f"/devices/{device['id']}" for device in devices),
        "/health",
        "/docs",
    ]


def test_every_page_opens_without_a_complaint_and_asks_no_other_host(
    demo: RunningPage, open_page: OpenPage, watch: Watch
) -> None:
    page = open_page()
    for address in read_addresses(demo):
        page.goto(demo.url + address)
        page.wait_for_timeout(400)
        assert watch.complaints == [], address
    assert watch.hosts == {demo.url.removeprefix("http://")}


def test_reload_of_a_deep_link_shows_the_same(demo: RunningPage, open_page: OpenPage) -> None:
    day = yesterday()
    page = open_page()
    page.goto(f"{demo.url}/?range=day&date={day}")
    page.wait_for_selector("[data-testid=consumed][data-value]")
    before = (page.get_by_test_id("period").inner_text(), read_value(page, "consumed"))
    address = page.url
    page.reload()
    page.wait_for_selector("[data-testid=consumed][data-value]")
    assert page.url == address
    assert page.get_by_test_id("day-picker").input_value() == day
    assert before == (page.get_by_test_id("period").inner_text(), read_value(page, "consumed"))


@pytest.mark.parametrize("chart", ["energy-chart", "power-chart", "cumulative-chart"])
def test_csv_of_a_chart_holds_what_its_table_shows(
    demo: RunningPage, open_page: OpenPage, chart: str
) -> None:
    page = open_page()
    page.goto(f"{demo.url}/?range=day&date={yesterday()}")
    page.wait_for_selector(f"[data-testid={chart}-csv]:enabled")
    page.get_by_test_id(f"{chart}-table").click()
    with page.expect_download() as caught:
        page.get_by_test_id(f"{chart}-csv").click()
    assert caught.value.suggested_filename.endswith(".csv")
    text = caught.value.path().read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))
    shown = page.get_by_test_id(chart).locator("tbody tr")
    assert shown.count() == len(rows) - 1
    for at in (0, len(rows) // 2, len(rows) - 2):
        cells = shown.nth(at).locator("td").all_inner_texts()
        wanted = rows[at + 1][1:]
        plain = [cell.replace("–", "").replace(",", "") for cell in cells]
        assert plain == [one.replace("-", "−") for one in wanted]


def test_hours_in_the_csv_are_those_of_the_api(demo: RunningPage, open_page: OpenPage) -> None:
    day = yesterday()
    page = open_page()
    page.goto(f"{demo.url}/?range=day&date={day}")
    page.wait_for_selector("[data-testid=energy-chart-csv]:enabled")
    with page.expect_download() as caught:
        page.get_by_test_id("energy-chart-csv").click()
    rows = list(csv.DictReader(caught.value.path().read_text(encoding="utf-8").splitlines()))
    buckets = demo.get("/api/energy", site="home", day=day, interval="1h")["buckets"]
    assert len(rows) == len(buckets)
    numbers = [
        sorted(float(cell) for cell in list(row.values())[1:] if _is_number(cell)) for row in rows
    ]
    for row, bucket in zip(numbers, buckets, strict=True):
        # Whatever the columns are called: bought and used on the spot are among them.
        for name in ("import_wh", "self_consumed_wh"):
            assert any(
                one == pytest.approx(bucket[name], abs=0.6)
                or one == pytest.approx(bucket[name] / 1000, abs=6e-4)
                for one in row
            ), (name, bucket, row)


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).replace("-", "", 1).isdigit()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_no_page_is_wider_than_its_screen(
    demo: RunningPage, open_page: OpenPage, scheme: str, size: str
) -> None:
    options: dict[str, Any] = {"color_scheme": scheme} | (PHONE if size == "phone" else {})
    page = open_page(**options)
    device = demo.get("/api/devices")["devices"][0]["id"]
    for name, address in (
        ("home", "/"),
        ("day", f"/?range=day&date={yesterday()}"),
        ("devices", "/devices"),
        ("device", f"/devices/{device}"),
        ("health", "/health"),
    ):
        page.goto(demo.url + address)
        page.wait_for_selector(LIVE)
        page.wait_for_timeout(600)
        keep_picture(page, f"demo-{name}-{size}-{scheme}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.evaluate("document.documentElement.clientWidth"), address
        assert page.locator("html").get_attribute("data-theme") == scheme


def test_question_mark_lists_the_keys_and_escape_closes_them(
    demo: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    page.goto(demo.url)
    page.wait_for_selector(LIVE)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    keep_picture(page, "demo-keys")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


_FOCUS = """() => {
  const at = document.activeElement;
  const look = getComputedStyle(at);
  const box = at.getBoundingClientRect();
  // A frame around the focused control counts as well.
  const frames = [];
  for (let one = at; one && one !== document.body; one = one.parentElement) frames.push(one);
  return {
    what: at.tagName + " " + (at.getAttribute("aria-label") || at.textContent || "").slice(0, 40),
    isBody: at === document.body,
    outline: frames.map(one => getComputedStyle(one)).some(
      one => one.outlineStyle !== "none" && parseFloat(one.outlineWidth) >= 1),
    shadow: look.boxShadow !== "none",
    named: Boolean(at.getAttribute("aria-label") || at.getAttribute("aria-labelledby")
      || at.textContent.trim() || at.title || at.labels?.length),
    area: box.width * box.height,
  };
}"""


def _tab_through(page: Page, most: int = 60) -> Iterator[dict[str, Any]]:
    for _ in range(most):
        page.keyboard.press("Tab")
        found: dict[str, Any] = page.evaluate(_FOCUS)
        if found["isBody"]:
            return
        yield found


def test_focus_is_always_visible_and_named(demo: RunningPage, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(demo.url)
    page.wait_for_selector(LIVE)
    seen = list(_tab_through(page))
    assert len(seen) > 8
    for one in seen:
        assert one["outline"] or one["shadow"], one
        assert one["named"], one
        assert one["area"] > 0, one


def test_pictures_of_the_page_say_what_they_show(demo: RunningPage, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(demo.url)
    page.wait_for_selector(LIVE)
    page.wait_for_selector("[data-testid=bar]")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("main svg, main canvas")].filter(one =>
          !one.closest("[aria-hidden=true], [role=img], [aria-label], figure, button, a") &&
          !one.getAttribute("role")).map(one => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    assert page.locator("html").get_attribute("lang")
    assert page.locator("h1").count() == 1


def test_less_motion_is_respected(demo: RunningPage, open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")
    page.goto(demo.url)
    page.wait_for_selector(LIVE)
    page.wait_for_timeout(500)
    running = page.evaluate(
        "document.getAnimations().filter(a => a.playState === 'running').length"
    )
    assert running == 0


def test_first_view_needs_little_script(demo: RunningPage, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(demo.url)
    page.wait_for_selector(LIVE)
    sizes = page.evaluate(
        """() => performance.getEntriesByType("resource")
          .filter(one => one.name.endsWith(".js")).map(one => one.encodedBodySize)"""
    )
    assert sizes
    assert sum(sizes) < 100_000
