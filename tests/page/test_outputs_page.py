"""The page Health says of an output that is away how far it is behind, and why."""

from __future__ import annotations

import contextlib
from pathlib import Path

from playwright.sync_api import expect

from tests.chaos.program import Program, kept, wait_until
from tests.integration.tsbs import START_S, Sender
from tests.page.conftest import OpenPage, Watch, keep_picture
from tests.page.test_contrast import list_weak_texts
from tests.servers import LOOPBACK, find_free_port

SETTINGS = """
[broker]
embedded = false

[[sources]]
name = "influx"
type = "influx"

[[outputs]]
name = "old"
url = "http://127.0.0.1:{port}"
database = "home"
every_s = 0.1
"""


def test_output_that_is_away_is_shown_with_the_reason(
    tmp_path: Path, open_page: OpenPage, watch: Watch
) -> None:
    with kept(Program(tmp_path, SETTINGS.format(port=find_free_port()))) as program:
        program.start()
        wait_until(program.is_ready, "ready", START_S)
        with contextlib.closing(Sender(program.port)) as sender:
            sender.post("/write?db=d&precision=s", b"m,device=attic active_power_w=5 1760000000")
        page = open_page()
        page.goto(f"http://{LOOPBACK}:{program.port}/health")
        card = page.get_by_test_id("outputs")
        for words in ("old", "waiting", "1 record", "none since the start", "cannot be reached"):
            expect(card).to_contain_text(words)
        assert list_weak_texts(page, at_least=20, settle_ms=800) == []
        keep_picture(page, "health-outputs")
        assert watch.complaints == []
