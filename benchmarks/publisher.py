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
    wait_for_go()
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
    asked_s = wait_for_go()
    started_s, cpu_s = time.time() if asked_s is None else asked_s, time.process_time()
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


def wait_for_go() -> float | None:
    """Say that all is encoded, and wait; when to begin [s since 1970], None for at once."""
    print("ready", flush=True)
    _, _, at_s = sys.stdin.readline().partition(" ")
    return float(at_s) if at_s.strip() else None


@dataclass(frozen=True, slots=True)
class Publishing:
    """A publisher under way, for the process that measures."""

    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.process.pid

    def go(self, at_s: float | None = None) -> None:
        """Let it send, by a timetable that begins at an instant [s since 1970], or now."""
        assert self.process.stdin
        self.process.stdin.write("go\n" if at_s is None else f"go {at_s!r}\n")
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
    words = ["--port", str(port), "--rate", str(rate)]
    return start_process("benchmarks.publisher", first, count, words)


def start_process(module: str, first: int, count: int, words: Sequence[str]) -> Publishing:
    """Start a publisher of some readings; returns when everything is encoded."""
    command = [sys.executable, "-m", module, "--first", str(first), "--count", str(count)]
    command += ["--start", START.isoformat(), *words]
    process = subprocess.Popen(
        command, cwd=_ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout
    if process.stdout.readline().strip() != "ready":
        raise RuntimeError(f"the publisher ended with status {process.wait()}")
    return Publishing(process)


if __name__ == "__main__":
    main()
