"""A meter that talks, through the whole program: its telegrams are stored, the cut ones counted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.program import Program, kept, wait_until
from tests.compute.telegrams.spoken import say_p1
from tests.sources.telegram_meter import LOOPBACK, TalkingMeter

pytestmark = pytest.mark.integration

SETTINGS = """
[site]
time_zone = "Europe/Amsterdam"
[broker]
embedded = false
[detect]
enabled = false
[[sources]]
name = "hall"
type = "p1"
url = "tcp://{host}:{port}"
"""


def telegram(second: int) -> bytes:
    return say_p1(
        "0-0:96.1.1(4B384547303034303436333935353037)",
        f"0-0:1.0.0(2511021920{second:02d}W)",
        f"1-0:1.8.1({second:06d}.000*kWh)",
        "1-0:1.8.2(000001.000*kWh)",
        f"1-0:1.7.0(00.{second:03d}*kW)",
    )


def follow(program: Program) -> tuple[list[list[Any]], dict[str, Any]]:
    """What is stored and counted once the meter has said everything."""
    with kept(program):
        program.start()
        wait_until(program.is_ready, "the program is ready", 300)
        wait_until(lambda: read_counters(program)["messages"] >= 6, "all was heard", 300)
        rows = program.ask(
            "SELECT device, quantity, value FROM readings WHERE quantity IN "
            "('active_power_w', 'energy_import_wh') ORDER BY measured_at, quantity"
        )
        counters = read_counters(program)
        program.stop()
    return rows, counters


def read_counters(program: Program) -> dict[str, Any]:
    _, health = program.read("/api/health")
    counters: dict[str, Any] = health["counters"]
    return counters


async def test_telegrams_of_a_meter_reach_the_store(tmp_path: Path) -> None:
    damaged = telegram(2).replace(b"00.002", b"00.902")
    first = telegram(1) + damaged + telegram(3) + telegram(4)[:50]
    meter = TalkingMeter([first, telegram(3) + telegram(5)])
    await meter.start()
    settings = SETTINGS.format(host=LOOPBACK, port=meter.port)
    try:
        rows, counters = await asyncio.to_thread(follow, Program(tmp_path, settings))
    finally:
        await meter.stop()
    assert [(row[0], row[2]) for row in rows] == [
        ("K8EG004046395507", value)
        for second in (1, 3, 5)
        for value in (float(second), 1000.0 * (second + 1))
    ]
    assert counters["quarantined_by_code"] == {"checksum": 1, "syntax": 1}
    # The telegram that came twice changed nothing.
    assert counters["duplicate"] == 4
    sums = ("stored", "duplicate", "quarantined", "refused")
    assert counters["received"] == sum(counters[name] for name in sums)
