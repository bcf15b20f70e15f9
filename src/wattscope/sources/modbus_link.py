"""Requests to one gateway, and answers that can be believed.

::

    exchange(request) ──▶ bytes      the registers, of a reply that matches in everything
                      └─▶ Refusal    why there are none; the connection is closed after a mismatch

A gateway that hung up while nothing was asked is connected to again without a word. Whether it
speaks Modbus TCP or passes RTU frames on is found out where it is not told.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from wattscope.compute.modbus.frames import (
    Answer,
    Fault,
    Judged,
    ReadRequest,
    Refusal,
    encode_rtu,
    encode_tcp,
    judge_rtu,
    judge_tcp,
)
from wattscope.core.fleet import Endpoint, Framing
from wattscope.sources.modbus_wire import Wire, WireLostError

OpenWire = Callable[[Endpoint, float], Awaitable[Wire]]

_MAX_LATE: Final = 2
"""Replies to other requests that are passed over before the connection is given up."""
_MAX_SILENT: Final = 2
"""Requests in a row without a byte before the connection counts as half open."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One good exchange, for the read planner."""

    n_registers: int
    elapsed_s: float


class ModbusLink:
    """One endpoint; the caller sees to it that one request is under way at a time."""

    def __init__(
        self,
        endpoint: Endpoint,
        open_wire: OpenWire,
        *,
        is_tid_ignored: bool = False,
        on_timing: Callable[[Timing], None] = lambda _: None,
    ) -> None:
        """Touch no network yet.

        Args:
            endpoint: Where to connect.
            open_wire: Connects, within a time [s]; raises OSError.
            is_tid_ignored: Whether the gateway returns no true transaction ids; then each request
                gets a connection of its own.
            on_timing: Told of each good exchange.
        """
        self.endpoint = endpoint
        self.framing = Framing.RTU if endpoint.is_serial else endpoint.framing
        """``AUTO`` until the first good reply."""
        self.faults: Counter[Fault] = Counter()
        """What went wrong since the start, also where a second try went well."""
        self.n_connections = 0
        self._open_wire = open_wire
        self._is_tid_ignored = is_tid_ignored
        self._on_timing = on_timing
        self._wire: Wire | None = None
        self._transaction = 0
        self._n_late = self._n_silent = 0

    async def exchange(self, request: ReadRequest, timeout_s: float) -> Answer:
        """Ask for registers once.

        Args:
            request: What is asked.
            timeout_s: How long connecting, and the reply, may take each [s].

        Returns:
            The registers' bytes, or why there are none; every refusal is counted in ``faults``.
        """
        if self.framing is not Framing.AUTO:
            return self._count(await self._exchange(request, timeout_s, self.framing))
        answer: Answer = Refusal(Fault.UNREACHABLE)
        for framing in (Framing.TCP, Framing.RTU_OVER_TCP):
            answer = await self._exchange(request, timeout_s, framing)
            is_exception = isinstance(answer, Refusal) and answer.fault is Fault.EXCEPTION
            if isinstance(answer, bytes) or is_exception:
                self.framing = framing
                break
            self.close()
            if isinstance(answer, Refusal) and answer.fault is Fault.UNREACHABLE:
                break
        return self._count(answer)

    def close(self) -> None:
        """End the connection; the next exchange makes a new one."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        self._n_late = self._n_silent = 0

    def _count(self, answer: Answer) -> Answer:
        if isinstance(answer, Refusal):
            self.faults[answer.fault] += 1
        return answer

    async def _exchange(self, request: ReadRequest, timeout_s: float, framing: Framing) -> Answer:
        if self._is_tid_ignored:
            self.close()
        was_idle = self._wire is not None
        answer = await self._attempt(request, timeout_s, framing)
        is_cut = isinstance(answer, Refusal) and answer.fault is Fault.DISCONNECTED
        if is_cut and was_idle:
            # The gateway hung up while nothing was asked: that is no fault of anybody.
            answer = await self._attempt(request, timeout_s, framing)
        return answer

    async def _attempt(self, request: ReadRequest, timeout_s: float, framing: Framing) -> Answer:
        """One request on a connection that is sound, or on a new one."""
        wire = self._wire
        if wire is not None and (wire.is_lost or self._is_dirty(wire)):
            self.close()
            wire = None
        if wire is None:
            try:
                wire = self._wire = await self._open_wire(self.endpoint, timeout_s)
            except OSError as fault:
                return Refusal(Fault.UNREACHABLE, str(fault) or type(fault).__name__)
            self.n_connections += 1
        frame, judge = self._prepare(request, framing)
        n_before, began_s = wire.n_received, asyncio.get_running_loop().time()
        try:
            judged = await wire.ask(frame, judge, timeout_s)
        except TimeoutError:
            return self._note_silence(wire, wire.n_received > n_before, timeout_s)
        except WireLostError as fault:
            self.close()
            return Refusal(Fault.DISCONNECTED, str(fault))
        self._n_silent = 0
        if wire.take_stray():
            # One of the frames is no answer to this request, and nobody can tell which.
            self.close()
            return Refusal(Fault.UNEXPECTED, "more bytes than one reply")
        if isinstance(judged, bytes):
            self._n_late = 0
            elapsed_s = asyncio.get_running_loop().time() - began_s
            self._on_timing(Timing(request.count, elapsed_s))
            return judged
        if judged.fault.is_mismatch:
            self.close()
        return judged

    def _is_dirty(self, wire: Wire) -> bool:
        """Whether bytes came that nobody asked for: whatever follows them cannot be trusted."""
        if not wire.take_stray():
            return False
        self.faults[Fault.UNEXPECTED] += 1
        return True

    def _prepare(
        self, request: ReadRequest, framing: Framing
    ) -> tuple[bytes, Callable[[bytes], tuple[Judged, int]]]:
        if framing is not Framing.TCP:
            return encode_rtu(request), partial(judge_rtu, request=request)
        self._transaction = self._transaction % 0xFFFF + 1
        frame = encode_tcp(self._transaction, request)
        return frame, partial(self._judge_tcp, self._transaction, request)

    def _judge_tcp(
        self, transaction: int, request: ReadRequest, received: bytes
    ) -> tuple[Judged, int]:
        """A late reply to an older request is passed over, a second one ends the connection."""
        if self._is_tid_ignored and len(received) >= 2:
            transaction = int.from_bytes(received[:2], "big")
        judged, n_used = judge_tcp(received, transaction, request)
        if isinstance(judged, Refusal) and judged.fault is Fault.WRONG_TRANSACTION:
            self._n_late += 1
            if self._n_late < _MAX_LATE:
                self.faults[Fault.WRONG_TRANSACTION] += 1
                rest, n_more = self._judge_tcp(transaction, request, received[n_used:])
                return rest, n_used + n_more
        return judged, n_used

    def _note_silence(self, wire: Wire, has_heard: bool, timeout_s: float) -> Refusal:  # noqa: FBT001  # told by what it is
        """After a deadline, decide whether the connection is still good for something."""
        self._n_silent = 0 if has_heard else self._n_silent + 1
        is_tcp = self.framing is Framing.TCP
        # RTU frames carry no number: a late reply would pass for the answer to the next request.
        if has_heard or not is_tcp or self._n_silent >= _MAX_SILENT:
            self.close()
        else:
            wire.take_stray()
        return Refusal(Fault.TIMEOUT, f"no whole reply within {timeout_s:g} s")
