"""Decodes the topics of the bridges that read an Itron Riva meter (Xcel) over IEEE 2030.5.

::

    <prefix>/sensor/<Endpoint>/value/state         xcel_itron2mqtt
    <prefix>/sensor/<device>/<Endpoint>/state      its fork with one device level

The payload is one bare number; each endpoint is one quantity, named in the profile. What
"delivered" and "received" mean is told there too, because sites report them both ways.
"""

from __future__ import annotations

from typing import Final

from wattscope.compute.decode.route import Decoded, Route, ValuePath, read_device
from wattscope.compute.decode.values import build_bare_reading
from wattscope.core.findings import Ignored, Rejection
from wattscope.ports import RawMessage

_VALUE_TAG: Final = "value"


def decode(message: RawMessage, route: Route) -> Decoded:
    """One reading with one quantity; the meter's own time stamps are topics of their own."""
    levels = message.topic.split("/")
    if len(levels) < 3 or levels[-1] != "state":
        return Ignored("discovery or another topic without a state")
    value = _find_endpoint(levels, route)
    if value is None:
        return Ignored("an endpoint or tag that the profile does not map")
    device = read_device(message.topic, route.device_pattern)
    if isinstance(device, Rejection):
        return device
    return build_bare_reading(device, message.payload, value.quantity, value.conversion)


def _find_endpoint(levels: list[str], route: Route) -> ValuePath | None:
    """The value that a topic carries, in either layout."""
    if levels[-2] == _VALUE_TAG:
        return route.by_source.get(levels[-3])
    return route.by_source.get(levels[-2])
