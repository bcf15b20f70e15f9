"""A publisher on a bare socket: MQTT 3.1.1, QoS 1, made to cost next to nothing.

It shares no code with the program under test, so that a mistake in one is not hidden by the other.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
_PUBACK_BYTES = 4
_LAST_MID = 0xFFFF


def encode_length(length: int) -> bytes:
    """The remaining length of a packet (MQTT 3.1.1, 2.2.3)."""
    coded = bytearray()
    while True:
        length, low = divmod(length, 128)
        coded.append(low | (0x80 if length else 0))
        if not length:
            return bytes(coded)


def encode_publish(topic: str, payload: bytes, mid: int) -> bytes:
    """A PUBLISH of QoS 1."""
    name = topic.encode()
    body = struct.pack(">H", len(name)) + name + struct.pack(">H", mid) + payload
    return b"\x32" + encode_length(len(body)) + body


def encode_connect(client_id: str) -> bytes:
    """A CONNECT with a clean session and no keep-alive."""
    name = client_id.encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(name)) + name
    return b"\x10" + encode_length(len(body)) + body


class RawPublisher:
    """Sends encoded PUBLISH packets and counts the broker's acknowledgements.

    Raises ``OSError`` from every method once the connection is lost.
    """

    def __init__(self, port: int, client_id: str) -> None:
        self.n_sent = 0
        self.n_acked = 0
        self._next_mid = 1
        self._changed = threading.Condition()
        self._is_lost = False
        self._socket = socket.create_connection((LOOPBACK, port), 20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(encode_connect(client_id))
        answer = self._socket.recv(4)
        if len(answer) != 4 or answer[3] != 0:
            raise ConnectionRefusedError(f"the broker answered {answer!r}")
        self._socket.settimeout(None)
        self._reader = threading.Thread(target=self._count_answers, daemon=True)
        self._reader.start()

    def draw_mid(self) -> int:
        """A packet identifier; the caller keeps fewer than 65,535 unacknowledged."""
        mid = self._next_mid
        self._next_mid = mid % _LAST_MID + 1
        return mid

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Encode and send."""
        self.send(
            b"".join(encode_publish(topic, load, self.draw_mid()) for topic, load in messages),
            len(messages),
        )

    def send(self, packets: bytes, n_packets: int) -> None:
        """Send packets that are encoded already."""
        self._socket.sendall(packets)
        self.n_sent += n_packets

    def wait_unacked(self, limit: int, timeout_s: float = 120.0) -> None:
        """Return when at most ``limit`` messages are unacknowledged."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_lost or self.n_sent - self.n_acked <= limit, timeout_s
            )
            if self._is_lost:
                raise ConnectionResetError("the broker closed the connection")
            if self.n_sent - self.n_acked > limit:
                raise TimeoutError(f"{self.n_sent - self.n_acked} messages not acknowledged")

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _count_answers(self) -> None:
        n_bytes = 0
        while True:
            try:
                chunk = self._socket.recv(65_536)
            except OSError:
                chunk = b""
            if not chunk:
                with self._changed:
                    self._is_lost = True
                    self._changed.notify_all()
                return
            n_bytes += len(chunk)
            with self._changed:
                self.n_acked += n_bytes // _PUBACK_BYTES
                self._changed.notify_all()
            n_bytes %= _PUBACK_BYTES
