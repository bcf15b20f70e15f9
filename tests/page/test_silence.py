"""A meter that falls silent: the page says so within its limit, and when it speaks again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.invocation import end_child, invoke, start_child
from tests.page.conftest import OpenPage, Watch, keep_picture
from tests.page.demo import RunningPage, run_page
from tests.servers import MosquittoServer

SETTINGS = """\
[broker]
embedded = false

[[sources]]
url = "{url}"
profiles = ["xcel-itron", "shelly-gen2"]

[[devices]]
id = "xcel_itron_5"
kind = "meter"
interval_s = 1

[[devices]]
id = "shelly-solar"
kind = "inverter"
interval_s = 1
is_production = true
"""
# Three intervals, yet never less than 20 s.
LIMIT_S = 20


@pytest.fixture
def running(own_mosquitto: MosquittoServer, tmp_path: Path) -> Iterator[RunningPage]:
    settings = tmp_path / "wattscope.toml"
    settings.write_text(SETTINGS.format(url=own_mosquitto.url), encoding="utf-8")
    with run_page(tmp_path, "run", "-c", settings) as page:
        yield page


def speak(broker: MosquittoServer, count: int) -> None:
    words = ("--url", broker.url, "--count", str(count), "--interval", "1")
    assert invoke("simulate", "home", *words).status == 0


def test_silent_meter_is_called_silent_within_its_limit(
    running: RunningPage, own_mosquitto: MosquittoServer, open_page: OpenPage, watch: Watch
) -> None:
    page = open_page()
    page.goto(running.url)
    page.wait_for_selector("[data-testid=broker-url]")
    keep_picture(page, "run-empty")
    speaking = threading.Thread(target=speak, args=(own_mosquitto, 4))
    speaking.start()
    page.wait_for_selector("[data-testid=live-chip][data-state=live]", timeout=20_000)
    speaking.join()
    chip = page.get_by_test_id("live-chip")
    page.wait_for_selector(
        "[data-testid=live-chip][data-state=stale]", timeout=(LIMIT_S + 5) * 1000
    )
    assert int(chip.get_attribute("data-age") or 0) >= LIMIT_S
    assert page.get_by_test_id("flow-drawing").get_attribute("data-moving") == "no"
    keep_picture(page, "run-silent")
    assert running.get("/api/insights/now")["is_stale"] is True
    own_mosquitto.stop()
    page.wait_for_timeout(500)
    assert page.get_by_test_id("live-chip").get_attribute("data-state") == "stale"
    own_mosquitto.start()
    words = ["simulate", "home", "--url", own_mosquitto.url, "--interval", "1"]
    speaker = start_child(words, running.log.with_name("simulate.txt"))
    try:
        page.wait_for_selector("[data-testid=live-chip][data-state=live]", timeout=30_000)
    finally:
        end_child(speaker)
    assert watch.complaints == []
