"""Profiles of the line protocol: which measurements and tags are devices, which fields quantities.

A profile is TOML::

    title = "Plugs"                  words for a screen
    decoder = "line_protocol"
    precision = "ns"                 # of the timestamps: ns, us, ms, s, m or h
    kind = "plug"                    # of devices that register themselves: a DeviceKind
    interval_s = 10                  # expected time between their readings [s]
    [[measurements]]
    measurement = "plugs"            # "*" is any
    tags = { phase = "L1" }          # only points that have these tags
    site_tag = "site"                # the tag that holds the site's id
    device_tag = "room"              # the tag that holds the device's key
    device_tags = ["house", "room"]  # where it is absent: tags that make the key; "*" is all
    device = ""                      # key where there is no tag; empty is the measurement
    fields_from_names = false        # true: fields called like quantities need no entry below
    other_fields = "leave_out"       # "own": whatever else is a number is a quantity of its own
    [[measurements.fields]]
    field = "power"
    quantity = "active_power_w"
    unit = "kW"                      # left out: the base unit
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import msgspec

from wattscope.compute.files.line_protocol import Precision
from wattscope.compute.named_quantity import judge_quantity
from wattscope.core.errors import SettingsError
from wattscope.core.topology import DeviceKind, is_safe_name

ANY = "*"
PRECISIONS = {
    **dict.fromkeys(("ns", "n"), Precision.NS),
    **dict.fromkeys(("us", "u", "µ", "µs"), Precision.US),
    "ms": Precision.MS,
    "s": Precision.S,
    "m": Precision.M,
    "h": Precision.H,
}
"""Names of precisions, as profiles and the ``precision`` parameter of HTTP write them."""


class OtherFields(Enum):
    """What becomes of fields that a profile does not know."""

    LEAVE_OUT = "leave_out"
    OWN = "own"
    """Numbers, true and false become quantities of their own; texts measure nothing."""


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
    tags: dict[str, str] = {}
    """Tags that a point must have to be meant."""
    site_tag: str = ""
    """Tag that holds the site's id; devices of such points are called ``site/device``."""
    device_tags: tuple[str, ...] = ()
    other_fields: OtherFields = OtherFields.LEAVE_OUT


class LineMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How points are read; the first measurement that fits a point counts."""

    name: str = ""
    title: str = ""
    decoder: str = "line_protocol"
    precision: str = "ns"
    kind: DeviceKind = DeviceKind.METER
    interval_s: float | None = None
    measurements: tuple[MappedMeasurement, ...] = (MappedMeasurement(fields_from_names=True),)

    def __post_init__(self) -> None:
        faults = list(_list_faults(self))
        if faults:
            raise SettingsError(faults, where=self.name or "line map")

    def knows(self, measurement: str) -> bool:
        """Whether any point of a measurement may be meant."""
        return any(one.measurement in {measurement, ANY} for one in self.measurements)


def parse_line_map(table: Mapping[str, Any], *, where: str = "") -> LineMap:
    """The map of a profile's TOML.

    Raises:
        SettingsError: Every unknown key and quantity and every wrong unit.
    """
    try:
        return msgspec.convert(dict(table), LineMap)
    except msgspec.ValidationError as error:
        raise SettingsError([str(error)], where=where or str(table.get("name", ""))) from error


def find_measurement(
    name: str, tags: Mapping[str, str], line_map: LineMap
) -> MappedMeasurement | None:
    """The first entry for the points of a measurement that have these tags."""
    for mapped in line_map.measurements:
        if mapped.measurement in {name, ANY} and mapped.tags.items() <= tags.items():
            return mapped
    return None


def _list_faults(line_map: LineMap) -> Iterator[str]:
    """Everything that contradicts itself or the catalogue."""
    if line_map.decoder != "line_protocol":
        yield f"decoder: {line_map.decoder!r} does not read lines; use line_protocol"
    if line_map.precision not in PRECISIONS:
        yield f"precision: {line_map.precision!r} is none of {', '.join(PRECISIONS)}"
    if line_map.interval_s is not None and not 0 < line_map.interval_s < float("inf"):
        yield "interval_s: must be a number of seconds above 0"
    for mapped in line_map.measurements:
        yield from _list_measurement_faults(mapped)


def _list_measurement_faults(mapped: MappedMeasurement) -> Iterator[str]:
    at = f"measurement {mapped.measurement}"
    is_open = mapped.fields_from_names or mapped.other_fields is OtherFields.OWN
    if not mapped.fields and not is_open:
        yield f"{at}: has no fields"
    if mapped.device and not is_safe_name(mapped.device):
        yield f"{at}: {mapped.device!r} cannot be the key of a device"
    if len({entry.quantity for entry in mapped.fields}) < len(mapped.fields):
        yield f"{at}: a quantity has two fields"
    for entry in mapped.fields:
        where = f"{at}, field {entry.field}"
        if fault := judge_quantity(entry.quantity, entry.unit):
            yield f"{where}: {fault}"
