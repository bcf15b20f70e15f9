"""The publisher of all subjects, a process of its own: ``python -m benchmarks.publisher …``.

It encodes everything, says ``ready``, waits for a line, sends, and says in JSON what it did.
With ``--rate`` it sends in an open loop instead: each reading carries the instant at which it was
due, so that a publisher that is late does not make the answer look fast.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.panels import START, build_reading, find_instant
from tests.chaos.raw_mqtt import RawPublisher, encode_publish

WINDOW = 5000
"""Readings that the broker has not acknowledged at most."""
_CHUNK = 500
_ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    options = _parse_options()
    numbers = range(options.first, options.first + options.count)
    with RawPublisher(options.port, "bench-publisher") as publisher:
        send = _send_at_rate if options.rate else _send_all
        outcome = send(publisher, numbers, options)
    print(json.dumps(outcome), flush=True)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--start", type=datetime.fromisoformat, required=True)
    parser.add_argument("--rate", type=int, default=0)
    return parser.parse_args()


def _send_all(
    publisher: RawPublisher, numbers: Sequence[int], options: argparse.Namespace
) -> dict[str, float]:
    chunks = []
    for at in range(0, len(numbers), _CHUNK):
        packets = []
        for number in numbers[at : at + _CHUNK]:
            instant = find_instant(number, options.start)
            topic, payload = build_reading(number, f"{instant:%Y-%m-%dT%H:%M:%SZ}")
            packets.append(encode_publish(topic, payload, publisher.draw_mid()))
        chunks.append((b"".join(packets), len(packets)))
    _wait_for_go()
    started_s, cpu_s = time.monotonic(), time.process_time()
    for chunk, n_packets in chunks:
        publisher.send(chunk, n_packets)
        publisher.wait_unacked(WINDOW)
    publisher.wait_unacked(0)
    return {
        "started_s": started_s,
        "took_s": time.monotonic() - started_s,
        "cpu_s": time.process_time() - cpu_s,
    }


def _send_at_rate(
    publisher: RawPublisher, numbers: Sequence[int], options: argparse.Namespace
) -> dict[str, float]:
    _wait_for_go()
    started_s, cpu_s = time.time(), time.process_time()
    worst_s = 0.0
    for place, number in enumerate(numbers):
        due_s = started_s + place / options.rate
        while (wait_s := due_s - time.time()) > 0:
            time.sleep(wait_s)
        worst_s = max(worst_s, time.time() - due_s)
        due = datetime.fromtimestamp(due_s, UTC)
        publisher.publish([build_reading(number, f"{due:%Y-%m-%dT%H:%M:%S.%fZ}")])
    publisher.wait_unacked(0)
    return {
        "started_s": started_s,
        "took_s": time.time() - started_s,
        "cpu_s": time.process_time() - cpu_s,
        "worst_s": worst_s,
    }


def _wait_for_go() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


@dataclass(frozen=True, slots=True)
class Publishing:
    """A publisher under way, for the process that measures."""

    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.process.pid

    def go(self) -> None:
        """Let it send."""
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def finish(self) -> dict[str, Any]:
        """Wait until it has sent everything; what it says of it."""
        assert self.process.stdout
        outcome: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.end()
        return outcome

    def end(self) -> None:
        """Close its pipes; end it if it still runs."""
        if self.process.poll() is None:
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


def start_publisher(port: int, first: int, count: int, rate: int = 0) -> Publishing:
    """Start a publisher; returns when everything is encoded."""
    command = [sys.executable, "-m", "benchmarks.publisher", "--port", str(port)]
    command += ["--first", str(first), "--count", str(count), "--rate", str(rate)]
    command += ["--start", START.isoformat()]
    process = subprocess.Popen(
        command, cwd=_ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout
    if process.stdout.readline().strip() != "ready":
        raise RuntimeError(f"the publisher ended with status {process.wait()}")
    return Publishing(process)


if __name__ == "__main__":
    main()
