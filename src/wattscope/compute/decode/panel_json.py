"""Decodes the JSON of a solar panel's sensor: ``sensors/<panel>/readings``.

Nearly all messages take a typed decoder that costs about a microsecond. It may be believed only
when nothing is doubled or unknown: the quotation marks tell, because all keys are required, so
that each further key or text adds two. Everything else takes the strict way, which also finds
the reason of a refusal.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from wattscope.compute.decode.clock import place_instant, read_instant
from wattscope.compute.decode.identity import is_sender, settle_device
from wattscope.compute.decode.route import Decoded, Route
from wattscope.compute.decode.strict_json import MAX_INTEGER, parse_object
from wattscope.compute.decode.table_reader import is_finite
from wattscope.compute.decode.values import Found, collect
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.reading import Reading
from wattscope.core.units import Conversion
from wattscope.ports import RawMessage

# The seed's reading (solar-farm, class SensorReading): °C, V, A and W are base units already.
_FIELDS: Final = {
    "temperature_celsius": ("temperature_c", Conversion("°C", 1.0)),
    "voltage_volts": ("dc_voltage_v", Conversion("V", 1.0)),
    "current_amperes": ("dc_current_a", Conversion("A", 1.0)),
    "power_output_watts": ("production_power_w", Conversion("W", 1.0)),
}
QUANTITIES: Final = tuple(quantity for quantity, _ in _FIELDS.values())
"""The quantities of a complete reading: one object for all of them."""
_QUOTES: Final = 2 * (2 + len(_FIELDS)) + 2 * 2
"""Quotation marks of six keys and two texts."""
_QUOTE_COUNTS: Final = frozenset({_QUOTES, _QUOTES + 2})
"""The same, without and with the key of the location."""
_FAST_LIMIT: Final = 1024
"""Longer payloads are unusual enough for the strict way [bytes]."""
_EXACT: Final = float(MAX_INTEGER)


class _Panel(msgspec.Struct, gc=False):
    """What a complete message holds."""

    panel_id: str
    timestamp: datetime
    temperature_celsius: float
    voltage_volts: float
    current_amperes: float
    power_output_watts: float
    location: tuple[float, float] | msgspec.UnsetType | None = msgspec.UNSET
    """Latitude and longitude, for a device of which nothing else is told."""


_decode_panel = msgspec.json.Decoder(_Panel).decode


def decode(message: RawMessage, route: Route) -> Decoded:
    """One reading with up to four quantities."""
    payload = message.payload
    quotes = payload.count(b'"')
    if quotes not in _QUOTE_COUNTS or len(payload) > _FAST_LIMIT:
        return _decode_strictly(message, route)
    try:
        panel = _decode_panel(payload)
    except ValueError:
        return _decode_strictly(message, route)
    values = (
        panel.temperature_celsius,
        panel.voltage_volts,
        panel.current_amperes,
        panel.power_output_watts,
    )
    numbers = (*values, *panel.location) if panel.location else values
    # From 2^53 on, only the digits tell whether an integer was sent.
    if (
        max(numbers) >= _EXACT
        or min(numbers) <= -_EXACT
        or (panel.location is msgspec.UNSET) is not (quotes == _QUOTES)
        or not is_sender(panel.panel_id, message.topic, route)
    ):
        return _decode_strictly(message, route)
    measured_at_us = place_instant(panel.timestamp, route.zone)
    if isinstance(measured_at_us, Rejection):
        return measured_at_us
    return (Reading(panel.panel_id, measured_at_us, QUANTITIES, values, panel.location or None),)


def _decode_strictly(message: RawMessage, route: Route) -> Decoded:
    """The same for messages with gaps, a location, unknown keys or faults."""
    document = parse_object(message.payload)
    if isinstance(document, Rejection):
        return document
    missing = [key for key in ("panel_id", "timestamp", *_FIELDS) if key not in document]
    if missing:
        return Rejection(ReasonCode.MISSING_FIELD, f"without {', '.join(missing)}")
    device = settle_device(message.topic, document["panel_id"], route)
    if isinstance(device, Rejection):
        return device
    measured_at_us = read_instant(document["timestamp"], route.clock.unit, route.zone)
    if isinstance(measured_at_us, Rejection):
        return measured_at_us
    columns = collect(_list_values(document))
    if columns is None or isinstance(columns, Rejection):
        return columns or Rejection(ReasonCode.NO_VALUE, "no value")
    return (Reading(device, measured_at_us, *columns, _read_place(document.get("location"))),)


def _read_place(location: object) -> tuple[float, float] | None:
    """Latitude and longitude; None where it is anything else, which costs no reading."""
    if isinstance(location, list) and len(location) == 2 and all(map(is_finite, location)):
        return float(location[0]), float(location[1])
    return None


def _list_values(document: dict[str, Any]) -> list[Found]:
    return [
        Found(key, quantity, conversion, document[key])
        for key, (quantity, conversion) in _FIELDS.items()
    ]
