"""Decodes the JSON of a grid meter: ``energy/meters/<meter>``.

The profile tells the units of the five values, because meters of this kind send power in W or
kW, and energy as a register or per interval. The energy of an interval belongs to the interval's
beginning; where messages tell its end (``energy_stamp = "end"``), it becomes a reading of its own,
one interval earlier. Like ``panel_json``, nearly all messages take a
typed decoder; quotation marks tell whether it may be believed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from wattscope.compute.decode.clock import place_instant, read_instant
from wattscope.compute.decode.identity import is_sender, settle_device
from wattscope.compute.decode.route import Decoded, Route
from wattscope.compute.decode.strict_json import MAX_INTEGER, parse_object
from wattscope.compute.decode.values import Columns, collect, found, share_names
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.reading import Reading
from wattscope.core.units import scale_decimal
from wattscope.ports import RawMessage

SOURCES: Final = ("power", "voltage", "current", "frequency", "energy")
"""The values of a message, in the order in which a profile of this decoder holds them."""
_QUOTES: Final = 2 * (2 + len(SOURCES)) + 2 * 2
"""Quotation marks of seven keys and two texts."""
_FAST_LIMIT: Final = 1024
"""Longer payloads are unusual enough for the strict way [bytes]."""
_EXACT: Final = float(MAX_INTEGER)


class _Meter(msgspec.Struct, gc=False):
    """What a complete message holds."""

    meter_id: str
    timestamp: datetime
    power: float
    voltage: float
    current: float
    frequency: float
    energy: float


_decode_meter = msgspec.json.Decoder(_Meter).decode


def decode(message: RawMessage, route: Route) -> Decoded:
    """One reading with up to five quantities."""
    payload = message.payload
    if (
        payload.count(b'"') != _QUOTES
        or len(payload) > _FAST_LIMIT
        or route.sources != SOURCES
        or not route.is_linear
    ):
        return _decode_strictly(message, route)
    try:
        meter = _decode_meter(payload)
    except ValueError:
        return _decode_strictly(message, route)
    raw = (meter.power, meter.voltage, meter.current, meter.frequency, meter.energy)
    # From 2^53 on, only the digits tell whether an integer was sent.
    if (
        max(raw) >= _EXACT
        or min(raw) <= -_EXACT
        or not is_sender(meter.meter_id, message.topic, route)
    ):
        return _decode_strictly(message, route)
    measured_at_us = place_instant(meter.timestamp, route.zone)
    if isinstance(measured_at_us, Rejection):
        return measured_at_us
    by = route.factors
    values = (
        scale_decimal(raw[0], by[0]),
        scale_decimal(raw[1], by[1]),
        scale_decimal(raw[2], by[2]),
        scale_decimal(raw[3], by[3]),
        scale_decimal(raw[4], by[4]),
    )
    return _stamp(meter.meter_id, measured_at_us, Columns(route.quantities, values), route)


def _decode_strictly(message: RawMessage, route: Route) -> Decoded:
    """The same for messages with gaps, unknown keys or faults."""
    document = parse_object(message.payload)
    if isinstance(document, Rejection):
        return document
    missing = [key for key in ("meter_id", "timestamp", *route.sources) if key not in document]
    if missing:
        return Rejection(ReasonCode.MISSING_FIELD, f"without {', '.join(missing)}")
    device = settle_device(message.topic, document["meter_id"], route)
    if isinstance(device, Rejection):
        return device
    measured_at_us = read_instant(document["timestamp"], route.clock.unit, route.zone)
    if isinstance(measured_at_us, Rejection):
        return measured_at_us
    columns = collect(found(value, document[value.source]) for value in route.values)
    if columns is None or isinstance(columns, Rejection):
        return columns or Rejection(ReasonCode.NO_VALUE, "the profile maps no value")
    return _stamp(device, measured_at_us, columns, route)


def _stamp(device: str, measured_at_us: int, columns: Columns, route: Route) -> tuple[Reading, ...]:
    """The reading; the energy of an interval by itself, at the interval's beginning."""
    if not route.options or route.options.get("energy_stamp") != "end":
        return (Reading(device, measured_at_us, *columns),)
    names, values = columns
    energy = route.by_source["energy"].quantity if "energy" in route.by_source else None
    if energy not in names:
        return (Reading(device, measured_at_us, names, values),)
    at = names.index(energy)
    begin_us = measured_at_us - route.interval_us
    alone = Reading(device, begin_us, share_names(names[at : at + 1]), values[at : at + 1])
    rest = share_names(names[:at] + names[at + 1 :])
    if not rest:
        return (alone,)
    return (alone, Reading(device, measured_at_us, rest, values[:at] + values[at + 1 :]))
