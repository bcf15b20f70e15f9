"""Reads the instant that a device states: RFC 3339 texts, wall-clock times, counted numbers.

It promises an instant between 2001 and 2100, or a ``Rejection`` with ``BAD_TIME``. It never
guesses a unit from the size of a number, and does not judge whether an instant lies ahead.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from typing import Final

import msgspec

from wattscope.compute.decode.json_path import Absent
from wattscope.compute.decode.strict_json import excerpt
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.time_grid import local_to_us, to_us

EARLIEST_US: Final = to_us(datetime(2001, 1, 1, tzinfo=UTC))
"""Devices without a set clock state 1970 or 2000 [µs]."""
LATEST_US: Final = to_us(datetime(2100, 1, 1, tzinfo=UTC))
"""The first instant that is refused [µs]."""
_ONE_DAY: Final = timedelta(days=1)
_FIRST_NAIVE: Final = datetime(2001, 1, 1) - _ONE_DAY  # noqa: DTZ001 - compared with wall times
_LAST_NAIVE: Final = datetime(2100, 1, 1) + _ONE_DAY  # noqa: DTZ001 - compared with wall times
_MAX_COUNT: Final = 2**63


class TimeUnit(Enum):
    """What a number that states an instant counts since 1970, or how a text is to be read."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"
    RFC3339 = "rfc3339"
    """A text; without an offset it is a wall-clock time of the site. Numbers are refused."""
    LOCAL = "local"
    """The same as ``RFC3339``; says in a profile that the device sends no offset."""


_PER_US: Final = {
    TimeUnit.SECONDS: (1_000_000, 1),
    TimeUnit.MILLISECONDS: (1_000, 1),
    TimeUnit.MICROSECONDS: (1, 1),
    TimeUnit.NANOSECONDS: (1, 1_000),
}


def read_instant(value: object, unit: TimeUnit, zone: tzinfo) -> int | Rejection:
    """The instant that a JSON value states [µs since 1970, UTC].

    A wall-clock time that comes twice in autumn is taken as the first of the two.

    Args:
        value: A text or a number.
        unit: What a number counts.
        zone: The zone of a text without an offset.
    """
    if isinstance(value, str):
        return _read_text(value, zone)
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = type(value).__name__
        return Rejection(ReasonCode.BAD_TIME, f"the time is a {kind}, not a text or number")
    if unit not in _PER_US:
        return Rejection(ReasonCode.BAD_TIME, "the time is a number where a text was expected")
    return _read_count(value, unit)


def read_optional_instant(value: object, unit: TimeUnit, zone: tzinfo) -> int | Rejection | None:
    """The same, where null or nothing says that the message states no instant."""
    if value is None or isinstance(value, Absent):
        return None
    return read_instant(value, unit, zone)


def place_instant(stamp: datetime, zone: tzinfo) -> int | Rejection:
    """The instant of a parsed time stamp [µs]; without an offset it is read in ``zone``."""
    if stamp.tzinfo is not None:
        return check_instant(to_us(stamp))
    # Far years overflow the arithmetic of zones, so they are refused before it.
    if not _FIRST_NAIVE < stamp < _LAST_NAIVE:
        return _refuse_year(stamp.isoformat())
    return check_instant(local_to_us(stamp, zone, fold=0))


def check_instant(instant_us: int) -> int | Rejection:
    """The instant itself when a device that works could have stated it."""
    if EARLIEST_US <= instant_us < LATEST_US:
        return instant_us
    return _refuse_year(f"{instant_us} µs since 1970")


def _read_text(text: str, zone: tzinfo) -> int | Rejection:
    try:
        stamp = msgspec.convert(text, datetime)
    except ValueError:
        return Rejection(ReasonCode.BAD_TIME, f"time {excerpt(text)} is not RFC 3339")
    return place_instant(stamp, zone)


def _read_count(count: float, unit: TimeUnit) -> int | Rejection:
    factor, divisor = _PER_US[unit]
    # Written so that NaN, which compares with nothing, is refused too.
    if not abs(count) <= _MAX_COUNT:
        return Rejection(ReasonCode.BAD_TIME, "the time is not a number of this age")
    if isinstance(count, int):
        return check_instant(count * factor // divisor)
    return check_instant(round(count * factor / divisor))


def _refuse_year(seen: str) -> Rejection:
    return Rejection(ReasonCode.BAD_TIME, f"time {seen} is not between 2001 and 2100")
