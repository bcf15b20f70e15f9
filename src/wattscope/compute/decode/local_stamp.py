"""Instants that meters tell in local time with a letter for summer or winter time.

``YYMMDDhhmmssX``, X being S in summer time and W outside of it (DSMR P1 5.0.2, section 6.4, tag 8).
The letter decides, so that the hour that autumn repeats is two hours. Telegrams before DSMR 4 have
no letter; then that hour is taken as the first of the two.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from wattscope.compute.decode.clock import check_instant
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.time_grid import load_zone, local_to_us, to_us

FALLBACK_ZONE: Final = "Europe/Amsterdam"
"""Where the standard is from, for a site whose own zone knows no summer time (as UTC)."""

_STAMP: Final = re.compile(r"(\d{12})([SW]?)", re.ASCII)


def read_stamp(text: str, zone: tzinfo) -> int | Rejection:
    """The instant of a stamp [µs since 1970, UTC].

    Args:
        text: Twelve digits, with or without the letter.
        zone: The site's.

    >>> paris = load_zone("Europe/Paris")
    >>> read_stamp("231029023000W", paris) - read_stamp("231029023000S", paris)
    3600000000
    """
    found = _STAMP.fullmatch(text)
    try:
        wall = datetime.strptime(found[1], "%y%m%d%H%M%S") if found else None  # noqa: DTZ007  # the letter and the zone place it
    except ValueError:
        wall = None
    if found is None or wall is None:
        return Rejection(ReasonCode.BAD_TIME, f"time {text[:20]!a} is not YYMMDDhhmmss with S or W")
    winter, summer = _find_offsets(zone, wall.year)
    if winter == summer:
        zone = load_zone(FALLBACK_ZONE)
        winter, summer = _find_offsets(zone, wall.year)
    if not found[2]:
        return check_instant(local_to_us(wall, zone, fold=0))
    offset = summer if found[2] == "S" else winter
    return check_instant(to_us((wall - offset).replace(tzinfo=UTC)))


@lru_cache(maxsize=256)
def _find_offsets(zone: tzinfo, year: int) -> tuple[timedelta, timedelta]:
    """The offsets of winter and summer time, which are those of January and July or the reverse."""
    offsets = [datetime(year, month, 1, tzinfo=zone).utcoffset() or timedelta() for month in (1, 7)]
    return min(offsets), max(offsets)
