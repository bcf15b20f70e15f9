"""Instants and the grids laid over them: fixed steps in UTC, and the local days of a site.

An instant is an integer of microseconds since 1970-01-01 UTC. A local day begins at the first
instant of its date in the site's zone and lasts 23, 24 or 25 hours (now and then another length).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from wattscope.core.errors import QueryError
from wattscope.core.reading import Int64Column

US_PER_S = 1_000_000
US_PER_MINUTE = 60 * US_PER_S
US_PER_HOUR = 3600 * US_PER_S
US_PER_DAY = 24 * US_PER_HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_US = timedelta(microseconds=1)
_FIXED_OFFSET = re.compile(r"([+-])([01][0-9]|2[0-3]):([0-5][0-9])")
# Python also reads 20240501 and 2024-W18-3, which RFC 3339 does not know.
_BARE_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@lru_cache(maxsize=512)
def load_zone(name: str) -> tzinfo:
    """The zone of an IANA name, or a fixed offset such as ``+01:00``.

    The name is looked up in the list of zones first, so that it never becomes a path. Zones are
    remembered, because making that list takes 10 ms.

    Raises:
        QueryError: No such zone.
    """
    fixed = _FIXED_OFFSET.fullmatch(name)
    if fixed:
        offset = timedelta(hours=int(fixed[2]), minutes=int(fixed[3]))
        return timezone(-offset if fixed[1] == "-" else offset)
    if name == "UTC":
        return UTC
    if name not in available_timezones():
        raise QueryError(f"time zone {name!r} is unknown; use an IANA name such as Europe/Paris")
    return ZoneInfo(name)


def to_us(instant: datetime) -> int:
    """Microseconds since 1970 of an instant that knows its zone.

    >>> to_us(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (instant - _EPOCH) // _ONE_US


def from_us(instant_us: int) -> datetime:
    """The instant as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=instant_us)


def local_to_us(naive: datetime, zone: tzinfo, *, fold: int = 0) -> int:
    """Microseconds of a wall-clock time; ``fold`` 1 is the second of two equal autumn times."""
    return to_us(naive.replace(tzinfo=zone, fold=fold))


def day_start_us(day: date, zone: tzinfo) -> int:
    """The first instant of a local day.

    Where midnight does not exist (zones that change at 00:00), the day begins at the change.

    >>> paris = load_zone("Europe/Paris")
    >>> spring = date(2024, 3, 31)
    >>> (day_start_us(date(2024, 4, 1), paris) - day_start_us(spring, paris)) // US_PER_HOUR
    23
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    # A non-existent midnight maps through UTC to a wall time after it or the evening before.
    landed = midnight.astimezone(UTC).astimezone(zone)
    if landed.date() < day:
        midnight = midnight.replace(fold=1)
    return to_us(midnight.astimezone(UTC))


def local_date(instant_us: int, zone: tzinfo) -> date:
    """The local date on which an instant falls."""
    return from_us(instant_us).astimezone(zone).date()


def local_day_edges(start_us: int, end_us: int, zone: tzinfo) -> Int64Column:
    """Starts of all local days that touch ``[start, end)``, and the end of the last one.

    A date that a zone left out (Samoa had no 30 December 2011) is no day.

    Returns:
        Instants [µs], shape ``(n_days + 1,)``, strictly rising.
    """
    first = local_date(start_us, zone)
    last = local_date(max(start_us, end_us - 1), zone)
    days = (last - first).days + 2
    edges = [day_start_us(first + timedelta(days=n), zone) for n in range(days)]
    return np.unique(np.array(edges, np.int64))


def month_range(year: int, month: int) -> tuple[date, date]:
    """First day of a month and first day of the next."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return date(year, month, 1), following


def format_utc(instant_us: int) -> str:
    """RFC 3339 in UTC, without needless fractions.

    >>> format_utc(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    return from_us(instant_us).isoformat().replace("+00:00", "Z")


def parse_instant(text: str, zone: tzinfo | None = None) -> int:
    """Microseconds of an RFC 3339 text; a bare date is its local midnight in ``zone``.

    Raises:
        QueryError: Not a time, or a time without offset that the zone cannot place.
    """
    try:
        if _BARE_DATE.fullmatch(text):
            return day_start_us(date.fromisoformat(text), zone or UTC)
        parsed = datetime.fromisoformat(text if _BARE_DATE.match(text) else "")
    except (ValueError, OverflowError):
        raise QueryError(
            f"time {text!r} is not RFC 3339; write 2026-05-01T12:00:00Z or 2026-05-01"
        ) from None
    if parsed.tzinfo is not None:
        return to_us(parsed)
    if zone is None:
        raise QueryError(f"time {text!r} has no offset; add Z or +01:00")
    return _place_wall_time(parsed, zone, text)


def _place_wall_time(naive: datetime, zone: tzinfo, text: str) -> int:
    """The only instant of a wall time; none or two are refused rather than guessed."""
    first, second = local_to_us(naive, zone, fold=0), local_to_us(naive, zone, fold=1)
    if first != second:
        raise QueryError(f"time {text!r} is ambiguous or skipped in this zone; add an offset")
    return first
