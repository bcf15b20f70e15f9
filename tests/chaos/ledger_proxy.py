"""The ledger of what Wattscope acknowledged, kept by a proxy between it and the broker.

::

    broker ══PUBLISH══▶ proxy ══PUBLISH══▶ wattscope
    broker ◀══PUBACK═══ proxy ◀══PUBACK═══ wattscope
                          └─▶ ledger: the message of this PUBACK, then fsync, then pass it on

Only a PUBACK that left Wattscope is a promise of Wattscope, so neither the publisher's view (the
broker's promise) nor the broker's queue will do: the queue shrinks also when a session is lost.
What the killed process had written to its socket still arrives here and is held against it.
The proxy can also swallow acknowledgements: they are in the ledger, yet the broker never hears of
them and sends the messages again, as after a connection that broke at the worst moment.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.chaos.raw_mqtt import encode_length
from tests.servers import LOOPBACK

_CONNECT, _PUBLISH, _PUBACK = 0x10, 0x30, 0x40


class LedgerProxy:
    """Listens on a port of its own; one client at a time is enough."""

    def __init__(
        self, broker_port: int, ledger: Path, identify: Callable[[str, bytes], int]
    ) -> None:
        """Listen.

        Args:
            broker_port: Where to connect for each client.
            ledger: File of one number a line; made anew.
            identify: The number of a message, from topic and payload.
        """
        self.is_swallowing = False
        """Whether acknowledgements are kept from the broker."""
        self.n_acks = 0
        self.n_swallowed = 0
        """Acknowledgements that were kept from the broker."""
        self.n_redelivered = 0
        """Messages that the broker sent with the flag DUP."""
        self.acked: set[int] = set()
        """The same as in the ledger, to watch progress."""
        self.last_ack_s = time.monotonic()
        self._broker_port = broker_port
        self._identify = identify
        self._ledger = ledger.open("wb")
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End all connections and close the ledger."""
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            _shut(one)
        self._ledger.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection((LOOPBACK, self._broker_port), 10)
            except OSError:
                client.close()
                continue
            broker.settimeout(None)
            self._sockets += [client, broker]
            for one in (client, broker):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = _Link(self, client, broker)
            threading.Thread(target=link.pass_down, daemon=True).start()
            threading.Thread(target=link.pass_up, daemon=True).start()

    def identify(self, topic: str, payload: bytes) -> int:
        return self._identify(topic, payload)

    def note(self, numbers: list[int]) -> None:
        """Put acknowledged messages into the ledger, durably."""
        self._ledger.write(b"".join(b"%d\n" % number for number in numbers))
        self._ledger.flush()
        os.fsync(self._ledger.fileno())
        self.acked.update(numbers)
        self.n_acks += len(numbers)
        self.last_ack_s = time.monotonic()


class _Link:
    """One client with its connection to the broker."""

    def __init__(self, proxy: LedgerProxy, client: socket.socket, broker: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._broker = broker
        self._is_v5 = False
        self._numbers: dict[int, int] = {}
        """Message by packet identifier."""

    def pass_down(self) -> None:
        """From the broker to Wattscope."""
        with self._ending():
            for packets in _read_packets(self._broker):
                for first, body in packets:
                    if first & 0xF0 == _PUBLISH and first & 0x06:
                        self._note_message(first, body)
                self._client.sendall(b"".join(map(_frame, packets)))

    def pass_up(self) -> None:
        """From Wattscope to the broker."""
        with self._ending():
            for packets in _read_packets(self._client):
                if packets[0][0] & 0xF0 == _CONNECT:
                    self._is_v5 = packets[0][1][6] == 5
                acks = [body for first, body in packets if first & 0xF0 == _PUBACK]
                if acks:
                    mids = [int.from_bytes(body[:2]) for body in acks]
                    self._proxy.note([self._numbers[mid] for mid in mids])
                dropped = _PUBACK if self._proxy.is_swallowing else None
                kept = [one for one in packets if one[0] & 0xF0 != dropped]
                self._proxy.n_swallowed += len(packets) - len(kept)
                self._broker.sendall(b"".join(map(_frame, kept)))

    def _note_message(self, first: int, body: bytes) -> None:
        topic_end = 2 + int.from_bytes(body[:2])
        payload_at = topic_end + 2
        if self._is_v5:
            length, payload_at = _read_length(body, payload_at)
            payload_at += length
        topic = body[2:topic_end].decode()
        mid = int.from_bytes(body[topic_end : topic_end + 2])
        self._numbers[mid] = self._proxy.identify(topic, body[payload_at:])
        self._proxy.n_redelivered += first >> 3 & 1

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """When one side ends, the other does."""
        try:
            yield
        except OSError:
            pass
        finally:
            _shut(self._client)
            _shut(self._broker)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def _read_packets(source: socket.socket) -> Iterator[list[tuple[int, bytes]]]:
    """First byte and body of the packets that are there, in groups as they come, until the end."""
    buffer = b""
    while chunk := source.recv(262_144):
        buffer += chunk
        at = 0
        packets = []
        while (body := _find_body(buffer, at)) is not None and body[1] <= len(buffer):
            packets.append((buffer[at], buffer[body[0] : body[1]]))
            at = body[1]
        buffer = buffer[at:]
        if packets:
            yield packets


def _find_body(buffer: bytes, at: int) -> tuple[int, int] | None:
    """Start and end of the body of the packet at a position; None while its length is cut."""
    try:
        length, start = _read_length(buffer, at + 1)
    except IndexError:
        return None
    return start, start + length


def _read_length(buffer: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer, and the position after it."""
    value = shift = 0
    while True:
        value |= (buffer[at] & 0x7F) << shift
        at += 1
        if buffer[at - 1] < 0x80:
            return value, at
        shift += 7


def _frame(packet: tuple[int, bytes]) -> bytes:
    first, body = packet
    return bytes([first]) + encode_length(len(body)) + body
