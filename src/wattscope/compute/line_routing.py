"""From the topic of a line to the profile that knows its measurement.

A topic says what the line itself does not::

    line/ns/telegraf/cpu        precision, database (or bucket), measurement
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from wattscope.compute.decode.lines import LineDecoder
from wattscope.compute.files.line_map import PRECISIONS, LineMap
from wattscope.compute.routing import MAX_REMEMBERED, TopicRoute

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


class LineRouter:
    """Finds the first profile that knows a measurement; remembers what it found."""

    def __init__(self, line_maps: Sequence[tuple[str, LineMap]]) -> None:
        """``line_maps``: name and content of each profile, in the order of preference."""
        self._maps = tuple(line_maps)
        self._decoders: dict[tuple[str, str], LineDecoder] = {}
        self._remembered: dict[str, TopicRoute | None] = {}

    def find(self, topic: str) -> TopicRoute | None:
        """The route of a topic, or None when no profile knows its measurement."""
        try:
            return self._remembered[topic]
        except KeyError:
            pass
        found = self._find(topic)
        if len(self._remembered) < MAX_REMEMBERED:
            self._remembered[topic] = found
        return found

    def _find(self, topic: str) -> TopicRoute | None:
        prefix, _, rest = topic.partition("/")
        precision, _, rest = rest.partition("/")
        measurement = rest.partition("/")[2]
        if prefix != PREFIX or precision not in PRECISIONS:
            return None
        for name, line_map in self._maps:
            # A line without a measurement is of no profile; the grammar says what is wrong with it.
            if not measurement or line_map.knows(measurement):
                return TopicRoute(
                    filter=topic,
                    profile=name,
                    decode=self._decoder(name, line_map, precision).decode,
                    kind=line_map.kind,
                    interval_s=line_map.interval_s,
                )
        return None

    def _decoder(self, name: str, line_map: LineMap, precision: str) -> LineDecoder:
        key = (name, precision)
        if key not in self._decoders:
            self._decoders[key] = LineDecoder(line_map, PRECISIONS[precision])
        return self._decoders[key]
