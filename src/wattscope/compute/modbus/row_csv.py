"""Tables of the meter book as CSV: what one installation writes, another reads.

The header names the columns, in any order; those of an existing installation (``host,port,
slave_address,type,description`` and ``type,register_address,measurement_name,data_unit,data_type,
function_code``) are among them. A text that a spreadsheet would take for a formula is written
with an apostrophe before it, which is taken off again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from wattscope.compute.decode.table_reader import suggest
from wattscope.compute.modbus.row_reader import Row
from wattscope.core.errors import SettingsError

_FORMULA: Final = tuple("=+-@\t\r'")


@dataclass(frozen=True, slots=True)
class CsvRow:
    """A row with the line that it ends on."""

    line: int
    cells: Row
    """Texts by column; empty ones are null."""
    fault: str | None = None
    """Why it is no row."""


def parse_rows(text: str, columns: Sequence[str], needed: Sequence[str]) -> list[CsvRow]:
    """The rows of a CSV text.

    Args:
        text: With a header; commas, semicolons or tabs part its cells.
        columns: The columns that there are.
        needed: Those that the header must name.

    Raises:
        SettingsError: The header names an unknown column, one twice, or not all that it must.
    """
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = read_header(next(reader, []), columns, needed)
    rows: list[CsvRow] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                fault = f"has {len(cells)} cells, the header {len(header)}"
                rows.append(CsvRow(reader.line_num, {}, fault))
                continue
            words = {
                name: _take_apostrophe(cell.strip()) or None
                for name, cell in zip(header, cells, strict=True)
            }
            rows.append(CsvRow(reader.line_num, words))
    except csv.Error as fault:
        rows.append(CsvRow(reader.line_num, {}, f"is no CSV ({fault}); the rest is left out"))
    return rows


def read_header(cells: Sequence[str], columns: Sequence[str], needed: Sequence[str]) -> list[str]:
    """The columns of a file.

    Raises:
        SettingsError: As ``parse_rows``.
    """
    header = [cell.strip() for cell in cells]
    faults = [
        f"column {name!r} is unknown; {suggest(name, tuple(columns))}"
        for name in header
        if name not in columns
    ]
    faults += [f"column {one} is there twice" for one in set(header) if header.count(one) > 1]
    missing = [name for name in needed if name not in header]
    if missing:
        faults.append(f"the header lacks {', '.join(missing)}")
    if faults:
        raise SettingsError(faults, where="line 1")
    return header


def format_rows(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Rows as CSV, with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_format_cell(row.get(name)) for name in columns] for row in rows])
    return text.getvalue()


def _format_cell(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return str(cell)


def _take_apostrophe(cell: str) -> str:
    """The text that was meant by a cell.

    >>> _take_apostrophe("'=1+1"), _take_apostrophe("'tis")
    ('=1+1', "'tis")
    """
    is_guarded = cell[:1] == "'" and cell[1:].startswith(_FORMULA)
    return cell[1:] if is_guarded else cell
