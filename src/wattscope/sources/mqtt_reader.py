"""From the bytes of a broker to messages: the hot loop of the program; no socket, no clock.

::

    feed(bytes) ─▶ PacketReader ─▶ read(limit) ─▶ [RawMessage, …]   and   .control, .fault

It promises that the same bytes give the same messages however they were split, that a message
that can be framed is handed on whatever its topic and payload are, and that ``fault`` is the only
way in which bad bytes show. It refuses QoS 2, which we never ask for.
"""

from __future__ import annotations

from wattscope.ports import RawMessage
from wattscope.sources.mqtt_codec import (
    PUBLISH,
    Control,
    MalformedPacketError,
    MqttVersion,
    Receipt,
    build_frame,
    parse_control,
    read_length,
    skip_length,
    skip_properties,
)

MAX_PACKET_BYTES = 64 * 1024 * 1024
"""The body of a larger PUBLISH is skipped; its head is handed on."""
HEAD_BYTES = 256 * 1024
"""Bytes of a skipped PUBLISH that are looked at: room for the longest topic and the head."""
KEPT_PAYLOAD_BYTES = 64 * 1024 + 1
"""Payload that is handed on of a skipped PUBLISH: one byte more than any decoder takes."""
MAX_CONTROL_BYTES = 1024 * 1024
"""A larger packet of another kind ends the connection."""
_KNOWN_TOPICS = 16_384
"""Topics whose text is remembered; when there are more, all are forgotten and learned anew."""

_LONGEST_KNOWN_TOPIC = 256


