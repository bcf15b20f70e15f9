"""The page Grid in a real browser, over a town of sixty meters."""

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
from tests.page.test_contrast import list_weak_texts
from tests.page.town import N_METERS, NAMED, REGIONS, SILENT, run_town

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
CHARTS = ("load-chart", "hour-chart", "hours-chart", "peaks", "heat", "regions", "days-chart")
CARDS = (*CHARTS, "rollups", "meter-chart", "meter-days")
THIN = "\u202f"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPage]:
    """A town with a past of weeks."""
    with run_town(tmp_path_factory.mktemp("town")) as page:
        yield page


def open_grid(town: RunningPage, open_page: OpenPage, words: str = "", **options: object) -> Page:
    """The page with everything that it shows."""
    page = open_page(**options)
    page.goto(f"{town.url}/grid{words}")
    settle(page)
    return page


def settle(page: Page) -> None:
    """Until every card has its answer and every chart is drawn."""
    for card in CARDS:
        page.wait_for_selector(f"[data-testid={card}-csv]:enabled", timeout=30_000)
    page.wait_for_selector("[data-testid=month] tbody tr")
    page.wait_for_selector("[data-testid=readings] tbody tr")
    page.wait_for_selector("[data-testid=load-chart] .u-over, [data-testid=load-chart] .nothing")
    expect(page.get_by_text("Loading", exact=True)).to_have_count(0)


def read_value(page: Page, test_id: str) -> float:
    """The untouched number behind a shown one."""
    return float(page.get_by_test_id(test_id).get_attribute("data-value") or "nan")


def test_page_opens_without_a_complaint_asks_no_other_host_and_few_questions(
    town: RunningPage, open_page: OpenPage, watch: Watch
) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.partition("/api/")[2]))
    page.goto(town.url)
    expect(page).to_have_url(f"{town.url}/grid")
    settle(page)
    assert watch.complaints == []
    assert watch.hosts == {town.url.removeprefix("http://")}
    # Sixty meters, and no question for each of them.
    assert len([one for one in asked if one]) < 30


def test_first_line_says_the_load_and_the_tiles_what_it_is_compared_to(
    town: RunningPage, open_page: OpenPage
) -> None:
    page = open_grid(town, open_page)
    now = town.get("/api/grid/now")
    assert now["meters"]["ok"] == N_METERS - 1
    verdict = page.get_by_test_id("verdict")
    expect(verdict).to_contain_text(f"now from {N_METERS - 1} of {N_METERS} meters.")
    expect(verdict).to_contain_text(re.compile("yesterday( was)? by this time\\."))
    expect(verdict).to_contain_text("The week's peak was")
    assert read_value(page, "load-now") == pytest.approx(now["load_w"])
    peak = town.get("/api/grid/peaks")["peaks"][0]
    assert read_value(page, "peak-load") == pytest.approx(peak["load_w"])
    today = town.get("/api/grid/today")["so_far"]
    assert read_value(page, "energy-today") == pytest.approx(today["energy_wh"], rel=0.2)
    assert read_value(page, "meters-ok") == N_METERS - 1
    expect(page.get_by_test_id("tile-meters")).to_contain_text("1 silent")
    expect(page.get_by_test_id("live-chip")).to_have_attribute("data-state", "live")


