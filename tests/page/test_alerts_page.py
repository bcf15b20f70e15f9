"""The page Alerts in a real browser: what needs a person, and rules as sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import OpenPage, Watch, keep_picture
from tests.page.demo import RunningPage
from tests.page.farm import BROKEN, run_farm
from tests.page.test_contrast import list_weak_texts
from wattscope.core.findings import FINDING_KINDS

PREVIEW_MS = 60_000
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPage]:
    """A farm of which one panel is broken, with a way to be told that nobody hears."""
    with run_farm(tmp_path_factory.mktemp("farm")) as page:
        yield page


def open_alerts(farm: RunningPage, open_page: OpenPage, **options: object) -> Page:
    page = open_page(**options)
    page.goto(f"{farm.url}/alerts")
    page.wait_for_selector("[data-testid=now]", timeout=20_000)
    page.wait_for_selector("[data-testid=rules] li, [data-testid=rules] .nothing")
    return page


def open_editor(farm: RunningPage, open_page: OpenPage, **options: object) -> Page:
    page = open_alerts(farm, open_page, **options)
    page.get_by_test_id("add-rule").click()
    page.wait_for_selector("[data-testid=rule-editor]")
    return page


def read_fired(page: Page) -> int:
    """How often the preview says that the rule would have fired, once it knows."""
    count = page.get_by_test_id("preview-count")
    count.wait_for(timeout=PREVIEW_MS)
    return int(count.get_attribute("data-fired") or "-1")


def test_alerts_are_in_the_menu_and_open_without_a_complaint(
    farm: RunningPage, open_page: OpenPage, watch: Watch
) -> None:
    page = open_page()
    page.goto(f"{farm.url}/devices")
    page.get_by_role("navigation").get_by_role("link", name="Alerts").click()
    page.wait_for_selector("[data-testid=now]", timeout=20_000)
    page.wait_for_timeout(1000)
    assert watch.complaints == []
    assert watch.hosts == {farm.url.removeprefix("http://")}


def test_what_needs_a_person_is_first_and_goes_down_when_somebody_knows(
    farm: RunningPage, open_page: OpenPage
) -> None:
    page = open_alerts(farm, open_page)
    wanted = farm.get("/api/incidents", state="open")["incidents"]
    broken = next(one for one in wanted if one["device"] == BROKEN)
    row = page.get_by_test_id("now").locator(f"[data-key='incident {broken['id']}']")
    expect(row).to_contain_text(broken["recommendation"])
    before = page.get_by_test_id("now").get_by_test_id("matter").count()
    expect(page.get_by_test_id("verdict")).to_contain_text(
        re.compile(rf"^{before} things? needs? a person")
    )
    row.get_by_test_id("acknowledge").click()
    known = page.get_by_test_id("known").locator(f"[data-key='incident {broken['id']}']")
    expect(known).to_contain_text("somebody knows")
    expect(page.get_by_test_id("now").get_by_test_id("matter")).to_have_count(before - 1)
    page.reload()
    known.get_by_test_id("reopen").click()
    expect(row).to_be_visible()


def test_row_leads_to_the_evidence_and_back(farm: RunningPage, open_page: OpenPage) -> None:
    page = open_alerts(farm, open_page)
    page.get_by_test_id("now").get_by_role("link").first.click()
    page.wait_for_selector("[data-testid=incident]")
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{farm.url}/alerts")


def test_causes_to_choose_are_the_kinds_that_detectors_say(
    farm: RunningPage, open_page: OpenPage
) -> None:
    page = open_editor(farm, open_page)
    page.get_by_test_id("rule-what").select_option(" incident")
    offered = page.get_by_test_id("rule-cause").locator("option")
    values = offered.evaluate_all("all => all.map(one => one.value)")
    assert values[0] == ""
    assert values[1:] == list(FINDING_KINDS)


def test_rule_is_tried_on_the_past_while_it_is_written(
    farm: RunningPage, open_page: OpenPage
) -> None:
    page = open_editor(farm, open_page)
    quantity = page.get_by_test_id("rule-what").input_value()
    limit = page.get_by_test_id("rule-limit")
    # Below what no panel ever falls, and below what every panel is below each night.
    limit.fill("-100")
    assert read_fired(page) == 0
    expect(page.get_by_test_id("preview")).to_contain_text("would not have fired")
    limit.fill("1")
    count = page.get_by_test_id("preview-count")
    expect(count).not_to_have_attribute("data-fired", "0", timeout=PREVIEW_MS)
    fired = read_fired(page)
    rule: dict[str, Any] = {
        "id": 0, "name": "rule", "kind": "below", "devices": [], "quantity": quantity,
        "threshold": 1, "hysteresis": 0, "for_s": 600, "per_s": 300, "kinds": [],
        "severity": "warning", "channels": [], "is_enabled": True,
        "schedule": {"weekdays": list(range(7)), "start": "00:00", "end": "24:00"},
    }  # fmt: skip
    answer = page.request.post(f"{farm.url}/api/alert-rules/preview", data=rule).json()
    assert fired > 0
    assert fired == pytest.approx(answer["n_fired"], abs=2)
    times = page.get_by_test_id("preview").locator("tbody tr")
    assert times.count() == min(100, len(answer["fired"]))
    assert page.locator(".day-strip li").count() == answer["days"]
    keep_picture(page, "rule-editor")
    limit.fill("")
    expect(page.get_by_test_id("preview")).to_have_text("Give a limit.")
    expect(page.get_by_test_id("rule-save")).to_be_disabled()


def test_rule_is_kept_changed_switched_off_and_deleted(
    farm: RunningPage, open_page: OpenPage
) -> None:
    page = open_editor(farm, open_page)
    page.get_by_test_id("rule-limit").fill("5")
    page.get_by_test_id("rule-for").fill("20")
    page.get_by_test_id("rule-time").select_option("between")
    page.get_by_test_id("rule-days").select_option("work")
    page.get_by_test_id("rule-more").click()
    page.get_by_test_id("rule-hysteresis").fill("2")
    page.get_by_test_id("rule-name").fill("A dark panel")
    page.get_by_test_id("rule-save").click()
    row = page.get_by_test_id("rules").locator("li", has_text="A dark panel")
    expect(row).to_contain_text("is below 5.00\u202fW for 20\u202fmin")
    expect(row).to_contain_text("between 08:00 and 18:00 on Mon–Fri")
    page.reload()
    expect(row).to_be_visible()
    rules: list[dict[str, Any]] = farm.get("/api/alert-rules")["rules"]
    kept = next(one for one in rules if one["name"] == "A dark panel")
    assert (kept["threshold"], kept["hysteresis"], kept["for_s"]) == (5, 2, 1200)
    assert kept["schedule"] == {"weekdays": [0, 1, 2, 3, 4], "start": "08:00", "end": "18:00"}
    row.get_by_role("switch").click()
    expect(row).to_have_attribute("data-enabled", "no")
    row.get_by_role("button", name="Change").click()
    page.get_by_test_id("rule-limit").fill("7")
    page.get_by_test_id("rule-save").click()
    expect(row).to_contain_text("is below 7.00\u202fW")
    row.get_by_role("button", name="Change").click()
    page.get_by_test_id("rule-delete").click()
    page.get_by_test_id("rule-delete").click()
    expect(row).to_have_count(0)
    assert kept["id"] not in {one["id"] for one in farm.get("/api/alert-rules")["rules"]}


def test_rule_about_chosen_devices_finds_them_by_name(
    farm: RunningPage, open_page: OpenPage
) -> None:
    page = open_editor(farm, open_page)
    name = farm.get(f"/api/devices/{BROKEN}")["name"]
    page.get_by_test_id("rule-devices").select_option("chosen")
    page.get_by_test_id("rule-find-device").fill(name)
    page.get_by_role("button", name=f"Choose {name}").click()
    page.get_by_test_id("rule-limit").fill("1")
    count = page.get_by_test_id("preview-count")
    expect(count).to_contain_text("1 device", timeout=PREVIEW_MS)
    page.get_by_test_id("rule-more").click()
    placeholder = page.get_by_test_id("rule-name").get_attribute("placeholder") or ""
    assert name in placeholder


def test_way_that_does_not_get_through_is_named(farm: RunningPage, open_page: OpenPage) -> None:
    page = open_page()

    def failing(route: Route) -> None:
        hook = {
            "name": "hook",
            "type": "webhook",
            "is_ok": False,
            "last_error": "connection refused",
            "waiting": 3,
        }
        route.fulfill(json={"channels": [hook]})

    page.route("**/api/channels", failing)
    page.goto(f"{farm.url}/alerts")
    row = page.get_by_test_id("channel-hook")
    expect(row).to_contain_text("does not get through, 3 messages waiting")
    expect(row).to_contain_text("connection refused")
    expect(page.get_by_test_id("verdict")).to_contain_text("Messages through hook")
    expect(page.get_by_test_id("verdict")).to_have_attribute("data-good", "no")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(farm: RunningPage, open_page: OpenPage, scheme: str) -> None:
    page = open_editor(farm, open_page, color_scheme=scheme)
    page.get_by_test_id("rule-limit").fill("1")
    read_fired(page)
    assert list_weak_texts(page, at_least=40, settle_ms=1_000) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [("light", {"color_scheme": "light"}), ("dark", {"color_scheme": "dark"}), ("phone", PHONE)],
)
def test_page_fits_its_screen(
    farm: RunningPage, open_page: OpenPage, name: str, options: dict[str, Any]
) -> None:
    page = open_editor(farm, open_page, **options)
    page.wait_for_timeout(1_500)
    keep_picture(page, f"alerts-{name}")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
    wide: list[str] = page.evaluate(
        """() => [...document.querySelectorAll(".card")]
          .filter(one => one.scrollWidth > one.clientWidth + 1)
          .map(one => one.getAttribute("aria-label"))"""
    )
    assert wide == []
