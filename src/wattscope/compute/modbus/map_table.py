"""Register maps as a table: rows of registers, as CSV from a spreadsheet or a database.

Two forms are known, and either may have the columns of the other::

    type,register_address,measurement_name,data_unit,data_type,function_code
    sdm630,0,voltageL1,V,3,4                             data_type 1 int16, 2 int32, 3 float32

    device,description,function_code,address,registers,measurement,unit,data_type,scale
    SDM,Eastron SDM630,4,0,2,VoltageL1,V,float32,1.0     or float32_wordswap, low register first

Further columns: ``offset``, ``order`` (ABCD CDAB BADC DCBA), ``word_order`` and ``byte_order``
(1 little, 2 big), ``missing`` (bit patterns apart by blanks), ``poll`` and ``kind``. Cells are
apart by comma, semicolon or tab; numbers may be written as 0x5000 and, between semicolons, as 0,1.
A table without a column for the type describes one type, named as its file.

Parsing reads no file, lists the faults of all lines at once, and names the nearest valid column.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from wattscope.compute.decode.table_reader import suggest
from wattscope.compute.modbus.map_file import parse_register_map
from wattscope.core.errors import SettingsError
from wattscope.core.registers import RegisterMap, RegisterType
from wattscope.core.topology import is_safe_name

_COLUMNS: Final = {
    "type": "type",
    "device": "type",
    "description": "title",
    "title": "title",
    "kind": "kind",
    "register_address": "address",
    "address": "address",
    "measurement_name": "measurement",
    "measurement": "measurement",
    "quantity": "measurement",
    "data_unit": "unit",
    "unit": "unit",
    "data_type": "data_type",
    "function_code": "function",
    "function": "function",
    "registers": "n_registers",
    "scale": "scale",
    "factor": "scale",
    "offset": "offset",
    "order": "order",
    "byte_order": "byte_order",
    "word_order": "word_order",
    "missing": "missing",
    "sentinel": "missing",
    "poll": "poll",
    "poll_group": "poll",
}
_LEFT_OUT: Final = ("id", "address_hex", "comment", "note")
"""Columns that say nothing of their own."""
_NEEDED: Final = ("address", "measurement", "data_type", "function")
_NUMBERED_TYPES: Final = {"1": "int16", "2": "int32", "3": "float32"} | {
    "int": "int16",
    "long": "int32",
    "float": "float32",
}
"""What the columns of the older table mean."""
_SWAPPED: Final = "_wordswap"
_ORDERS: Final = {("big", "big"): "ABCD", ("little", "big"): "CDAB"} | {
    ("big", "little"): "BADC",
    ("little", "little"): "DCBA",
}
_ENDS: Final = {"1": "little", "little": "little", "2": "big", "big": "big", "": "big"}
_DELIMITERS: Final = ",;\t|"
_INTEGER: Final = re.compile(r"0[xX][0-9A-Fa-f]{1,16}|[0-9]{1,20}(?:\.0+)?")
_MAX_FAULTS: Final = 20

Row = tuple[int, Mapping[str, str]]
"""Line in the text, from 1, and cells by the words of ``_COLUMNS``."""


def parse_map_table(name: str, text: str) -> tuple[RegisterMap, ...]:
    """The register maps of a table, one for each type that it names, in the order of its rows.

    Args:
        name: The file's name without its ending; the type where no column names one.
        text: The whole table with its header.

    Raises:
        SettingsError: Anything is wrong; the faults are listed with their lines.

    >>> [sdm630] = parse_map_table("meters", '''
    ... type,register_address,measurement_name,data_unit,data_type,function_code
    ... sdm630,52,activePower,W,3,4''')
    >>> sdm630.name, sdm630.registers[0].quantity, sdm630.registers[0].type.value
    ('sdm630', 'active_power_w', 'float32')
    """
    reader = _TableText(name, text)
    maps = [reader.build_map(one, table) for one, table in reader.read_tables().items()]
    reader.raise_faults()
    return tuple(maps)


def read_map_tables(name: str, text: str) -> dict[str, dict[str, Any]]:
    """The same as ``parse_map_table`` before their meaning is looked at.

    Returns:
        For each type what ``parse_register_map`` takes: the table of a TOML file.

    Raises:
        SettingsError: The text is no such table, or one of its cells cannot be read.
    """
    reader = _TableText(name, text)
    tables = reader.read_tables()
    reader.raise_faults()
    return tables


class _TableText:
    """Reads one text and gathers what is wrong with it."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text.removeprefix("\ufeff")
        self._lines: dict[tuple[str, str], int] = {}
        """In which line each measurement of a type stands."""
        self._faults: list[str] = []
        self._has_decimal_comma = False

    def raise_faults(self) -> None:
        """End here when anything was wrong."""
        if not self._faults:
            return
        more = len(self._faults) - _MAX_FAULTS
        shown = [*self._faults[:_MAX_FAULTS], *([f"and {more} more faults"] if more > 0 else [])]
        raise SettingsError(shown, where=f"table {self._name}")

    def read_tables(self) -> dict[str, dict[str, Any]]:
        """What a TOML file of each type would tell; without the rows that have faults."""
        tables: dict[str, dict[str, Any]] = {}
        for line, cells in self._read_rows():
            kind = cells.get("type", "") or self._name
            if not is_safe_name(kind):
                self._faults.append(f"line {line}: {kind!r} is no name of a type")
                continue
            table = tables.setdefault(kind, {"title": kind, "protocol": "modbus", "registers": {}})
            if cells.get("title") and table["title"] == kind:
                table["title"] = cells["title"]
            table.setdefault("kind", cells.get("kind") or "meter")
            measurement = cells.get("measurement", "")
            if (kind, measurement) in self._lines:
                first = self._lines[kind, measurement]
                self._faults.append(f"line {line}: {kind} has {measurement!r} in line {first}, too")
                continue
            entry = self._read_register(line, cells)
            if entry is not None:
                self._lines[kind, measurement] = line
                table["registers"][measurement] = entry
        if not tables and not self._faults:
            self._faults.append("has no rows below its header")
        return tables

    def build_map(self, kind: str, table: dict[str, Any]) -> RegisterMap:
        """The map of one type; an empty one when its rows have no sound meaning."""
        if not table["registers"]:
            return RegisterMap(kind, kind, ())
        try:
            return parse_register_map(kind, table)
        except SettingsError as fault:
            self._faults += [self._place(kind, one) for one in fault.faults]
            return RegisterMap(kind, kind, ())

    def _place(self, kind: str, fault: str) -> str:
        """A fault of the map with the line that is to blame."""
        for (owner, measurement), line in self._lines.items():
            head = f"registers.{measurement}"
            if owner == kind and fault.startswith((f"{head}.", f"{head}:")):
                return f"line {line}: {measurement}{fault[len(head) :]}"
        return f"{kind}: {fault}"

    def _read_rows(self) -> Iterator[Row]:
        """Rows with cells by column; nothing when the header is not one."""
        if not self._text.strip():
            self._faults.append("is empty")
            return
        head = next(line for line in self._text.splitlines() if line.strip())
        delimiter = max(_DELIMITERS, key=head.count)
        self._has_decimal_comma = delimiter != ","
        rows = csv.reader(io.StringIO(self._text, newline=""), delimiter=delimiter)
        columns: list[str] | None = None
        try:
            for row in rows:
                cells = [cell.strip() for cell in row]
                if not any(cells) or cells[0].startswith("#"):
                    continue
                if columns is None:
                    columns = self._read_header(cells)
                    if columns is None:
                        return
                elif len(cells) != len(columns):
                    said = f"{len(cells)} cells instead of {len(columns)}"
                    self._faults.append(f"line {rows.line_num}: {said}")
                else:
                    yield rows.line_num, dict(zip(columns, cells, strict=True))
        except csv.Error as fault:
            self._faults.append(f"line {rows.line_num}: is no row of a table ({fault})")

    def _read_header(self, cells: Sequence[str]) -> list[str] | None:
        """What each column means."""
        columns = []
        for cell in cells:
            word = re.sub(r"[^a-z0-9]+", "_", cell.lower()).strip("_")
            if word in _LEFT_OUT:
                columns.append(word)
            elif word in _COLUMNS:
                columns.append(_COLUMNS[word])
            else:
                self._faults.append(
                    f"column {cell[:40]!r}: unknown; {suggest(word, tuple(_COLUMNS))}"
                )
        self._faults += [
            f"column {one}: there is more than one of its meaning"
            for one in sorted(set(columns))
            if columns.count(one) > 1
        ]
        spellings = {one: [w for w, meant in _COLUMNS.items() if meant == one] for one in _NEEDED}
        self._faults += [
            f"column {' or '.join(spellings[one])}: missing"
            for one in _NEEDED
            if one not in columns
        ]
        return None if self._faults else columns

    def _read_register(self, line: int, cells: Mapping[str, str]) -> dict[str, Any] | None:
        """The entry of one register; None when a cell cannot be read."""
        faults: list[str] = []
        entry: dict[str, Any] = {}
        if not cells["measurement"]:
            faults.append("the measurement has no name")
        for word in ("address", "function"):
            number = _read_integer(cells[word])
            if number is None:
                faults.append(f"{word} {cells[word]!r} is no integer such as 20480 or 0x5000")
            else:
                entry[word] = number
        entry |= _read_layout(cells, faults)
        entry["unit"] = cells.get("unit", "")
        for word in ("scale", "offset"):
            cell = cells.get(word, "")
            if cell:
                entry[word] = self._read_number(word, cell, faults)
        if cells.get("missing"):
            entry["missing"] = _read_patterns(cells["missing"], faults)
        if cells.get("poll"):
            entry["poll"] = cells["poll"]
        self._faults += [f"line {line}: {fault}" for fault in faults]
        return None if faults else entry

    def _read_number(self, word: str, cell: str, faults: list[str]) -> float:
        written = cell.replace(",", ".") if self._has_decimal_comma else cell
        try:
            return float(written)
        except ValueError:
            faults.append(f"{word} {cell[:40]!r} is no number")
            return 1.0