@pytest.mark.parametrize("card", CARDS)
def test_csv_holds_the_numbers_of_the_table(
    town: RunningPage, open_page: OpenPage, card: str
) -> None:
    page = open_grid(town, open_page)
    page.get_by_test_id(f"{card}-table").click()
    with page.expect_download() as caught:
        page.get_by_test_id(f"{card}-csv").click()
    assert caught.value.suggested_filename.startswith("wattscope-")
    rows = list(csv.reader(io.StringIO(caught.value.path().read_text(encoding="utf-8"))))
    table = page.get_by_test_id(card).locator("tbody tr")
    assert table.count() == len(rows) - 1 > 0
    for at in (0, len(rows) // 2, len(rows) - 2):
        shown = table.nth(min(at, len(rows) - 2)).locator("td").all_inner_texts()
        told = rows[min(at, len(rows) - 2) + 1][1:]
        plain = [re.sub(r"(?<=\d),(?=\d{3})", "", cell) for cell in shown]
        assert ["" if cell == "–" else cell for cell in plain] == told


def test_month_is_ranked_searched_and_paged(town: RunningPage, open_page: OpenPage) -> None:
    page = open_grid(town, open_page)
    month = town.get("/api/grid/months", limit="60")
    ids = [one["meter"] for one in month["meters"]]
    rows = page.get_by_test_id("month").locator("tbody tr")
    expect(rows).to_have_count(12)
    expect(rows.first).to_have_attribute("data-testid", f"month-row-{ids[0]}")
    page.get_by_test_id("meters-on").click()
    expect(page.get_by_test_id("meters-page")).to_contain_text("13–24 of 60")
    expect(rows.first).to_have_attribute("data-testid", f"month-row-{ids[12]}")
    page.get_by_test_id("month-search").fill("town h")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("Town hall")
    page.get_by_test_id("month-search").fill("nobody")
    expect(page.get_by_test_id("month")).to_contain_text("No meter is called so.")
    page.get_by_test_id("month-search").fill("")
    page.get_by_test_id("month-meter").click()
    expect(rows.first).to_have_attribute("data-testid", f"month-row-{NAMED}")
    with page.expect_download() as caught:
        page.get_by_test_id("month-csv").click()
    text = caught.value.path().read_text(encoding="utf-8")
    assert len(text.splitlines()) == N_METERS + 1


def test_meter_is_found_by_typing_and_is_in_the_address(
    town: RunningPage, open_page: OpenPage
) -> None:
    page = open_grid(town, open_page)
    search = page.get_by_test_id("meter-search")
    search.click()
    expect(page.get_by_test_id("meter-option")).to_have_count(8)
    search.press_sequentially("30000000")
    expect(page.get_by_test_id("meter-option").first).to_contain_text("3000000050")
    expect(page.get_by_role("listbox")).to_contain_text("2 more")
    search.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_contain_text("3000000051")
    search.press("Enter")
    expect(page).to_have_url(f"{town.url}/grid?device=3000000051")
    expect(page.get_by_test_id("meter-name")).to_contain_text("3000000051")
    expect(page.get_by_test_id("meter-chart").locator(".u-over")).to_be_visible()
    page.get_by_test_id("range-week").click()
    expect(page).to_have_url(re.compile(r"/grid\?device=3000000051&range=week$"))
    page.go_back()
    page.go_back()
    expect(page).to_have_url(f"{town.url}/grid")


def test_row_of_the_lists_chooses_its_meter(town: RunningPage, open_page: OpenPage) -> None:
    page = open_grid(town, open_page)
    page.get_by_test_id("readings-age").click()
    rows = page.get_by_test_id("readings").locator("tbody tr")
    expect(rows.first).to_have_attribute("data-testid", f"reading-{SILENT}")
    expect(rows.first).to_have_attribute("data-state", "stale")
    expect(rows.first).to_contain_text("silent")
    rows.first.get_by_test_id(f"choose-{SILENT}").click()
    expect(page).to_have_url(f"{town.url}/grid?device={SILENT}")
    expect(page.get_by_test_id("meter-name")).to_contain_text(SILENT)


def test_peak_leads_to_its_moment_and_back_leads_back(
    town: RunningPage, open_page: OpenPage
) -> None:
    page = open_grid(town, open_page)
    peaks = town.get("/api/grid/peaks")["peaks"]
    rows = page.get_by_test_id("peaks").locator("li")
    expect(rows).to_have_count(len(peaks))
    rows.nth(1).get_by_role("link").click()
    page.wait_for_url(re.compile(r"/grid\?range=day&date=\d{4}-\d\d-\d\d&from=.*&to=.*"))
    expect(page.get_by_test_id("zoom-reset")).to_be_visible()
    expect(page.get_by_test_id("load-chart").locator(".u-over")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(f"{town.url}/grid")


def test_bar_of_a_day_leads_to_it(town: RunningPage, open_page: OpenPage) -> None:
    page = open_grid(town, open_page)
    days = town.get("/api/grid/days")["days"]
    page.get_by_test_id("days-chart").get_by_test_id("bar").nth(20).click()
    expect(page).to_have_url(f"{town.url}/grid?range=day&date={days[20]['day']}")
    expect(page.get_by_test_id("load-chart")).to_contain_text("Load over the day before")
    expect(page.get_by_test_id("hours-chart").get_by_test_id("bar")).to_have_count(24)


def test_heat_map_is_told_asked_and_opened_by_keys(town: RunningPage, open_page: OpenPage) -> None:
    page = open_grid(town, open_page)
    cells = page.get_by_test_id("heat-cell")
    assert cells.count() > 13 * 24
    # Six days ago nobody spoke for two hours.
    assert page.locator(".heat-cell.none").count() >= 1
    cells.nth(5 * 24 + 7).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_test_id("heat").locator(".card-aside")).to_contain_text("08:00")
    page.keyboard.press("Enter")
    page.wait_for_url("**/grid?range=day&date=*&from=*&to=*")


def test_regions_follow_the_digit(town: RunningPage, open_page: OpenPage) -> None:
    page = open_grid(town, open_page)
    for region, count in REGIONS.items():
        expect(page.get_by_test_id(f"region-{region}")).to_contain_text(f"{count} meters")
    page.get_by_role("button", name="2. digit").click()
    expect(page.get_by_test_id("region-0")).to_contain_text(f"{N_METERS} meters")


def test_rollups_are_measured_and_say_that_both_answers_are_equal(
    town: RunningPage, open_page: OpenPage
) -> None:
    page = open_grid(town, open_page)
    card = page.get_by_test_id("rollups")
    expect(card).to_contain_text("Both answers are equal.")
    expect(card).to_contain_text("from kept 1d")
    assert read_value(page, "times-faster") > 1
    expect(page.get_by_test_id("storage-saved")).to_contain_text("%")

    def differ(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"is_equal": False})

    page.route("**/api/grid/rollups*", differ)
    page.get_by_test_id("measure-again").click()
    expect(card).to_contain_text("The answers differ")


