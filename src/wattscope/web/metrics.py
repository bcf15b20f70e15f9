"""The program's own state as Prometheus metrics, in base units."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


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
        for name, text, value in (
            ("log_bytes", "Bytes of the event log on disk.", health["log"]["bytes"]),
            ("log_end_offset", "Offset of the next log record.", health["log"]["end_offset"]),
            ("store_bytes", "Bytes of chunk files.", health["store"]["bytes"]),
            ("store_tail_rows", "Values in memory only.", health["store"]["tail_rows"]),
            ("store_lag_records", "Log records not yet stored.", health["store"]["lag_records"]),
            ("disk_free_bytes", "Free space of the data folder.", health["disk"]["free_bytes"]),
        ):
            yield GaugeMetricFamily(f"wattscope_{name}", text, value=value)


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
