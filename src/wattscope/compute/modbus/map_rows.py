"""Tables of registers in the form of vendors' and other programs' lists, as rows of ``registers``.

What such a table may say stands in ``map_table``; here each of its rows is read by itself, so that
a bad one keeps no other from being taken.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

from wattscope.compute.modbus.map_table import read_map_tables
from wattscope.compute.modbus.register_rows import DATA_TYPES
from wattscope.compute.modbus.row_csv import CsvRow
from wattscope.core.errors import SettingsError

_NUMBERS: Final = {kind.value: number for number, kind in DATA_TYPES.items()}
_ENDS: Final = {"ABCD": (None, None), "CDAB": (1, 2), "BADC": (2, 1), "DCBA": (1, 1)}
"""Byte order to ``word_order`` and ``byte_order``: 1 little, 2 big."""
_TITLES: Final = frozenset({"device", "address", "measurement"})


def is_map_table(text: str) -> bool:
    """Whether a header is that of a list of registers rather than of our table.

    >>> is_map_table("device,description,function_code,address,measurement"), is_map_table("type,x")
    (True, False)
    """
    first = text.removeprefix("\ufeff").partition("\n")[0]
    words = {cell.strip().strip('"').lower() for cell in first.replace(";", ",").split(",")}
    return len(words & _TITLES) > 1


def parse_map_rows(text: str) -> list[CsvRow]:
    """The rows of a list of registers, in the columns of ``registers``.

    Raises:
        SettingsError: The header cannot be meant.
    """
    text = text.removeprefix("\ufeff")
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = next(reader, [])
    rows = []
    is_first = True
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        try:
            tables = read_map_tables("own", _join(delimiter, columns, cells))
        except SettingsError as fault:
            lines = [one for one in fault.faults if one.startswith("line ")]
            if is_first and not lines:
                raise SettingsError(fault.faults, where="line 1") from fault
            words = "; ".join(one.partition(": ")[2] for one in lines)
            rows.append(CsvRow(reader.line_num, {}, words))
        else:
            rows += [CsvRow(reader.line_num, row) for row in _list_rows(tables)]
        is_first = False
    return rows


def _join(delimiter: str, *lines: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _list_rows(tables: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        _row_of(kind, measurement, entry)
        for kind, table in tables.items()
        for measurement, entry in table["registers"].items()
    ]


def _row_of(kind: str, measurement: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    value_type = entry["type"]
    word_order, byte_order = _ENDS[entry["order"]]
    return {
        "type": kind,
        "register_address": entry["address"],
        "measurement_name": measurement,
        "data_unit": entry["unit"] or None,
        "data_type": _NUMBERS.get(value_type),
        "function_code": entry["function"],
        "word_order": word_order,
        "byte_order": byte_order,
        "value_type": None if value_type in _NUMBERS else value_type,
        "scale": None if entry.get("scale") in {None, 1.0} else entry["scale"],
        "value_offset": entry.get("offset") or None,
        "missing_value": ",".join(f"{one:#x}" for one in entry.get("missing", ())) or None,
        "poll_group": entry.get("poll"),
    }
