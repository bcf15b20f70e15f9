"""The line takes the time of its characters: the published table, and real exchanges."""

from __future__ import annotations

import asyncio
import time

import pytest

from wattscope.core.fleet import Line
from wattscope.simulate.modbus_line import LineClock, LineTiming, sleep_until

ONE_BY_ONE, BLOCK = (28, 2), (1, 80)


@pytest.mark.parametrize(
    ("baud", "turn_around_ms", "reading", "expected_ms"),
    [
        (9600, 0, ONE_BY_ONE, 700.0),
        (9600, 20, ONE_BY_ONE, 1260.0),
        (19200, 20, ONE_BY_ONE, 910.0),
        (38400, 20, ONE_BY_ONE, 782.0),
        (9600, 0, BLOCK, 187.5),
        (9600, 20, BLOCK, 207.5),
        (19200, 20, BLOCK, 113.75),
        (38400, 20, BLOCK, 68.6),
    ],
)
def test_28_values_of_a_meter_take_as_long_as_published(
    baud: int, turn_around_ms: float, reading: tuple[int, int], expected_ms: float
) -> None:
    timing = LineTiming(Line(baud), turn_around_ms / 1000)
    n_requests, n_registers = reading
    took_s = n_requests * timing.exchange_s(8, 5 + 2 * n_registers)
    assert took_s * 1000 == pytest.approx(expected_ms, abs=0.5)


def test_the_ceiling_of_float_values_is_as_published() -> None:
    for baud, per_s in ((9600, 222), (19200, 444)):
        block_s = LineTiming(Line(baud)).exchange_s(8, 5 + 2 * 125)
        assert 62.5 / block_s == pytest.approx(per_s, rel=0.01)


def test_parity_makes_characters_longer() -> None:
    plain, even = LineTiming(Line(19200)), LineTiming(Line(19200, parity="E"))
    assert even.char_s / plain.char_s == pytest.approx(1.1)


def test_a_request_without_a_reply_holds_the_line_for_itself_only() -> None:
    timing = LineTiming(Line(9600), 0.05)
    assert timing.exchange_s(8, 0) == pytest.approx(11.5 / 960)


async def test_exchanges_follow_each_other_and_none_is_faster_than_the_wire() -> None:
    clock = LineClock(LineTiming(Line(9600), 0.02))
    one_s = clock.timing.exchange_s(8, 25)
    began_s = time.monotonic()
    await asyncio.gather(*(clock.pass_exchange(8, 25) for _ in range(4)))
    took_s = time.monotonic() - began_s
    assert clock.busy_s == pytest.approx(4 * one_s)
    # Never early; how late is the machine's business, but four in a row are no four at once.
    assert 1.0 <= took_s / (4 * one_s) < 20.0


async def test_sleeping_is_never_too_short() -> None:
    for wanted_s in (0.0002, 0.0011, 0.0037):
        deadline_s = time.monotonic() + wanted_s
        await sleep_until(deadline_s)
        assert time.monotonic() >= deadline_s
