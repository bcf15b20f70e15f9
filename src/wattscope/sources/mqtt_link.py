"""One MQTT connection that receives: from CONNECT until it ends.

::

    open ─▶ CONNECT ─▶ CONNACK ─▶ SUBSCRIBE ─▶ messages … ─▶ end, with a ``LinkError`` that says why

It promises that messages wait in a bounded buffer behind which the socket is no longer read, that
acknowledgements of a group leave in one write and in order, and that a broker that falls silent
is noticed. It never connects a second time; that is for its owner.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import cast

from wattscope.core.errors import TransientError
from wattscope.ports import RawMessage
from wattscope.sources.mqtt_codec import (
    DISCONNECT,
    PINGREQ,
    ConnAck,
    Control,
    Farewell,
    Greeting,
    MqttVersion,
    SubAck,
    build_connect,
    build_pubacks,
    build_subscribe,
)
from wattscope.sources.mqtt_reader import MAX_PACKET_BYTES, PacketReader
from wattscope.sources.mqtt_words import describe_reason, describe_refusal

ANSWER_TIMEOUT_S = 10.0
"""For the TCP and TLS connection, and again for CONNACK [s]."""
_CLOSE_TIMEOUT_S = 5.0
_SUBSCRIBE_MID = 1
_UNSUPPORTED_VERSION = {1, 0x84}
"""CONNACK codes (MQTT 3.1.1, 3.2.2.3; MQTT 5, 3.2.2.2)."""
_get_payload: Callable[[RawMessage], bytes] = attrgetter("payload")
_TAKEN_OVER = 0x8E


class LinkEnd(Enum):
    """Why a link ended, as far as its owner acts on it."""

    LOST = "lost"
    CUT = "cut"
    """The broker closed it without a word: it stopped, or (in MQTT 3.1.1, and some brokers in
    MQTT 5) another program has taken the session."""
    REFUSED = "refused"
    OTHER_VERSION = "other version"
    """The broker said that it does not speak this version of MQTT."""
    UNANSWERED = "unanswered"
    """It closed the connection in place of an answer to CONNECT; some do so for MQTT 5."""
    TAKEN_OVER = "taken over"
    PROTOCOL = "protocol"
    """It sent what makes no sense; it will most likely do so again."""
    CLOSED = "closed"
    """By ourselves."""


class LinkError(TransientError):
    """There is no connection, or no longer; the message says why."""

    code = "link_ended"

    def __init__(self, end: LinkEnd, message: str) -> None:
        super().__init__(message)
        self.end = end


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """What to say to the broker, what to hear, and how much may wait."""

    host: str
    port: int
    greeting: Greeting
    filters: tuple[str, ...]
    qos: int
    max_waiting: int
    """Messages that wait before the socket is no longer read."""
    max_waiting_bytes: int
    """Likewise in bytes; a single message may exceed it."""
    tls: ssl.SSLContext | None = None
    max_packet_bytes: int = MAX_PACKET_BYTES


async def open_link(
    plan: LinkPlan,
    version: MqttVersion,
    number: int,
    now_us: Callable[[], int],
    announce: Callable[[Sequence[str]], None],
) -> MqttLink:
    """A link whose CONNECT was accepted and whose SUBSCRIBE is on its way.

    Args:
        plan: Where to, and what to say.
        version: Spoken in this link.
        number: Goes into the receipts.
        now_us: The clock [µs since 1970].
        announce: Called when SUBSCRIBE was answered, with the filters that the broker did not
            grant, each with the reason. Messages of the session may come before that.

    Raises:
        LinkError: The broker refused, or did not answer in time.
        MalformedPacketError: The plan has a text that MQTT cannot carry.
        OSError: It cannot be reached.
    """
    link = MqttLink(plan, version, number, now_us, announce)
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as undo:
        undo.callback(link.abort)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await loop.create_connection(lambda: link, plan.host, plan.port, ssl=plan.tls)
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await link.accepted.wait()
        except TimeoutError as fault:
            raise LinkError(LinkEnd.LOST, f"no answer within {ANSWER_TIMEOUT_S:g} s") from fault
        if link.fault is not None:
            raise link.fault
        undo.pop_all()
    return link


class MqttLink(asyncio.Protocol):
    """The connection; made by ``open_link``."""

    def __init__(
        self,
        plan: LinkPlan,
        version: MqttVersion,
        number: int,
        now_us: Callable[[], int],
        announce: Callable[[Sequence[str]], None],
    ) -> None:
        self.number = number
        self.fault: LinkError | None = None
        """Why the link ended; None while it is up."""
        self.accepted = asyncio.Event()
        """Set when CONNECT was answered, or the link ended instead."""
        self._plan = plan
        self._connect = build_connect(plan.greeting, version)
        self._subscribe = build_subscribe(_SUBSCRIBE_MID, plan.filters, plan.qos, version)
        self._now_us = now_us
        self._announce = announce
        self._reader = PacketReader(version, number, max_packet_bytes=plan.max_packet_bytes)
        self._transport: asyncio.Transport | None = None
        self._ended = asyncio.Event()
        self._wake = asyncio.Event()
        self._waiting: list[RawMessage] = []
        self._waiting_bytes = 0
        self._is_paused = False
        self._is_heard = self._is_fed = self._is_subscribed = False
        self._tick_s = plan.greeting.keepalive_s / 2
        self._ticker: asyncio.TimerHandle | None = None

    # ── for the owner ────────────────────────────────────────────────────────────────────────

    async def take(self, max_group: int) -> list[RawMessage]:
        """The messages that wait, in order; empty once the link has ended and all were given."""
        while not self._waiting:
            if self.fault is not None:
                return []
            self._wake.clear()
            await self._wake.wait()
        waiting = self._waiting
        if len(waiting) <= max_group:
            group, self._waiting, self._waiting_bytes = waiting, [], 0
        else:
            group, self._waiting = waiting[:max_group], waiting[max_group:]
            self._waiting_bytes = sum(map(len, map(_get_payload, self._waiting)))
        if self._is_paused:
            self._go_on()
        return group

    def acknowledge(self, mids: Sequence[int]) -> None:
        """Send a PUBACK for each, in this order; nothing when the link has ended."""
        if mids and self.fault is None:
            self._write(build_pubacks(mids))

    def leave(self) -> None:
        """Say goodbye and end the link at once; the broker keeps the session."""
        if self.fault is None:
            self._write(DISCONNECT)
        self._fail(LinkEnd.CLOSED, "closed by ourselves")

    async def close(self) -> None:
        """Say goodbye, and wait until the broker has ended the link, but not for ever.

        Closing a socket that holds unread bytes resets the connection, and a broker may then never
        read the acknowledgements before the goodbye. So the broker closes it (MQTT 5, 3.14.4), and
        what it still sends is read and let go: it comes again to the next link.
        """
        transport = self._transport
        is_up = self.fault is None and transport is not None and not transport.is_closing()
        self._note_end(LinkEnd.CLOSED, "closed by ourselves")
        if transport is None:
            return
        if is_up:
            transport.write(DISCONNECT)
            if self._is_paused:
                self._is_paused = False
                transport.resume_reading()
        else:
            transport.close()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._ended.wait()
        except TimeoutError:
            # A broker that does not answer a goodbye.
            self.abort()
        finally:
            transport.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._fail(LinkEnd.CLOSED, "closed by ourselves")
        if self._transport is not None:
            self._transport.abort()

    # ── for asyncio ──────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say CONNECT."""
        # That of uvloop is one in deed, but does not derive from it.
        self._transport = cast("asyncio.Transport", transport)
        if self.fault is not None:
            self._transport.abort()
            return
        self._write(self._connect)

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        if self.fault is not None:
            return
        self._is_heard = True
        self._reader.feed(data)
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, whoever brought it about."""
        if not self.accepted.is_set():
            words = "the broker closed the connection in place of an answer"
            if self._plan.tls is None:
                words += "; does this port expect TLS (mqtts://)?"
            self._fail(LinkEnd.UNANSWERED, f"{words} ({exc})" if exc else words)
        elif exc is not None:
            self._fail(LinkEnd.LOST, f"the connection broke: {exc}")
        else:
            name = self._plan.greeting.client_id
            self._fail(
                LinkEnd.CUT,
                "the broker closed the connection without a reason; it may have stopped, or "
                f"another program has taken client id {name!r}",
            )
        self._ended.set()

    # ── within ───────────────────────────────────────────────────────────────────────────────

    @property
    def _is_full(self) -> bool:
        plan = self._plan
        too_many = len(self._waiting) >= plan.max_waiting
        return too_many or self._waiting_bytes >= plan.max_waiting_bytes

    def _read(self) -> None:
        """Parse as much as may wait; stop the socket when that is reached."""
        reader = self._reader
        while True:
            messages = reader.read(self._plan.max_waiting - len(self._waiting), self._now_us())
            if messages:
                self._is_fed = True
                self._waiting += messages
                self._waiting_bytes += sum(map(len, map(_get_payload, messages)))
                self._wake.set()
            if reader.control:
                packets, reader.control = reader.control, []
                for packet in packets:
                    self._take_control(packet)
            if self._is_full or not reader.has_more:
                break
        if reader.fault is not None:
            self._fail(LinkEnd.PROTOCOL, f"the broker sent {reader.fault}")
        if self._is_full and not self._is_paused and self.fault is None:
            self._is_paused = True
            self._use_transport().pause_reading()

    def _go_on(self) -> None:
        """Once half has been taken, parse what was left, then let the socket speak again."""
        plan = self._plan
        too_many = 2 * len(self._waiting) > plan.max_waiting
        if too_many or 2 * self._waiting_bytes > plan.max_waiting_bytes:
            return
        self._read()
        if not self._is_full:
            self._is_paused = False
            self._is_heard = True
            if self.fault is None:
                self._use_transport().resume_reading()

    def _use_transport(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101  # nothing is read before it is there
        return self._transport

    def _take_control(self, packet: Control) -> None:
        if isinstance(packet, ConnAck):
            self._greet(packet)
        elif not self.accepted.is_set():
            self._fail(LinkEnd.PROTOCOL, "the broker did not answer CONNECT first")
        elif isinstance(packet, SubAck):
            self._note_filters(packet)
        elif isinstance(packet, Farewell):
            end = LinkEnd.TAKEN_OVER if packet.code == _TAKEN_OVER else LinkEnd.LOST
            words = describe_reason(packet.code, packet.reason)
            if end is LinkEnd.TAKEN_OVER:
                name = self._plan.greeting.client_id
                words += f"; two programs use {name!r}, give each a client_id of its own"
            self._fail(end, words)

    def _greet(self, answer: ConnAck) -> None:
        if self.accepted.is_set():
            self._fail(LinkEnd.PROTOCOL, "the broker answered CONNECT twice")
            return
        if answer.code:
            is_other = answer.code in _UNSUPPORTED_VERSION
            end = LinkEnd.OTHER_VERSION if is_other else LinkEnd.REFUSED
            self._fail(end, describe_refusal(answer.code, answer.reason))
            return
        self.accepted.set()
        if answer.keepalive_s is not None:
            self._tick_s = answer.keepalive_s / 2
        self._write(self._subscribe)
        if self._tick_s:
            self._ticker = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    def _note_filters(self, answer: SubAck) -> None:
        filters = self._plan.filters
        if answer.mid != _SUBSCRIBE_MID or len(answer.codes) != len(filters):
            self._fail(LinkEnd.PROTOCOL, "the broker answered a subscription we did not ask for")
            return
        refused = tuple(
            f"{name}: {describe_reason(code, answer.reason)}"
            for name, code in zip(filters, answer.codes, strict=True)
            if code >= 0x80
        )
        if len(refused) == len(filters):
            self._fail(LinkEnd.REFUSED, f"no filter granted: {'; '.join(refused)}")
        else:
            self._is_subscribed = True
            self._announce(refused)

    def _tick(self) -> None:
        """Twice per keep-alive: ping, and end a link on which nothing came since the last one.

        While reading is paused the broker's silence is ours.
        """
        if not self._is_heard and not self._is_paused:
            self._fail(LinkEnd.LOST, f"the broker did not answer for {self._tick_s:g} s")
        elif not (self._is_subscribed or self._is_fed or self._is_paused):
            self._fail(LinkEnd.LOST, "the broker did not answer SUBSCRIBE")
        if self.fault is not None:
            return
        self._is_heard = self._is_fed = False
        self._write(PINGREQ)
        self._ticker = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    def _write(self, packets: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(packets)

    def _fail(self, end: LinkEnd, words: str) -> None:
        """End the link; the first reason stays."""
        self._note_end(end, words)
        self._close()

    def _note_end(self, end: LinkEnd, words: str) -> None:
        if self.fault is None:
            self.fault = LinkError(end, words)
        if self._ticker is not None:
            self._ticker.cancel()
        self.accepted.set()
        self._wake.set()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
