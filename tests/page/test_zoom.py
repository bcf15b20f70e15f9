"""A spike of one second in a day of seconds: seen on the whole day, found by zooming in.

The page draws what ``/api/devices/{id}/chart`` says. Cut off from the extremes, the same steps no
longer find the spike.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import OpenPage, Watch, keep_picture
from tests.page.demo import RunningPage, run_page
from wattscope.assembly.storage import open_storage
from wattscope.core.reading import Batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, parse_instant
from wattscope.settings import load_settings
from wattscope.stores import rollup_plan

SETTINGS = """\
[broker]
embedded = false

[site]
time_zone = "UTC"

[[devices]]
id = "grid"
kind = "meter"
interval_s = 1
"""
DAY = (datetime.now(UTC) - timedelta(days=3)).date().isoformat()
SPIKE_AT = "17:13:42"
SPIKE_W = 9000.0
GAP_HOURS = (4, 5)
CARD = "[data-testid=quantity-chart]"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def fill(data: Path, settings: Path) -> None:
    """A day of noise with the spike, a register that grows, and a voltage silent for an hour.

    Minutes are kept too, so that zooming in changes the level.
    """
    start_us = parse_instant(f"{DAY}T00:00:00Z")
    t = np.arange(start_us, start_us + US_PER_DAY, US_PER_S, dtype=np.int64)
    hour = (t - start_us) / US_PER_S / 3600
    noise = np.random.default_rng(5).normal(0, 25, len(t))
    power = np.round(900 - 500 * np.cos(hour / 12 * np.pi) + noise)
    power[t == parse_instant(f"{DAY}T{SPIKE_AT}Z")] = SPIKE_W
    register = np.round(1e6 + np.cumsum(power) / 3600, 1)
    voltage = np.round(231 + noise / 25, 1)
    is_heard = (hour < GAP_HOURS[0]) | (hour >= GAP_HOURS[1])
    many_levels = patch.object(rollup_plan, "WORTH", 50)
    with many_levels, open_storage(load_settings(settings), data) as storage:
        for name, instants, value in (
            ("active_power_w", t, power),
            ("energy_import_wh", t, register),
            ("voltage_l1_v", t[is_heard], voltage[is_heard]),
        ):
            series = storage.registry.ensure_series("grid", name)
            ids = np.full(len(instants), series, np.int32)
            storage.store.load(Batch(ids, instants, value, np.zeros(len(instants), np.uint8)))
        storage.store.flush()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPage]:
    folder = tmp_path_factory.mktemp("zoom")
    settings = folder / "wattscope.toml"
    settings.write_text(SETTINGS, encoding="utf-8")
    fill(folder / "data", settings)
    with run_page(folder, "run", "-c", settings) as page:
        yield page


def open_day(page: Page, running: RunningPage, quantity: str = "active_power_w") -> None:
    page.goto(f"{running.url}/devices/grid?date={DAY}")
    page.get_by_test_id(f"quantity-{quantity}").click()
    page.wait_for_selector(f"{CARD} canvas")


def wait_for_level(page: Page, level: str) -> None:
    page.wait_for_selector(f"[data-testid=chart-level][data-level='{level}']")


def read_csv(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as caught:
        page.get_by_test_id("quantity-chart-csv").click()
    text = caught.value.path().read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def find_highest(page: Page) -> tuple[str, float]:
    """Instant and value of the highest point of what is drawn, as its CSV tells."""
    rows = read_csv(page)
    highest = max(rows, key=lambda row: float(row["highest [W]"] or "-inf"))
    return highest["time"], float(highest["highest [W]"])


def measure_height(page: Page, share: float) -> float:
    """How high the drawing reaches at a share of the width: 0 at the axis, 1 at the top."""
    return float(
        page.evaluate(
            """share => {
              const canvas = document.querySelector("[data-testid=quantity-chart] canvas");
              const plot = document.querySelector("[data-testid=quantity-chart] .u-over");
              const outer = canvas.getBoundingClientRect(), inner = plot.getBoundingClientRect();
              const ratio = canvas.width / outer.width;
              const left = Math.round((inner.left - outer.left) * ratio);
              const top = Math.round((inner.top - outer.top) * ratio);
              const [width, height] = [inner.width * ratio, inner.height * ratio].map(Math.round);
              const x = left + Math.round(share * width);
              const pixels = canvas.getContext("2d").getImageData(x - 12, top, 15, height).data;
              const alpha = (at, y) => pixels[4 * (y * 15 + at) + 3];
              // Lines of the grid run through everywhere; what is drawn here alone counts.
              for (let y = 0; y < height; y += 1)
                for (let at = 10; at < 15; at += 1)
                  if (Math.abs(alpha(at, y) - alpha(0, y)) > 10) return 1 - y / height;
              return 0;
            }""",
            share,
        )
    )


def drag(page: Page, from_share: float, to_share: float) -> None:
    box = page.locator(f"{CARD} .u-over").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + from_share * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + to_share * box["width"], y, steps=4)
    page.mouse.up()


def share_of_day(clock: str) -> float:
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return (hours * 3600 + minutes * 60 + seconds) / 86_400


def find_spike_by_zooming(page: Page, running: RunningPage) -> None:
    open_day(page, running)
    wait_for_level(page, "1m")
    seen_at, highest = find_highest(page)
    assert highest == SPIKE_W
    share = share_of_day(seen_at[11:19])
    assert abs(share - share_of_day(SPIKE_AT)) < 0.002
    assert measure_height(page, share_of_day(SPIKE_AT)) > 0.85
    drag(page, share - 0.02, share + 0.02)
    page.wait_for_url("**from=**")
    wait_for_level(page, "raw")
    span = {name: parse_instant(words[0]) for name, words in read_query(page).items()}
    at_us = parse_instant(f"{DAY}T{SPIKE_AT}Z")
    assert span["from"] < at_us < span["to"]
    middle = (at_us - span["from"]) / (span["to"] - span["from"])
    before = page.url
    drag(page, middle - 0.01, middle + 0.01)
    page.wait_for_function("before => location.href !== before", arg=before)
    wait_for_level(page, "raw")
    assert find_highest(page) == (f"{DAY}T{SPIKE_AT}+00:00", SPIKE_W)


def read_query(page: Page) -> dict[str, list[str]]:
    query = parse_qs(urlsplit(page.url).query)
    return {name: query[name] for name in ("from", "to")}


def test_spike_is_seen_on_the_day_and_found_to_the_second(
    running: RunningPage, open_page: OpenPage, watch: Watch
) -> None:
    page = open_page()
    find_spike_by_zooming(page, running)
    page.locator(f"{CARD} .u-over").dblclick()
    page.wait_for_function("!location.search.includes('from=')")
    wait_for_level(page, "1m")
    assert watch.complaints == []
    assert watch.hosts == {running.url.removeprefix("http://")}


def flatten(route: Route) -> None:
    """The safeguard switched off: means in the place of extremes."""
    response = route.fetch()
    answer: dict[str, Any] = response.json()
    answer["min"] = answer["max"] = answer["mean"]
    route.fulfill(response=response, body=json.dumps(answer))


def test_means_in_place_of_extremes_would_be_noticed(
    running: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    page.route("**/chart?**", flatten)
    with pytest.raises(AssertionError, match=r"== 9000"):
        find_spike_by_zooming(page, running)


def test_wheel_zooms_asks_for_as_many_pixels_as_there_are_and_back_leads_back(
    running: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    asked: list[dict[str, list[str]]] = []
    page.on(
        "request",
        lambda one: (
            asked.append(parse_qs(urlsplit(one.url).query)) if "/chart?" in one.url else None
        ),
    )
    open_day(page, running)
    wait_for_level(page, "1m")
    plot = page.locator(f"{CARD} .u-over")
    box = plot.bounding_box()
    assert box is not None
    assert [int(one["pixels"][0]) for one in asked] == [pytest.approx(box["width"], abs=2)]
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.keyboard.down("Control")
    for _ in range(5):
        page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    wait_for_level(page, "raw")
    # Five turns of the wheel are one question.
    assert len(asked) == 2
    page.go_back()
    wait_for_level(page, "1m")


def test_keys_zoom_move_and_leave(running: RunningPage, open_page: OpenPage) -> None:
    page = open_page()
    open_day(page, running)
    wait_for_level(page, "1m")
    page.keyboard.press("+")
    page.wait_for_url(f"**from={DAY}T06*")
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_url(f"**from={DAY}T12*")
    page.keyboard.press("-")
    page.wait_for_url(f"**from={DAY}T06*")
    page.keyboard.press("Escape")
    page.wait_for_function("!location.search.includes('from=')")


def test_gap_is_named_and_has_no_rows(running: RunningPage, open_page: OpenPage) -> None:
    page = open_page()
    open_day(page, running, "voltage_l1_v")
    page.wait_for_selector("[data-testid=chart-level][data-level]")
    expect(page.locator(CARD)).to_contain_text("no data")
    hours = [int(row["time"][11:13]) for row in read_csv(page)]
    assert GAP_HOURS[0] not in hours
    assert {GAP_HOURS[0] - 1, GAP_HOURS[1]} <= set(hours)


def test_counter_shows_what_was_added_and_its_register_when_asked(
    running: RunningPage, open_page: OpenPage
) -> None:
    page = open_page()
    open_day(page, running, "energy_import_wh")
    added = read_csv(page)
    assert "added [Wh]" in added[0]
    page.get_by_test_id("quantity-chart-register").click()
    page.wait_for_selector("[data-testid=chart-level][data-level]")
    register = [float(row["highest [Wh]"]) for row in read_csv(page)]
    assert register == sorted(register)
    assert register[0] >= 1e6
    total = sum(float(row["added [Wh]"] or 0) for row in added)
    assert register[-1] - register[0] == pytest.approx(total, rel=0.06)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_chart_fits_its_screen(
    running: RunningPage, open_page: OpenPage, scheme: str, size: str
) -> None:
    page = open_page(color_scheme=scheme, **(PHONE if size == "phone" else {}))
    open_day(page, running)
    wait_for_level(page, "1m")
    page.wait_for_timeout(150)
    keep_picture(page, f"zoom-{size}-{scheme}")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.evaluate("document.documentElement.clientWidth")
    hint = page.locator(f"{CARD} .by-{'touch' if size == 'phone' else 'pointer'}")
    expect(hint).to_be_visible()


def test_chart_follows_live_values(demo: RunningPage, open_page: OpenPage) -> None:
    now = datetime.now(UTC)
    site = demo.get("/api/sites")["sites"][0]
    zone = ZoneInfo(site["time_zone"])
    edges = [(now + timedelta(seconds=by)).replace(microsecond=0) for by in (-60, 60)]
    if len({one.astimezone(zone).date() for one in edges}) > 1:
        pytest.skip("midnight at the site: a zoom lies within one day")
    start, end = (one.isoformat().replace("+00:00", "Z") for one in edges)
    page = open_page()
    page.goto(f"{demo.url}/devices/xcel_itron_5?from={start}&to={end}")
    page.get_by_test_id("quantity-active_power_w").click()
    wait_for_level(page, "raw")
    first = read_csv(page)[-1]["time"]
    for _ in range(15):
        page.wait_for_timeout(1000)
        if read_csv(page)[-1]["time"] > first:
            return
    pytest.fail(f"still the same as at {first}")
