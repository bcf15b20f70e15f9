"""Rows that people edit become the fleet: what can be read of them, and why the rest cannot.

::

    sites, poll_groups ──▶ Places ─┐
    registers ───────────▶ SqlMaps ┤
    profiles ─────────── find_map ─┼──▶ Fleet: meters, faults, sites
    [[meters]], energy_meters ─────┘

A row that cannot be meant becomes a fault that says what is wrong and what to do; all others go
on. Nothing here asks the network: whether a meter answers is found out by polling it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from wattscope.compute.decode.table_reader import suggest
from wattscope.compute.modbus.bus_load import find_overloads, typical_interval_s
from wattscope.compute.modbus.device_names import is_device_id, name_devices
from wattscope.compute.modbus.endpoint_rows import Switchboard, name_meter, read_endpoint
from wattscope.compute.modbus.place_rows import Places, read_places
from wattscope.compute.modbus.register_rows import SqlMaps, read_register_rows
from wattscope.compute.modbus.row_reader import Row, RowReader, show_cell
from wattscope.core.errors import SettingsError
from wattscope.core.fleet import MAX_UNIT, Endpoint, Fleet, Meter, PollGroup, RowFault
from wattscope.core.registers import Register, RegisterMap
from wattscope.core.topology import Device, DeviceKind, Site

ENERGY_METERS: Final = "energy_meters"
SETTINGS_METERS: Final = "[[meters]]"
DEFAULT_TIMEOUT_S: Final = 1.0
MAX_TIMEOUT_S: Final = 60.0
_NO_MAP: Final = RegisterMap("", "", ())

FindMap = Callable[[str], RegisterMap | None]
"""The profile of a type, None where there is none; a ``SettingsError`` when it is damaged."""


@dataclass(frozen=True, slots=True)
class BookRows:
    """All tables at one moment."""

    meters: Sequence[Row] = ()
    registers: Sequence[Row] = ()
    groups: Sequence[Row] = ()
    sites: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class FleetRules:
    """What rows leave unsaid."""

    site: Site
    """The site of meters that name none."""
    schedule: str
    """When meters are read that say nothing else."""
    list_types: Callable[[], Sequence[str]] = tuple
    """Names of profiles, for hints at the nearest one."""


def build_fleet(
    rows: BookRows, find_map: FindMap, rules: FleetRules, settings_meters: Sequence[Row] = ()
) -> Fleet:
    """The fleet that the tables and the settings describe.

    Args:
        rows: The tables; of rows that contradict each other, the first counts.
        find_map: The profile of a type that has no rows in ``registers``.
        rules: Site and schedule of meters that name none.
        settings_meters: Meters of the settings in the columns of ``energy_meters``, their id in
            ``device``; they come first.
    """
    places = read_places(rows.sites, rows.groups, rules.site)
    maps = read_register_rows(rows.registers, places)
    builder = _FleetBuilder(places, maps, find_map, rules)
    builder.add(SETTINGS_METERS, settings_meters, name_devices(settings_meters))
    builder.add(ENERGY_METERS, rows.meters, name_rows(rows.meters, settings_meters))
    meters = builder.build()
    faults = (*places.faults, *maps.faults, *builder.faults, *find_overloads(meters))
    return Fleet(meters, faults, tuple(places.sites.values()))


def name_rows(meters: Sequence[Row], settings_meters: Sequence[Row] = ()) -> list[str]:
    """The device id of each row of ``energy_meters``."""
    return name_devices(meters, name_devices(settings_meters))


def is_enabled(row: Row) -> bool:
    """Whether a row is to be polled; one whose cell cannot be understood becomes a fault."""
    return RowReader(row).read_flag("is_enabled") is not False


class _FleetBuilder:
    """Takes in meter after meter."""

    def __init__(self, places: Places, maps: SqlMaps, find_map: FindMap, rules: FleetRules) -> None:
        self.faults: list[RowFault] = []
        self._places = places
        self._maps = maps
        self._find_map = find_map
        self._rules = rules
        self._found: dict[str, RegisterMap | str] = {}
        self._lines = Switchboard()
        self._meters: dict[str, tuple[str, str, Meter]] = {}

    def add(self, table: str, rows: Sequence[Row], names: Sequence[str]) -> None:
        """Read the meters of a table, in their order."""
        for row, name in zip(rows, names, strict=True):
            if not is_enabled(row):
                continue
            reader = RowReader(row)
            meter = self._read(reader, name, row)
            if not reader.faults:
                refusal = self._lines.join(meter.endpoint, meter.unit, name)
                reader.faults += [] if refusal is None else [refusal]
            label = name_meter(row)
            if reader.faults:
                self.faults.append(RowFault(table, label, "; ".join(reader.faults)))
            else:
                self._meters[name] = table, label, meter

    def build(self) -> tuple[Meter, ...]:
        """All meters, each with the endpoint that it shares; those in a ring are left out."""
        for name in _find_rings(one for _, _, one in self._meters.values()):
            table, label, meter = self._meters.pop(name)
            reason = f"parent {meter.device.parent} stands below it: the tree has no top"
            self.faults.append(RowFault(table, label, f"{reason}; correct one of them"))
        return tuple(
            Meter(
                meter.device,
                self._lines.settle(meter.endpoint),
                meter.unit,
                meter.map,
                meter.groups,
                meter.timeout_s,
                meter.is_tid_ignored,
            )
            for _, _, meter in self._meters.values()
        )

    def _read(self, reader: RowReader, name: str, row: Row) -> Meter:
        """The meter of a row; meaningless once there are faults."""
        self._check_name(reader, name, row)
        endpoint = read_endpoint(reader)
        unit = self._read_unit(reader, endpoint)
        found = self._read_map(reader)
        schedule = self._read_schedule(reader)
        groups = _group(found, schedule, self._places)
        timeout_s = reader.read_number("timeout_s", above=0) or DEFAULT_TIMEOUT_S
        if timeout_s > MAX_TIMEOUT_S:
            reader.faults.append(f"timeout_s {timeout_s:g} is longer than {MAX_TIMEOUT_S:g} s")
        reader.read_flag("is_enabled")
        return Meter(
            device=self._read_device(reader, name, found, groups),
            endpoint=endpoint,
            unit=unit,
            map=found,
            groups=groups,
            timeout_s=timeout_s,
            is_tid_ignored=reader.read_flag("is_tid_ignored") or False,
        )

    def _check_name(self, reader: RowReader, name: str, row: Row) -> None:
        wanted = reader.read_text("device", max_length=128)
        if wanted is None or wanted == name:
            return
        if not is_device_id(wanted):
            reader.faults.append(
                f"device {show_cell(row.get('device'))} is no name; use letters, digits, - and _"
            )
        else:
            reader.faults.append(
                f"device {show_cell(wanted)} is there already; give each meter a name of its own"
            )

    def _read_unit(self, reader: RowReader, endpoint: Endpoint) -> int:
        reader.need("slave_address", "the unit of the meter, mostly 1")
        unit = reader.read_integer("slave_address", 0, MAX_UNIT)
        if unit == 0 and endpoint.is_serial:
            reader.faults.append("slave_address 0 is for all devices of a line: none answers")
        return unit or 0

    def _read_schedule(self, reader: RowReader) -> str:
        text = reader.read_text("poll", max_length=128)
        if text is None:
            return self._rules.schedule
        try:
            return self._places.find_schedule(text)
        except SettingsError as fault:
            reader.faults.append(f"poll: {fault}")
            return self._rules.schedule

    def _read_map(self, reader: RowReader) -> RegisterMap:
        reader.need("type", "a profile such as sdm630, or a type of the table registers")
        name = reader.read_text("type", max_length=64)
        if name is None:
            return _NO_MAP
        if name not in self._found:
            self._found[name] = self._look_up(name)
        found = self._found[name]
        if isinstance(found, RegisterMap):
            return found
        reader.faults.append(found)
        return _NO_MAP

    def _look_up(self, name: str) -> RegisterMap | str:
        """The map of a type, or why there is none."""
        if name in self._maps.maps:
            return self._maps.maps[name]
        if name in self._maps.broken:
            return f"type {show_cell(name)}: none of its rows in registers can be used"
        try:
            profile = self._find_map(name)
        except SettingsError as fault:
            return f"type {show_cell(name)}: " + "; ".join(str(fault).splitlines())
        if profile is not None:
            return profile
        known = (*self._maps.maps, *self._rules.list_types())
        return (
            f"type {show_cell(name)} is unknown: there are no rows for it in registers and no "
            f"profile of that name; {suggest(name, known)}"
        )

    def _read_device(
        self, reader: RowReader, name: str, found: RegisterMap, groups: tuple[PollGroup, ...]
    ) -> Device:
        kind = reader.read_choice("kind", tuple(one.value for one in DeviceKind))
        is_production = reader.read_flag("is_production")
        parent = reader.read_text("parent", max_length=128)
        if parent == name:
            reader.faults.append(f"parent {show_cell(parent)}: a device cannot be above itself")
        return Device(
            id=name,
            site=self._read_site(reader),
            name=reader.read_text("description") or name,
            kind=found.kind if kind is None else DeviceKind(kind),
            parent=parent,
            rating_w=reader.read_number("rating_w", above=0),
            interval_s=max(typical_interval_s(group.schedule) for group in groups),
            is_production=found.is_production if is_production is None else is_production,
            is_direction_swapped=reader.read_flag("is_direction_swapped") or False,
            rollover_wh=found.rollover_wh,
        )

    def _read_site(self, reader: RowReader) -> str:
        site = reader.read_text("site", max_length=128) or self._places.own.id
        if site != self._places.own.id and site not in self._places.sites:
            known = ", ".join((self._places.own.id, *self._places.sites))
            reader.faults.append(f"site {show_cell(site)} is unknown; there is {known}")
        return site


def _group(found: RegisterMap, schedule: str, places: Places) -> tuple[PollGroup, ...]:
    """The registers of a map by when they are read."""
    grouped: dict[str, set[str]] = {schedule: set()}
    for register in found.registers:
        grouped.setdefault(_schedule_of(register, schedule, places), set()).add(register.quantity)
    return tuple(
        PollGroup(when, frozenset(quantities))
        for when, quantities in grouped.items()
        if quantities or not found.registers
    )


def _schedule_of(register: Register, schedule: str, places: Places) -> str:
    """A profile may name a poll group that nobody made: its registers are read with the others."""
    if register.poll is None:
        return schedule
    try:
        return places.find_schedule(register.poll)
    except SettingsError:
        return schedule


def _find_rings(meters: Iterable[Meter]) -> list[str]:
    """Devices that stand above themselves in the tree."""
    parents = {one.device.id: one.device.parent for one in meters}
    rings = []
    for start, parent in parents.items():
        above, n_steps = parent, 0
        while above is not None and above != start and n_steps <= len(parents):
            above, n_steps = parents.get(above), n_steps + 1
        if above == start:
            rings.append(start)
    return rings
