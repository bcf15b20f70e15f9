"""From a topic to the profile whose messages it carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wattscope.compute.decode.profile import topic_matches
from wattscope.compute.decode.route import Decoded
from wattscope.core.topology import DeviceKind
from wattscope.ports import RawMessage

MAX_REMEMBERED = 100_000
"""Topics whose route is remembered; more than these are matched anew each time."""
MAX_TOPIC = 512
"""A longer topic is matched anew each time [characters]."""


@dataclass(frozen=True, slots=True)
class TopicRoute:
    """What to do with the messages of a topic filter."""

    filter: str
    """MQTT topic filter, with ``+`` and ``#``."""
    profile: str
    """Name of the profile, for messages to people."""
    decode: Callable[[RawMessage], Decoded]
    """A pure function; it never raises, whatever the bytes are."""
    kind: DeviceKind
    """Kind of a device that is first heard of through this route."""
    interval_s: float | None = None
    """Expected time between readings of such a device [s]."""
    rollover_wh: float | None = None
    """At what its registers of energy begin again at zero [Wh]."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Lowest and highest value of a quantity that is taken [base unit]."""


class Router(Protocol):
    """Finds what to do with a message by its topic."""

    def find(self, topic: str) -> TopicRoute | None:
        """The route of a topic, or None when nobody knows it."""
        ...


class TopicRouter:
    """Finds the first route whose filter matches; remembers what it found."""

    def __init__(self, routes: Sequence[TopicRoute]) -> None:
        self._routes = tuple(routes)
        self._remembered: dict[str, TopicRoute | None] = {}

    def find(self, topic: str) -> TopicRoute | None:
        """The route of a topic, or None when no profile knows it."""
        try:
            return self._remembered[topic]
        except KeyError:
            pass
        found = next((one for one in self._routes if topic_matches(one.filter, topic)), None)
        if len(self._remembered) < MAX_REMEMBERED and len(topic) <= MAX_TOPIC:
            self._remembered[topic] = found
        return found

    @property
    def filters(self) -> tuple[str, ...]:
        """All topic filters, each once, in order."""
        return tuple(dict.fromkeys(route.filter for route in self._routes))