def test_silence_of_all_is_a_state_and_not_an_old_number(
    town: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()

    def silent(route: Route) -> None:
        now = route.fetch().json()
        route.fulfill(
            json=now
            | {
                "load_w": None,
                "load_meters": 0,
                "mean_w": None,
                "median_w": None,
                "highest": None,
                "is_stale": True,
                "age_s": 7200.0,
                "newest_at": "2026-01-01T00:00:00Z",
                "meters": {"all": 60, "ok": 0, "stale": 60, "silent": 0},
            }
        )

    page.route("**/api/grid/now*", silent)
    page.goto(f"{town.url}/grid")
    page.wait_for_selector("[data-testid=live-chip][data-state=stale]")
    expect(page.get_by_test_id("verdict")).to_contain_text(f"No meter has reported for 2{THIN}h.")
    expect(page.get_by_test_id("load-now")).to_have_text("–")
    expect(page.get_by_text("Choose a meter.")).to_be_visible()


def test_answer_that_fails_says_so_and_can_be_asked_again(
    town: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    problem = {"title": "Unprocessable", "code": "query_error", "detail": "ask for less"}
    page.route("**/api/grid/days*", lambda route: route.fulfill(status=422, json=problem))
    page.goto(f"{town.url}/grid")
    card = page.get_by_test_id("days-chart")
    expect(card.get_by_test_id("error")).to_contain_text("ask for less")
    page.unroute("**/api/grid/days*")
    card.get_by_role("button", name="Try again").click()
    expect(card.get_by_test_id("bar")).to_have_count(31)


def test_grid_without_meters_says_how_the_first_one_comes(
    tmp_path_factory: pytest.TempPathFactory, open_page: OpenPage
) -> None:
    with run_town(tmp_path_factory.mktemp("empty"), is_empty=True) as empty:
        page = open_page()
        page.goto(f"{empty.url}/grid")
        expect(page.get_by_text("No meter has reported yet.")).to_be_visible()
        expect(page.get_by_text("energy/meters/<id>")).to_be_visible()
        keep_picture(page, "grid-empty")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(town: RunningPage, open_page: OpenPage, scheme: str) -> None:
    page = open_grid(town, open_page, color_scheme=scheme)
    assert list_weak_texts(page, at_least=150, settle_ms=1_000) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [("light", {"color_scheme": "light"}), ("dark", {"color_scheme": "dark"}), ("phone", PHONE)],
)
def test_page_fits_its_screen(
    town: RunningPage, open_page: OpenPage, name: str, options: dict[str, Any]
) -> None:
    page = open_grid(town, open_page, **options)
    keep_picture(page, f"grid-{name}")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
    wide: list[str] = page.evaluate(
        """() => [...document.querySelectorAll(".card, .tile")]
          .filter(one => one.scrollWidth > one.clientWidth + 1)
          .map(one => one.getAttribute("aria-label"))"""
    )
    assert wide == []
