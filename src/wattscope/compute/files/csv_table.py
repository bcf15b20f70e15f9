"""Rows of a table as columns of instants and values, by a column map.

It promises that a row is taken whole or set aside whole with its line number and the reason, that
a marked missing value becomes NaN with ``Quality.MISSING`` and never 0, and that it never raises
because of what a file contains. A quoted cell ends in the line in which it begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from wattscope.compute.files.cells import read_numbers
from wattscope.compute.files.column_map import AUTO_DELIMITER, ColumnMap, MappedColumn, Stamp
from wattscope.compute.files.line_blocks import group_lines
from wattscope.compute.files.stamps import NO_INSTANT, StampReader
from wattscope.compute.files.table_rows import (
    BadRow,
    TableLines,
    TableRows,
    clean_lines,
    split_line,
    split_rows,
)
from wattscope.compute.sentinels import find_sentinels
from wattscope.core.findings import ReasonCode
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import ByteColumn, FloatColumn, Int64Column, Quality
from wattscope.core.time_grid import US_PER_S, load_zone
from wattscope.core.topology import is_safe_name

__all__ = ["BadRow", "RowGroup", "ValueColumn", "decode_rows", "has_columns"]

_DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """The values of one quantity of one device."""

    device: str
    quantity: str
    value: FloatColumn
    """[base unit]; NaN where ``quality`` says missing."""
    quality: ByteColumn
    """Implausible where the number only stands for "no value"."""


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Good rows in the order of the file, with columns of equal length."""

    first_line: int
    last_line: int
    measured_at_us: Int64Column
    """[µs since 1970, UTC]"""
    columns: tuple[ValueColumn, ...]
    n_quality_records: int = 0
    """Records of the file that tell the quality of some of these rows."""

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.measured_at_us)


def decode_rows(
    blocks: Iterable[bytes],
    column_map: ColumnMap,
    *,
    site_time_zone: str = "UTC",
    group_size: int = 10_000,
) -> Iterator[RowGroup | BadRow]:
    """The good rows in groups, each group after the bad rows among its lines.

    A file whose header lacks a mapped column gives one ``BadRow`` and nothing else. Rows that name
    their devices themselves come in one group a device.

    Args:
        blocks: The file in order, in pieces of any size.
        column_map: What its columns mean.
        site_time_zone: Zone of times without offset when the map names none.
        group_size: Most lines in a group.
    """
    layout: _Layout | None = None
    for group in group_lines(blocks, group_size=group_size):
        lines = clean_lines(group)
        while layout is None and lines.numbers:
            if lines.numbers[0] > column_map.skip_lines:
                found = _find_layout(column_map, lines, site_time_zone)
                if isinstance(found, BadRow):
                    yield found
                    return
                layout = found
            if layout is None or column_map.has_header:
                lines = lines.rest()
        if layout is not None and lines.numbers:
            yield from _decode_group(lines, layout)


def has_columns(first_line: str, column_map: ColumnMap) -> bool:
    """Whether a header has all columns that a map needs."""
    cells = split_line(first_line.removeprefix("\ufeff"), _choose_delimiter(first_line, column_map))
    return cells is not None and column_map.file_columns <= {cell.strip() for cell in cells}


