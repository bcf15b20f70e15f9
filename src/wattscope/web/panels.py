"""``/api/panels/{id}/...``: readings of a solar panel in buckets, and what it makes of its rating.

The fields are those of the seed's API (solar-farm, ``api/main.py``); buckets and days are whole.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from wattscope.core.errors import QueryError
from wattscope.core.time_grid import (
    US_PER_DAY,
    US_PER_HOUR,
    US_PER_MINUTE,
    day_start_us,
    format_utc,
    load_zone,
    local_date,
)
from wattscope.core.topology import Device
from wattscope.ports import Rollup
from wattscope.web.numbers import number
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.services import Services
from wattscope.web.spans import check_span, read_instant

POWERS: Final = ("production_power_w", "active_power_w", "dc_power_w")
"""What a panel or an inverter gives; the first one that there is."""
TEMPERATURE: Final = "temperature_c"
_STEPS_US: Final = {"1m": US_PER_MINUTE, "15m": 15 * US_PER_MINUTE, "1h": US_PER_HOUR}
_MAX_BUCKETS: Final = 100_000

DaysQuery = Annotated[int, Query(ge=1, le=3660, description="Local days, today among them")]


def build_panel_routes(services: Services) -> APIRouter:
    """The routes; they must come before that of one device, whose id may hold slashes."""
    router = APIRouter(prefix="/api", tags=["panels"], responses=PROBLEM_RESPONSES)

    @router.get("/panels/{panel_id:path}/readings")
    def read_panel_readings(
        panel_id: str,
        start_time: Annotated[
            str | None, Query(description="RFC 3339, or a local date; left out, a day ago")
        ] = None,
        end_time: Annotated[
            str | None, Query(description="RFC 3339, or a local date; left out, now")
        ] = None,
        interval: Annotated[str, Query(description="1m, 15m, 1h or 1d")] = "1h",
        limit: Annotated[int, Query(ge=1, le=_MAX_BUCKETS, description="Newest buckets")] = 10_000,
    ) -> list[dict[str, Any]]:
        """Power [W] and temperature [°C] of a panel in buckets, the newest first."""
        device = services.find_device(panel_id)
        zone = load_zone(services.find_site(device.site).time_zone)
        end_us = read_instant(end_time, zone) if end_time else services.now_us()
        start_us = read_instant(start_time, zone) if start_time else end_us - US_PER_DAY
        check_span(start_us, end_us + 1)
        step_us = _STEPS_US.get(interval, US_PER_DAY)
        if interval not in {*_STEPS_US, "1d"}:
            raise QueryError(f"interval {interval!r} is unknown; use 1m, 15m, 1h or 1d")
        if (end_us - start_us) // step_us >= _MAX_BUCKETS:
            raise QueryError(f"more than {_MAX_BUCKETS} buckets; ask for a coarser interval")
        # The bucket that holds the start belongs to the answer, whole.
        if interval == "1d":
            start_us = day_start_us(local_date(start_us, zone), zone)
        else:
            start_us = start_us // step_us * step_us
        return _read_buckets(services, device, interval, (start_us, end_us + 1))[:limit]

    @router.get("/panels/{panel_id:path}/efficiency")
    def read_panel_efficiency(panel_id: str, days: DaysQuery = 7) -> list[dict[str, Any]]:
        """Mean power of each day as a share of the rated power [%], the newest day first."""
        return _rate_days(services, panel_id, days)

    @router.get("/devices/{device_id:path}/efficiency")
    def read_device_efficiency(device_id: str, days: DaysQuery = 7) -> list[dict[str, Any]]:
        """The same of any device with a rating, such as an inverter."""
        return _rate_days(services, device_id, days)

    return router


def _rate_days(services: Services, device_id: str, days: int) -> list[dict[str, Any]]:
    device = services.find_device(device_id)
    if device.rating_w is None:
        raise QueryError(
            f"the rated power of {device.id!r} is not known; tell rating_w of it in [[devices]] "
            "or [[arrays]] of the settings"
        )
    zone = load_zone(services.find_site(device.site).time_zone)
    now_us = services.now_us()
    first = local_date(now_us, zone) - timedelta(days=days - 1)
    power = _find_power(services, device)
    if power is None:
        return []
    rollup = services.store.roll_up([power], "1d", day_start_us(first, zone), now_us + 1)
    return [
        {
            "date": local_date(start_us, zone).isoformat(),
            "efficiency_percentage": number(100.0 * mean_w / device.rating_w),
        }
        for start_us, mean_w in reversed(_list_means(rollup))
    ]


def _read_buckets(
    services: Services, device: Device, interval: str, span: tuple[int, int]
) -> list[dict[str, Any]]:
    power = _find_power(services, device)
    warmth = services.book.find_series(device.id, TEMPERATURE)
    wanted = [one for one in (power, warmth) if one is not None]
    if not wanted:
        return []
    rollup = services.store.roll_up(wanted, interval, *span)
    found: dict[int, dict[str, Any]] = {}
    for at in range(len(rollup.series_id)):
        start_us, count = int(rollup.bucket_start_us[at]), int(rollup.count[at])
        if not count:
            continue
        row = found.setdefault(start_us, _empty_row(device, start_us))
        mean = number(float(rollup.sum[at]) / count)
        if int(rollup.series_id[at]) == warmth:
            row["avg_temperature"] = mean
        else:
            row["avg_power"] = mean
            row["max_power"] = number(float(rollup.max[at]))
            row["min_power"] = number(float(rollup.min[at]))
    return [found[start_us] for start_us in sorted(found, reverse=True)]


def _empty_row(device: Device, start_us: int) -> dict[str, Any]:
    return {
        "panel_id": device.id,
        "timestamp": format_utc(start_us),
        "avg_power": None,
        "max_power": None,
        "min_power": None,
        "avg_temperature": None,
    }


def _find_power(services: Services, device: Device) -> int | None:
    """The series of what a device gives; None where it never told."""
    found = (services.book.find_series(device.id, name) for name in POWERS)
    return next((one for one in found if one is not None), None)


def _list_means(rollup: Rollup) -> list[tuple[int, float]]:
    """Start [µs] and mean of each bucket that has values."""
    return [
        (int(start_us), float(total) / int(count))
        for start_us, total, count in zip(
            rollup.bucket_start_us, rollup.sum, rollup.count, strict=True
        )
        if count
    ]
