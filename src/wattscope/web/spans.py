"""From the words of a request to a span of time and the buckets in it, in the site's zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

import numpy as np

from wattscope.core.errors import QueryError
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import (
    US_PER_DAY,
    US_PER_HOUR,
    US_PER_MINUTE,
    day_start_us,
    from_us,
    local_date,
    local_day_edges,
    month_range,
    parse_instant,
)

MAX_SPAN_US = 50 * 366 * US_PER_DAY
_QUARTER_US = 15 * US_PER_MINUTE
_STEPS = {"15m": _QUARTER_US, "1h": US_PER_HOUR}
_YEARS = range(1970, 2200)
"""Years that may be asked for; instants far beyond them no longer fit into a datetime."""
_PERIOD = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of time and its bucket length by name."""

    start_us: int
    end_us: int
    interval: str
    unit: str
    """day, month, year or range: what "one before" means."""

    def previous(self, zone: tzinfo, now_us: int) -> tuple[int, int]:
        """The same stretch one period earlier, cut to the length that has passed by now."""
        first = local_date(self.start_us, zone)
        elapsed = min(self.end_us, max(self.start_us, now_us)) - self.start_us
        if self.unit == "range":
            start = self.start_us - (self.end_us - self.start_us)
        elif self.unit == "day":
            start = day_start_us(first - timedelta(days=1), zone)
        elif self.unit == "month":
            start = day_start_us((first - timedelta(days=1)).replace(day=1), zone)
        else:
            start = day_start_us(first.replace(year=first.year - 1), zone)
        return start, min(start + elapsed, self.start_us)

    def previous_edges(self, zone: tzinfo, now_us: int) -> Int64Column | None:
        """``previous`` as edges of one bucket, to whole quarter hours; None for less than one."""
        start_us, end_us = self.previous(zone, now_us)
        end_us = end_us // _QUARTER_US * _QUARTER_US
        return np.array([start_us, end_us], np.int64) if end_us > start_us else None


def read_span(
    zone: tzinfo,
    now_us: int,
    *,
    day: str | None = None,
    month: str | None = None,
    year: str | None = None,
    start: str | None = None,
    end: str | None = None,
    interval: str | None = None,
) -> Span:
    """The span that a request names; today where it names none.

    Raises:
        QueryError: Words that are no date, or a span upside down or endless.
    """
    try:
        span = _read_period(zone, day, month, year, interval)
    except ValueError:
        raise QueryError("day, month and year are written 2026-05-01, 2026-05 and 2026") from None
    if span is not None:
        return span
    if start is None and end is None:
        today = local_date(now_us, zone)
        return _whole(today, today + timedelta(days=1), zone, interval or "1h", "day")
    end_us = read_instant(end, zone) if end else now_us
    start_us = read_instant(start, zone) if start else end_us - US_PER_DAY
    check_span(start_us, end_us)
    # Energies are kept by quarter hour; a finer share of one would be a guess.
    start_us, end_us = (
        start_us // _QUARTER_US * _QUARTER_US,
        -(-end_us // _QUARTER_US) * _QUARTER_US,
    )
    length = end_us - start_us
    default = "1h" if length <= 3 * US_PER_DAY else "1d" if length <= 100 * US_PER_DAY else "1mo"
    return Span(start_us, end_us, interval or default, "range")


def _read_period(
    zone: tzinfo, day: str | None, month: str | None, year: str | None, interval: str | None
) -> Span | None:
    if day is not None:
        first = date(*_read_parts(day, 3))
        return _whole(first, first + timedelta(days=1), zone, interval or "1h", "day")
    if month is not None:
        first, following = month_range(*_read_parts(month, 2))
        return _whole(first, following, zone, interval or "1d", "month")
    if year is not None:
        (first_year,) = _read_parts(year, 1)
        first, following = date(first_year, 1, 1), date(first_year + 1, 1, 1)
        return _whole(first, following, zone, interval or "1mo", "year")
    return None


def _read_parts(text: str, n_parts: int) -> tuple[int, ...]:
    """The numbers of ``2026-05-01``, of ``2026-05`` or of ``2026``.

    Raises:
        ValueError: More or fewer of them, or anything else.
    """
    found = _PERIOD.fullmatch(text)
    parts = tuple(int(part) for part in found.groups() if part) if found else ()
    if len(parts) != n_parts:
        raise ValueError(text)
    _check_year(parts[0])
    return parts


def _check_year(year: int) -> None:
    if year not in _YEARS:
        raise QueryError(f"years lie between {_YEARS[0]} and {_YEARS[-1]}")


def read_day(text: str) -> date:
    """The local date of a text such as ``2026-05-01``.

    Raises:
        QueryError: Not a date, or one beyond all data.
    """
    return _read_date(text, 3)


def read_month(text: str) -> date:
    """The first day of a month such as ``2026-05``.

    Raises:
        QueryError: Not a month, or one beyond all data.
    """
    return _read_date(text, 2)


def _read_date(text: str, n_parts: int) -> date:
    try:
        year, month, *days = _read_parts(text, n_parts)
        return date(year, month, *(days or [1]))
    except ValueError:
        raise QueryError("days and months are written 2026-05-01 and 2026-05") from None


def read_instant(text: str, zone: tzinfo) -> int:
    """The instant of an RFC 3339 text or a local date [µs].

    Raises:
        QueryError: Not a time, an ambiguous one, or one beyond all data.
    """
    try:
        instant_us = parse_instant(text, zone)
        _check_year(local_date(instant_us, zone).year)
    except OverflowError:
        raise QueryError(f"time {text!r} is beyond the years that can be asked for") from None
    return instant_us


def _whole(first: date, following: date, zone: tzinfo, interval: str, unit: str) -> Span:
    return Span(day_start_us(first, zone), day_start_us(following, zone), interval, unit)


def check_span(start_us: int, end_us: int) -> None:
    """Refuse a span that is empty, upside down or endless.

    Raises:
        QueryError: It is.
    """
    if not start_us < end_us:
        raise QueryError("start must be before end")
    if end_us - start_us > MAX_SPAN_US:
        raise QueryError("the span is longer than 50 years; ask for less")


def bucket_edges(span: Span, zone: tzinfo, max_buckets: int = 20_000) -> Int64Column:
    """Starts of the buckets of a span and the end of the last one, in local terms.

    Raises:
        QueryError: Unknown interval, or too many buckets.
    """
    if span.interval in _STEPS:
        step = _STEPS[span.interval]
        if (span.end_us - span.start_us) // step > max_buckets:
            raise QueryError(f"more than {max_buckets} buckets; ask for a coarser interval")
        starts = np.arange(span.start_us, span.end_us, step, dtype=np.int64)
        return np.append(starts, span.end_us)
    if span.interval == "1d":
        edges = local_day_edges(span.start_us, span.end_us, zone)
        return np.unique(np.clip(edges, span.start_us, span.end_us))
    if span.interval == "1mo":
        return _month_edges(span, zone)
    raise QueryError(f"interval {span.interval!r} is unknown; use 15m, 1h, 1d or 1mo")


def _month_edges(span: Span, zone: tzinfo) -> Int64Column:
    edges = [span.start_us]
    first = from_us(span.start_us).astimezone(zone).date().replace(day=1)
    while edges[-1] < span.end_us:
        first = month_range(first.year, first.month)[1]
        edges.append(min(day_start_us(first, zone), span.end_us))
    return np.array(edges, np.int64)