def _choose_delimiter(first_line: str, column_map: ColumnMap) -> str:
    if column_map.delimiter == AUTO_DELIMITER:
        return max(_DELIMITERS, key=first_line.count)
    return column_map.delimiter


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where in a row everything stands."""

    delimiter: str
    width: int
    time_positions: tuple[int, ...]
    device_position: int | None
    quantity_position: int | None
    quality_position: int | None
    columns: tuple[tuple[int, MappedColumn], ...]
    column_map: ColumnMap
    missing: frozenset[str]
    stamps: StampReader
    shift_us: int
    """What is added to a stamp so that it marks the start of its interval [µs]."""


def _find_layout(column_map: ColumnMap, lines: TableLines, site_time_zone: str) -> _Layout | BadRow:
    """The places of the mapped columns, by the first line."""
    try:
        first = lines.lines[0].decode("utf-8")
    except UnicodeDecodeError:
        return lines.reject(0, ReasonCode.ENCODING, "the first line is not UTF-8 text")
    delimiter = _choose_delimiter(first, column_map)
    cells = split_line(first, delimiter)
    if cells is None or "\0" in first:
        return lines.reject(0, ReasonCode.SYNTAX, "the first line is not a row of a table")
    names = [cell.strip() for cell in cells]
    if not column_map.has_header:
        names = [str(number) for number in range(1, len(cells) + 1)]
    columns = column_map.columns
    if column_map.quantity_column:
        columns = (MappedColumn(column_map.value_column, ""),)
    elif column_map.columns_from_header:
        columns = _columns_of_header(names)
    told = (column_map.device_column, column_map.quantity_column, column_map.quality_column)
    wanted = {*column_map.time_columns, *(column.column for column in columns), *filter(None, told)}
    device_at, quantity_at, quality_at = (
        names.index(name) if name in names else None for name in told
    )
    absent = sorted(wanted.difference(names))
    if absent or not columns:
        missed = ", ".join(absent) or "named after a quantity of the catalogue"
        detail = f"the file has no column {missed}; it has {', '.join(names)[:400]}"
        return lines.reject(0, ReasonCode.MISSING_FIELD, detail)
    shift_s = (column_map.interval_s or 0.0) if column_map.stamp is Stamp.END else 0.0
    return _Layout(
        delimiter,
        len(names),
        tuple(names.index(name) for name in column_map.time_columns),
        device_at,
        quantity_at,
        quality_at,
        tuple((names.index(column.column), column) for column in columns),
        column_map,
        frozenset(column_map.missing),
        StampReader(
            column_map.time_format,
            load_zone(column_map.time_zone or site_time_zone),
            midnight_is_day_end=column_map.midnight_is_day_end,
        ),
        -round(shift_s * US_PER_S),
    )


def _columns_of_header(names: Sequence[str]) -> tuple[MappedColumn, ...]:
    """Columns that are called like a quantity, or ``quantity@device``."""
    found: dict[tuple[str, str], MappedColumn] = {}
    for name in names:
        quantity, _, device = name.partition("@")
        if quantity in QUANTITIES and (not device or is_safe_name(device)):
            found.setdefault((quantity, device), MappedColumn(name, quantity, device=device))
    return tuple(found.values())


class _Verdicts:
    """Which rows of a group are good so far; the first reason against a row stands."""

    def __init__(self, table: TableRows) -> None:
        self.bad = list(table.bad)
        self.is_good = np.ones(len(table.rows), np.bool_)
        self._lines = table.lines

    def set_aside(self, position: int, code: ReasonCode, detail: str) -> None:
        """Take a row out."""
        if self.is_good[position]:
            self.is_good[position] = False
            self.bad.append(self._lines.reject(position, code, detail))


def _decode_group(lines: TableLines, layout: _Layout) -> Iterator[RowGroup | BadRow]:
    """The bad rows of a group of lines in their order, then the good ones."""
    table = split_rows(lines, layout.delimiter, layout.width)
    verdicts = _Verdicts(table)
    cells: list[tuple[str, ...]] = list(zip(*table.rows, strict=True))
    groups: list[RowGroup] = []
    if cells:
        at_us = _read_stamps(cells, layout, verdicts)
        columns = [
            _read_column(cells[position], mapped, layout, verdicts)
            for position, mapped in layout.columns
        ]
        if layout.quality_position is not None:
            columns = _mark_estimated(columns, cells[layout.quality_position])
        for device, quantity, rows in _split_names(cells, layout, verdicts):
            chosen = tuple(
                ValueColumn(
                    device or c.device, quantity or c.quantity, c.value[rows], c.quality[rows]
                )
                for c in columns
            )
            numbers = table.lines.numbers
            first, last = numbers[int(rows[0])], numbers[int(rows[-1])]
            groups.append(RowGroup(first, last, at_us[rows], chosen))
    yield from sorted(verdicts.bad, key=lambda row: row.line_number)
    yield from groups


def _read_stamps(
    cells: Sequence[tuple[str, ...]], layout: _Layout, verdicts: _Verdicts
) -> Int64Column:
    """When each row's interval begins [µs]."""
    parts = [cells[position] for position in layout.time_positions]
    texts = [" ".join(row) for row in zip(*parts, strict=True)]
    instants = layout.stamps.read(texts)
    is_placed = instants != NO_INSTANT
    for position in np.flatnonzero(~is_placed).tolist():
        detail = (
            f"{texts[position][:40]!r} is no time of the form {layout.column_map.time_format}, "
            "or summer time skips or repeats it"
        )
        verdicts.set_aside(position, ReasonCode.BAD_TIME, detail)
    return instants + np.where(is_placed, layout.shift_us, 0)


