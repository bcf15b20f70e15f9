"""How the messages of one profile become readings: the route that every decoder is given.

A route holds what differs between two installations of the same format: which level of the
topic names the device, which path holds which quantity in which unit, and the site's zone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias

from wattscope.compute.decode.clock import TimeUnit
from wattscope.compute.decode.json_path import Path
from wattscope.compute.decode.strict_json import excerpt
from wattscope.core.findings import Ignored, ReasonCode, Rejection
from wattscope.core.reading import Reading
from wattscope.core.topology import is_safe_name
from wattscope.core.units import Conversion
from wattscope.ports import RawMessage

Decoded: TypeAlias = tuple[Reading, ...] | Rejection | Ignored
"""What a decoder says about a message: readings, a refusal, or that there is nothing in it."""

MAX_NAME: Final = 128
"""Longest key of a device [characters]."""


@dataclass(frozen=True, slots=True)
class DevicePattern:
    """Where the key of the device stands; the first of name, payload and topic that is told."""

    name: str | None = None
    """The key itself, where the topic names none."""
    payload: Path = ()
    """Path in the JSON; checked against ``topic_level`` when both are told."""
    topic_level: int | None = None
    """Level of the topic, from 0; negative counts from the end."""


@dataclass(frozen=True, slots=True)
class ClockPath:
    """Where a message states its instant, and how."""

    path: Path = ()
    """Empty when the format itself fixes the place, or states no instant."""
    unit: TimeUnit = TimeUnit.SECONDS
    """What a number counts."""


@dataclass(frozen=True, slots=True)
class ValuePath:
    """One value of a message: where it is, what it measures, and in which unit."""

    source: str
    """As the profile spells it: a path, a topic level, an object id."""
    path: Path
    quantity: str
    """Name in the catalogue."""
    conversion: Conversion
    """To the base unit of the quantity."""
    time: Path = ()
    """Where this value's own instant is; empty when it shares that of the message."""


@dataclass(frozen=True, slots=True)
class Route:
    """Everything a decoder needs besides the message."""

    profile: str
    """Name of the profile, for messages to people."""
    zone: tzinfo
    """Zone of wall-clock times without an offset: the site's."""
    device_pattern: DevicePattern = DevicePattern()
    values: tuple[ValuePath, ...] = ()
    clock: ClockPath = ClockPath()
    options: Mapping[str, str] = field(default_factory=dict)
    """Choices of the one format; ``profile.py`` lists them."""
    interval_us: int = 0
    """Expected time between messages [µs]; 0 when it varies."""
    by_source: Mapping[str, ValuePath] = field(init=False, repr=False)
    """``values`` by their ``source``."""
    sources: tuple[str, ...] = field(init=False, repr=False)
    quantities: tuple[str, ...] = field(init=False, repr=False)
    """The quantities of ``values``: one object that all readings share."""
    factors: tuple[float, ...] = field(init=False, repr=False)
    is_linear: bool = field(init=False, repr=False)
    """Whether every conversion is a factor alone."""

    def __post_init__(self) -> None:
        """Lay out what the fast decoders look up for every message."""
        derive = object.__setattr__
        derive(self, "by_source", MappingProxyType({v.source: v for v in self.values}))
        derive(self, "sources", tuple(v.source for v in self.values))
        derive(self, "quantities", tuple(v.quantity for v in self.values))
        derive(self, "factors", tuple(v.conversion.factor for v in self.values))
        derive(self, "is_linear", all(v.conversion.offset == 0.0 for v in self.values))


Decoder: TypeAlias = Callable[[RawMessage, Route], Decoded]
"""A pure function; it never raises, whatever the bytes are."""


def bind_route(decode: Decoder, route: Route) -> Callable[[RawMessage], Decoded]:
    """The decoder of one route's messages."""
    return lambda message: decode(message, route)


def read_device(topic: str, pattern: DevicePattern) -> str | Rejection:
    """The key of the device that a topic names, or that the profile fixes."""
    if pattern.name is not None:
        return pattern.name
    if pattern.topic_level is None:
        return Rejection(ReasonCode.UNKNOWN_DEVICE, "the profile tells no device for this topic")
    levels = topic.split("/")
    if not -len(levels) <= pattern.topic_level < len(levels):
        return Rejection(
            ReasonCode.UNKNOWN_DEVICE, f"topic {excerpt(topic)} has only {len(levels)} levels"
        )
    return check_name(levels[pattern.topic_level])


def check_name(name: str) -> str | Rejection:
    """The name itself when it may be kept as a device's key."""
    if len(name) <= MAX_NAME and is_known_safe(name):
        return name
    return Rejection(ReasonCode.BAD_NAME, f"{excerpt(name)} cannot be a device's name")


@lru_cache(maxsize=16_384)
def is_known_safe(name: str) -> bool:
    """``is_safe_name`` with a memory; give it short names only, so that the memory stays small."""
    return is_safe_name(name)
