"""Turns columns of time texts into instants, by a format and a zone.

It promises that a text is placed at one instant or refused: an impossible date, a wall time that
summer time skips and one that autumn repeats are never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal

import numpy as np

from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE, local_to_us, to_us

EPOCH_UNITS = {"unix_s": 1_000_000, "unix_ms": 1_000, "unix_us": 1}
"""Formats of numbers since 1970, with their length [µs]."""
ISO_FORMAT = "iso"
"""ISO 8601 and RFC 3339, with or without an offset."""

NO_INSTANT = np.iinfo(np.int64).min
"""What stands in a column for a text that has no instant."""

# Meters did not keep intervals before 1970; later than this is a damaged text.
_LATEST_US = to_us(datetime(2200, 1, 1, tzinfo=UTC))
_QUARTER_US = 15 * US_PER_MINUTE
_NUMBER = re.compile(r"\d{1,19}(\.\d{1,9})?", re.ASCII)
_ONE_US = timedelta(microseconds=1)
_EARLIEST_WALL_US = -US_PER_DAY
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall time, placed by the zone afterwards
# The date that strptime gives a time of day.
_BARE_TIME_US = (datetime(1900, 1, 1) - _NAIVE_EPOCH) // _ONE_US  # noqa: DTZ001 - as above
_DIRECTIVE = re.compile(r"%(.)")
_OF_DATE = frozenset("dmyYjbB")
_OF_TIME = frozenset("HIMSfp")
_MEMO_LIMIT = 200_000


class StampReader:
    """Reads texts of one format in one zone; remembers texts that it has read.

    Not guaranteed: that what it remembers stays; it forgets all when it has read too many texts.
    """

    def __init__(
        self, time_format: str, zone: tzinfo, *, midnight_is_day_end: bool = False
    ) -> None:
        """Prepare to read.

        Args:
            time_format: ``iso``, one of ``EPOCH_UNITS``, or a pattern of ``strptime``.
            zone: Where texts without offset are.
            midnight_is_day_end: Whether 00:00 bears the date of the day that it ends.
        """
        self._format = time_format
        self._zone = zone
        self._midnight_is_day_end = midnight_is_day_end
        # A date and a time of day are read apart: few texts, each of them many times.
        self._parts = tuple(time_format.split(" ")) if _is_date_then_time(time_format) else ()
        self._memos: tuple[dict[str, int], ...] = ({}, {})
        self._offsets: dict[int, int] = {}

    def read(self, texts: Sequence[str]) -> Int64Column:
        """Instants [µs since 1970, UTC]; ``NO_INSTANT`` where a text has none."""
        if self._format in EPOCH_UNITS:
            unit_us = EPOCH_UNITS[self._format]
            return _within_years(np.array([_read_number(t, unit_us) for t in texts], np.int64))
        if self._parts:
            return self._place(self._read_parts(texts))
        parsed = [self._parse(text) for text in texts]
        exact = [_exact_us(stamp) for stamp in parsed]
        placed = self._place(np.array([_wall_us(stamp) for stamp in parsed], np.int64))
        return _within_years(np.where(np.equal(exact, NO_INSTANT), placed, exact))

    def _read_parts(self, texts: Sequence[str]) -> Int64Column:
        """Wall times [µs], each the sum of a date and a time of day."""
        dates, _, times = zip(*(text.strip().partition(" ") for text in texts), strict=True)
        date_us = self._read_part(0, dates)
        time_us = self._read_part(1, times)
        is_bad = (date_us == NO_INSTANT) | (time_us == NO_INSTANT)
        return np.where(is_bad, NO_INSTANT, date_us + np.where(is_bad, 0, time_us - _BARE_TIME_US))

    def _read_part(self, part: int, texts: Sequence[str]) -> Int64Column:
        """Wall times [µs] of one half of the stamps."""
        memo = self._memos[part]
        for text in set(texts).difference(memo):
            memo[text] = _wall_us(_parse_wall(text, self._parts[part]))
        column = np.array([memo[text] for text in texts], np.int64)
        if len(memo) > _MEMO_LIMIT:
            memo.clear()
        return column

    def _parse(self, text: str) -> datetime | None:
        """The time of a text, with or without offset."""
        if self._format != ISO_FORMAT:
            return _parse_wall(text, self._format)
        try:
            return datetime.fromisoformat(text.strip())
        except ValueError:
            return None

    def _place(self, wall_us: Int64Column) -> Int64Column:
        """Instants of wall times [µs]; none where the zone has no or two of them."""
        if self._midnight_is_day_end:
            is_midnight = (wall_us != NO_INSTANT) & (wall_us % US_PER_DAY == 0)
            wall_us = wall_us + np.where(is_midnight, US_PER_DAY, 0)
        quarter, where = np.unique(wall_us // _QUARTER_US, return_inverse=True)
        offsets = np.array([self._offset_us(int(number)) for number in quarter], np.int64)[where]
        is_bad = (wall_us == NO_INSTANT) | (offsets == NO_INSTANT)
        instants = np.where(is_bad, 0, wall_us) - np.where(is_bad, 0, offsets)
        return _within_years(np.where(is_bad, NO_INSTANT, instants))

    def _offset_us(self, quarter: int) -> int:
        """Offset of the zone during a quarter hour of wall time [µs], if there is only one."""
        known = self._offsets.get(quarter)
        if known is None:
            wall_us = quarter * _QUARTER_US
            if not _EARLIEST_WALL_US <= wall_us < _LATEST_US:
                return NO_INSTANT
            wall = _NAIVE_EPOCH + wall_us * _ONE_US
            first = local_to_us(wall, self._zone, fold=0)
            second = local_to_us(wall, self._zone, fold=1)
            known = wall_us - first if first == second else NO_INSTANT
            self._offsets[quarter] = known
        return known


def find_format_fault(time_format: str) -> str | None:
    """Why no text can be read by a format; None when it is sound.

    >>> find_format_fault("iso"), find_format_fault("%d/%m/%Y %H:%M")
    (None, None)
    >>> find_format_fault("dd/mm/yyyy")
    "'dd/mm/yyyy' is no time format; use iso, unix_s, unix_ms, unix_us or %d/%m/%Y %H:%M"
    """
    if time_format in {ISO_FORMAT, *EPOCH_UNITS}:
        return None
    has_directive = _DIRECTIVE.search(time_format) is not None
    try:
        datetime.strptime("", time_format)  # noqa: DTZ007 - only asks whether the format is one
    except ValueError as error:
        has_directive = has_directive and "does not match" in str(error)
    if has_directive:
        return None
    known = ", ".join([ISO_FORMAT, *EPOCH_UNITS])
    return f"{time_format!r} is no time format; use {known} or %d/%m/%Y %H:%M"


def is_wall_format(time_format: str) -> bool:
    """Whether a pattern of ``strptime`` describes wall times, without an offset.

    >>> is_wall_format("%d/%m/%Y %H:%M"), is_wall_format("%H:%M %z"), is_wall_format("iso")
    (True, False, False)
    """
    directives = set(_DIRECTIVE.findall(time_format))
    return bool(directives) and directives.isdisjoint("zZ")


def _is_date_then_time(time_format: str) -> bool:
    """Whether a pattern is a date, a space and a time of day, without an offset."""
    date_part, _, time_part = time_format.partition(" ")
    in_date, in_time = set(_DIRECTIVE.findall(date_part)), set(_DIRECTIVE.findall(time_part))
    return bool(in_date and in_time) and in_date <= _OF_DATE and in_time <= _OF_TIME


def _parse_wall(text: str, pattern: str) -> datetime | None:
    """The time that ``strptime`` reads, or None."""
    try:
        return datetime.strptime(text.strip(), pattern)  # noqa: DTZ007 - the zone places it later
    except ValueError:
        return None


def _wall_us(stamp: datetime | None) -> int:
    """Microseconds from 1970-01-01 00:00 to a wall time, as if days had no summer time."""
    if stamp is None or stamp.tzinfo is not None:
        return NO_INSTANT
    return (stamp - _NAIVE_EPOCH) // _ONE_US


def _exact_us(stamp: datetime | None) -> int:
    """The instant of a time that has its own offset."""
    if stamp is None or stamp.tzinfo is None:
        return NO_INSTANT
    return to_us(stamp)


def _read_number(text: str, unit_us: int) -> int:
    """Instant of a decimal count of units since 1970; finer than a microsecond is cut."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return NO_INSTANT
    instant_us = int(Decimal(text) * unit_us)
    return instant_us if instant_us < _LATEST_US else NO_INSTANT


def _within_years(instants_us: Int64Column) -> Int64Column:
    """None for instants that no meter has lived through."""
    is_plausible = (instants_us >= 0) & (instants_us < _LATEST_US)
    return np.where(is_plausible, instants_us, NO_INSTANT)
