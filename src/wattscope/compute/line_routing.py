"""From the topic of a line to the profile that knows its measurement.

A topic says what the line itself does not::

    line/ns/telegraf/cpu        precision, database (or bucket), measurement
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from wattscope.compute.decode.lines import LineDecoder, PlainLine, plain_values, read_fields
from wattscope.compute.files.line_map import PRECISIONS, LineMap
from wattscope.compute.files.line_meaning import PointPlan
from wattscope.compute.routing import MAX_REMEMBERED, TopicRoute
from wattscope.ports import RawMessage

PREFIX: Final = "line"
MAX_DATABASE: Final = 200
"""Longest name of a database [characters]."""
_NAME: Final = re.compile(r" *((?:[^\x00-\x1f\x7f ,\\]++|\\+[^\x00-\x1f\x7f\\])++)")
_ESCAPE: Final = re.compile(r"\\([ ,])")


def find_measurement_name(line: bytes) -> str:
    r"""The measurement of a line; empty where none can be read.

    >>> find_measurement_name(rb"heat\ pump,room=a power=1")
    'heat pump'
    """
    match = _NAME.match(line[:1024].decode("utf-8", "replace"))
    return "" if match is None else _ESCAPE.sub(r"\1", match[1])


def make_topic(precision: str, database: str, measurement: str) -> str:
    """The topic of the lines of a measurement.

    >>> make_topic("ms", "telegraf/autogen", "cpu")
    'line/ms/telegraf%2Fautogen/cpu'
    """
    shown = database[:MAX_DATABASE].replace("%", "%25").replace("/", "%2F")
    return f"{PREFIX}/{PRECISIONS[precision].name.lower()}/{shown}/{measurement}"


class AlikeReading(NamedTuple):
    """What a line says that is like lines read before."""

    row: int
    """Position of its message."""
    route: TopicRoute
    plan: PointPlan
    measured_at_us: int
    values: Iterable[float]
    """In base units, in the order of the plan's quantities."""


class _Known(NamedTuple):
    """What a topic stands for."""

    route: TopicRoute
    decoder: LineDecoder


class LineRouter:
    """Finds the first profile that knows a measurement; remembers what it found."""

    def __init__(self, line_maps: Sequence[tuple[str, LineMap]]) -> None:
        """``line_maps``: name and content of each profile, in the order of preference."""
        self._maps = tuple(line_maps)
        self._decoders: dict[tuple[str, str], LineDecoder] = {}
        self._known: dict[str, _Known | None] = {}

    def find(self, topic: str) -> TopicRoute | None:
        """The route of a topic, or None when no profile knows its measurement."""
        known = self._recall(topic)
        return None if known is None else known.route

    def read_alike(self, messages: Sequence[RawMessage]) -> list[AlikeReading]:
        """What those of many lines say that are like lines read before; others are left out.

        Together they take a fraction of the time that they would take one by one.
        """
        found: list[tuple[int, TopicRoute, PlainLine]] = []
        for row, message in enumerate(messages):
            known = self._recall(message.topic)
            plain = None if known is None else known.decoder.find_plain(message.payload)
            if known is not None and plain is not None:
                found.append((row, known.route, plain))
        fields = read_fields([plain.fields for _, _, plain in found])
        if fields is None or len(fields) != len(found):
            return []
        alike: list[AlikeReading] = []
        for (row, route, plain), numbers in zip(found, fields, strict=True):
            plan = plain.plans.get(tuple(numbers))
            values = None if plan is None else plain_values(numbers, plan)
            if plan is not None and values is not None:
                alike.append(AlikeReading(row, route, plan, plain.time_ns // 1000, values))
        return alike

    def _recall(self, topic: str) -> _Known | None:
        try:
            return self._known[topic]
        except KeyError:
            known = self._look_up(topic)
        if len(self._known) < MAX_REMEMBERED:
            self._known[topic] = known
        return known

    def _look_up(self, topic: str) -> _Known | None:
        prefix, _, rest = topic.partition("/")
        precision, _, rest = rest.partition("/")
        measurement = rest.partition("/")[2]
        if prefix != PREFIX or precision not in PRECISIONS:
            return None
        for name, line_map in self._maps:
            # A line without a measurement is of no profile; the grammar says what is wrong with it.
            if not measurement or line_map.knows(measurement):
                decoder = self._find_decoder(name, line_map, precision)
                route = TopicRoute(
                    filter=topic,
                    profile=name,
                    decode=decoder.decode,
                    kind=line_map.kind,
                    interval_s=line_map.interval_s,
                )
                return _Known(route, decoder)
        return None

    def _find_decoder(self, name: str, line_map: LineMap, precision: str) -> LineDecoder:
        key = (name, precision)
        if key not in self._decoders:
            self._decoders[key] = LineDecoder(line_map, PRECISIONS[precision])
        return self._decoders[key]
