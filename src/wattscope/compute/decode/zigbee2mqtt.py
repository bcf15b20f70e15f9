"""Decodes the flat JSON of zigbee2mqtt: ``zigbee2mqtt/<friendly name>``.

Each message holds the attributes that the device reported last; one that it never reported is
null. A fresh current may stand beside a stale power. ``last_seen`` is the only time stamp, as a
text or in milliseconds, and only where the bridge is set to send it. Names may have slashes.
"""

from __future__ import annotations

from typing import Final

from wattscope.compute.decode.route import Decoded, Route, check_name
from wattscope.compute.decode.strict_json import parse_object
from wattscope.compute.decode.values import build_reading, collect, find_all
from wattscope.core.findings import Ignored, Rejection
from wattscope.ports import RawMessage

_NOT_DEVICES: Final = frozenset({"availability", "set", "get"})


def decode(message: RawMessage, route: Route) -> Decoded:
    """One reading with the metering values among a device's attributes."""
    levels = message.topic.split("/")[1:]
    if not levels or levels[0] == "bridge" or levels[-1] in _NOT_DEVICES:
        return Ignored("not the attributes of a device")
    device = check_name(route.device_pattern.name or "/".join(levels))
    if isinstance(device, Rejection):
        return device
    document = parse_object(message.payload)
    if isinstance(document, Rejection):
        return document
    columns = collect(find_all(document, route))
    if columns is None:
        return Ignored("attributes without a measured value")
    reading = build_reading(device, document.get("last_seen"), columns, route)
    return reading if isinstance(reading, Rejection) else (reading,)
