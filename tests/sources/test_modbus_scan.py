"""A unit is looked at with patience, and with an end to it."""

from __future__ import annotations

import asyncio

import pytest

from tests.sources.modbus_script import run_peer, tcp_reply
from wattscope.compute.modbus.blocks import plan_blocks
from wattscope.compute.modbus.map_file import parse_register_map
from wattscope.core.fleet import Endpoint, Framing
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.sources import modbus_scan
from wattscope.sources.modbus_scan import ScanPlan, read_once, scan
from wattscope.sources.modbus_wire import open_wire

pytestmark = pytest.mark.integration

SDM630 = parse_register_map("sdm630", ProfileLibrary().read("sdm630"))
VOLTAGE = [0x4366, 0x0000]
"""230.0 as two registers."""


def reply_to(request: bytes) -> bytes:
    return tcp_reply(request, VOLTAGE * (request[11] // 2) or [0])


async def read_from(silent_at: set[int]) -> tuple[int, int, int]:
    """Blocks and refusals of a reading, and the requests that it took."""
    n_requests = 0

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal n_requests
        n_requests += 1
        if n_requests not in silent_at:
            writer.write(reply_to(request))

    async with run_peer(reply) as peer:
        endpoint = Endpoint("127.0.0.1", peer.port, Framing.TCP)
        blocks, refused = await read_once(endpoint, 7, SDM630, open_wire, timeout_s=0.1)
    return len(blocks), len(refused), n_requests


async def test_a_reply_that_is_late_once_is_asked_for_again() -> None:
    n_blocks = len(plan_blocks(SDM630.registers, 7, max_block=SDM630.max_block))
    assert await read_from(set()) == (n_blocks, 0, n_blocks)
    assert await read_from({1}) == (n_blocks, 0, n_blocks + 1)


async def test_without_a_second_try_what_is_late_once_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A check of the check above: it is the second try that brings it."""
    monkeypatch.setattr(modbus_scan, "_is_late", lambda _: False)
    assert (await read_from({1}))[1] == 1


async def test_a_unit_that_falls_silent_costs_few_second_tries() -> None:
    n_requests = 0

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal n_requests
        n_requests += 1
        if n_requests == 1:
            writer.write(reply_to(request))

    async with run_peer(reply) as peer:
        plan = ScanPlan(
            "127.0.0.1", (peer.port,), (Framing.TCP,), (7,), maps=(SDM630,), timeout_s=0.05
        )
        found = [one async for one in scan(plan, lambda _, values: float(len(values)), open_wire)]
    assert found[-1].best is None  # type: ignore[union-attr]  # the last step is the unit
    # Whether it answers at all, whether to any unit, the telling registers, three second tries.
    n_telling = len(plan_blocks(modbus_scan._pick_telling(SDM630), 7, max_block=SDM630.max_block))
    assert n_requests <= 2 + n_telling + 3
