"""Samples of Prometheus into a cluster: written to one process, scraped by two that share pages."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.program import Program, wait_until
from tests.remote_write_messages import V1_HEADERS, Series, encode_v1, pack, series
from tests.servers import LOOPBACK

pytestmark = pytest.mark.integration

PAGES = ("a", "b", "c", "d")
POLL_S = 2
START_MS = 1_760_000_000_000
SOURCES = """
[[sources]]
name = "written"
type = "remote_write"

[[sources]]
name = "exporters"
type = "scrape"
urls = [{urls}]
poll = "{poll_s}s"
"""


@dataclass
class Exporter:
    """A server with a page for each of some meters, which count how often they were read."""

    port: int = 0
    reads: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Instants of all reads [s], by the name of the page."""


@contextlib.contextmanager
def run_exporter() -> Iterator[Exporter]:
    exporter = Exporter()

    class Answerer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            meter = self.path.strip("/")
            exporter.reads[meter].append(time.monotonic())
            labels = f'{{site="grid",device="{meter}"}}'
            body = (
                "# TYPE wattscope_active_power_watts gauge\n"
                f"wattscope_active_power_watts{labels} {len(exporter.reads[meter])}\n"
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: the reads are counted."""

    with ThreadingHTTPServer((LOOPBACK, 0), Answerer) as server:
        exporter.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield exporter
        finally:
            server.shutdown()
            thread.join()


def start(cluster: Cluster, exporter: Exporter) -> Program:
    """All processes, ready; gives the one that answers questions."""
    urls = ", ".join(f'"http://{LOOPBACK}:{exporter.port}/{page}"' for page in PAGES)
    cluster.more = SOURCES.format(urls=urls, poll_s=POLL_S)
    for role, name in (("ingest", "a"), ("store", "a"), ("api", "a"), ("poll", "a"), ("poll", "b")):
        cluster.add(role, name)
    for one in cluster.processes.values():
        wait_until(one.is_ready, "ready", 300)
    return cluster.processes["api-a"]


def read_powers(api: Program, device: str) -> list[float]:
    rows = api.ask(f"SELECT value FROM readings WHERE device = '{device}' ORDER BY measured_at")
    return [value for [value] in rows]


def write(program: Program, many: list[Series]) -> int:
    """The status of the answer to a request of remote write."""
    request = urllib.request.Request(
        f"http://{LOOPBACK}:{program.port}/api/v1/write", pack(encode_v1(many)), V1_HEADERS
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return int(answer.status)


def test_pages_are_read_by_one_process_each_and_by_another_when_it_dies(cluster: Cluster) -> None:
    with run_exporter() as exporter:
        api = start(cluster, exporter)
        wait_until(lambda: all(read_powers(api, page) for page in PAGES), "all are read", 120)
        begun_s = time.monotonic()
        wait_until(
            lambda: all(sum(t > begun_s for t in exporter.reads[page]) >= 6 for page in PAGES),
            "each is read some times",
            300,
        )
        for page in PAGES:
            times = [t for t in exporter.reads[page] if t > begun_s]
            gaps = [later - t for t, later in itertools.pairwise(times)]
            # Two readers of a page would follow each other closely, round after round.
            assert sum(gap < POLL_S / 4 for gap in gaps) <= len(gaps) / 4, (page, gaps)
        cluster.processes["poll-a"].kill()
        killed_s = time.monotonic()
        wait_until(
            lambda: all(exporter.reads[page][-1] > killed_s for page in PAGES),
            "another reads them all",
            300,
        )
        seen = {page: len(exporter.reads[page]) for page in PAGES}
        wait_until(
            lambda: all(max(read_powers(api, page)) >= seen[page] for page in PAGES),
            "what it reads is stored",
            120,
        )


def test_what_is_written_to_a_process_that_takes_in_is_stored_once(cluster: Cluster) -> None:
    with run_exporter() as exporter:
        api = start(cluster, exporter)
    samples = [(START_MS + 1000 * n, 100.0 + n) for n in range(200)]
    many = [series("wattscope_active_power_watts", samples, site="grid", device="written")]
    ingest = cluster.processes["ingest-a"]
    assert write(ingest, many) == 204
    assert write(ingest, many) == 204
    wait_until(lambda: len(read_powers(api, "written")) >= 200, "all is stored", 120)
    store = cluster.processes["store-a"]
    wait_until(lambda: not any(store.read("/api/health")[1]["lag"].values()), "no lag", 120)
    assert read_powers(api, "written") == [value for _, value in samples]
