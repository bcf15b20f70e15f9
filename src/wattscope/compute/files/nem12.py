"""Interval and register data of Australian meters (AEMO's NEM12 and NEM13) as columns.

It promises that nothing of a file is given before all of it was read, that a file whose records do
not fit together is refused with its line, and that a day which cannot be trusted is set aside
whole. Times are market time, which knows no summer time: UTC+10 in the National Electricity Market.

A file begins with a record 100 and ends with 900. An extract with neither is read too; one with
only one of them was cut, and is refused.

A profile is TOML::

    decoder = "nem12"
    time_zone = "+10:00"       # market time; "+08:00" in Western Australia
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Final

import msgspec
import numpy as np

from wattscope.compute.files.csv_table import RowGroup, ValueColumn
from wattscope.compute.files.line_blocks import group_lines
from wattscope.compute.files.nem_records import (
    MINUTES_OF_DAY,
    VARIABLE,
    Stream,
    read_count,
    read_day,
    read_moment,
    read_number,
    read_quality,
    read_register_stream,
    read_stream,
)
from wattscope.compute.files.table_rows import BadFile, BadRow, TableLines, clean_lines
from wattscope.core.errors import QueryError, SettingsError
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.reading import ByteColumn, FloatColumn, Quality
from wattscope.core.time_grid import US_PER_MINUTE, load_zone, local_to_us

MAX_FILE_BYTES: Final = 256 << 20
"""A longer file is refused [bytes]; a meter of five-minute intervals fills 1 MiB a year."""

_HEADER, _END = "100", "900"
_PASSED_OVER: Final = frozenset({"500", "550"})
_COMES_BACK: Final = frozenset({"energy_export_delta_wh"})
_VERSIONS: Final = frozenset({"NEM12", "NEM13"})


class MarketMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How such a file is read; see the module for each key."""

    name: str = ""
    title: str = ""
    decoder: str = "nem12"
    time_zone: str = "+10:00"

    def __post_init__(self) -> None:
        faults = []
        if self.decoder != "nem12":
            faults.append(f"decoder: {self.decoder!r} does not read records; use nem12")
        try:
            load_zone(self.time_zone)
        except QueryError as fault:
            faults.append(f"time_zone: {fault}")
        if faults:
            raise SettingsError(faults, where=self.name or "market map")


def parse_market_map(table: Mapping[str, Any], *, where: str = "") -> MarketMap:
    """The map of a profile's TOML.

    Raises:
        SettingsError: An unknown key or a wrong value.
    """
    try:
        return msgspec.convert(dict(table), MarketMap)
    except msgspec.ValidationError as error:
        raise SettingsError([str(error)], where=where or str(table.get("name", ""))) from error


def decode_records(
    blocks: Iterable[bytes], market_map: MarketMap, *, group_size: int = 10_000
) -> Iterator[RowGroup | BadRow | BadFile]:
    """The values of a file, or one ``BadFile`` and nothing else.

    Args:
        blocks: The file in order, in pieces of any size.
        market_map: Which zone its times are in.
        group_size: Most days, or register reads, in a group.
    """
    reader = _Reader(load_zone(market_map.time_zone))
    try:
        for group in group_lines(_limit(blocks)):
            lines = clean_lines(group)
            for position in range(len(lines.lines)):
                reader.take(lines, position)
        reader.end()
    except _RefusedError as fault:
        yield BadFile(fault.line_number, fault.detail)
        return
    yield from reader.bad
    yield from reader.list_groups(group_size)


class _RefusedError(Exception):
    """Ends the reading of a file; never leaves this module."""

    def __init__(self, line_number: int, detail: str) -> None:
        super().__init__(detail)
        self.line_number = line_number
        self.detail = detail


def _limit(blocks: Iterable[bytes]) -> Iterator[bytes]:
    n_bytes = 0
    for block in blocks:
        n_bytes += len(block)
        if n_bytes > MAX_FILE_BYTES:
            raise _RefusedError(1, f"the file is longer than {MAX_FILE_BYTES >> 20} MiB")
        yield block


@dataclass(slots=True)
class _Span:
    """Values of one record that follow each other; grows while records 400 come."""

    line_number: int
    stream: Stream
    start: datetime
    """Market time of the first."""
    value: FloatColumn
    quality: ByteColumn
    n_quality_records: int = 0


