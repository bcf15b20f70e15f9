"""``/metrics``: the program's own state in base units, and the devices' newest values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from wattscope.web.output_metrics import collect_outputs
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.services import Services


def build_metrics_routes(services: Services) -> APIRouter:
    """The route; the same on the page's port and on one of its own."""
    router = APIRouter(tags=["operations"], responses=PROBLEM_RESPONSES)
    registry = CollectorRegistry()
    registry.register(ProgramCollector(services.read_health))

    @router.get("/metrics", response_class=Response)
    def read_metrics() -> Response:
        """The program's own counters and the newest value of every quantity, for Prometheus."""
        devices = services.read_device_metrics(services.now_us())
        text = generate_latest(registry) + devices.encode()
        return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return router


class ProgramCollector(Collector):
    """Reads the health document at every scrape."""

    def __init__(self, read_health: Callable[[], dict[str, Any]]) -> None:
        self._read_health = read_health

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        health = self._read_health()
        info = GaugeMetricFamily(
            "wattscope_build_info", "Version of the program.", labels=["version"]
        )
        info.add_metric([health["version"]], 1)
        yield info
        for outcome in ("received", "stored", "duplicate", "refused"):
            yield CounterMetricFamily(
                f"wattscope_values_{outcome}",
                f"Values {outcome} since the start.",
                value=health["counters"][outcome],
            )
        aside = CounterMetricFamily(
            "wattscope_values_quarantined", "Values set aside, by reason.", labels=["code"]
        )
        for code, count in health["counters"]["quarantined_by_code"].items():
            aside.add_metric([code], count)
        yield aside
        yield from _collect_sources(health["sources"])
        yield from collect_outputs(health["outputs"])
        store = health["store"]
        yield from _collect_gauges(
            ("store_bytes", "Bytes of chunk files.", store["bytes"]),
            ("store_tail_rows", "Values in memory only.", store["tail_rows"]),
            ("store_lag_records", "Log records not yet stored.", store["lag_records"]),
            (
                "store_damaged_files",
                "Chunk and rollup files found damaged.",
                store["damaged_files"],
            ),
            ("store_lost_rows", "Rows given up by repairs.", store["lost_rows"]),
        )
        # Of a process of a cluster they are elsewhere.
        if health["log"] is not None:
            yield from _collect_log(health["log"])
        if health["disk"] is not None:
            yield from _collect_disk(health["disk"])


def _collect_gauges(*told: tuple[str, str, float]) -> Iterator[Metric]:
    for name, text, value in told:
        yield GaugeMetricFamily(f"wattscope_{name}", text, value=value)


def _collect_log(log: dict[str, Any]) -> Iterator[Metric]:
    yield from _collect_gauges(
        ("log_bytes", "Bytes of the event log on disk.", log["bytes"]),
        ("log_end_offset", "Offset of the next log record.", log["end_offset"]),
        ("log_damages", "Damaged stretches of the log.", log["damaged"]),
        ("log_lost_records", "Log records lost to them.", log["lost_records"]),
        (
            "log_loss_window_seconds",
            "What a power cut may cost; 0 with durability full.",
            log["loss_window_s"],
        ),
    )
    yield CounterMetricFamily(
        "wattscope_log_failed_syncs",
        "Background syncs of the log that failed.",
        value=log["failed_syncs"],
    )


def _collect_disk(disk: dict[str, Any]) -> Iterator[Metric]:
    yield from _collect_gauges(
        ("disk_free_bytes", "Free space of the data folder.", disk["free_bytes"])
    )
    yield _collect_disk_state(disk["state"])


def _collect_disk_state(state: str) -> Metric:
    found = GaugeMetricFamily(
        "wattscope_disk_state",
        "Whether new data is taken: 1 for the state that is.",
        labels=["state"],
    )
    for name in ("ok", "warning", "refusing"):
        found.add_metric([name], float(state == name))
    return found


def _collect_sources(sources: list[dict[str, Any]]) -> Iterator[Metric]:
    is_up = GaugeMetricFamily(
        "wattscope_source_up", "Whether a source is connected.", labels=["source"]
    )
    messages = CounterMetricFamily(
        "wattscope_source_messages", "Messages taken from a source.", labels=["source"]
    )
    for source in sources:
        is_up.add_metric([source["name"]], float(source["state"] == "connected"))
        messages.add_metric([source["name"]], source["messages"])
    yield is_up
    yield messages
