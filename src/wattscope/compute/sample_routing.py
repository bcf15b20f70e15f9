"""From the topic of a sample to the profile that knows its metric.

::

    prometheus/wago_power_total_kw      a sample
    page/10.0.0.5:9100                  a page that could not be read: why, and its beginning
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wattscope.compute.routing import MAX_REMEMBERED, TopicRoute
from wattscope.compute.samples.decoder import SampleDecoder
from wattscope.compute.samples.metric_map import MetricMap
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.ports import RawMessage

PREFIX: Final = "prometheus"
PAGE_PREFIX: Final = "page"
MAX_KEPT_PAGE: Final = 60_000
"""Of a page that cannot be read, so much is kept [bytes]."""
MAX_METRIC: Final = 256
"""Longest name of a metric in a topic [characters]."""


def make_topic(metric: str) -> str:
    """The topic of the samples of a metric.

    >>> make_topic("node_cpu_seconds_total")
    'prometheus/node_cpu_seconds_total'
    """
    return f"{PREFIX}/{metric[:MAX_METRIC]}"


def make_page_topic(instance: str) -> str:
    """The topic of a page that could not be read."""
    return f"{PAGE_PREFIX}/{instance}"


def write_refused_page(reason: str, page: bytes) -> bytes:
    """What is kept of such a page: the reason as a remark above its beginning."""
    words = " ".join(reason.split())[:500]
    return f"# {words}\n".encode("utf-8", "replace") + page[:MAX_KEPT_PAGE]


def refuse_page(message: RawMessage) -> Rejection:
    """What is said about such a page."""
    reason = message.payload.partition(b"\n")[0].removeprefix(b"# ")
    return Rejection(ReasonCode.SYNTAX, reason.decode("utf-8", "replace"))


class SampleRouter:
    """Finds the first profile that knows a metric; remembers what it found."""

    def __init__(self, metric_maps: Sequence[tuple[str, MetricMap]]) -> None:
        """``metric_maps``: name and content of each profile, in the order of preference."""
        self._maps = tuple((name, one, SampleDecoder(one)) for name, one in metric_maps)
        self._known: dict[str, TopicRoute | None] = {}

    def knows(self, metric: str) -> bool:
        """Whether samples of a metric may mean anything; others are left out."""
        return self.find(make_topic(metric)) is not None

    def find(self, topic: str) -> TopicRoute | None:
        """The route of a topic, or None when no profile knows its metric."""
        try:
            return self._known[topic]
        except KeyError:
            route = self._look_up(topic)
        if len(self._known) < MAX_REMEMBERED:
            self._known[topic] = route
        return route

    def _look_up(self, topic: str) -> TopicRoute | None:
        prefix, _, metric = topic.partition("/")
        if prefix == PAGE_PREFIX and self._maps:
            name, metric_map, _ = self._maps[0]
            return TopicRoute(topic, name, refuse_page, metric_map.kind)
        if prefix != PREFIX:
            return None
        for name, metric_map, decoder in self._maps:
            # A sample without a name is of no profile; its decoder says what is wrong with it.
            if not metric or metric_map.knows(metric):
                return TopicRoute(
                    filter=topic,
                    profile=name,
                    decode=decoder.decode,
                    kind=metric_map.kind,
                    interval_s=metric_map.interval_s,
                )
        return None
