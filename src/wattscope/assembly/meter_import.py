"""Tables of the meter book from and to CSV: bad rows are named and left out, the others go in.

Importing the same file again changes nothing: a meter is known by its column ``device``, else by
host, port and unit; a register by its type and measurement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from wattscope.assembly.meter_desk import BookDesk, Look, next_number
from wattscope.compute.modbus.endpoint_rows import name_meter
from wattscope.compute.modbus.map_rows import is_map_table, parse_map_rows
from wattscope.compute.modbus.meter_rows import BookRows, name_rows
from wattscope.compute.modbus.register_rows import name_register
from wattscope.compute.modbus.row_csv import CsvRow, format_rows, parse_rows
from wattscope.compute.modbus.row_reader import Row, tidy_row
from wattscope.core.errors import RowError
from wattscope.registry.meter_book import BookChange, BookTable, column_kinds
from wattscope.registry.meter_tables import METER_COLUMNS, REGISTER_COLUMNS

_COLUMNS: Final = {BookTable.METERS: METER_COLUMNS, BookTable.REGISTERS: REGISTER_COLUMNS}
_NEEDED: Final = {
    BookTable.METERS: ("host", "type"),
    BookTable.REGISTERS: ("type", "register_address", "measurement_name", "function_code"),
}
_LABELS: Final = {BookTable.METERS: name_meter, BookTable.REGISTERS: name_register}


@dataclass(slots=True)
class ImportOutcome:
    """What became of the rows of a file."""

    n_added: int = 0
    n_changed: int = 0
    n_known: int = 0
    """Rows that are there already as they are."""
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Line and reason of each row that was left out."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A row of the file as it would stand in the table."""

    line: int
    row: dict[str, Any]
    older: Row | None
    """What it takes the place of."""


def import_csv(desk: BookDesk, table: BookTable, text: str) -> ImportOutcome:
    """Put the rows of a CSV text into a table, in one transaction.

    Registers may also come as a list such as vendors give: ``device,address,measurement,...``.

    Raises:
        SettingsError: The header cannot be meant.
        TransientError: The database cannot be reached; nothing was changed.
    """
    if table is BookTable.REGISTERS and is_map_table(text):
        rows = parse_map_rows(text)
    else:
        rows = parse_rows(text, _COLUMNS[table], _NEEDED[table])
    return import_rows(desk, table, rows)


def import_rows(desk: BookDesk, table: BookTable, rows: Sequence[CsvRow]) -> ImportOutcome:
    """As ``import_csv``, of rows that were read already."""
    outcome = ImportOutcome()
    before = desk.look()
    candidates = _place(table, before, rows, outcome)
    while True:
        after = _with(before.rows, table, candidates)
        found = desk.source.build(after).faults
        labels = {
            one.row: one.reason for one in found if one.table == table.value and not one.is_warning
        }
        bad = [one for one in candidates if _LABELS[table](one.row) in labels]
        outcome.refused += [(one.line, labels[_LABELS[table](one.row)]) for one in bad]
        candidates = [one for one in candidates if one not in bad]
        if not bad:
            break
    _write(desk, table, candidates, after, outcome)
    outcome.refused.sort()
    return outcome


def export_csv(desk: BookDesk, table: BookTable, type_: str | None = None) -> tuple[str, int]:
    """A table as CSV, with the number of its rows.

    Args:
        desk: The book.
        table: Meters or registers.
        type_: Only rows of this type.
    """
    look = desk.look()
    rows = _rows_of(look.rows, table)
    if table is BookTable.METERS:
        rows = [{**row, "device": name} for row, name in zip(rows, look.names, strict=True)]
    chosen = [row for row in rows if type_ is None or row.get("type") == type_]
    kinds = column_kinds(table)
    return format_rows(_COLUMNS[table], [_tidy(row, kinds) for row in chosen]), len(chosen)


def _tidy(row: Row, kinds: Mapping[str, tuple[type, int | None]]) -> Row:
    """The cells in the types of their columns; as they are where somebody put in another."""
    try:
        return tidy_row({name: row[name] for name in kinds if name in row}, kinds)
    except RowError:
        return row


def _place(
    table: BookTable, before: Look, rows: Sequence[CsvRow], outcome: ImportOutcome
) -> list[_Candidate]:
    """The rows of a file, each over the row of the table that it changes, or behind all."""
    kinds = column_kinds(table)
    present = _index(table, before)
    number = next_number(_rows_of(before.rows, table))
    lines: dict[int, int] = {}
    candidates = []
    for one in rows:
        if one.fault is not None:
            outcome.refused.append((one.line, one.fault))
            continue
        try:
            tidy = tidy_row(one.cells, kinds)
        except RowError as fault:
            outcome.refused.append((one.line, str(fault)))
            continue
        older = next((present[key] for key in _keys(table, tidy) if key in present), None)
        blank = dict.fromkeys(_COLUMNS[table])
        row = {**blank, **(older or {"id": number}), **tidy}
        if table is BookTable.METERS and older is not None and not tidy.get("device"):
            row["device"] = older["device"]
        if row["id"] in lines:
            outcome.refused.append((one.line, f"is the same as line {lines[row['id']]}"))
            continue
        lines[row["id"]] = one.line
        candidates.append(_Candidate(one.line, row, older))
        if older is None:
            number += 1
            present |= dict.fromkeys(_keys(table, row), row)
    return candidates


def _index(table: BookTable, before: Look) -> dict[tuple[Any, ...], Row]:
    """The rows that are there by all that they are known by."""
    if table is BookTable.METERS:
        named = zip(before.rows.meters, before.names, strict=True)
        rows: list[Row] = [{**row, "device": name} for row, name in named]
    else:
        rows = list(before.rows.registers)
    return {key: row for row in rows for key in _keys(table, row)}


def _keys(table: BookTable, row: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """What a row is known by, the surest first."""
    if table is BookTable.REGISTERS:
        return [(row.get("type"), row.get("measurement_name"))]
    place = tuple(row.get(one) for one in ("host", "port", "slave_address"))
    device = row.get("device")
    return [place] if device is None else [("device", device), place]


def _rows_of(rows: BookRows, table: BookTable) -> Sequence[Row]:
    return rows.meters if table is BookTable.METERS else rows.registers


def _with(rows: BookRows, table: BookTable, candidates: Sequence[_Candidate]) -> BookRows:
    changed = {one.row["id"]: one.row for one in candidates}
    listed = [changed.pop(row.get("id"), row) for row in _rows_of(rows, table)]
    listed += changed.values()
    if table is BookTable.METERS:
        return replace(rows, meters=listed)
    return replace(rows, registers=listed)


def _write(
    desk: BookDesk,
    table: BookTable,
    candidates: Sequence[_Candidate],
    after: BookRows,
    outcome: ImportOutcome,
) -> None:
    names = {}
    if table is BookTable.METERS:
        named = name_rows(after.meters, desk.source.settings_meters)
        names = {row.get("id"): name for row, name in zip(after.meters, named, strict=True)}
    changes = []
    for one in candidates:
        values = {name: one.row.get(name) for name in _COLUMNS[table]}
        if one.older is None:
            if table is BookTable.METERS:
                values["device"] = names[one.row["id"]]
            outcome.n_added += 1
            changes.append(BookChange(table, None, values))
        elif any(values[name] != one.older.get(name) for name in values):
            outcome.n_changed += 1
            changes.append(BookChange(table, one.older["id"], values))
        else:
            outcome.n_known += 1
    desk.source.book.apply(changes)
