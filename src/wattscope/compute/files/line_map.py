"""What the points of the line protocol mean: measurement and tags are devices, fields quantities.

A profile is TOML::

    decoder = "line_protocol"
    precision = "ns"                 # of the timestamps: ns, us, ms or s
    [[measurements]]
    measurement = "plugs"            # "*" is any
    device_tag = "room"              # the tag that holds the device's key
    device = ""                      # key where there is no tag; empty is the measurement
    fields_from_names = false        # true: fields called like quantities need no entry below
    [[measurements.fields]]
    field = "power"
    quantity = "active_power_w"
    unit = "kW"                      # left out: the base unit
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from wattscope.compute.files.line_blocks import group_lines
from wattscope.compute.files.line_protocol import (
    MAX_EXCERPT,
    BadLine,
    FieldValue,
    Point,
    Precision,
    parse_lines,
)
from wattscope.core.errors import SettingsError
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import Reading
from wattscope.core.topology import is_safe_name
from wattscope.core.units import find_conversion, list_units

ANY = "*"
PRECISIONS = {"ns": Precision.NS, "us": Precision.US, "ms": Precision.MS, "s": Precision.S}
"""Names of precisions, as profiles and the ``precision`` parameter of HTTP write them."""

# Names that InfluxDB keeps for itself.
_RESERVED = frozenset({"_time", "_field", "_measurement"})
# Larger integers do not survive as floats.
_MAX_INTEGER = 2**53
# 2000-01-01: older stamps come from a clock that was not set or a precision that was not told.
_EARLIEST_NS = 946_684_800 * 10**9
_LATEST_NS = 7_258_118_400 * 10**9


class MappedField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field of a measurement."""

    field: str
    quantity: str
    unit: str = ""
    """Empty is the base unit of the quantity."""


class MappedMeasurement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The points of one measurement."""

    measurement: str = ANY
    device_tag: str = "device"
    device: str = ""
    fields_from_names: bool = False
    fields: tuple[MappedField, ...] = ()


class LineMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How points are read; the first measurement that fits a point counts."""

    name: str = ""
    title: str = ""
    decoder: str = "line_protocol"
    precision: str = "ns"
    measurements: tuple[MappedMeasurement, ...] = (MappedMeasurement(fields_from_names=True),)

    def __post_init__(self) -> None:
        faults = _map_faults(self)
        if faults:
            raise SettingsError(faults, where=self.name or "line map")


class NumberedReading(NamedTuple):
    """A reading and the line from which it comes."""

    line_number: int
    reading: Reading


def parse_line_map(table: Mapping[str, Any], *, where: str = "") -> LineMap:
    """The map of a profile's TOML.

    Raises:
        SettingsError: Every unknown key and quantity and every wrong unit.
    """
    try:
        return msgspec.convert(dict(table), LineMap)
    except msgspec.ValidationError as error:
        raise SettingsError([str(error)], where=where or str(table.get("name", ""))) from error


def decode_lines(blocks: Iterable[bytes], line_map: LineMap) -> Iterator[NumberedReading | BadLine]:
    """The readings and the bad lines of a file, in order.

    A text in quotes that holds a line feed is cut where a group of 10,000 lines ends.

    Args:
        blocks: The file in order, in pieces of any size.
        line_map: What its points mean.
    """
    precision = PRECISIONS[line_map.precision]
    for group in group_lines(blocks):
        payload = b"\n".join(group.lines)
        for found in parse_lines(payload, precision, first_line=group.first_line):
            if isinstance(found, BadLine):
                yield found
                continue
            reading = read_point(found, line_map)
            if isinstance(reading, Rejection):
                excerpt = f"{found.measurement} {found.fields}"[:MAX_EXCERPT]
                yield BadLine(found.line_number, 1, reading.code, reading.detail, excerpt)
            else:
                yield NumberedReading(found.line_number, reading)


