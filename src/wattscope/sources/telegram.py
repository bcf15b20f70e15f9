"""Meters that talk by themselves as a source: P1 telegrams and SML files, over TCP or serial.

It promises that each telegram is a message of its own (topic ``p1/<source>`` or ``sml/<source>``),
that what comes between two of them is one too, so that it is counted, and that a line which is
lost or silent is opened again with back-off and jitter. It cannot promise that a telegram is
heard: what a meter says while nobody listens is gone, and there is nobody to acknowledge to.

Only the end of a telegram that began before we listened is passed over; ``n_passed_over`` counts
its bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import structlog

from wattscope.compute.telegrams.forms import TELEGRAM_FORMS
from wattscope.core.wire_address import WireAddress, parse_wire_address
from wattscope.ports import RawMessage
from wattscope.sources.link_state import LinkState
from wattscope.sources.telegram_wire import Line, open_line

_log = structlog.get_logger()
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 60.0
_OPEN_TIMEOUT_S: Final = 10.0
_STRANGE_BYTES: Final = 8192
"""As many bytes without the start of a telegram are none of a meter of this kind [bytes]."""

OpenLine = Callable[[WireAddress, float], Awaitable[Line]]


@dataclass(frozen=True, slots=True)
class TelegramOptions:
    """What to listen to.

    Raises:
        SettingsError: The address cannot be used.
    """

    kind: str
    """``p1`` or ``sml``."""
    url: str
    """``tcp://host:port``, ``serial:///dev/ttyUSB0?baud=115200`` or a path."""
    silence_s: float = 60.0
    """A line on which nothing comes for so long is opened again [s]; meters talk each 1 to 10 s."""
    max_group: int = 2000
    """Messages handed on at once at most."""

    def __post_init__(self) -> None:
        """Check the address."""
        parse_wire_address(self.url, TELEGRAM_FORMS[self.kind].usual_line)

    @property
    def address(self) -> WireAddress:
        """Where the telegrams come from."""
        return parse_wire_address(self.url, TELEGRAM_FORMS[self.kind].usual_line)


class TelegramSource:
    """The source port over a line on which one meter talks."""

    def __init__(
        self,
        name: str,
        options: TelegramOptions,
        now_us: Callable[[], int],
        draw: Callable[[], float],
        open_line: OpenLine = open_line,
    ) -> None:
        """Touch no network yet.

        Args:
            name: Name of the source in messages and on the health page.
            options: Checked already.
            now_us: The clock [µs since 1970].
            draw: Numbers in [0, 1) for the jitter of opening again.
            open_line: Connects, within a time [s]; raises OSError.
        """
        self.name = name
        self.options = options
        self.kind = options.kind
        self.state = LinkState.STOPPED
        self.detail = ""
        """Why the line is not up, or what is odd about what comes, in words."""
        self.n_passed_over = 0
        """Bytes of telegrams that began before we listened."""
        self._form = TELEGRAM_FORMS[options.kind]
        self._now_us, self._draw, self._open_line = now_us, draw, open_line
        self._line: Line | None = None
        self._stop = asyncio.Event()
        """Set when the newest ``receive`` is over."""

    @property
    def address(self) -> str:
        """Where it listens, in words."""
        return str(self.options.address)

    async def receive(self) -> AsyncIterator[Sequence[RawMessage]]:
        """Groups of telegrams as they come, until ``close``; waits for a line that is away."""
        self._end_run()
        stop = self._stop = asyncio.Event()
        self.state = LinkState.CONNECTING
        delay_s = _FIRST_DELAY_S
        try:
            while not stop.is_set():
                try:
                    async with aclosing(self._listen(stop)) as groups:
                        async for group in groups:
                            delay_s = _FIRST_DELAY_S
                            yield group
                    self._note("the other side ended the connection")
                except TimeoutError:
                    self._note(
                        f"nothing came for {self.options.silence_s:g} s; is the meter's port "
                        "switched on, and the cable right?"
                    )
                except OSError as fault:
                    self._note(fault.strerror or str(fault) or type(fault).__name__)
                if not stop.is_set():
                    await _sleep_until(stop, delay_s * (0.5 + self._draw()))
                    delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
        finally:
            if self._stop is stop:
                self._end_run()

    async def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        """Nothing: a meter does not ask whether it was heard."""

    async def close(self) -> None:
        """End the line."""
        self._end_run()

    def _end_run(self) -> None:
        self._stop.set()
        self.state = LinkState.STOPPED
        self._drop_line()

    def _drop_line(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    async def _listen(self, stop: asyncio.Event) -> AsyncGenerator[Sequence[RawMessage]]:
        """What comes over one line, until it ends."""
        line = await self._open_line(self.options.address, _OPEN_TIMEOUT_S)
        if stop.is_set():
            line.close()
            return
        self._line = line
        self.state, self.detail = LinkState.CONNECTED, ""
        _log.info("line opened", source=self.name, address=self.address)
        framer, is_first, n_strange = self._form.make_framer(), True, 0
        fault: OSError | None = None
        try:
            while content := await line.read(self.options.silence_s):
                pieces = framer.feed(content)
                is_telling = any(piece.startswith(self._form.start) for piece in pieces)
                n_strange = 0 if is_telling else n_strange + len(content)
                self._judge(n_strange)
                if is_first and pieces:
                    is_first, pieces = False, self._pass_over(pieces)
                for group in self._group(pieces):
                    yield group
        except OSError as failure:
            fault = failure
        finally:
            self._drop_line()
        # What was cut when the line ended is told, too.
        rest = framer.end()
        for group in self._group(self._pass_over(rest) if is_first else rest):
            yield group
        if fault is not None:
            raise fault

    def _pass_over(self, pieces: list[bytes]) -> list[bytes]:
        """Pieces without the end of a telegram whose beginning nobody heard."""
        if not pieces or pieces[0].startswith(self._form.start):
            return pieces
        self.n_passed_over += len(pieces[0])
        return pieces[1:]

    def _judge(self, n_strange: int) -> None:
        """Say when bytes come, but no telegrams."""
        is_strange = n_strange >= _STRANGE_BYTES
        if is_strange and not self.detail:
            self.detail = (
                f"no {self.kind} telegram is among what comes; are speed, parity and kind right?"
            )
            _log.warning("no telegrams", source=self.name, address=self.address)
        elif not is_strange:
            self.detail = ""

    def _group(self, pieces: list[bytes]) -> list[list[RawMessage]]:
        at_us, topic, size = self._now_us(), f"{self.kind}/{self.name}", self.options.max_group
        messages = [RawMessage(topic, piece, at_us) for piece in pieces]
        return [messages[at : at + size] for at in range(0, len(messages), size)]

    def _note(self, reason: str) -> None:
        """Say what happened; once, however often it happens again."""
        if self._stop.is_set():
            return
        reason = f"{self.address}: {reason}"
        if self.state is LinkState.CONNECTED:
            _log.warning("line lost", source=self.name, reason=reason)
        elif self.detail != reason:
            _log.warning("line not opened", source=self.name, reason=reason)
        self.state, self.detail = LinkState.CONNECTING, reason


async def _sleep_until(stop: asyncio.Event, delay_s: float) -> None:
    """Sleep, but wake when ``stop`` is set."""
    try:
        async with asyncio.timeout(delay_s):
            await stop.wait()
    except TimeoutError:
        return
