"""A publisher straight to Kafka, a process of its own: ``python -m benchmarks.kafka_publisher …``.

It writes the readings of ``benchmarks.panels`` as a process that takes messages in would, all of
them encoded beforehand, says ``ready``, waits for a line, sends, and says in JSON what it did.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from datetime import datetime

import msgspec
from confluent_kafka import Producer

from benchmarks.panels import N_PANELS, QUANTITIES, find_instant, read_tenths
from benchmarks.publisher import Publishing, start_process, wait_for_go
from wattscope.core.time_grid import to_us
from wattscope.logs.kafka.options import READINGS
from wattscope.logs.kafka.reading_json import VERSION, ReadingMessage

_QUEUED = 100_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--start", type=datetime.fromisoformat, required=True)
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.count)
    messages = [encode_reading(number, options.start) for number in numbers]
    producer = Producer(
        {
            "bootstrap.servers": options.server,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "queue.buffering.max.messages": _QUEUED,
        }
    )
    # The connections are there before the clock starts.
    producer.list_topics(timeout=60)
    wait_for_go()
    print(json.dumps(_send(producer, f"{options.prefix}{READINGS}", messages)), flush=True)


def encode_reading(number: int, start: datetime) -> tuple[bytes, bytes]:
    """Key and message of a reading."""
    device = f"panel-{number % N_PANELS:04d}"
    at_us = to_us(find_instant(number, start))
    values: dict[str, float | None] = {
        name: tenths / 10 for name, tenths in zip(QUANTITIES, read_tenths(number), strict=True)
    }
    reading = ReadingMessage(VERSION, "farm", device, at_us, at_us, values)
    return device.encode(), msgspec.json.encode(reading)


def _send(
    producer: Producer, topic: str, messages: Sequence[tuple[bytes, bytes]]
) -> dict[str, float]:
    started_s, cpu_s = time.monotonic(), time.process_time()
    for key, value in messages:
        while True:
            try:
                producer.produce(topic, value, key)
            except BufferError:
                producer.poll(0.01)
            else:
                break
        producer.poll(0)
    n_left = producer.flush(120)
    if n_left:
        raise RuntimeError(f"Kafka has not taken {n_left} messages")
    return {
        "started_s": started_s,
        "took_s": time.monotonic() - started_s,
        "cpu_s": time.process_time() - cpu_s,
    }


def start_kafka_publisher(server: str, prefix: str, numbers: range) -> Publishing:
    """Start a publisher; returns when everything is encoded."""
    words = ["--server", server, "--prefix", prefix]
    return start_process("benchmarks.kafka_publisher", numbers.start, len(numbers), words)


if __name__ == "__main__":
    main()