def read_point(point: Point, line_map: LineMap) -> Reading | Rejection:
    """What a device said with a point, or why that cannot be known."""
    tags, fields = dict(point.tags), dict(point.fields)
    if len(fields) < len(point.fields):
        return Rejection(ReasonCode.DUPLICATE_KEY, "a field stands twice in the line")
    if not _RESERVED.isdisjoint(tags) or not _RESERVED.isdisjoint(fields):
        return Rejection(ReasonCode.BAD_NAME, "_time, _field and _measurement are reserved names")
    mapped = _find_measurement(point.measurement, line_map)
    if mapped is None:
        detail = f"measurement {point.measurement[:40]!r} is not in the profile"
        return Rejection(ReasonCode.UNKNOWN_FORMAT, detail)
    device = tags.get(mapped.device_tag) or mapped.device or point.measurement
    if not is_safe_name(device):
        return Rejection(ReasonCode.BAD_NAME, f"{device[:40]!r} cannot be the key of a device")
    if point.time_ns is not None and not _EARLIEST_NS <= point.time_ns < _LATEST_NS:
        return Rejection(
            ReasonCode.BAD_TIME,
            f"time {point.time_ns} ns is not between 2000 and 2200; "
            "is the precision of the sender another one?",
        )
    return _read_fields(fields, mapped, device, point.time_ns)


def _read_fields(
    fields: Mapping[str, FieldValue], mapped: MappedMeasurement, device: str, time_ns: int | None
) -> Reading | Rejection:
    """The mapped fields in base units; one that is no number spoils the point."""
    quantities: list[str] = []
    values: list[float] = []
    for entry in _entries(fields, mapped):
        raw = fields[entry.field]
        if isinstance(raw, bool | str):
            detail = f"field {entry.field} is a {type(raw).__name__}, not a number"
            return Rejection(ReasonCode.WRONG_TYPE, detail)
        if isinstance(raw, int) and abs(raw) > _MAX_INTEGER:
            return Rejection(ReasonCode.RANGE, f"field {entry.field} is beyond 2^53")
        base = QUANTITIES[entry.quantity].unit
        conversion = find_conversion(entry.unit or base, base)
        quantities.append(entry.quantity)
        values.append(float(raw) if conversion is None else conversion.to_base(float(raw)))
    if not quantities:
        return Rejection(ReasonCode.NO_VALUE, "no field of the line is in the profile")
    measured_at_us = None if time_ns is None else time_ns // 1000
    return Reading(device, measured_at_us, tuple(quantities), tuple(values))


def _entries(fields: Mapping[str, FieldValue], mapped: MappedMeasurement) -> Iterator[MappedField]:
    """The fields of a point that mean something."""
    named = [entry for entry in mapped.fields if entry.field in fields]
    yield from named
    if mapped.fields_from_names:
        taken = {word for entry in named for word in (entry.field, entry.quantity)}
        names = (name for name in fields if name in QUANTITIES and name not in taken)
        yield from (MappedField(name, name) for name in names)


def _find_measurement(name: str, line_map: LineMap) -> MappedMeasurement | None:
    """The first entry for a measurement."""
    for mapped in line_map.measurements:
        if mapped.measurement in {name, ANY}:
            return mapped
    return None


def _map_faults(line_map: LineMap) -> list[str]:
    """Everything that contradicts itself or the catalogue."""
    faults: list[str] = []
    if line_map.decoder != "line_protocol":
        faults.append(f"decoder: {line_map.decoder!r} does not read lines; use line_protocol")
    if line_map.precision not in PRECISIONS:
        faults.append(f"precision: {line_map.precision!r} is none of {', '.join(PRECISIONS)}")
    for mapped in line_map.measurements:
        if not mapped.fields and not mapped.fields_from_names:
            faults.append(f"measurement {mapped.measurement}: has no fields")
        if len({entry.quantity for entry in mapped.fields}) < len(mapped.fields):
            faults.append(f"measurement {mapped.measurement}: a quantity has two fields")
        for entry in mapped.fields:
            where = f"measurement {mapped.measurement}, field {entry.field}"
            quantity = QUANTITIES.get(entry.quantity)
            if quantity is None:
                near = difflib.get_close_matches(entry.quantity, QUANTITIES, n=1)
                hint = f"; is it {near[0]}?" if near else ""
                faults.append(f"{where}: no such quantity {entry.quantity!r}{hint}")
            elif entry.unit and find_conversion(entry.unit, quantity.unit) is None:
                units = ", ".join(list_units(quantity.unit))
                faults.append(f"{where}: {entry.unit!r} is no unit of {quantity.name}; use {units}")
    return faults
