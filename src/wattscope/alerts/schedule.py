"""When a rule looks: hours of weekdays in local time.

It goes by what a clock on the wall says. So hours that spring leaves out are never looked at, and
those that autumn has twice are looked at twice.
"""

from __future__ import annotations

from datetime import tzinfo

from wattscope.core.alerting import Schedule
from wattscope.core.time_grid import from_us

_DAY_MINUTES = 1440
ALWAYS = Schedule()


def is_within(schedule: Schedule, instant_us: int, zone: tzinfo) -> bool:
    """Whether a rule looks at an instant.

    Hours over midnight belong to the weekday on which they begin.

    >>> from datetime import UTC
    >>> fridays = Schedule((4,), start_minute=22 * 60, end_minute=6 * 60)
    >>> [is_within(fridays, (day * 24 + hour) * 3_600_000_000, UTC)
    ...  for day, hour in ((1, 21), (1, 22), (2, 5), (2, 6), (2, 22))]  # 2 January 1970: a Friday
    [False, True, True, False, False]
    """
    if schedule == ALWAYS:
        return True
    local = from_us(instant_us).astimezone(zone)
    minute = 60 * local.hour + local.minute
    start, end = schedule.start_minute, schedule.end_minute
    weekday = local.weekday()
    if start < end:
        return weekday in schedule.weekdays and start <= minute < end
    if minute >= start:
        return weekday in schedule.weekdays
    return minute < end and (weekday - 1) % 7 in schedule.weekdays