class PacketReader:
    """Takes bytes as they come and gives messages."""

    def __init__(
        self, version: MqttVersion, connection: int, *, max_packet_bytes: int = MAX_PACKET_BYTES
    ) -> None:
        """Start with the first byte that the broker sends.

        Args:
            version: Whether messages have properties.
            connection: Goes into every receipt.
            max_packet_bytes: Bound of a message that is kept whole, ``HEAD_BYTES`` at least.
        """
        self.control: list[Control] = []
        """Packets of other kinds; the caller takes them out."""
        self.fault: MalformedPacketError | None = None
        """Set when the bytes stop to make sense; nothing is read after that."""
        self._is_v5 = version is MqttVersion.V5
        self._connection = connection
        self._max_packet_bytes = max(max_packet_bytes, HEAD_BYTES)
        self._chunks: list[bytes] = []
        self._n_buffered = 0
        self._n_needed = 2
        """Buffered bytes from which on reading makes sense."""
        self._n_skipped = 0
        """Bytes still to come of a body that is not kept."""
        self._ready: list[RawMessage] = []
        self._received_at_us = 0
        self._topics: dict[bytes, str] = {}

    @property
    def has_more(self) -> bool:
        """Whether ``read`` would find another whole packet or what is needed of one."""
        return self.fault is None and self._n_buffered >= self._n_needed

    def feed(self, chunk: bytes) -> None:
        """Take bytes; parse nothing yet."""
        if self._n_skipped:
            n_dropped = min(self._n_skipped, len(chunk))
            self._n_skipped -= n_dropped
            chunk = chunk[n_dropped:]
        if chunk:
            self._chunks.append(chunk)
            self._n_buffered += len(chunk)

    def read(self, limit: int, received_at_us: int) -> list[RawMessage]:
        """The next messages, in order.

        Args:
            limit: Most packets to take; the others wait for the next call.
            received_at_us: Goes into every message [µs since 1970].
        """
        messages: list[RawMessage] = []
        self._received_at_us = received_at_us
        if self._ready and not self._n_skipped:
            messages, self._ready = self._ready, []
        if not self.has_more:
            return messages
        buffer = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        try:
            at = self._parse(buffer, limit, messages)
        except MalformedPacketError as fault:
            self.fault = fault
            at = len(buffer)
        except IndexError:
            # Only a length inside the last packet can point beyond the buffer.
            self.fault = MalformedPacketError("a packet is shorter than its own fields")
            at = len(buffer)
        rest = buffer[at:]
        self._chunks = [rest] if rest else []
        self._n_buffered = len(rest)
        return messages

    def _parse(  # noqa: C901, PLR0912  # a call per message would cost as much as the parsing
        self, buffer: bytes, limit: int, messages: list[RawMessage]
    ) -> int:
        """Append messages; the position of the first byte not taken.

        The hot loop of the program: nothing is called per message that can be done in place.
        ``tuple.__new__`` makes a named tuple at half the cost of its own constructor.
        """
        make, append, know = tuple.__new__, messages.append, self._topics.get
        is_v5, connection, bound = self._is_v5, self._connection, self._max_packet_bytes
        received_at_us = self._received_at_us
        at, end = 0, len(buffer)
        self._n_needed = 2
        for _ in range(limit):
            if end - at < 2:
                break
            first, length, body = buffer[at], buffer[at + 1], at + 2
            if length > 127:
                if end - body > 0 and 0 < (high := buffer[body]) < 128:
                    length, body = length - 128 + (high << 7), body + 1
                elif not (body := skip_length(buffer, at + 1, end)):
                    self._n_needed = end - at + 1
                    break
                else:
                    length = read_length(buffer, at + 1, body)
            stop = body + length
            if first & 0xF0 != PUBLISH or length > bound:
                taken = self._take_other(buffer, at, (body, length), messages)
                if not taken:
                    break
                at = taken
                continue
            if stop > end:
                self._n_needed = stop - at
                break
            topic_at = body + 2
            payload_at = topic_end = topic_at + (buffer[body] << 8 | buffer[body + 1])
            receipt = None
            if first & 0x06:
                mid = buffer[topic_end] << 8 | buffer[topic_end + 1]
                if not mid or first & 0x04:
                    raise MalformedPacketError("a message of QoS 2, or with packet identifier 0")
                payload_at += 2
                receipt = make(Receipt, (mid, connection))
            if is_v5:
                n_bytes = buffer[payload_at]
                payload_at += 1 + n_bytes
                if n_bytes > 127:
                    payload_at = skip_properties(buffer, payload_at - 1 - n_bytes, stop)
            if payload_at > stop:
                raise MalformedPacketError("a message is shorter than its own fields")
            coded = buffer[topic_at:topic_end]
            append(
                make(
                    RawMessage,
                    (
                        know(coded) or self._learn(coded),
                        buffer[payload_at:stop],
                        received_at_us,
                        first & 0x01 == 0x01,
                        # DUP has no meaning at QoS 0 (MQTT 3.1.1, 3.3.1.1).
                        first & 0x0A == 0x0A,
                        receipt,
                    ),
                )
            )
            at = stop
        return at

    def _learn(self, coded: bytes) -> str:
        """The text of a topic; what is no text in it becomes U+FFFD, and quarantine shows it."""
        topic = coded.decode(errors="replace").replace("\0", "\ufffd")
        if len(coded) <= _LONGEST_KNOWN_TOPIC:
            if len(self._topics) >= _KNOWN_TOPICS:
                self._topics.clear()
            self._topics[coded] = topic
        return topic

    def _take_other(
        self, buffer: bytes, at: int, frame: tuple[int, int], messages: list[RawMessage]
    ) -> int:
        """Take a packet that is no PUBLISH, or one beyond the bound; 0 while it is not there.

        Args:
            buffer: All that is there.
            at: Position of the packet.
            frame: Position of its body, and the body's length.
            messages: Gets a message whose body is there to its end.
        """
        body, length = frame
        first, end = buffer[at], len(buffer)
        is_message = first & 0xF0 == PUBLISH
        if not is_message and length > MAX_CONTROL_BYTES:
            raise MalformedPacketError(f"a packet {first:#04x} of {length} bytes")
        stop = body + (HEAD_BYTES if is_message else length)
        if stop > end:
            self._n_needed = stop - at
            return 0
        if not is_message:
            self.control.append(parse_control(first, buffer[body:stop], is_v5=self._is_v5))
            return stop
        self._n_skipped = max(0, body + length - end)
        message = self._cut_message(first, buffer[body:stop])
        # Given only when all has passed: nobody acknowledges half a message.
        (self._ready if self._n_skipped else messages).append(message)
        return min(body + length, end)

    def _cut_message(self, first: int, head: bytes) -> RawMessage:
        """A message of the head of one beyond the bound."""
        version = MqttVersion.V5 if self._is_v5 else MqttVersion.V311
        cut = PacketReader(version, self._connection)
        cut.feed(build_frame(first, _cut_head(first, head, is_v5=self._is_v5)))
        messages = cut.read(1, self._received_at_us)
        if cut.fault is not None:
            raise cut.fault
        return messages[0]


def _cut_head(first: int, head: bytes, *, is_v5: bool) -> bytes:
    """The body of a message beyond the bound, cut to what is handed on of it."""
    fields_end = 2 + (head[0] << 8 | head[1]) + (2 if first & 0x06 else 0)
    payload_at = fields_end
    if is_v5:
        payload_at = skip_properties(head, fields_end, len(head))
        if payload_at + KEPT_PAYLOAD_BYTES > len(head):
            # Properties without measure: they stand for the payload, which is no reading anyway.
            payload_at = fields_end
    kept = head[payload_at : payload_at + KEPT_PAYLOAD_BYTES]
    return head[:fields_end] + (b"\x00" if is_v5 else b"") + kept
