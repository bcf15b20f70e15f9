"""``/api/insights``: how it stands now, and what a day's data say beyond its sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from wattscope.compute.staleness import stale_after_s
from wattscope.core.time_grid import US_PER_S, format_utc, load_zone
from wattscope.core.topology import Device, DeviceKind
from wattscope.web.copied_days import list_copied_days
from wattscope.web.energy import find_gaps
from wattscope.web.numbers import number
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.services import Services
from wattscope.web.site_energy import SiteEnergy
from wattscope.web.spans import MAX_SPAN_US, check_span, read_instant, read_span

_ALWAYS_ON_QUANTILE = 0.05
_MIN_ALWAYS_ON_POINTS = 120


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest value of a role."""

    value: float
    measured_at_us: int
    limit_s: float


def build_insight_routes(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/insights", tags=["insights"], responses=PROBLEM_RESPONSES)

    @router.get("/now")
    def read_now(site: str | None = None) -> dict[str, Any]:
        """Power of grid, solar and home at this moment [W], with its age."""
        return describe_now(services, site)

    @router.get("/day")
    def read_day(
        site: str | None = None,
        day: Annotated[str | None, Query(examples=["2026-05-01"])] = None,
    ) -> dict[str, Any]:
        """What runs always, and when there were no data."""
        energy = SiteEnergy(services, services.find_site(site))
        now_us = services.now_us()
        span = read_span(energy.zone, now_us, day=day)
        chart = energy.power(span.start_us, span.end_us, 1440)
        known = chart.home_w[~np.isnan(chart.home_w)]
        always_on = None
        if len(known) >= _MIN_ALWAYS_ON_POINTS:
            always_on = number(float(np.quantile(known, _ALWAYS_ON_QUANTILE)))
        device = energy.roles.imports[0][0] if energy.roles.imports else None
        gaps = [{"device": device} | gap for gap in find_gaps(chart, now_us)]
        return {"always_on_w": always_on, "gaps": gaps}

    @router.get("/copied-days")
    def read_copied_days(
        device: str,
        start: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        end: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
    ) -> dict[str, Any]:
        """Days that repeat the day before in every value: somebody filled a gap with a copy."""
        found = services.find_device(device)
        zone = load_zone(services.find_site(found.site).time_zone)
        end_us = read_instant(end, zone) if end else services.now_us()
        start_us = read_instant(start, zone) if start else max(0, end_us - MAX_SPAN_US)
        check_span(start_us, end_us)
        days = list_copied_days(services, found.id, (start_us, end_us))
        return {
            "device": found.id,
            "start": format_utc(start_us),
            "end": format_utc(end_us),
            "days": [day.isoformat() for day in days],
        }

    return router


def describe_now(services: Services, site: str | None) -> dict[str, Any]:
    """Power now, the newest instant behind it, and whether that is too old."""
    energy = SiteEnergy(services, services.find_site(site))
    devices = {device.id: device for device in energy.devices}
    now_us = services.now_us()
    grid = _newest_of(services, devices, energy.roles.imports, "active_power_w")
    solar = _newest_of(services, devices, energy.roles.productions, "production_power_w")
    has_solar = bool(energy.roles.productions)
    is_fresh_grid, is_fresh_solar = _is_fresh(grid, now_us), _is_fresh(solar, now_us)
    is_stale = not (is_fresh_grid or is_fresh_solar)
    if is_stale:
        # All are old: the page shows them as what was known last, with their age.
        is_fresh_grid, is_fresh_solar = grid is not None, solar is not None
    known = [one for one in (grid, solar) if one is not None]
    if not known:
        known = _newest_of_all(services, energy.devices)
        is_stale = not any(_is_fresh(one, now_us) for one in known)
    home = None
    if grid is not None and is_fresh_grid and (not has_solar or is_fresh_solar):
        home = max(0.0, grid.value + (solar.value if solar is not None else 0.0))
    at_us = max((one.measured_at_us for one in known), default=None)
    age_s = None if at_us is None else max(0.0, (now_us - at_us) / US_PER_S)
    limit_s = max((one.limit_s for one in known), default=0.0)
    return {
        "at": None if at_us is None else format_utc(at_us),
        "age_s": age_s,
        "is_stale": is_stale,
        "stale_after_s": limit_s,
        "grid_w": number(grid.value) if grid is not None and is_fresh_grid else None,
        "solar_w": number(solar.value) if solar is not None and is_fresh_solar else None,
        "home_w": number(home),
        "has_solar": has_solar,
        "battery_w": None,
        "battery_soc_pct": None,
        "loads": _describe_loads(services, energy.devices, now_us),
    }


def _newest_of(
    services: Services,
    devices: dict[str, Device],
    pairs: tuple[tuple[str, str], ...],
    quantity: str,
) -> _Newest | None:
    """Sum over the devices of a role; as old as the oldest of them."""
    parts = []
    for device, _ in pairs:
        series = services.book.find_series(device, quantity)
        latest = None if series is None else services.live.latest(series)
        if latest is not None:
            parts.append(_Newest(latest[1], latest[0], stale_after_s(devices[device])))
    if not parts:
        return None
    return _Newest(
        sum(part.value for part in parts),
        min(part.measured_at_us for part in parts),
        max(part.limit_s for part in parts),
    )


def _newest_of_all(services: Services, devices: list[Device]) -> list[_Newest]:
    """The newest power of any device, where none plays a role in the balance of the site."""
    newest: list[_Newest] = []
    for device in devices:
        series = services.book.find_series(device.id, "active_power_w")
        latest = None if series is None else services.live.latest(series)
        if latest is not None and (not newest or latest[0] > newest[0].measured_at_us):
            newest = [_Newest(latest[1], latest[0], stale_after_s(device))]
    return newest


def _is_fresh(newest: _Newest | None, now_us: int) -> bool:
    return newest is not None and (now_us - newest.measured_at_us) / US_PER_S <= newest.limit_s


def _describe_loads(services: Services, devices: list[Device], now_us: int) -> list[dict[str, Any]]:
    """Single loads that measure themselves and are fresh."""
    loads = []
    for device in devices:
        if device.kind not in {DeviceKind.PLUG, DeviceKind.HEAT_PUMP} or device.is_production:
            continue
        series = services.book.find_series(device.id, "active_power_w")
        latest = None if series is None else services.live.latest(series)
        if latest is not None and (now_us - latest[0]) / US_PER_S <= stale_after_s(device):
            loads.append({"device": device.id, "name": device.name, "power_w": number(latest[1])})
    return loads
