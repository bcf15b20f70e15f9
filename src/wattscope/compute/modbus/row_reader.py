"""Cells of rows that people edit, as what they were meant to be, or as a fault in words.

SQLite keeps any type in any column, so a port may be a text, and a text may be a number. What can
be meant in one way only is taken; everything else is named, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from wattscope.compute.decode.table_reader import suggest
from wattscope.core.errors import RowError

Row = Mapping[str, Any]
"""A row of a table by its columns; a column that is absent is null."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_FLAGS: Final = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}
_SHOWN: Final = 48


class RowReader:
    """Reads the cells of one row; faults gather in ``faults``, and harmless values are returned."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.faults: list[str] = []

    def is_null(self, column: str) -> bool:
        """Whether a cell says nothing: it is null, or an empty text."""
        cell = self._row.get(column)
        return cell is None or (isinstance(cell, str) and not cell.strip())

    def read_text(self, column: str, *, max_length: int = 256) -> str | None:
        """A text without control characters; a number is taken as its digits."""
        if self.is_null(column):
            return None
        cell = self._row[column]
        if isinstance(cell, bytes | bool):
            self._refuse(column, "is no text")
            return None
        text = str(cell).strip()
        if not text.isprintable() or len(text) > max_length:
            self._refuse(column, f"is no printable text of at most {max_length} characters")
            return None
        return text

    def read_integer(self, column: str, low: int, high: int, *, hint: str = "") -> int | None:
        """An integer between bounds."""
        if self.is_null(column):
            return None
        cell = self._row[column]
        number: int | None = None
        if isinstance(cell, int) and not isinstance(cell, bool):
            number = cell
        elif (isinstance(cell, float) and cell.is_integer()) or (
            isinstance(cell, str) and _INTEGER.fullmatch(cell.strip())
        ):
            number = int(cell)
        if number is None or not low <= number <= high:
            self._refuse(column, f"is no integer from {low} to {high}{hint}")
            return None
        return number

    def read_number(self, column: str, *, above: float | None = None) -> float | None:
        """A finite number, above a bound where one is given."""
        if self.is_null(column):
            return None
        cell = self._row[column]
        try:
            number = float("nan") if isinstance(cell, bool | bytes) else float(cell)
        except (TypeError, ValueError):
            number = float("nan")
        if not isfinite(number) or (above is not None and number <= above):
            bound = "" if above is None else f" above {above:g}"
            self._refuse(column, f"is no number{bound}")
            return None
        return number

    def read_flag(self, column: str) -> bool | None:
        """True or false, however it is written."""
        if self.is_null(column):
            return None
        flag = _FLAGS.get(str(self._row[column]).strip().lower())
        if flag is None:
            self._refuse(column, "is not true or false")
        return flag

    def read_choice(self, column: str, valid: tuple[str, ...]) -> str | None:
        """One of the valid words, in their spelling."""
        if self.is_null(column):
            return None
        word = str(self._row[column]).strip()
        found = next((one for one in valid if one.lower() == word.lower()), None)
        if found is None:
            self._refuse(column, f"is unknown; {suggest(word, valid)}")
        return found

    def need(self, column: str, words: str) -> None:
        """A cell that must not be null."""
        if self.is_null(column):
            self.faults.append(f"{column} is empty; give {words}")

    def _refuse(self, column: str, words: str) -> None:
        self.faults.append(f"{column} {show_cell(self._row[column])} {words}")


def tidy_row(row: Row, kinds: Mapping[str, tuple[type, int | None]]) -> dict[str, Any]:
    """The cells of a row in the types of their columns, as they are to be kept.

    Args:
        row: Texts will do for numbers and flags; columns that it does not have are left out.
        kinds: The columns that there are, with type and longest text.

    Raises:
        RowError: A cell does not fit, or its column is unknown; all faults are listed.
    """
    reader = RowReader(row)
    reader.faults += [
        f"column {name!r} is unknown; {suggest(name, tuple(kinds))}"
        for name in row
        if name not in kinds
    ]
    tidy = {name: _tidy_cell(reader, name, *kinds[name]) for name in row if name in kinds}
    if reader.faults:
        raise RowError("; ".join(reader.faults))
    return tidy


def _tidy_cell(reader: RowReader, name: str, kind: type, length: int | None) -> object:
    if kind is bool:
        return reader.read_flag(name)
    if kind is int:
        return reader.read_integer(name, -(1 << 31), (1 << 31) - 1)
    if kind is float:
        return reader.read_number(name)
    return reader.read_text(name, max_length=length or 256)


def show_cell(cell: object) -> str:
    """A cell in a message: short, on one line, with quotes where it is a text.

    >>> show_cell("abc"), show_cell(70000), show_cell("a" * 60)[-6:]
    ("'abc'", '70000', 'aaa...')
    """
    shown = repr(cell) if isinstance(cell, str | bytes) else str(cell)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
