"""MQTT with a persistent session and acknowledgement only when told so.

It promises that the broker keeps every QoS 1 message until ``acknowledge`` was called with it,
that at most ``max_waiting`` messages wait in memory, and that a lost connection comes back by
itself with back-off and jitter.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog

from wattscope.core.errors import SettingsError
from wattscope.core.server_address import BROKER, find_port, split_address
from wattscope.ports import RawMessage
from wattscope.sources.link_state import LinkState
from wattscope.sources.mqtt_codec import Greeting, MalformedPacketError, MqttVersion, Receipt
from wattscope.sources.mqtt_link import LinkEnd, LinkError, LinkPlan, MqttLink, open_link
from wattscope.sources.mqtt_reader import MAX_PACKET_BYTES

_log = structlog.get_logger()
MAX_WAITING_BYTES = 16 * 1024 * 1024
"""Payload that waits in memory before the socket is no longer read; one message may exceed it."""
SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long an MQTT 5 broker keeps our session while we are away [s]."""
KEEPALIVE_S = 30
"""A broker that is silent for so long is given up [s]."""
_FIRST_DELAY_S, _SUSPECT_DELAY_S, _LONGEST_DELAY_S = 0.5, 4.0, 60.0
_STEADY_S = 5.0
"""A connection that lasted as long counts as good: the next one starts without a long wait [s]."""
_MANY_CUTS = 3
"""Short connections in a row, closed without a word, that look like a fight over the session."""
_MAX_RECEIVE_MAXIMUM = 0xFFFF
_NO_USE_TO_HURRY = {LinkEnd.TAKEN_OVER, LinkEnd.PROTOCOL}
"""Ends that the next connection would only meet again, or pass on to another program."""


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """How to reach a broker and what to hear there.

    Raises:
        SettingsError: The address cannot be used.
    """

    url: str
    """``mqtt://host:1883``, or ``mqtts://`` for TLS."""
    filters: tuple[str, ...]
    client_id: str = "wattscope"
    """The session's name; two programs with one name take it from each other."""
    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""
    qos: int = 1
    max_waiting: int = 5000
    """Messages that wait in memory before the socket is no longer read."""
    max_group: int = 2000
    """Messages handed on at once at most."""

    def __post_init__(self) -> None:
        """Check the address."""
        if split_address(self.url, BROKER) is None:
            raise SettingsError(
                [f"url {self.url!r} is no MQTT address; write mqtt://host:1883 or mqtts://host"]
            )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", find_port(parts)


class MqttSource:
    """The source port over an MQTT broker; MQTT 5 where the broker speaks it, else 3.1.1."""

    kind = "mqtt"

    def __init__(
        self,
        name: str,
        options: MqttOptions,
        now_us: Callable[[], int],
        draw: Callable[[], float],
    ) -> None:
        """Touch no network yet.

        Args:
            name: Name of the source in messages and on the health page.
            options: Checked already.
            now_us: The clock [µs since 1970].
            draw: Numbers in [0, 1) for the jitter of reconnecting.
        """
        self.name = name
        self.options = options
        self.state = LinkState.STOPPED
        self.detail = ""
        """Why the link is not up, in words; or which filters the broker did not grant."""
        self._now_us = now_us
        self._draw = draw
        self._speaks_v5 = True
        """Until the broker says otherwise."""
        self._link: MqttLink | None = None
        self._n_links = 0
        self._stop = asyncio.Event()
        """Set when the newest ``receive`` is over."""

    @property
    def address(self) -> str:
        """Where the broker is, without its password."""
        return self.options.url.rpartition("@")[2]

    async def receive(self) -> AsyncIterator[Sequence[RawMessage]]:
        """Groups of messages as they gather, until ``close``; waits for a broker that is away.

        Every new connection subscribes again: a broker that lost our session would otherwise
        stay silent without an error.
        """
        # A run that failed in the middle may not have been collected yet: it holds our client id.
        self._end_run()
        stop = self._stop = asyncio.Event()
        self.state = LinkState.CONNECTING
        backoff = _Backoff(self._draw)
        try:
            while not stop.is_set():
                fault: Exception | None
                opened_s = asyncio.get_running_loop().time()
                try:
                    link = await self._open(stop)
                    while group := await link.take(self.options.max_group):
                        yield group
                    fault = link.fault
                    backoff.note_lasted(asyncio.get_running_loop().time() - opened_s, link.fault)
                except (LinkError, MalformedPacketError, OSError) as failure:
                    fault = failure
                if not stop.is_set():
                    self._note(fault)
                    await _sleep_until(stop, backoff.draw_delay_s(fault))
        finally:
            if self._stop is stop:
                self._end_run()

    async def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        """Tell the broker that these are safe; after a lost connection it sends them again."""
        link = self._link
        if link is not None:
            number = link.number
            link.acknowledge(
                [
                    receipt.mid
                    for message in messages
                    if isinstance(receipt := message.receipt, Receipt)
                    and receipt.connection == number
                ]
            )

    async def close(self) -> None:
        """End the connection; the broker keeps the session."""
        link, self._link = self._link, None
        self._end_run()
        if link is not None:
            await link.close()

    def _end_run(self) -> None:
        self._stop.set()
        self.state = LinkState.STOPPED
        link, self._link = self._link, None
        if link is not None:
            link.leave()

    async def _open(self, stop: asyncio.Event) -> MqttLink:
        """A link in MQTT 5, or in 3.1.1 where the broker does not take that."""
        try:
            if self._speaks_v5:
                return await self._open_as(MqttVersion.V5, stop)
        except LinkError as fault:
            if fault.end not in {LinkEnd.OTHER_VERSION, LinkEnd.UNANSWERED}:
                raise
            # One that closes without a word may as well be about to stop: ask it again next time.
            self._speaks_v5 = fault.end is LinkEnd.UNANSWERED
        try:
            return await self._open_as(MqttVersion.V311, stop)
        except LinkError as fault:
            self._speaks_v5 |= fault.end is LinkEnd.OTHER_VERSION
            raise

    async def _open_as(self, version: MqttVersion, stop: asyncio.Event) -> MqttLink:
        self._n_links += 1
        plan = _build_plan(self.options)
        link = await open_link(plan, version, self._n_links, self._now_us, self._announce)
        if stop.is_set():
            link.leave()
        else:
            self._link = link
        return link

    def _announce(self, refused_filters: Sequence[str]) -> None:
        """The link is up and the broker has answered the subscription."""
        if self._stop.is_set():
            return
        host, port = self.options.address
        self.state, self.detail = LinkState.CONNECTED, "; ".join(refused_filters)
        _log.info("broker reached", source=self.name, host=host, port=port)
        if refused_filters:
            _log.warning("filters refused", source=self.name, reason=self.detail)

    def _note(self, fault: Exception | None) -> None:
        """Say what happened; once, however often it happens again."""
        reason = _describe(fault, self.options.address)
        if self.state is LinkState.CONNECTED:
            _log.warning("broker lost", source=self.name, reason=reason)
        elif self.detail != reason:
            _log.warning("broker not reached", source=self.name, reason=reason)
        self.state, self.detail = LinkState.CONNECTING, reason


