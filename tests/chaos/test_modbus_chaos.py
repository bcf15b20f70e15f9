"""Every way in which a Modbus meter misbehaves, alone and mixed: no wrong value is ever stored.

What a faulty answer carries is poison, and what a meter shows rises with time, so a value that was
made up, taken from another request, or kept from before would be seen among what is stored.
"""

from __future__ import annotations

import asyncio
import random
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest

from tests.chaos.modbus_site import POLL_S, Reader, VirtualSite, read_site, run_site
from wattscope.compute.modbus import frames
from wattscope.compute.modbus.frames import Answer, FrameStart, ReadRequest
from wattscope.compute.modbus.map_file import parse_register_map
from wattscope.core.fleet import Framing
from wattscope.core.registers import RegisterMap
from wattscope.simulate.modbus_faults import FAULTS
from wattscope.sources import modbus_link
from wattscope.sources.modbus_unit import UnitState

SEED = 20_261_126
LONG = pytest.mark.long
LAYOUT = {
    Framing.TCP: ((1, 2), (1,)),
    Framing.RTU_OVER_TCP: ((1, 2),),
}
CASES = [
    (name, framing)
    for name, kind in FAULTS.items()
    for framing in LAYOUT
    if framing in kind.framings and framing in kind.told_on
]
_IN_FRAMES = {
    "bad_crc",
    "wrong_unit",
    "wrong_function",
    "too_few",
    "glued",
    "silent",
    "exception_2",
}
"""Those that an RTU frame has in its own way; the others are as over TCP, and take long."""
QUICK_OR_LONG = [
    pytest.param(*case, marks=() if case[1] is Framing.TCP or case[0] in _IN_FRAMES else LONG)
    for case in CASES
]
_OWN_CONNECTION = {"half_open", "reset", "accept_close", "refused", "glued", "garbage", "late"} | {
    "slow",
    "length_0",
    "length_60000",
}
"""Faults that cost the connection, and with it a moment of the neighbours behind it."""


@cache
def sdm120() -> RegisterMap:
    text = files("wattscope").joinpath("profiles", "sdm120.toml").read_text()
    return parse_register_map("sdm120", tomllib.loads(text))


def find_port(site: VirtualSite, framing: Framing, n_units: int) -> int:
    return next(
        port
        for port, one in site.gateways.items()
        if one.framing is framing and len(one.units) == n_units
    )


@pytest.mark.parametrize(("name", "framing"), QUICK_OR_LONG)
def test_a_fault_stores_nothing_wrong_and_is_over_when_it_is_over(
    name: str, framing: Framing, tmp_path: Path
) -> None:
    with run_site(sdm120(), LAYOUT) as site:
        port = find_port(site, framing, 2)
        sick = f"{framing.value}-{port}-2"
        neighbour = f"{framing.value}-{port}-1"
        other = f"tcp-{find_port(site, Framing.TCP, 1)}-1"

        async def act(reader: Reader) -> None:
            everyone = reader.source.list_units
            await reader.until(
                lambda: (
                    len(everyone()) == 6
                    and all(one.state is UnitState.ONLINE for one in everyone())
                ),
                "all meters online",
            )
            before = {one: reader.unit(one).counts.polls for one in (neighbour, other)}
            good = reader.unit(sick).counts.polls
            unit = reader.unit(sick)
            if name == "accept_close":
                # It concerns new connections: one that stands must end first.
                site.set_fault(port, 2, {"reset": 1.0})
                await reader.until(lambda: unit.counts.faults.total() > 0, "reset")
            site.set_fault(port, 2, {name: 1.0})
            is_refusal = name.startswith("exception_")
            if not is_refusal:
                failed = unit.counts.failed
                await reader.until(lambda: unit.counts.failed >= failed + 3, "three failed polls")
                await reader.until(lambda: unit.state is UnitState.OFFLINE, "offline")
            else:
                await reader.until(lambda: unit.counts.faults.total() >= 3, "refusals counted")
            assert unit.counts.faults.total() > 0
            # A poll under way when the fault began may have ended well.
            assert unit.counts.polls <= good + 2 or is_refusal
            assert reader.unit(other).counts.polls > before[other]
            assert reader.unit(other).counts.failed == 0
            if name not in _OWN_CONNECTION:
                await reader.until(
                    lambda: reader.unit(neighbour).counts.polls > before[neighbour] + 2,
                    "the neighbour goes on",
                )
            site.set_fault(port, 2, {})
            well = unit.counts.polls
            await reader.until(lambda: unit.counts.polls > well + 2, "back again")
            assert unit.state is UnitState.ONLINE
            assert not reader.find_lies(site)
            assert len(reader.stored()) > 100

        asyncio.run(read_site(site, tmp_path, act))


