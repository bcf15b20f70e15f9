"""Days of a device that repeat the day before them, found without reading every value.

Copies have the same count, extremes, first and last value; only days that agree in these with the
day before are read value by value.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta, tzinfo

import numpy as np

from wattscope.core.time_grid import US_PER_DAY, day_start_us, load_zone, local_date
from wattscope.detectors.copied_day import Day, find_copied_days
from wattscope.web.services import Services

_MARKS = ("count", "min", "max", "first", "last")


def list_copied_days(services: Services, device: str, span_us: tuple[int, int]) -> list[date]:
    """Local days on which a device and all below it repeat the day before, rising.

    Args:
        services: Store and registry.
        device: Id of the device at the top.
        span_us: First instant and end of the days to look at [µs].
    """
    series = _series_below(services, device)
    if not series:
        return []
    zone = load_zone(services.find_site(services.find_device(device).site).time_zone)
    candidates = find_copied_days(_mark_days(services, series, span_us, zone))
    return [day for day in candidates if _is_copy(services, series, day, zone)]


def _series_below(services: Services, device: str) -> tuple[int, ...]:
    """All series of a device and of the devices below it."""
    members = {device}
    devices = services.book.list_devices()
    while grown := {one.id for one in devices if one.parent in members} - members:
        members |= grown
    return tuple(one.id for one in services.book.list_series() if one.device in members)


def _mark_days(
    services: Services, series: Sequence[int], span_us: tuple[int, int], zone: tzinfo
) -> dict[date, list[Day]]:
    """What a day has in common with its copy, one array a series."""
    start_us, end_us = span_us
    rollup = services.store.roll_up(series, "1d", start_us - 2 * US_PER_DAY, end_us)
    marks = np.column_stack([getattr(rollup, name).astype(np.float64) for name in _MARKS])
    days: dict[date, list[Day]] = {}
    place = {one: at for at, one in enumerate(series)}
    for one, bucket_us, values in zip(
        rollup.series_id.tolist(), rollup.bucket_start_us.tolist(), marks, strict=True
    ):
        if values[0]:
            nothing = [np.empty(0) for _ in series]
            # The leading zero tells the marks of a day of ones from a constant.
            days.setdefault(local_date(bucket_us, zone), nothing)[place[one]] = np.r_[0.0, values]
    return days


def _is_copy(services: Services, series: Sequence[int], day: date, zone: tzinfo) -> bool:
    """Whether a day repeats the day before in every value."""
    before = day - timedelta(days=1)
    return find_copied_days(
        {one: _read_day(services, series, one, zone) for one in (before, day)}
    ) == [day]


def _read_day(services: Services, series: Sequence[int], day: date, zone: tzinfo) -> list[Day]:
    following = day + timedelta(days=1)
    batch = services.store.read_raw(series, day_start_us(day, zone), day_start_us(following, zone))
    return [batch.value[batch.series_id == one] for one in series]
