"""Decodes any JSON object by the table of paths in its profile: a new meter is data, not code.

A path that the document does not have is left out, null is a gap. A document without any of the
paths is of another format. Values with an instant of their own (the gas meter that reports once
an hour through an electricity meter) become readings of their own.
"""

from __future__ import annotations

from typing import Any, Final

from wattscope.compute.decode.clock import TimeUnit
from wattscope.compute.decode.identity import find_device
from wattscope.compute.decode.json_path import ABSENT, Path, find
from wattscope.compute.decode.route import Decoded, Route
from wattscope.compute.decode.strict_json import MAX_INTEGER, parse_object
from wattscope.compute.decode.values import Found, build_reading, collect, found
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.reading import Reading
from wattscope.ports import RawMessage

_MAX_INT64: Final = 2**63 - 1
_NOTHING: Final = Rejection(ReasonCode.NO_VALUE, "no value")


def decode(message: RawMessage, route: Route) -> Decoded:
    """One reading for each instant that the document states, mostly one."""
    # Only a count of nanoseconds needs integers that a float does not hold.
    limit = _MAX_INT64 if route.clock.unit is TimeUnit.NANOSECONDS else MAX_INTEGER
    document = parse_object(message.payload, max_integer=limit)
    if isinstance(document, Rejection):
        return document
    device = find_device(message.topic, document, route)
    if isinstance(device, Rejection):
        return device
    readings: list[Reading] = []
    refused: Rejection | None = None
    for clock, parts in _group(document, route).items():
        stamp = find(document, clock) if clock else None
        reading = build_reading(device, stamp, collect(parts) or _NOTHING, route)
        if isinstance(reading, Reading):
            readings.append(reading)
        elif reading.code is not ReasonCode.NO_VALUE:
            return reading
        else:
            refused = reading
    if readings:
        return tuple(readings)
    return refused or Rejection(
        ReasonCode.UNKNOWN_FORMAT, f"has none of the paths of profile {route.profile}"
    )


def _group(document: dict[str, Any], route: Route) -> dict[Path, list[Found]]:
    """The raw values that are there, by the path of their instant."""
    groups: dict[Path, list[Found]] = {}
    for value in route.values:
        raw = find(document, value.path)
        if raw is not ABSENT:
            groups.setdefault(value.time or route.clock.path, []).append(found(value, raw))
    return groups
