"""Rows of the tables ``sites`` and ``poll_groups``: where meters are, and when they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final

from wattscope.compute.modbus.row_reader import Row, RowReader, show_cell
from wattscope.compute.poll_schedule import parse_schedule
from wattscope.core.errors import QueryError, SettingsError
from wattscope.core.fleet import RowFault
from wattscope.core.time_grid import load_zone
from wattscope.core.topology import Site, is_safe_name

SITES: Final = "sites"
POLL_GROUPS: Final = "poll_groups"


@dataclass(frozen=True, slots=True)
class Places:
    """What rows of meters may refer to."""

    own: Site
    """The site of the settings; of all meters that name no other."""
    sites: Mapping[str, Site]
    """By id, without ``own``."""
    zones: Mapping[str, tzinfo]
    """By the id of the site."""
    groups: Mapping[str, str]
    """Name of a poll group to its schedule."""
    faults: tuple[RowFault, ...]

    def find_schedule(self, text: str) -> str:
        """The schedule that a cell tells, be it one itself or the name of a poll group.

        Raises:
            SettingsError: It is neither.
        """
        if text in self.groups:
            return self.groups[text]
        try:
            parse_schedule(text, UTC)
        except SettingsError as fault:
            known = ", ".join(sorted(self.groups)) or "there are none"
            raise SettingsError(f"{fault}; nor is it a poll group ({known})") from fault
        return text


def read_places(sites: Sequence[Row], groups: Sequence[Row], own: Site) -> Places:
    """The usable rows of both tables, and what is wrong with the others.

    Args:
        sites: Rows of ``sites``.
        groups: Rows of ``poll_groups``.
        own: The site of the settings; a row of the same id is a fault.
    """
    faults: list[RowFault] = []
    found: dict[str, Site] = {}
    for row in sites:
        site = _read_site(row, own, faults)
        if site is not None:
            found[site.id] = site
    schedules: dict[str, str] = {}
    for row in groups:
        group = _read_group(row, faults)
        if group is not None:
            schedules[group[0]] = group[1]
    zones = {one.id: load_zone(one.time_zone) for one in (own, *found.values())}
    return Places(own, found, zones, schedules, tuple(faults))


def _read_site(row: Row, own: Site, faults: list[RowFault]) -> Site | None:
    reader = RowReader(row)
    reader.need("id", "a name of letters, digits, - and _")
    name = reader.read_text("id", max_length=128) or ""
    if name and not is_safe_name(name):
        reader.faults.append(f"id {show_cell(name)} is no name; use letters, digits, - and _")
    if name == own.id:
        reader.faults.append("is described by [site] of the settings; change it there")
    zone = reader.read_text("time_zone") or own.time_zone
    try:
        load_zone(zone)
    except QueryError as fault:
        reader.faults.append(str(fault))
    site = Site(
        id=name,
        name=reader.read_text("name") or name,
        time_zone=zone,
        currency=reader.read_text("currency", max_length=8) or own.currency,
        latitude=_read_degrees(reader, "latitude", 90),
        longitude=_read_degrees(reader, "longitude", 180),
    )
    if reader.faults:
        faults.append(RowFault(SITES, show_cell(row.get("id")), "; ".join(reader.faults)))
        return None
    return site


def _read_degrees(reader: RowReader, column: str, bound: int) -> float | None:
    number = reader.read_number(column)
    if number is not None and abs(number) > bound:
        reader.faults.append(f"{column} {number:g} is not between -{bound} and {bound}")
    return number


def _read_group(row: Row, faults: list[RowFault]) -> tuple[str, str] | None:
    reader = RowReader(row)
    reader.need("name", "a name of letters, digits, - and _")
    reader.need("schedule", "an interval such as 10s, or a cron expression")
    name, schedule = reader.read_text("name", max_length=64), reader.read_text("schedule")
    if name is not None and not is_safe_name(name):
        reader.faults.append(f"name {show_cell(name)} is no name; use letters, digits, - and _")
    if schedule is not None:
        try:
            parse_schedule(schedule, UTC)
        except SettingsError as fault:
            reader.faults.append(str(fault))
    if reader.faults or name is None or schedule is None:
        where = show_cell(row.get("name"))
        faults.append(RowFault(POLL_GROUPS, where, "; ".join(reader.faults)))
        return None
    return name, schedule
