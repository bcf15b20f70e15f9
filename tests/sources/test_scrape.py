"""Exporters as a source: samples, times, and exporters that are dead."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC

import pytest

from tests.servers import LOOPBACK, find_free_port
from tests.sources.exporters import http, run_exporter
from wattscope.compute.poll_schedule import parse_schedule
from wattscope.ports import RawMessage
from wattscope.sources.link_state import LinkState
from wattscope.sources.page_getter import GetterOptions, PageGetter
from wattscope.sources.scrape import ScrapeOptions, ScrapeSource

pytestmark = pytest.mark.integration
NOW_US = 1_760_000_000_123_456
PAGE = (
    b'# TYPE power gauge\npower{room="a"} 1.5\npower{instance="b",job="c"} 2 1759999999000\nup 1\n'
)


class Rig:
    """A source over some pages, and what it gave."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        poll: str = "100ms",
        timeout_s: float = 30.0,
        holds: Callable[[str], bool] = lambda _: True,
        honor_timestamps: bool = True,
    ) -> None:
        options = ScrapeOptions(tuple(urls), parse_schedule(poll, UTC), honor_timestamps)
        self.left_out: list[int] = []
        self.source = ScrapeSource(
            "test",
            options,
            PageGetter(GetterOptions(timeout_s=timeout_s)).get,
            knows=lambda metric: metric.startswith("power"),
            leave_out=self.left_out.append,
            now_us=lambda: NOW_US,
            holds=holds,
            draw=lambda: 0.0,
        )

    @contextlib.asynccontextmanager
    async def messages(self) -> AsyncIterator[AsyncIterator[RawMessage]]:
        groups = self.source.receive()

        async def each() -> AsyncIterator[RawMessage]:
            async for group in groups:
                for message in group:
                    yield message

        found = each()
        try:
            yield found
        finally:
            await self.source.close()
            await found.aclose()  # type: ignore[attr-defined]  # a generator
            await groups.aclose()  # type: ignore[attr-defined]  # likewise


async def take(messages: AsyncIterator[RawMessage], count: int) -> list[RawMessage]:
    return [await anext(messages) for _ in range(count)]


async def test_samples_of_a_page_bear_one_instant_or_their_own() -> None:
    async with run_exporter(http(PAGE)) as exporter:
        rig = Rig([exporter.url], poll="1d")
        async with rig.messages() as messages:
            found = await take(messages, 2)
            assert rig.source.state is LinkState.CONNECTED
    at = exporter.instance
    assert found == [
        RawMessage(
            "prometheus/power",
            f'power{{instance="{at}",job="test",room="a"}} 1.5 1760000000123'.encode(),
            NOW_US,
        ),
        RawMessage(
            "prometheus/power",
            f'power{{exported_instance="b",exported_job="c",instance="{at}",job="test"}} 2.0 '
            "1759999999000".encode(),
            NOW_US,
        ),
    ]
    assert rig.left_out == [1]
    assert rig.source.state.value == "stopped"


async def test_times_of_a_page_count_only_where_they_shall() -> None:
    async with run_exporter(http(PAGE)) as exporter:
        rig = Rig([exporter.url], poll="1d", honor_timestamps=False)
        async with rig.messages() as messages:
            found = await take(messages, 2)
    assert [one.payload.rpartition(b" ")[2] for one in found] == [b"1760000000123"] * 2


async def test_dead_and_slow_exporters_keep_no_other_waiting() -> None:
    async def never(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    dead = f"http://{LOOPBACK}:{find_free_port()}/metrics"
    async with run_exporter(never) as slow, run_exporter(http(PAGE)) as good:
        rig = Rig([dead, *[f"{slow.url}?{n}" for n in range(40)], good.url], timeout_s=3600.0)
        async with rig.messages() as messages:
            # The good one is read ten times while none of the others answers.
            found = await take(messages, 20)
            assert rig.source.state is LinkState.CONNECTED
            assert rig.source.detail.startswith("1 of 2 exporters are not read: ")
    assert all(good.instance.encode() in one.payload for one in found)


async def test_all_dead_is_told_and_healed() -> None:
    async with run_exporter(http(b"", status="500 Oops")) as exporter:
        rig = Rig([exporter.url])
        async with rig.messages() as messages:
            waiting = asyncio.ensure_future(anext(messages))
            while not rig.source.detail:  # noqa: ASYNC110  # what is told changes by itself
                await asyncio.sleep(0.01)
            assert rig.source.state is LinkState.CONNECTING
            assert rig.source.detail == (
                f"1 of 1 exporters are not read: {exporter.instance}: it answers 500"
            )
            exporter.answer = http(PAGE)
            assert (await waiting).topic == "prometheus/power"
            assert (rig.source.state, rig.source.detail) == (LinkState.CONNECTED, "")


async def test_page_that_cannot_be_read_is_handed_on_once() -> None:
    async with run_exporter(http(b"power 1\npower x\n")) as exporter:
        rig = Rig([exporter.url])
        async with rig.messages() as messages:
            first = await anext(messages)
            waiting = asyncio.ensure_future(anext(messages))
            n_asked = len(exporter.requests)
            while len(exporter.requests) < n_asked + 3:  # noqa: ASYNC110  # likewise
                await asyncio.sleep(0.01)
            assert not waiting.done()
            exporter.answer = http(PAGE)
            assert (await waiting).topic == "prometheus/power"
    assert first.topic == f"page/{exporter.instance}"
    assert first.payload == b"# line 2 is no sample: b'power x'\npower 1\npower x\n"


async def test_page_of_another_process_is_left_to_it() -> None:
    is_ours = False
    async with run_exporter(http(PAGE)) as exporter, run_exporter(http(PAGE)) as other:
        urls = [exporter.url, other.url]
        rig = Rig(urls, holds=lambda url: url == other.url or is_ours)
        async with rig.messages() as messages:
            await take(messages, 10)
            assert exporter.requests == []
            is_ours = True
            async for one in messages:
                if exporter.instance.encode() in one.payload:
                    break


async def test_exporter_whose_openmetrics_cannot_be_read_is_asked_for_text() -> None:
    bad = http(b"power 1\n", "application/openmetrics-text; version=1.0.0")
    async with run_exporter(bad) as exporter:
        rig = Rig([exporter.url])
        async with rig.messages() as messages:
            assert (await anext(messages)).topic == f"page/{exporter.instance}"
            exporter.answer = http(PAGE)
            assert (await anext(messages)).topic == "prometheus/power"
    assert "Accept: application/openmetrics-text" in exporter.requests[0]
    assert "Accept: text/plain;version=0.0.4" in exporter.requests[-1]
