"""When a meter is read: at fixed intervals, or as a cron expression says.

Intervals are counted from 1970, so that all meters of one interval are read together and a
restart changes nothing. Cron expressions have five fields, or six with seconds first, and follow
the wall clock of the site as Debian's cron does: what names a time that summer time skips runs
when the clock has moved on, what names one that comes twice runs once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from cronsim import CronSim, CronSimError

from wattscope.core.errors import SettingsError
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE, US_PER_S, to_us

SHORTEST_US: Final = 100_000
"""More often than this no meter is read [µs]."""
_INTERVAL: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|min|h|d)?")
_UNIT_US: Final = {"ms": 1000, "s": US_PER_S, "m": 60 * US_PER_S, "min": 60 * US_PER_S} | {
    "h": 3600 * US_PER_S,
    "d": US_PER_DAY,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The instants of a poll group."""

    text: str
    """As it was written."""
    interval_us: int | None
    """[µs]; None for a cron expression."""
    zone: tzinfo

    def next_after(self, now_us: int) -> int:
        """The first instant after ``now_us`` [µs since 1970, UTC]."""
        if self.interval_us is not None:
            return (now_us // self.interval_us + 1) * self.interval_us
        # In an hour that comes twice, the first answers may be of its first time.
        return next(one for one in _iterate(self.text, self.zone, now_us) if one > now_us)


def _iterate(text: str, zone: tzinfo, now_us: int) -> Iterator[int]:
    """The instants of a cron expression from about now on [µs since 1970, UTC].

    cronsim follows Debian's cron only for five fields, so of six the first one is added here,
    unless the expression runs in every hour or minute and needs no such care.
    """
    others = text.split()[1:]
    if len(others) == 4 or others[0].startswith("*") or others[1].startswith("*"):
        yield from map(to_us, CronSim(text, _to_local(now_us, zone)))
        return
    within = sorted(CronSim(text, _EPOCH).seconds)
    before = now_us // US_PER_MINUTE * US_PER_MINUTE - US_PER_S
    for minute in CronSim(" ".join(others), _to_local(before, zone)):
        yield from (to_us(minute) + second * US_PER_S for second in within)


def _to_local(instant_us: int, zone: tzinfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=instant_us)).astimezone(zone)


def parse_schedule(text: str, zone: tzinfo) -> Schedule:
    """The schedule that a text tells.

    Args:
        text: ``10s``, ``500ms``, ``1m``, ``15m``, ``1h``, a number of seconds, or a cron
            expression such as ``*/10 * * * * *`` (every ten seconds) or ``0 6 * * *`` (at six).
        zone: The site's, for cron expressions.

    Raises:
        SettingsError: It is neither, or the interval is shorter than 0.1 s or longer than a day.

    >>> parse_schedule("10s", UTC).next_after(12_000_000)
    20000000
    >>> parse_schedule("*/15 * * * *", UTC).next_after(0) // 60_000_000
    15
    """
    words = text.strip()
    match = _INTERVAL.fullmatch(words)
    if match is not None:
        interval_us = round(float(match[1]) * _UNIT_US[match[2] or "s"])
        if not SHORTEST_US <= interval_us <= US_PER_DAY:
            raise SettingsError(f"interval {text!r} is not between 0.1 s and one day")
        return Schedule(words, interval_us, zone)
    try:
        next(CronSim(words, datetime(2024, 1, 1, tzinfo=zone)))
    except (CronSimError, StopIteration, ValueError) as fault:
        raise SettingsError(
            f"schedule {text!r} is neither an interval such as 10s nor a cron expression of five "
            f"or six fields ({fault})"
        ) from fault
    return Schedule(words, None, zone)
