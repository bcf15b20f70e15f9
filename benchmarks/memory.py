"""Memory of the whole demo at the home's own rate, with somebody looking."""

from __future__ import annotations

import contextlib
import http.client
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Memory, find_children, read_memory
from tests.chaos.program import Program, kept, wait_until
from tests.servers import LOOPBACK, find_free_port

_PATHS = (
    "/api/insights/now",
    "/api/insights/day",
    "/api/energy",
    "/api/devices",
    "/api/health",
    "/api/quarantine",
)


@dataclass(frozen=True, slots=True)
class DemoMemory:
    """At the end of the stretch."""

    server: Memory
    broker: Memory


def measure_demo(length_s: float) -> DemoMemory:
    """Run ``wattscope demo home --history 1d`` with a page's stream open and calls to the API."""
    with tempfile.TemporaryDirectory(prefix="wattscope-bench-") as name:
        verb = ("demo", "home", "--history", "1d", "--no-browser")
        mqtt = ("--mqtt-port", str(find_free_port()))
        with kept(Program(Path(name), "", verb=(*verb, *mqtt))) as program:
            program.start()
            wait_until(program.is_ready, "the demo is ready", 120)
            _look_at_it(program, length_s)
            (broker,) = find_children(program.pid, "nats-server")
            found = DemoMemory(read_memory(program.pid), read_memory(broker))
            program.stop()
            return found


def _look_at_it(program: Program, length_s: float) -> None:
    """What an open page does: the stream, and the pages' questions every few seconds."""
    stream = http.client.HTTPConnection(LOOPBACK, program.port, timeout=30)
    stream.request("GET", "/api/live")
    events = stream.getresponse()
    n_bytes = 0

    def listen() -> None:
        nonlocal n_bytes
        # In the end the program leaves in the middle of the stream.
        with contextlib.suppress(http.client.HTTPException, OSError):
            while chunk := events.read1(65_536):
                n_bytes += len(chunk)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    end_s = time.monotonic() + length_s
    while time.monotonic() < end_s:
        for path in _PATHS:
            status, _ = program.read(path)
            if status != 200:
                raise RuntimeError(f"{path} answered {status}")
        program.ask("SELECT device, sum(energy_wh) FROM rollup_1h GROUP BY device")
        time.sleep(3.0)
    if not n_bytes:
        raise RuntimeError("the live stream is silent")