@dataclass(slots=True)
class _Reader:
    """Takes records one after the other."""

    zone: tzinfo
    bad: list[BadRow] = field(default_factory=list)
    spans: list[_Span] = field(default_factory=list)
    stream: Stream | None = None
    """Of the last record 200; None before one, and after one that is not understood."""
    day: _Span | None = None
    """Of the last record 300, while records 400 may speak of it."""
    has_header: bool = False
    has_end: bool = False
    line_number: int = 0

    def take(self, lines: TableLines, position: int) -> None:
        """Take in one line."""
        number = self.line_number = lines.numbers[position]
        text = lines.lines[position].decode("latin-1")
        cells = [cell.strip() for cell in text.split(",")]
        kind = cells[0]
        if not any(cells):
            return
        if self.has_end:
            raise _RefusedError(number, "something follows record 900, which ends a file")
        if number in lines.cut:
            raise _RefusedError(number, "the line is too long for a record")
        if kind in _PASSED_OVER:
            return
        take = _TAKES.get(kind)
        if take is None:
            raise _RefusedError(number, f"{kind[:20]!a} is no record of NEM12 or NEM13")
        if kind != "400":
            self._close_day()
        outcome = take(self, cells)
        if outcome is not None:
            self.bad.append(lines.reject(position, outcome.code, outcome.detail))

    def end(self) -> None:
        """Judge the whole."""
        self._close_day()
        if self.has_end and not self.has_header:
            raise _RefusedError(
                self.line_number, "record 900 ends a file that has no record 100 at its beginning"
            )
        if self.has_header and not self.has_end:
            raise _RefusedError(self.line_number, "the file is cut: it has no record 900")
        if not self.has_header and not self.spans and not self.bad:
            raise _RefusedError(max(self.line_number, 1), "the file is empty: no record 100")

    def list_groups(self, group_size: int) -> Iterator[RowGroup]:
        """The values of each stream, in the order of the file."""
        by_stream: dict[tuple[str, str], list[_Span]] = {}
        for span in self.spans:
            by_stream.setdefault((span.stream.device, span.stream.quantity), []).append(span)
        for spans in by_stream.values():
            for first in range(0, len(spans), group_size):
                yield self._group(spans[first : first + group_size])

    def _group(self, spans: list[_Span]) -> RowGroup:
        stream = spans[0].stream
        at_us = [
            local_to_us(span.start, self.zone)
            + np.arange(len(span.value), dtype=np.int64) * span.stream.minutes * US_PER_MINUTE
            for span in spans
        ]
        column = ValueColumn(
            stream.device,
            stream.quantity,
            np.concatenate([span.value for span in spans]),
            np.concatenate([span.quality for span in spans]),
        )
        return RowGroup(
            spans[0].line_number,
            spans[-1].line_number,
            np.concatenate(at_us),
            (column,),
            sum(span.n_quality_records for span in spans),
        )

    def _take_header(self, cells: list[str]) -> None:
        version = cells[1] if len(cells) > 1 else ""
        if self.has_header or self.spans or self.bad or self.stream is not None:
            raise _RefusedError(self.line_number, "record 100 stands in the middle of the file")
        if version not in _VERSIONS:
            detail = f"record 100 tells version {version[:20]!a}; NEM12 and NEM13 are read"
            raise _RefusedError(self.line_number, detail)
        self.has_header = True

    def _take_end(self, cells: list[str]) -> None:
        """A record 900."""
        del cells
        self.has_end = True

    def _take_stream(self, cells: list[str]) -> Rejection | None:
        """A record 200."""
        found = read_stream(cells)
        self.stream = None if isinstance(found, Rejection) else found
        return found if isinstance(found, Rejection) else None

    def _take_day(self, cells: list[str]) -> Rejection | None:
        """A record 300."""
        stream = self.stream
        if stream is None:
            return Rejection(ReasonCode.UNKNOWN_FORMAT, "the day is of a stream that is not read")
        start = read_day(cells[1]) if len(cells) > 1 else None
        if start is None:
            return Rejection(ReasonCode.BAD_TIME, "the day has no date YYYYMMDD")
        n = stream.n_intervals
        numbers = [read_number(cell) for cell in cells[2 : 2 + n]]
        n_numbers = next((at for at, one in enumerate(numbers) if one is None), len(numbers))
        if n_numbers < n:
            return self._refuse_short(cells, n_numbers, n)
        quality = read_quality(cells[2 + n]) if len(cells) > 2 + n else None
        if quality is None:
            shown = cells[2 + n][:20] if len(cells) > 2 + n else ""
            return Rejection(ReasonCode.SYNTAX, f"{shown!a} behind {n} values is no quality flag")
        value = np.array([stream.conversion.to_base(one or 0.0) for one in numbers], np.float64)
        # Of a day that varies, what no record 400 speaks of has a quality that nobody told.
        mark = Quality.ESTIMATED if quality == VARIABLE else quality
        self.day = _Span(self.line_number, stream, start, value, np.full(n, mark, np.uint8))
        return None

    def _refuse_short(self, cells: list[str], n_numbers: int, n: int) -> Rejection:
        """A day without its values is set aside; with fewer than it has, nothing fits."""
        cell = cells[2 + n_numbers] if len(cells) > 2 + n_numbers else ""
        is_flag = read_quality(cell) is not None
        if n_numbers and (is_flag or not cell):
            raise _RefusedError(
                self.line_number,
                f"the day has {n_numbers} values, but its record 200 says {n} of "
                f"{MINUTES_OF_DAY // n} minutes",
            )
        if is_flag or not cell:
            return Rejection(ReasonCode.NO_VALUE, "the day has no values")
        detail = f"value {n_numbers + 1} of the day is {cell[:20]!a}, which is no number"
        return Rejection(ReasonCode.NOT_NUMBER, detail)

    def _take_quality(self, cells: list[str]) -> Rejection | None:
        """A record 400 (section 4.5)."""
        first, last = map(read_count, (*cells[1:3], "", "")[:2])
        if self.stream is not None and not 1 <= first <= last <= self.stream.n_intervals:
            raise _RefusedError(
                self.line_number,
                f"record 400 speaks of intervals {' to '.join(cells[1:3])[:40]!a}, but a day of "
                f"its record 200 has {self.stream.n_intervals}",
            )
        if self.day is None:
            return Rejection(ReasonCode.SYNTAX, "record 400 speaks of a day that was not taken")
        quality = read_quality(cells[3]) if len(cells) > 3 else None
        if not isinstance(quality, Quality):
            return Rejection(ReasonCode.SYNTAX, "record 400 has no quality flag")
        self.day.quality[first - 1 : last] = quality
        self.day.n_quality_records += 1
        return None

    def _close_day(self) -> None:
        if self.day is not None:
            is_missing = self.day.quality == Quality.MISSING
            self.day.value = np.where(is_missing, np.nan, self.day.value)
            self.spans.append(self.day)
            self.day = None

    def _take_register(self, cells: list[str]) -> Rejection | None:
        """A record 250: what was counted between two reads, under the instant of the first."""
        stream = read_register_stream(cells)
        if isinstance(stream, Rejection):
            return stream
        start, stop = read_moment(cells[9]), read_moment(cells[14])
        if start is None or stop is None or not start < stop:
            return Rejection(
                ReasonCode.BAD_TIME, "the record has no two times, one after the other"
            )
        amount = read_number(cells[18])
        if amount is None:
            return Rejection(ReasonCode.NOT_NUMBER, f"quantity {cells[18][:20]!a} is no number")
        quality = read_quality(cells[15])
        if not isinstance(quality, Quality):
            return Rejection(ReasonCode.SYNTAX, f"{cells[15][:20]!a} is no quality flag of a read")
        # Registers that count what comes back run backwards in some files.
        amount = abs(amount) if stream.quantity in _COMES_BACK else amount
        value = np.array([stream.conversion.to_base(amount)])
        marks = np.array([quality], np.uint8)
        self.spans.append(_Span(self.line_number, stream, start, value, marks))
        return None


_TAKES: Final[Mapping[str, Callable[[_Reader, list[str]], Rejection | None]]] = {
    _HEADER: _Reader._take_header,  # noqa: SLF001  # the table of its own module
    "200": _Reader._take_stream,  # noqa: SLF001  # as above
    "250": _Reader._take_register,  # noqa: SLF001  # as above
    "300": _Reader._take_day,  # noqa: SLF001  # as above
    "400": _Reader._take_quality,  # noqa: SLF001  # as above
    _END: _Reader._take_end,  # noqa: SLF001  # as above
}
