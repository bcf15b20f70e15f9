"""Where settings, meter book and profiles become the fleet that is polled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import structlog

from wattscope.compute.modbus.map_file import is_register_map, parse_register_map
from wattscope.compute.modbus.meter_rows import BookRows, FleetRules, build_fleet
from wattscope.compute.modbus.place_rows import read_places
from wattscope.compute.modbus.register_rows import read_register_rows
from wattscope.core.errors import SettingsError, WattscopeError
from wattscope.core.fleet import Fleet, RowFault
from wattscope.core.registers import RegisterMap
from wattscope.core.topology import Site
from wattscope.registry.meter_book import MeterBook, open_book
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.settings import MeterSettings, Settings, SourceSettings
from wattscope.stores.folder import DataFolder

LOOK_EVERY_S: Final = 1.0
"""How often the tables are looked at [s]."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FleetSource:
    """What rows need to become a fleet."""

    book: MeterBook
    find_map: Callable[[str], RegisterMap | None]
    list_types: Callable[[], tuple[str, ...]]
    """Names of all profiles of Modbus meters."""
    rules: FleetRules
    settings_meters: tuple[Mapping[str, Any], ...]
    """Meters of the settings, in the columns of ``energy_meters``."""

    def build(self, rows: BookRows) -> Fleet:
        """The fleet of some rows."""
        return build_fleet(rows, self.find_map, self.rules, self.settings_meters)

    def read_sql_maps(self, rows: BookRows) -> dict[str, RegisterMap]:
        """The types that the table ``registers`` describes."""
        places = read_places(rows.sites, rows.groups, self.rules.site)
        return read_register_rows(rows.registers, places).maps


class FleetReader:
    """Gives the fleet as it is now; for one or more threads.

    Always: the same object while nothing changed; the last good fleet while the database is away,
    with a fault that says so.
    """

    def __init__(
        self, source: FleetSource, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._rows: BookRows | None = None
        self._good: Fleet | None = None
        self._shown: Fleet | None = None
        self._next_look_s = 0.0
        self._said: frozenset[RowFault] = frozenset()

    def read(self) -> Fleet:
        """Settings and tables as a fleet; looks into the database at most once a second."""
        with self._lock:
            now_s = self._monotonic_s()
            if self._shown is None or now_s >= self._next_look_s:
                self._shown = self._look(self._shown)
                self._next_look_s = self._monotonic_s() + LOOK_EVERY_S
            return self._shown

    def _look(self, shown: Fleet | None) -> Fleet:
        try:
            rows = self._source.book.read_rows()
        except WattscopeError as fault:
            away = RowFault("meter book", self._source.book.where, str(fault))
            good = self._good or self._source.build(BookRows())
            self._rows = None
            found = replace(good, faults=(*good.faults, away))
        else:
            if rows is self._rows and self._good is not None:
                return self._good
            found = self._source.build(rows)
            self._rows = rows
            found = self._good if self._good is not None and found == self._good else found
            self._good = found
        self._tell(found)
        return shown if shown == found and shown is not None else found

    def _tell(self, fleet: Fleet) -> None:
        """Log each fault when it appears, and that it is gone."""
        faults = frozenset(fleet.faults)
        for fault in fleet.faults:
            if fault not in self._said:
                words = "meter book row warning" if fault.is_warning else "meter book row left out"
                _log.warning(words, table=fault.table, row=fault.row, reason=fault.reason)
        for fault in self._said - faults:
            _log.info("meter book fault gone", table=fault.table, row=fault.row)
        self._said = faults


def register_fleet(registry: SqlRegistry, fleet: Fleet) -> None:
    """Put places and devices of a fleet into the registry; nothing is written when all is there.

    A meter that is no longer in the fleet stays in the registry, for its readings do.
    """
    for site in fleet.sites:
        registry.put_site(site)
    registry.put_devices([(meter.device, ()) for meter in fleet.meters])


def find_modbus_source(settings: Settings) -> SourceSettings | None:
    """The source that polls the meters, if there is one."""
    return next((one for one in settings.sources if one.type == "modbus"), None)


def build_fleet_source(settings: Settings, folder: Path, library: ProfileLibrary) -> FleetSource:
    """What is needed to read the fleet of a data folder; the database is asked for nothing yet.

    Raises:
        SettingsError: [registry] is wrong, or needs an extra that is not installed.
    """
    source = find_modbus_source(settings) or SourceSettings(type="modbus")
    list_types = cache(partial(_list_types, library))
    return FleetSource(
        book=open_settings_book(settings, folder),
        find_map=partial(_find_map, library),
        list_types=list_types,
        rules=FleetRules(build_site(settings), source.poll, list_types),
        settings_meters=tuple(_row_of(one) for one in settings.meters),
    )


def open_settings_book(settings: Settings, folder: Path) -> MeterBook:
    """The meter book that the settings name.

    Raises:
        SettingsError: [registry] is wrong, or needs an extra that is not installed.
    """
    wanted, password = settings.registry, None
    if wanted.password_file is not None:
        try:
            password = Path(wanted.password_file).read_text(encoding="utf-8").splitlines()[0]
        except (OSError, IndexError, UnicodeDecodeError) as fault:
            raise SettingsError(
                f"registry.password_file: {wanted.password_file} cannot be read ({fault})"
            ) from fault
    return open_book(DataFolder(folder).meters, wanted.url, password, has_example=wanted.example)


def build_site(settings: Settings) -> Site:
    """The site of the settings."""
    site = settings.site
    return Site(site.id, site.name, site.time_zone, site.currency, site.latitude, site.longitude)


def _row_of(meter: MeterSettings) -> dict[str, Any]:
    """A meter of the settings in the columns of ``energy_meters``."""
    return {
        "id": meter.id,
        "device": meter.id,
        "host": meter.host,
        "port": meter.port,
        "slave_address": meter.unit,
        "type": meter.type,
        "description": meter.name,
        "kind": meter.kind,
        "parent": meter.parent,
        "rating_w": meter.rating_w,
        "is_production": meter.is_production,
        "is_direction_swapped": meter.is_direction_swapped,
        "framing": meter.framing,
        "baud": meter.baud,
        "parity": meter.parity,
        "stop_bits": meter.stop_bits,
        "poll": meter.poll,
        "timeout_s": meter.timeout_s,
    }


def _find_map(library: ProfileLibrary, name: str) -> RegisterMap | None:
    if name not in library.names():
        return None
    table = library.read(name)
    return parse_register_map(name, table) if is_register_map(table) else None


def _list_types(library: ProfileLibrary) -> tuple[str, ...]:
    """Profiles that describe registers; a damaged one is left out here, and named where used."""
    found = []
    for name in library.names():
        try:
            table = library.read(name)
        except SettingsError:
            continue
        if is_register_map(table):
            found.append(name)
    return tuple(found)