def _read_column(
    cells: Sequence[str], mapped: MappedColumn, layout: _Layout, verdicts: _Verdicts
) -> ValueColumn:
    """The values of a column in base units."""
    numbers = read_numbers(cells, layout.missing, decimal=layout.column_map.decimal)
    for fault in numbers.faults:
        detail = f"column {mapped.column}: {fault.detail}"
        verdicts.set_aside(fault.position, fault.code, detail)
    value = mapped.to_base(numbers.raw)
    for position in np.flatnonzero(np.isinf(value)).tolist():
        detail = f"column {mapped.column}: {cells[position][:40]!r} is too large for its unit"
        verdicts.set_aside(position, ReasonCode.RANGE, detail)
    quality = np.where(numbers.is_missing, Quality.MISSING, Quality.GOOD).astype(np.uint8)
    quality[find_sentinels(numbers.raw)] = Quality.IMPLAUSIBLE
    device = mapped.device or layout.column_map.device
    return ValueColumn(device, mapped.quantity, value, quality)


def _mark_estimated(columns: Sequence[ValueColumn], cells: Sequence[str]) -> list[ValueColumn]:
    """Columns with the marks of the source; what else a quality says is judged anew."""
    marks = np.array(
        [Quality.ESTIMATED if "estimated" in cell else Quality.GOOD for cell in cells], np.uint8
    )
    return [replace(column, quality=column.quality | marks) for column in columns]


def _split_names(
    cells: Sequence[tuple[str, ...]], layout: _Layout, verdicts: _Verdicts
) -> Iterator[tuple[str, str, npt.NDArray[np.intp]]]:
    """The good rows of each device and quantity that rows name themselves.

    All of them, without a name, where rows name none.
    """
    named = [
        None if position is None else cells[position]
        for position in (layout.device_position, layout.quantity_position)
    ]
    if named == [None, None]:
        good = np.flatnonzero(verdicts.is_good)
        if len(good):
            yield "", "", good
        return
    places: dict[tuple[str, str], list[int]] = {}
    for position in range(len(cells[0])):
        device, quantity = ("" if cell is None else cell[position].strip() for cell in named)
        if named[0] is not None and not is_safe_name(device):
            detail = f"{device[:40]!r} cannot be the key of a device"
            verdicts.set_aside(position, ReasonCode.BAD_NAME, detail)
        elif named[1] is not None and quantity not in QUANTITIES:
            detail = f"no such quantity {quantity[:40]!r}"
            verdicts.set_aside(position, ReasonCode.BAD_NAME, detail)
        elif verdicts.is_good[position]:
            places.setdefault((device, quantity), []).append(position)
    for (device, quantity), rows in places.items():
        yield device, quantity, np.array(rows, np.intp)
