"""How the columns of a table become quantities of devices: a profile, or one line of words.

A profile is TOML::

    decoder = "csv_table"
    delimiter = ","            # one character; "auto" looks at the first line
    decimal = "."              # or ","
    has_header = true          # false: columns are named by their number, "1" first
    skip_lines = 0             # lines before the header
    missing = ["?", ""]        # texts that mean that there is no value
    time_columns = ["Date", "Time"]
    time_format = "%d/%m/%Y %H:%M:%S"   # strptime, iso, unix_s, unix_ms or unix_us
    time_zone = "+01:00"       # of times without offset; left out: the site's
    stamp = "start"            # or "end": what a stamp marks of its interval
    interval_s = 60            # left out: the data tell
    midnight_is_day_end = false # true: 00:00 bears the date of the day that it ends, like 24:00
    sampling = "mean"          # or "instant"
    device = "meter"           # of columns that name none
    device_column = "plant"    # left out: the columns name their devices
    device_kind = "inverter"   # of the devices that device_column names
    device_is_production = true # whether what they count is generated
    quantity_column = "quantity" # with value_column: each row names its quantity, in base units
    value_column = "value"
    quality_column = "quality"   # words of the view readings; only "estimated" is taken over
    columns_from_header = false  # true: columns named after quantities need no entry below
    [site]                     # id, name, time_zone, currency, latitude, longitude
    [[devices]]                # id, name, kind, parent, rating_w, is_production
    [[columns]]                # column, quantity, unit, device, scale, divide_by

The same in one line, for ``--map``: terms parted by commas, each ``quantity=column``, then
``:unit`` and ``@device`` if needed; ``time=column``, or ``time=Date+Time`` for two of them; the
keys above by name. What contains one of ``,=:@+`` stands in double quotes::

    time=Timestamp,active_power_w=Power:kW@meter1,voltage_v="U, L1"
    time=Date+Time,time_format="%d.%m.%Y %H:%M",delimiter=;,energy_import_wh=Total:kWh@main
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec
import numpy as np

from wattscope.compute.files.stamps import find_format_fault, is_wall_format
from wattscope.core.errors import QueryError, SettingsError
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import FloatColumn
from wattscope.core.sound_table import convert_flat
from wattscope.core.time_grid import load_zone
from wattscope.core.topology import Device, DeviceKind, Sampling, Site, is_safe_name
from wattscope.core.units import Conversion, find_conversion, list_units

AUTO_DELIMITER = "auto"
_DEVICE = "meter"
_LONGEST_INTERVAL_S = 366 * 86_400


class Stamp(Enum):
    """Which end of its interval a row's time marks."""

    START = "start"
    END = "end"


class MappedColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column: ``base = raw * scale / divide_by``, converted from ``unit``."""

    column: str
    """Name in the header, or the number of the column when there is none."""
    quantity: str
    """Empty where each row names it."""
    unit: str = ""
    """Unit of the column; empty is the base unit of the quantity."""
    device: str = ""
    """Key of the device; empty is the map's own."""
    scale: float = 1.0
    divide_by: float = 1.0

    @property
    def factor(self) -> float:
        """What a value is multiplied with to be in the base unit [base unit per unit]."""
        return self._conversion.factor * self.scale / self.divide_by

    def to_base(self, raw: FloatColumn) -> FloatColumn:
        """Values of the column in the base unit of its quantity."""
        with np.errstate(over="ignore"):
            return raw * self.factor + self._conversion.offset

    @property
    def _conversion(self) -> Conversion:
        """From the column's unit to the base unit."""
        if not self.quantity:
            return Conversion("", 1.0)
        base = QUANTITIES[self.quantity].unit
        return find_conversion(self.unit or base, base) or Conversion(base, 1.0)


class SiteDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The place that a profile describes."""

    id: str
    name: str = ""
    time_zone: str = "UTC"
    currency: str = "EUR"
    latitude: float | None = None
    longitude: float | None = None


class DeviceDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device that a profile describes."""

    id: str
    name: str = ""
    kind: DeviceKind = DeviceKind.METER
    parent: str | None = None
    rating_w: float | None = None
    is_production: bool = False


class ColumnMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a table is read; see the module for each key."""

    name: str = ""
    title: str = ""
    decoder: str = "csv_table"
    delimiter: str = ","
    decimal: str = "."
    has_header: bool = True
    skip_lines: int = 0
    missing: tuple[str, ...] = ("",)
    time_columns: tuple[str, ...] = ()
    time_format: str = "iso"
    time_zone: str = ""
    stamp: Stamp = Stamp.START
    interval_s: float | None = None
    midnight_is_day_end: bool = False
    sampling: Sampling = Sampling.INSTANT
    device: str = _DEVICE
    device_column: str = ""
    device_kind: DeviceKind = DeviceKind.METER
    device_is_production: bool = False
    quantity_column: str = ""
    value_column: str = ""
    quality_column: str = ""
    columns_from_header: bool = False
    site: SiteDefaults | None = None
    devices: tuple[DeviceDefaults, ...] = ()
    columns: tuple[MappedColumn, ...] = ()

    def __post_init__(self) -> None:
        faults = _map_faults(self)
        if faults:
            raise SettingsError(faults, where=self.name or "column map")

    def list_devices(self, site: str) -> list[Device]:
        """The devices that the map names, parents first, for a registry that lacks them.

        Args:
            site: Id of the site at which they are.
        """
        known = {device.id: device for device in self.devices}
        named = {column.device or self.device for column in self.columns}
        if self.columns_from_header or self.quantity_column:
            named.add(self.device)
        if self.device_column:
            named.discard(self.device)
        for key in sorted(named - known.keys()):
            known[key] = DeviceDefaults(key)
        ordered = sorted(known.values(), key=lambda device: device.parent is not None)
        return [self._describe(device, site) for device in ordered]

    def describe_device(self, key: str, site: str) -> Device:
        """A device that a row names, for a registry that lacks it."""
        defaults = DeviceDefaults(
            key, kind=self.device_kind, is_production=self.device_is_production
        )
        return self._describe(defaults, site)

    @property
    def file_columns(self) -> frozenset[str]:
        """What a file must have; empty where the columns are called like quantities."""
        if self.columns_from_header:
            return frozenset()
        mapped = (column.column for column in self.columns)
        told = (self.device_column, self.quantity_column, self.value_column, self.quality_column)
        return frozenset({*self.time_columns, *mapped, *filter(None, told)})

    def _describe(self, device: DeviceDefaults, site: str) -> Device:
        return Device(
            device.id,
            site,
            device.name or device.id,
            device.kind,
            parent=device.parent,
            rating_w=device.rating_w,
            interval_s=self.interval_s,
            sampling=self.sampling,
            is_production=device.is_production,
        )

    def describe_site(self) -> Site | None:
        """The site that the map describes, if it describes one."""
        if self.site is None:
            return None
        return Site(
            self.site.id,
            self.site.name or self.site.id,
            self.site.time_zone,
            self.site.currency,
            self.site.latitude,
            self.site.longitude,
        )


def parse_column_map(table: Mapping[str, Any], *, where: str = "") -> ColumnMap:
    """The map of a profile's TOML.

    Args:
        table: The file's contents.
        where: Name of the file for messages.

    Raises:
        SettingsError: Every unknown key, wrong type and wrong value.
    """
    types = {field.name: field.type for field in msgspec.structs.fields(ColumnMap)}
    faults: list[str] = []
    values = convert_flat(table, types, "key", faults)
    try:
        column_map = ColumnMap(**values)
    except SettingsError as error:
        faults.extend(error.faults)
    if faults:
        raise SettingsError(faults, where=where or str(table.get("name", "column map")))
    return column_map


def _map_faults(table: ColumnMap) -> list[str]:
    """Everything that contradicts itself or the catalogue."""
    faults = [*_shape_faults(table), *_time_faults(table)]
    if bool(table.quantity_column) != bool(table.value_column):
        faults.append("quantity_column: goes with value_column, and that with it")
    if not (table.columns or table.columns_from_header or table.quantity_column):
        faults.append("columns: none is mapped; write QUANTITY=COLUMN")
    return [*faults, *_column_faults(table)]


def _shape_faults(table: ColumnMap) -> list[str]:
    """Signs between and within cells that cannot be."""
    faults: list[str] = []
    if table.decoder != "csv_table":
        faults.append(f"decoder: {table.decoder!r} does not read tables; it must be csv_table")
    if table.delimiter != AUTO_DELIMITER and (
        len(table.delimiter) != 1 or table.delimiter in '"\n\r\0'
    ):
        faults.append(f"delimiter: {table.delimiter!r} is not one character")
    if table.decimal not in {".", ","} or table.decimal == table.delimiter:
        faults.append("decimal: must be . or , and not the delimiter")
    if table.skip_lines < 0:
        faults.append("skip_lines: is negative")
    return faults


def _time_faults(table: ColumnMap) -> list[str]:
    """Times that could not be placed."""
    faults: list[str] = []
    if not table.time_columns:
        faults.append("time_columns: none is named; write time=COLUMN")
    if table.interval_s is not None and not 0 < table.interval_s <= _LONGEST_INTERVAL_S:
        faults.append(f"interval_s: {table.interval_s:g} is not within 0 to a year")
    if table.stamp is Stamp.END and table.interval_s is None:
        faults.append("stamp: 'end' needs interval_s")
    format_fault = find_format_fault(table.time_format)
    if format_fault is not None:
        faults.append(f"time_format: {format_fault}")
    if table.midnight_is_day_end and not is_wall_format(table.time_format):
        faults.append("midnight_is_day_end: needs a time_format such as %d/%m/%Y %H:%M")
    if table.time_zone:
        faults.extend(_zone_faults("time_zone", table.time_zone))
    if table.site is not None:
        faults.extend(_zone_faults("site.time_zone", table.site.time_zone))
    return faults


def _column_faults(table: ColumnMap) -> list[str]:
    """Columns whose quantity, unit, device or factor is wrong, or that are mapped twice."""
    faults: list[str] = []
    taken: set[tuple[str, str]] = set()
    for column in table.columns:
        where = f"column {column.column}"
        device = column.device or table.device
        if not is_safe_name(device):
            faults.append(f"{where}: {device!r} cannot be the key of a device")
        if (device, column.quantity) in taken:
            faults.append(f"{where}: {column.quantity} of {device} is mapped twice")
        taken.add((device, column.quantity))
        if not (0 < abs(column.scale) < 1e12 and 0 < abs(column.divide_by) < 1e12):
            faults.append(f"{where}: scale and divide_by must not be 0")
        quantity = QUANTITIES.get(column.quantity)
        if quantity is None:
            near = difflib.get_close_matches(column.quantity, QUANTITIES, n=1)
            hint = f"; is it {near[0]}?" if near else ""
            faults.append(f"{where}: no such quantity {column.quantity!r}{hint}")
        elif column.unit and find_conversion(column.unit, quantity.unit) is None:
            units = ", ".join(list_units(quantity.unit))
            faults.append(f"{where}: {column.unit!r} is no unit of {column.quantity}; use {units}")
    return faults


def _zone_faults(key: str, zone: str) -> list[str]:
    """The zone's own message, if it does not exist."""
    try:
        load_zone(zone)
    except QueryError as error:
        return [f"{key}: {error}"]
    return []
