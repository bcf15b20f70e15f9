"""Decodes ESPHome: ``<node>/sensor/<object id>/state`` with one bare number.

Object ids are whatever the owner called the sensor, so the profile maps them to quantities: by
the whole id, or with the option ``match = "suffix"`` by the longest ending after an underscore
(``kitchen_power`` is ``power`` of the node). ESPHome sends ``nan`` while a sensor has no value.
"""

from __future__ import annotations

from wattscope.compute.decode.route import Decoded, Route, ValuePath, read_device
from wattscope.compute.decode.values import build_bare_reading
from wattscope.core.findings import Ignored, Rejection
from wattscope.ports import RawMessage


def decode(message: RawMessage, route: Route) -> Decoded:
    """One reading with one quantity; the devices state no time."""
    levels = message.topic.split("/")
    if len(levels) < 4 or levels[-1] != "state" or levels[-3] != "sensor":
        return Ignored("not the state of a sensor")
    value = _find_value(levels[-2], route)
    if value is None:
        return Ignored("an object id that the profile does not map")
    device = read_device(message.topic, route.device_pattern)
    if isinstance(device, Rejection):
        return device
    return build_bare_reading(device, message.payload, value.quantity, value.conversion)


def _find_value(object_id: str, route: Route) -> ValuePath | None:
    """The value that an object id stands for."""
    exact = route.by_source.get(object_id)
    if exact is not None or route.options.get("match") != "suffix":
        return exact
    endings = [source for source in route.sources if object_id.endswith(f"_{source}")]
    return route.by_source[max(endings, key=len)] if endings else None
