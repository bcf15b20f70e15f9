"""Decodes a Victron GX device: ``N/<portal>/<service>/<instance>/<path>`` with ``{"value": x}``.

The profile maps ``<service>/<path>`` to quantities. The device's key is
``<portal>:<service>:<instance>``. Null means that the value does not exist, an empty payload
that the device has gone: both are refused, neither is zero.
"""

from __future__ import annotations

from typing import Final

from wattscope.compute.decode.route import Decoded, Route, ValuePath, check_name
from wattscope.compute.decode.strict_json import parse_object
from wattscope.compute.decode.values import collect, found
from wattscope.core.findings import Ignored, ReasonCode, Rejection
from wattscope.core.reading import Reading
from wattscope.ports import RawMessage

_FIRST_PATH_LEVEL: Final = 4


def decode(message: RawMessage, route: Route) -> Decoded:
    """One reading with one quantity; the messages state no time."""
    levels = message.topic.split("/")
    if len(levels) <= _FIRST_PATH_LEVEL or levels[0] != "N":
        return Ignored("not the value of a device")
    _, portal, service, instance = levels[:_FIRST_PATH_LEVEL]
    value = route.by_source.get("/".join([service, *levels[_FIRST_PATH_LEVEL:]]))
    if value is None:
        return Ignored("a path that the profile does not map")
    device = check_name(route.device_pattern.name or f"{portal}:{service}:{instance}")
    if isinstance(device, Rejection):
        return device
    document = parse_object(message.payload)
    if isinstance(document, Rejection):
        return document
    if "value" not in document:
        return Rejection(ReasonCode.MISSING_FIELD, "without value")
    reading = _read_value(document["value"], value, device)
    return reading if isinstance(reading, Rejection) else (reading,)


def _read_value(raw: object, value: ValuePath, device: str) -> Reading | Rejection:
    columns = collect([found(value, raw)])
    if columns is None or isinstance(columns, Rejection):
        return columns or Rejection(ReasonCode.NO_VALUE, "no value")
    return Reading(device, None, columns.quantities, columns.values)
