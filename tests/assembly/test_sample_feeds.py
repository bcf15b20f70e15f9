"""Samples through the whole program: set aside and replayed; pages shared out."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.web.applications import open_application
from tests.web.line_senders import stored
from tests.web.remote_senders import SETTINGS, SOURCE, T, power, send
from wattscope.assembly.feeds import build_sample_router
from wattscope.assembly.leases import Leases
from wattscope.assembly.replay import ReplayOutcome, replay_quarantine
from wattscope.compute.sample_routing import make_page_topic, write_refused_page
from wattscope.core.errors import TransientError
from wattscope.core.findings import Rejection
from wattscope.ports import RawMessage
from wattscope.registry.poll_leases import SoleWorker
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import IngestSettings

SCRAPE = msgspec.structs.replace(SOURCE, type="scrape", urls=("http://127.0.0.1:9/metrics",))


@pytest.mark.parametrize("source", [SOURCE, SCRAPE])
def test_what_was_set_aside_is_taken_once_its_device_is_there(
    tmp_path: Path, source: msgspec.Struct
) -> None:
    closed = msgspec.structs.replace(SETTINGS, ingest=IngestSettings(register_devices=False))
    with open_application(tmp_path, settings=closed) as found:
        send(found, [power("new", (T, 12.5))])
        assert stored(found) == []
        settings = msgspec.structs.replace(SETTINGS, sources=(source,))
        outcome = replay_quarantine(settings, found.storage, ProfileLibrary(), None)
        assert outcome == ReplayOutcome(tried=1, stored=1, still_aside=0)
        assert stored(found) == [["home", "new", "active_power_w", 12.5]]


def test_refused_page_says_why_again() -> None:
    router = build_sample_router(SCRAPE, ProfileLibrary())
    topic = make_page_topic("a:1")
    route = router.find(topic)
    assert route is not None
    kept = write_refused_page("line 2 is no\nsample", b"a 1\nb\n" + b"x" * 100_000)
    assert len(kept) < 65_536
    found = route.decode(RawMessage(topic, kept, 0))
    assert isinstance(found, Rejection)
    assert (found.code.value, found.detail) == ("syntax", "line 2 is no sample")


class Work(SoleWorker):
    """Holds what it was asked for, unless it is away."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.n_asked = 0

    def share(self, names: Collection[str]) -> frozenset[str]:
        self.n_asked += 1
        if self.is_away:
            raise TransientError("nobody can be asked")
        return super().share(names)


async def test_pages_are_kept_again_and_again_and_given_up_at_the_end() -> None:
    work = Work()
    pages = Leases("exporters", lambda: {"http://a/m"}, work, 0.01)
    assert not pages.holds("http://a/m")
    with capture_logs() as logs:
        running = asyncio.create_task(pages.run())
        await _until(lambda: pages.holds("http://a/m"))
        work.is_away = True
        await _until(lambda: len(logs) == 1)
        asked = work.n_asked
        await _until(lambda: work.n_asked > asked + 2)
        work.is_away = False
        await _until(lambda: len(logs) == 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await pages.close()
    assert not pages.holds("http://a/m")
    assert [one["event"] for one in logs] == [
        "not shared out",
        "shared out again",
    ]


async def _until(is_so: object) -> None:
    assert callable(is_so)
    while not is_so():  # noqa: ASYNC110  # what is told changes by itself
        await asyncio.sleep(0.005)
