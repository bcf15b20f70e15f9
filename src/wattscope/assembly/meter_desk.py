"""Where the meter book is edited, by command line and API: looked at first, then written.

A change is tried on the rows in memory. When it would have a row left out, be it its own or
another, nothing is written and the reason is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wattscope.assembly.meter_fleet import FleetSource
from wattscope.compute.modbus.endpoint_rows import name_meter
from wattscope.compute.modbus.meter_rows import (
    ENERGY_METERS,
    BookRows,
    name_rows,
)
from wattscope.compute.modbus.register_rows import REGISTERS, name_register
from wattscope.compute.modbus.row_reader import Row, show_cell, tidy_row
from wattscope.core.errors import QueryError, RowError, SettingsError, UnknownNameError
from wattscope.core.fleet import Fleet
from wattscope.core.registers import RegisterMap
from wattscope.registry.meter_book import BookChange, BookTable, column_kinds, key_column
from wattscope.registry.meter_tables import METER_COLUMNS, REGISTER_COLUMNS


@dataclass(frozen=True, slots=True)
class Look:
    """The book, and what becomes of it."""

    rows: BookRows
    names: tuple[str, ...]
    """The device id of each row of ``energy_meters``."""
    fleet: Fleet

    def find_fault(self, table: str, label: str) -> str | None:
        """Why a row is left out."""
        return next(
            (
                one.reason
                for one in self.fleet.faults
                if (one.table, one.row) == (table, label) and not one.is_warning
            ),
            None,
        )


class BookDesk:
    """Looks at and changes the meter book, beside whoever else does."""

    def __init__(self, source: FleetSource) -> None:
        self.source = source

    @property
    def where(self) -> str:
        """What names the database, without a password."""
        return self.source.book.where

    @property
    def kind(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.source.book.kind

    def look(self) -> Look:
        """The book at this moment.

        Raises:
            TransientError: The database cannot be reached.
            StorageError: It is damaged, or of a newer version.
        """
        return self.judge(self.source.book.read_rows())

    def judge(self, rows: BookRows) -> Look:
        """What becomes of some rows."""
        names = name_rows(rows.meters, self.source.settings_meters)
        return Look(rows, tuple(names), self.source.build(rows))

    def add_meter(self, cells: Row) -> str:
        """Put a meter in; its device id.

        Raises:
            RowError: It cannot be meant, or contradicts another.
        """
        before = self.look()
        row = _blank(METER_COLUMNS) | self._tidy(BookTable.METERS, cells)
        row["id"] = next_number(before.rows.meters)
        rows = replace(before.rows, meters=(*before.rows.meters, row))
        name = self._check(before, rows, ENERGY_METERS, name_meter(row)).names[-1]
        # The name stays what it is now, whatever rows come and go.
        values = {**row, "device": name}
        del values["id"]
        self.source.book.apply([BookChange(BookTable.METERS, None, values)])
        return name

    def put_meter(self, name: str, cells: Row) -> str:
        """Write a meter anew; its device id, which the cells may change.

        Raises:
            UnknownNameError: There is none of this id.
            QueryError: It is described in the settings.
            RowError: As ``add_meter``.
        """
        before = self.look()
        place = self._find(before, name)
        older = before.rows.meters[place]
        row = _blank(METER_COLUMNS) | {"device": name} | self._tidy(BookTable.METERS, cells)
        row = {**older, **row, "device": row["device"] or name}
        meters = (*before.rows.meters[:place], row, *before.rows.meters[place + 1 :])
        rows = replace(before.rows, meters=meters)
        renamed = self._check(before, rows, ENERGY_METERS, name_meter(row)).names[place]
        self._write(BookTable.METERS, row)
        return renamed

    def remove_meter(self, name: str) -> None:
        """Take a meter out; what it told stays.

        Raises:
            UnknownNameError: There is none of this id.
            QueryError: It is described in the settings.
        """
        before = self.look()
        row = before.rows.meters[self._find(before, name)]
        self.source.book.apply([BookChange(BookTable.METERS, row["id"], None)])

    def add_register(self, cells: Row) -> int:
        """Put a register in; its number.

        Raises:
            RowError: It cannot be meant, or its type tells this quantity already.
        """
        before = self.look()
        row = _blank(REGISTER_COLUMNS) | self._tidy(BookTable.REGISTERS, cells)
        row["id"] = next_number(before.rows.registers)
        rows = replace(before.rows, registers=(*before.rows.registers, row))
        self._check(before, rows, REGISTERS, name_register(row))
        values = {name: cell for name, cell in row.items() if name != "id"}
        [number] = self.source.book.apply([BookChange(BookTable.REGISTERS, None, values)])
        return int(number)

    def put_register(self, number: int, cells: Row) -> None:
        """Write a register anew.

        Raises:
            UnknownNameError: There is none of this number.
            RowError: As ``add_register``.
        """
        before = self.look()
        tidy = _blank(REGISTER_COLUMNS) | self._tidy(BookTable.REGISTERS, cells)
        row = {**_find_key(before.rows.registers, "id", number, REGISTERS), **tidy}
        registers = tuple(row if one["id"] == number else one for one in before.rows.registers)
        rows = replace(before.rows, registers=registers)
        self._check(before, rows, REGISTERS, name_register(row))
        self._write(BookTable.REGISTERS, row)

    def remove_registers(self, numbers: Sequence[int]) -> None:
        """Take registers out.

        Raises:
            UnknownNameError: One is not there; nothing was changed.
            RowError: A meter would be left without any.
        """
        before = self.look()
        for number in numbers:
            _find_key(before.rows.registers, "id", number, REGISTERS)
        kept = tuple(one for one in before.rows.registers if one["id"] not in set(numbers))
        self._check(before, replace(before.rows, registers=kept), REGISTERS, "")
        self.source.book.apply([BookChange(BookTable.REGISTERS, one, None) for one in numbers])

    def put_group(self, name: str, schedule: str) -> None:
        """Make a poll group, or give it another schedule.

        Raises:
            RowError: The name or the schedule is none.
        """
        before = self.look()
        row = self._tidy(BookTable.GROUPS, {"name": name, "schedule": schedule})
        others = [one for one in before.rows.groups if one["name"] != name]
        is_new = len(others) == len(before.rows.groups)
        rows = replace(before.rows, groups=(*others, row))
        self._check(before, rows, BookTable.GROUPS.value, show_cell(name))
        self.source.book.apply([BookChange(BookTable.GROUPS, None if is_new else name, row)])

    def remove_group(self, name: str) -> None:
        """Take a poll group out.

        Raises:
            UnknownNameError: There is none of this name.
            RowError: A meter or a register names it.
        """
        before = self.look()
        _find_key(before.rows.groups, "name", name, "poll_groups")
        others = tuple(one for one in before.rows.groups if one["name"] != name)
        self._check(before, replace(before.rows, groups=others), BookTable.GROUPS.value, "")
        self.source.book.apply([BookChange(BookTable.GROUPS, name, None)])

    def list_maps(self, look: Look) -> list[tuple[RegisterMap, str]]:
        """Every type that a meter may have, with where it is described, by name."""
        sql_types = {str(row.get("type")) for row in look.rows.registers}
        maps: dict[str, tuple[RegisterMap, str]] = {}
        for name in self.source.list_types():
            profile = self._read_profile(name)
            if profile is not None and name not in sql_types:
                maps[name] = profile, "profile"
        for name, register_map in self.source.read_sql_maps(look.rows).items():
            maps[name] = register_map, "registers"
        return [maps[name] for name in sorted(maps)]

    def _read_profile(self, name: str) -> RegisterMap | None:
        try:
            return self.source.find_map(name)
        except SettingsError:
            return None

    def _find(self, look: Look, name: str) -> int:
        """The place of a meter among the rows."""
        if name in look.names:
            return look.names.index(name)
        if any(row["device"] == name for row in self.source.settings_meters):
            raise QueryError(f"meter {name!r} is described in the settings file; change it there")
        raise UnknownNameError(f"meter {name!r} does not exist; see /api/meters")

    def _check(self, before: Look, rows: BookRows, table: str, label: str) -> Look:
        """The look after a change.

        Raises:
            RowError: The changed row would be left out, or another that is not now.
        """
        after = self.judge(rows)
        own = after.find_fault(table, label)
        if own is not None:
            raise RowError(own)
        known = {(one.table, one.row) for one in before.fleet.faults}
        fresh = [
            one
            for one in after.fleet.faults
            if (one.table, one.row) not in known and not one.is_warning
        ]
        if fresh:
            raise RowError("others would be left out: " + "; ".join(map(str, fresh[:5])))
        return after

    def _tidy(self, table: BookTable, cells: Row) -> dict[str, Any]:
        kinds = column_kinds(table)
        if table in {BookTable.METERS, BookTable.REGISTERS}:
            del kinds["id"]
        return tidy_row(cells, kinds)

    def _write(self, table: BookTable, row: Row) -> None:
        key = key_column(table)
        values = {name: row.get(name) for name in column_kinds(table) if name != key}
        self.source.book.apply([BookChange(table, row[key], values)])


def next_number(rows: Sequence[Row]) -> int:
    """A number behind all that there are."""
    return 1 + max((one["id"] for one in rows if isinstance(one.get("id"), int)), default=0)


def _blank(columns: Sequence[str]) -> dict[str, Any]:
    return dict.fromkeys(columns)


def _find_key(rows: Sequence[Row], column: str, key: int | str, table: str) -> Mapping[str, Any]:
    found = next((one for one in rows if one.get(column) == key), None)
    if found is None:
        raise UnknownNameError(f"there is no row {key!r} in {table}")
    return found