class _Backoff:
    """How long to wait before the next connection."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._delay_s = _FIRST_DELAY_S
        self._n_cut = 0
        """Connections in a row that the broker closed soon and without a word."""

    def note_lasted(self, lasted_s: float, fault: LinkError | None) -> None:
        """Learn from a link that was up for ``lasted_s`` [s] and how it ended."""
        is_cut = fault is not None and fault.end is LinkEnd.CUT and lasted_s < _STEADY_S
        self._n_cut = self._n_cut + 1 if is_cut else 0
        if lasted_s >= _STEADY_S:
            self._delay_s = _FIRST_DELAY_S

    def draw_delay_s(self, fault: Exception | None) -> float:
        """Half to one and a half of a delay that doubles each time [s]."""
        delay_s = self._delay_s
        self._delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
        is_hopeless = isinstance(fault, MalformedPacketError) or (
            isinstance(fault, LinkError) and fault.end in _NO_USE_TO_HURRY
        )
        if is_hopeless:
            delay_s = _LONGEST_DELAY_S
        elif self._n_cut >= _MANY_CUTS:
            # A broker that restarts often, or another program with our name: ask ever less often.
            delay_s = min(_SUSPECT_DELAY_S * 2 ** (self._n_cut - _MANY_CUTS), _LONGEST_DELAY_S)
        return delay_s * (0.5 + self._draw())


async def _sleep_until(stop: asyncio.Event, delay_s: float) -> None:
    """Sleep, but wake when ``stop`` is set."""
    try:
        async with asyncio.timeout(delay_s):
            await stop.wait()
    except TimeoutError:
        return


def _build_plan(options: MqttOptions) -> LinkPlan:
    parts = urlsplit(options.url)
    host, port = options.address
    greeting = Greeting(
        client_id=options.client_id,
        username=options.username or (unquote(parts.username) if parts.username else None),
        password=options.password or (unquote(parts.password) if parts.password else None),
        keepalive_s=KEEPALIVE_S,
        session_expiry_s=SESSION_EXPIRY_S,
        # Enough under way that the broker sends on while a group is being committed.
        receive_maximum=min(2 * options.max_waiting, _MAX_RECEIVE_MAXIMUM),
    )
    return LinkPlan(
        host=host,
        port=port,
        greeting=greeting,
        filters=options.filters,
        qos=options.qos,
        max_waiting=options.max_waiting,
        max_waiting_bytes=MAX_WAITING_BYTES,
        tls=_build_tls(options) if parts.scheme == "mqtts" else None,
        max_packet_bytes=MAX_PACKET_BYTES,
    )


def _build_tls(options: MqttOptions) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except OSError as fault:
        words = f"TLS: ca_file {options.ca_file} cannot be used: {fault.strerror or fault}"
        raise LinkError(LinkEnd.REFUSED, words) from fault


def _describe(fault: Exception | None, address: tuple[str, int]) -> str:
    """What happened, in words for the health page."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        words = fault.verify_message
        return f"TLS: the broker's certificate is not trusted: {words}; see ca_file"
    if isinstance(fault, ssl.SSLError):
        return f"TLS: {fault.reason or fault}; does this port speak TLS?"
    if isinstance(fault, OSError):
        host, port = address
        return f"{host}:{port} is not reached: {fault.strerror or fault}"
    return str(fault)
