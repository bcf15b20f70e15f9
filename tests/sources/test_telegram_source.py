"""A meter that talks: each telegram, cut ones counted, lost and silent lines opened anew."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compute.decode.routes import decode
from tests.compute.telegrams.spoken import W, entry, say_p1, say_sml, value_list
from tests.sources.telegram_meter import LOOPBACK, NOW_US, TalkingMeter, hear, listening, until
from wattscope.compute.decode.route import Decoded
from wattscope.compute.telegrams.forms import TELEGRAM_FORMS
from wattscope.core.errors import SettingsError
from wattscope.core.findings import Rejection
from wattscope.core.wire_address import SerialLine, WireAddress
from wattscope.ports import RawMessage
from wattscope.sources import telegram as telegram_module
from wattscope.sources.link_state import LinkState
from wattscope.sources.telegram import TelegramOptions, TelegramSource
from wattscope.sources.telegram_wire import Line, open_line

pytestmark = pytest.mark.integration


def p1(n: int) -> bytes:
    return say_p1(f"0-0:1.0.0(2601021920{n:02d}W)", f"1-0:1.7.0(00.{n:03d}*kW)")


def sml(n: int) -> bytes:
    return say_sml(value_list(entry("16.7.0", n, W, 0)))


KINDS = [pytest.param("p1", p1, id="p1"), pytest.param("sml", sml, id="sml")]
Say = Callable[[int], bytes]


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are opened again without the pause that a real one is given."""
    monkeypatch.setattr(telegram_module, "_FIRST_DELAY_S", 0.001)


def judge(kind: str, message: RawMessage) -> Decoded:
    form = TELEGRAM_FORMS[kind]
    return decode(form.profile, message.topic, message.payload)


def payloads(messages: list[RawMessage]) -> list[bytes]:
    return [message.payload for message in messages]


@pytest.mark.parametrize(("kind", "say"), KINDS)
async def test_each_telegram_is_a_message(kind: str, say: Say) -> None:
    meter = TalkingMeter([say(1) + say(2) + say(3)], block=7)
    async with listening(meter, kind) as source:
        assert (source.kind, source.state) == (kind, LinkState.STOPPED)
        heard = await hear(source, 3)
    assert payloads(heard) == [say(1), say(2), say(3)]
    assert {(one.topic, one.received_at_us) for one in heard} == {(f"{kind}/hall", NOW_US)}
    assert all(isinstance(judge(kind, one), tuple) for one in heard)
    assert source.address == f"{LOOPBACK}:{meter.port}"