def _read_integer(cell: str) -> int | None:
    if _INTEGER.fullmatch(cell) is None:
        return None
    return int(cell, 16) if cell[:2] in {"0x", "0X"} else int(cell.partition(".")[0])


def _read_patterns(cell: str, faults: list[str]) -> list[int]:
    patterns = [_read_integer(one) for one in cell.split()]
    if None in patterns:
        faults.append(f"missing {cell[:40]!r} is no list of bit patterns such as 0x8000 0x7FFF")
    return [one for one in patterns if one is not None]


def _read_layout(cells: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    """Type and order of bytes of a value."""
    word = cells["data_type"].lower()
    is_swapped = word.endswith(_SWAPPED)
    plain = word.removesuffix(_SWAPPED)
    kind = _NUMBERED_TYPES.get(plain, plain)
    valid = tuple(one.value for one in RegisterType)
    if kind not in valid:
        known = (*valid, *_NUMBERED_TYPES)
        faults.append(f"data_type {cells['data_type'][:40]!r} is unknown; {suggest(kind, known)}")
        return {}
    width, said = RegisterType(kind).n_registers, cells.get("n_registers", "")
    if said and _read_integer(said) != width:
        faults.append(f"registers {said[:40]!r}, but a {kind} takes {width}")
    order = _read_order(cells, faults)
    if is_swapped and order not in {"", "CDAB"}:
        faults.append(f"data_type {word} and byte order {order} contradict each other")
    return {"type": kind, "order": "CDAB" if is_swapped else order or "ABCD"}


def _read_order(cells: Mapping[str, str], faults: list[str]) -> str:
    """The order that a row asks for; empty when it asks for none."""
    named = cells.get("order", "").upper()
    words, within = cells.get("word_order", "").lower(), cells.get("byte_order", "").lower()
    if within.upper() in _ORDERS.values():
        named, within = named or within.upper(), ""
    if named:
        if named not in _ORDERS.values():
            faults.append(f"order {named[:40]!r} is not {', '.join(_ORDERS.values())}")
        return named
    if words not in _ENDS or within not in _ENDS:
        faults.append("word_order and byte_order are 1 (little) or 2 (big)")
        return ""
    return _ORDERS[_ENDS[words], _ENDS[within]] if words or within else ""
