"""Turns a column of cells into numbers; what is not a plain decimal is named, never guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.core.findings import ReasonCode
from wattscope.core.reading import FloatColumn

# float() would also take "1_000", " 5 ", "nan" and digits of other scripts.
_PLAIN = frozenset("0123456789.+-eE")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf(inity)?)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class CellFault:
    """A cell that is neither a number nor marked as missing."""

    position: int
    code: ReasonCode
    detail: str


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """Numbers as they were written, with columns of equal length."""

    raw: FloatColumn
    """NaN where missing or faulty."""
    is_missing: npt.NDArray[np.bool_]
    faults: tuple[CellFault, ...]


def read_numbers(
    cells: Sequence[str], missing: frozenset[str], *, decimal: str = "."
) -> NumberColumn:
    """The numbers of a column.

    Args:
        cells: The texts; blanks around them do not matter.
        missing: Texts that mean that there is no value.
        decimal: The sign before the fraction, ``.`` or ``,``.
    """
    if decimal == ".":
        column = _read_plain(cells, missing)
        if column is not None:
            return column
    return _read_each(cells, missing, decimal)


def _read_plain(cells: Sequence[str], missing: frozenset[str]) -> NumberColumn | None:
    """All numbers at once, or None when any cell needs a closer look."""
    is_missing = np.zeros(len(cells), np.bool_)
    if not missing.isdisjoint(cells):
        is_missing = np.array([cell in missing for cell in cells], np.bool_)
        cells = ["0" if cell in missing else cell for cell in cells]
    if not set("".join(cells)) <= _PLAIN:
        return None
    try:
        raw = np.array(list(map(float, cells)), np.float64)
    except ValueError:
        return None
    if not np.isfinite(raw).all():
        return None
    raw[is_missing] = np.nan
    return NumberColumn(raw, is_missing, ())


def _read_each(cells: Sequence[str], missing: frozenset[str], decimal: str) -> NumberColumn:
    """The numbers of a column, cell by cell, with the reason of each that is none."""
    raw = np.full(len(cells), np.nan)
    is_missing = np.zeros(len(cells), np.bool_)
    faults: list[CellFault] = []
    for position, cell in enumerate(cells):
        text = cell.strip(" \t")
        if text in missing or cell in missing:
            is_missing[position] = True
            continue
        number, code = _read_cell(text, decimal)
        if code is None:
            raw[position] = number
        else:
            faults.append(CellFault(position, code, f"{text[:40]!r} is not a finite number"))
    return NumberColumn(raw, is_missing, tuple(faults))


def _read_cell(text: str, decimal: str) -> tuple[float, ReasonCode | None]:
    """The number of a cell, or why it has none."""
    if decimal == ",":
        text = "?" if "." in text else text.replace(",", ".")
    if _NUMBER.fullmatch(text) is None:
        is_special = _NOT_FINITE.fullmatch(text) is not None
        return 0.0, ReasonCode.NOT_FINITE if is_special else ReasonCode.NOT_NUMBER
    number = float(text)
    return (number, None) if np.isfinite(number) else (0.0, ReasonCode.NOT_FINITE)