@pytest.mark.parametrize(("kind", "say"), KINDS)
async def test_cut_and_strange_ones_are_handed_on_and_hide_no_other(kind: str, say: Say) -> None:
    damaged = bytearray(say(2))
    damaged[len(damaged) // 2] ^= 0x04
    script = say(1)[9:] + say(1) + bytes(damaged) + say(3)[:-9] + say(4) + b"noise" + say(5)
    async with listening(TalkingMeter([script]), kind) as source:
        heard = await hear(source, 6)
    assert source.n_passed_over == len(say(1)) - 9
    good = [one.payload for one in heard if isinstance(judge(kind, one), tuple)]
    bad = [judged for one in heard if isinstance(judged := judge(kind, one), Rejection)]
    assert good == [say(1), say(4), say(5)]
    assert [one.code.value for one in bad] == ["checksum", "syntax", "syntax"]
    # Nothing is lost but what was passed over.
    assert b"".join(payloads(heard)) == script[source.n_passed_over :]


@pytest.mark.parametrize(("kind", "say"), KINDS)
async def test_lost_line_is_opened_again_and_what_was_cut_is_told(kind: str, say: Say) -> None:
    meter = TalkingMeter([say(1) + say(2)[:20], say(2)[20:] + say(3), say(4)])
    async with listening(meter, kind) as source:
        heard = await hear(source, 4)
    assert payloads(heard) == [say(1), say(2)[:20], say(3), say(4)]
    assert meter.n_connections == 3
    assert source.n_passed_over == len(say(2)) - 20


async def test_meter_that_is_away_at_first_is_waited_for(free_port: int) -> None:
    meter = TalkingMeter([p1(1)])
    options = TelegramOptions("p1", f"tcp://{LOOPBACK}:{free_port}")
    source = TelegramSource("hall", options, lambda: NOW_US, lambda: 0.0)
    hearing = asyncio.create_task(hear(source, 1))
    await until(lambda: LOOPBACK in source.detail)
    assert source.state is LinkState.CONNECTING
    await meter.start(free_port)
    assert payloads(await hearing) == [p1(1)]
    await meter.stop()


async def test_silent_line_is_opened_again() -> None:
    # However slow this machine is, some connection gets to speak before it counts as silent.
    meter = TalkingMeter([p1(1)] * 10_000, hangs_up=False)
    async with listening(meter, "p1", silence_s=0.05) as source:
        assert payloads(await hear(source, 2)) == [p1(1), p1(1)]
        assert meter.n_connections >= 2


async def test_reason_for_silence_is_told() -> None:
    meter = TalkingMeter([])
    async with listening(meter, "p1", silence_s=0.01) as source:
        hearing = asyncio.create_task(hear(source, 1))
        await until(lambda: "nothing came for 0.01 s" in source.detail)
        hearing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hearing


async def test_line_that_talks_another_language_is_told() -> None:
    """As with a wrong speed: bytes come, but never a telegram."""
    meter = TalkingMeter([b"\x93\x1c" * 20_000], block=4096, hangs_up=False)
    async with listening(meter, "sml") as source:
        hearing = asyncio.create_task(hear(source, 100))
        await until(lambda: "no sml telegram is among what comes" in source.detail)
        assert source.state is LinkState.CONNECTED
        hearing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hearing


async def test_close_ends_a_source_that_waits() -> None:
    meter = TalkingMeter([])
    async with listening(meter, "p1") as source:
        hearing = asyncio.create_task(hear(source, 1))
        await until(lambda: source.state is LinkState.CONNECTED)
        await source.close()
        assert await hearing == []
        assert source.state is LinkState.STOPPED


async def test_slow_listener_makes_the_meter_wait() -> None:
    """What is not taken stays in the line, not in memory."""
    meter = TalkingMeter([p1(1) * 100_000], block=1 << 16)
    async with listening(meter, "p1") as source:
        stream = source.receive()
        first = await anext(stream)
        assert 0 < sum(map(len, payloads(list(first)))) <= 1 << 17
        # The rest waits at the meter: nothing is taken ahead, however long this takes.
        for _ in range(1000):
            await asyncio.sleep(0)
        second = await anext(stream)
        assert sum(map(len, payloads(list(second)))) <= 1 << 17
        await stream.aclose()  # type: ignore[attr-defined]  # it is an async generator


@pytest.mark.parametrize(
    ("folder", "kind", "name"),
    [("dsmr-p1", "p1", "v5.txt"), ("sml-dumps", "sml", "DZG_DVS-7420.2V.G2_mtr1.bin")],
)
async def test_real_meters_are_heard(shared_data: Path, folder: str, kind: str, name: str) -> None:
    dump = (shared_data / folder / name).read_bytes()
    framer = TELEGRAM_FORMS[kind].make_framer()

    def is_good(message: RawMessage) -> bool:
        return isinstance(judge(kind, message), tuple)

    pieces = [RawMessage(f"{kind}/x", one, NOW_US) for one in framer.feed(dump)]
    n_good = sum(map(is_good, pieces))
    assert n_good > 0
    async with listening(TalkingMeter([dump] * 3, block=50), kind) as source:
        heard = await hear(source, 3 * n_good, is_good)
    assert [one.payload for one in heard if is_good(one)] == 3 * [
        one.payload for one in pieces if is_good(one)
    ]


# ── serial ports ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """Our end of a pseudo-terminal, and the path of the other."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


async def test_serial_port_is_heard(terminal: tuple[int, str]) -> None:
    pytest.importorskip("serialx", reason="the extra serial is not installed")
    ours, path = terminal
    options = TelegramOptions("sml", f"serial://{path}?baud=9600")
    source = TelegramSource("cellar", options, lambda: NOW_US, lambda: 0.0)
    hearing = asyncio.create_task(hear(source, 2))
    await until(lambda: source.state is LinkState.CONNECTED)
    os.write(ours, sml(1) + sml(2))
    assert payloads(await hearing) == [sml(1), sml(2)]
    assert source.address == f"{path} at 9600 baud 8N1"
    await source.close()


async def test_serial_port_that_is_not_there_is_waited_for() -> None:
    pytest.importorskip("serialx", reason="the extra serial is not installed")
    with pytest.raises(OSError, match="nowhere"):
        await open_line(WireAddress("/dev/nowhere", line=SerialLine(9600)), 5.0)


async def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "serialx", None)
    options = TelegramOptions("p1", "/dev/ttyUSB0")
    source = TelegramSource("hall", options, lambda: NOW_US, lambda: 0.0)
    with pytest.raises(SettingsError, match=r"pip install 'wattscope\[serial\]'"):
        await hear(source, 1)


async def test_line_that_fails_in_the_middle_loses_no_piece() -> None:
    class FailingLine(Line):
        def __init__(self) -> None:
            self._blocks = [p1(1) + p1(2)[:30]]

        async def read(self, timeout_s: float) -> bytes:
            del timeout_s
            if self._blocks:
                return self._blocks.pop()
            raise ConnectionResetError("gone")

        def close(self) -> None:
            self._blocks = []

    async def open_failing(address: WireAddress, timeout_s: float) -> Line:
        del address, timeout_s
        return FailingLine()

    options = TelegramOptions("p1", "tcp://meter:2001")
    source = TelegramSource("hall", options, lambda: NOW_US, lambda: 0.0, open_failing)
    assert payloads(await hear(source, 2)) == [p1(1), p1(2)[:30]]
