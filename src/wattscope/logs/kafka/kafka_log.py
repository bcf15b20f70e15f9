"""The way into the log on Kafka: messages that the cluster has, or an error.

::

    append ─▶ readings, quarantine ─▶ all copies in sync have them ─▶ receipts ─▶ likewise ─▶ done

It promises that after ``append`` returned the cluster has everything (acks=all, idempotent), that
what one device said stays in the order in which it was appended, and that an error means that the
caller may append the same again: who reads twice what is stored once knows it by its key.

Receipts follow when the readings are durable, never before: a mark without its reading would have
a message that is sent again pass for known, and lose it.
"""

# ruff: noqa: SLF001  # the library's names of its own errors begin with an underscore

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Producer

from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch
from wattscope.logs.kafka.faults import LastFault, explain
from wattscope.logs.kafka.options import QUARANTINE, READINGS, RECEIPTS, KafkaOptions
from wattscope.logs.kafka.reading_json import (
    Message,
    SeriesName,
    encode_batch,
    encode_quarantined,
    encode_receipts,
)
from wattscope.logs.kafka.receipt_reader import read_newest_receipts
from wattscope.logs.kafka.topics import make_missing_topics, quiet_settings
from wattscope.ports import Quarantined

_LOOK_S = 0.1
"""How often a wait for the cluster looks whether it is of use at all [s]."""
_LINGER_MS = 0.5
"""How long a message waits for others to share a request with [ms]."""


class KafkaLog:
    """Appends for one process; several threads may append at once."""

    def __init__(
        self,
        options: KafkaOptions,
        names: Callable[[int], SeriesName | None],
        now_us: Callable[[], int],
    ) -> None:
        """Touch no network yet.

        Args:
            options: Checked already.
            names: What a series id stands for; None for one that it does not know. Asked once a
                series; it may raise ``TransientError``.
            now_us: The clock [µs since 1970].
        """
        self.options = options
        self._names = names
        self._now_us = now_us
        self._known: dict[int, SeriesName] = {}
        self._opening = threading.Lock()
        self._producer: Producer | None = None
        self._has_topics = False
        self._is_closed = False
        self._heard = LastFault()

    def append(
        self,
        batch: Batch,
        quarantined: Sequence[Quarantined] = (),
        receipts: Sequence[int] = (),
    ) -> None:
        """Write, and wait until the cluster has everything. Blocks.

        Raises:
            TransientError: The cluster is away, refuses, or has not confirmed everything within
                ``timeout_s``; nothing counts as appended. Some of it may be there all the same.
        """
        readings = encode_batch(batch, self._name, self._now_us())
        self._send(
            [(READINGS, one) for one in readings]
            + [(QUARANTINE, encode_quarantined(item)) for item in quarantined]
        )
        self._send([(RECEIPTS, one) for one in encode_receipts(self.options.client_id, receipts)])

    def recent_receipts(self, limit: int) -> list[tuple[int, ...]]:
        """The receipts of the newest appends under our client id that had any, oldest first.

        For a process that starts again: senders may repeat what it took before. Blocks.

        Args:
            limit: Appends at most.

        Raises:
            TransientError: The cluster is away or refuses.
        """
        self._open()
        return read_newest_receipts(self.options, limit)

    def close(self) -> None:
        """Let go of the cluster; waits for an append under way, ``timeout_s`` at most."""
        with self._opening:
            self._is_closed = True
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.flush(self.options.timeout_s)

    def _name(self, series: int) -> SeriesName | None:
        name = self._known.get(series)
        if name is None:
            name = self._names(series)
            if name is not None:
                self._known[series] = name
        return name

    def _send(self, messages: Sequence[tuple[str, Message]]) -> None:
        """Produce all, and return when all are confirmed."""
        if not messages:
            return
        producer = self._open()
        delivery = _Delivery(producer, self._heard, self.options.timeout_s)
        try:
            for name, (key, value) in messages:
                delivery.produce(self.options.topic(name), key, value)
            delivery.wait()
        except KafkaException as fault:
            self._give_up(producer)
            topics = ", ".join(sorted({self.options.topic(name) for name, _ in messages}))
            chosen = self._heard.choose(fault.args[0])
            raise explain(chosen, f"writing to {topics}", self.options) from fault
        self._heard.forget()

    def _open(self) -> Producer:
        """The producer; a new one at the first use and after a failure."""
        with self._opening:
            if self._is_closed:
                raise TransientError(f"the log on Kafka at {self.options.where} is closed")
            if self._producer is None:
                if not self._has_topics:
                    make_missing_topics(self.options)
                    self._has_topics = True
                self._heard = LastFault()
                self._producer = self._connect()
            return self._producer

    def _connect(self) -> Producer:
        settings = quiet_settings(self.options) | {
            "acks": "all",
            "enable.idempotence": True,
            "delivery.timeout.ms": int(1000 * self.options.timeout_s),
            "request.timeout.ms": int(1000 * max(1.0, self.options.timeout_s / 3)),
            "linger.ms": _LINGER_MS,
            "compression.type": "lz4",
            # As Java's clients do, so that other programs find a device in the same partition.
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
            "error_cb": self._heard.note,
        }
        try:
            return Producer(settings)
        except KafkaException as fault:
            raise explain(fault.args[0], "opening the log", self.options) from fault

    def _give_up(self, producer: Producer) -> None:
        """Never again use a producer that failed: a fatal fault of it would last for ever."""
        producer.purge()
        producer.flush(1)
        with self._opening:
            if self._producer is producer:
                self._producer = None
                # Perhaps a topic was removed.
                self._has_topics = False


class _Delivery:
    """Messages of one append on their way; reports of several may come in any thread."""

    def __init__(self, producer: Producer, heard: LastFault, timeout_s: float) -> None:
        self._producer = producer
        self._heard = heard
        # The library gives up each message by itself; this is for what it would hold for ever.
        self._deadline_s = time.monotonic() + timeout_s + 5.0
        self._n_sent = 0
        self._reports: list[KafkaError | None] = []
        """One a message; appending to a list is safe between threads, counting would not be."""

    def produce(self, topic: str, key: bytes, value: bytes) -> None:
        """Hand one message over; waits for room where too many are under way."""
        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=self._report)
            except BufferError:
                self._look()
            else:
                self._n_sent += 1
                return

    def wait(self) -> None:
        """Return when all are confirmed.

        Raises:
            KafkaException: One was not.
        """
        while len(self._reports) < self._n_sent:
            self._look()
        faults = [one for one in self._reports if one is not None]
        if faults:
            raise KafkaException(faults[0])

    def _look(self) -> None:
        self._producer.poll(_LOOK_S)
        if self._heard.fault is not None and self._heard.is_telling:
            raise KafkaException(self._heard.fault)
        if time.monotonic() > self._deadline_s:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def _report(self, fault: KafkaError | None, _message: object) -> None:
        self._reports.append(fault)