def mix_of(framing: Framing, draw: random.Random) -> dict[str, float]:
    """All faults that can be told, at rates that together spoil three requests in ten."""
    names = [name for name, one in CASES if one is framing and name != "accept_close"]
    weights = [draw.random() for _ in names]
    return {name: 0.3 * one / sum(weights) for name, one in zip(names, weights, strict=True)}


def run_mix(folder: Path, length_s: float) -> tuple[list[object], dict[str, int]]:
    """All faults at once on one unit of each gateway; the lies, and what was counted."""
    found: list[object] = []
    counts: dict[str, int] = {}
    with run_site(sdm120(), LAYOUT) as site:
        draw = random.Random(SEED)
        healthy = f"tcp-{find_port(site, Framing.TCP, 1)}-1"

        async def act(reader: Reader) -> None:
            await reader.until(lambda: len(reader.source.list_units()) == 6, "six units")
            await reader.until(
                lambda: reader.unit(healthy).state is UnitState.ONLINE, "the healthy one online"
            )
            polls = reader.unit(healthy).counts.polls
            for framing in LAYOUT:
                port = find_port(site, framing, 2)
                site.set_fault(port, 2, mix_of(framing, draw), SEED)
            await asyncio.sleep(length_s)
            found.extend(reader.find_lies(site))
            for unit in reader.source.list_units():
                for fault, n in unit.counts.faults.items():
                    counts[fault.value] = counts.get(fault.value, 0) + n
            counts["polls"] = sum(unit.counts.polls for unit in reader.source.list_units())
            counts["healthy polls"] = reader.unit(healthy).counts.polls - polls
            counts["healthy failed"] = reader.unit(healthy).counts.failed
            counts["healthy skipped"] = reader.unit(healthy).counts.skipped
            counts["stored"] = len(reader.stored())

        asyncio.run(read_site(site, folder, act))
    return found, counts


def judge_mix(folder: Path, length_s: float) -> None:
    lies, counts = run_mix(folder, length_s)
    print(counts)  # noqa: T201  # what a long run is made for
    assert not lies
    assert counts["stored"] > 1000
    assert counts["healthy failed"] == 0
    # Instants of the healthy one that passed: it lost none to the others, but to the machine.
    assert counts["healthy polls"] + counts["healthy skipped"] >= 0.8 * length_s / POLL_S
    assert sum(counts.get(fault.value, 0) > 0 for fault in frames.Fault) >= 6


def test_all_faults_mixed_store_nothing_wrong(tmp_path: Path) -> None:
    judge_mix(tmp_path, 15.0)


@pytest.mark.long
def test_all_faults_mixed_for_ten_minutes_store_nothing_wrong(tmp_path: Path) -> None:
    judge_mix(tmp_path, 600.0)


def believe_anything(
    received: bytes, transaction: int, request: ReadRequest
) -> tuple[Answer | FrameStart, int]:
    """What a client believes that looks at the length alone."""
    del transaction
    length = 9 + 2 * request.count
    if len(received) < length:
        return FrameStart.INCOMPLETE, 0
    return received[9:length], len(received)


def test_the_mix_finds_a_client_that_believes_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check: without the match of request and reply, poison is stored."""
    monkeypatch.setattr(modbus_link, "judge_tcp", believe_anything)
    lies, _ = run_mix(tmp_path, 15.0)
    assert lies
