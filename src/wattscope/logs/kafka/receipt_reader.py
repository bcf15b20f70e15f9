"""Receipts of one writer, read from the end of their topic backwards."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from wattscope.core.errors import TransientError
from wattscope.core.findings import Rejection
from wattscope.logs.kafka.faults import LastFault, explain
from wattscope.logs.kafka.options import RECEIPTS, KafkaOptions
from wattscope.logs.kafka.reading_json import decode_receipts
from wattscope.logs.kafka.topics import quiet_settings

_MAX_LOOKED_AT = 50
"""Messages of all writers that are looked at for one that is wanted."""


def read_newest_receipts(options: KafkaOptions, limit: int) -> list[tuple[int, ...]]:
    """Marks of the newest messages that ``options.client_id`` wrote, oldest message first.

    Raises:
        TransientError: The cluster is away or refuses.
    """
    topic, heard = options.topic(RECEIPTS), LastFault()
    settings = quiet_settings(options) | {
        # Never joined: the library wants one for any consumer.
        "group.id": f"{options.client_id}-receipts",
        "enable.auto.commit": False,
        "error_cb": heard.note,
    }
    try:
        consumer = Consumer(settings)
        try:
            return _read_backwards(consumer, topic, options, limit)
        finally:
            consumer.close()
    except KafkaException as fault:
        chosen = heard.choose(fault.args[0])
        raise explain(chosen, f"reading {topic}", options) from fault


def _read_backwards(
    consumer: Consumer, topic: str, options: KafkaOptions, limit: int
) -> list[tuple[int, ...]]:
    partition = TopicPartition(topic, 0)
    low, high = consumer.get_watermark_offsets(partition, options.timeout_s)
    lowest = max(low, high - _MAX_LOOKED_AT * limit)
    found: list[tuple[int, ...]] = []
    end, size = high, limit
    while end > lowest and len(found) < limit:
        start = max(lowest, end - size)
        found = _read_marks(consumer, TopicPartition(topic, 0, start), end, options) + found
        end, size = start, 2 * size
    return found[max(0, len(found) - limit) :]


def _read_marks(
    consumer: Consumer, start: TopicPartition, end: int, options: KafkaOptions
) -> list[tuple[int, ...]]:
    """Marks of our own in ``[start, end)``; the last message of a stretch is always there."""
    consumer.assign([start])
    marks: list[tuple[int, ...]] = []
    deadline_s = time.monotonic() + options.timeout_s
    while time.monotonic() < deadline_s:
        for message in consumer.consume(1, 0.2) + consumer.consume(1000, 0):
            fault = message.error()
            if fault is not None:
                raise KafkaException(fault)
            if (message.offset() or 0) < end:
                marks += _own_marks(message, options.client_id)
            if (message.offset() or 0) >= end - 1:
                return marks
    raise TransientError(
        f"reading {start.topic}: Kafka at {options.where} does not answer in time; look whether "
        "it is overloaded or cut off"
    )


def _own_marks(message: Message, writer: str) -> list[tuple[int, ...]]:
    receipts = decode_receipts(message.value())
    # What somebody else put there is no mark of ours.
    if isinstance(receipts, Rejection) or receipts.writer != writer:
        return []
    return [receipts.marks]
