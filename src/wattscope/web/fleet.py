"""``/api/fleet``: every panel with what it gives and should give; and what is expected of one."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from wattscope.compute.production import POWER_QUANTITIES
from wattscope.core.errors import UnknownNameError
from wattscope.core.findings import name_kind
from wattscope.core.fleet_state import FleetMember, FleetState, SolarFleet
from wattscope.core.reading import FloatColumn
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, format_utc, load_zone
from wattscope.core.topology import Site
from wattscope.web.numbers import number, numbers, total
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.services import FleetDesk, Services
from wattscope.web.spans import check_span, read_instant

_N_PEERS = 5
_LOSING = (FleetState.FAULT, FleetState.LOW)
_WH_PER_KWH = 1000.0


def build_fleet_routes(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["solar"], responses=PROBLEM_RESPONSES)

    @router.get("/fleet")
    def read_fleet(site: str | None = None) -> dict[str, Any]:
        """Panels, or inverters where there are none, ranked by what they lose a day."""
        found = services.find_site(site)
        fleet = _desk(services).read(found)
        return describe_fleet(found, fleet, services.energy_price, services.now_us())

    @router.get("/devices/{device_id:path}/expected")
    def read_expected(
        device_id: str,
        start: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        end: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
    ) -> dict[str, Any]:
        """What a panel or inverter should give, by quarter hours, with what neighbours gave."""
        device = services.find_device(device_id)
        zone = load_zone(services.find_site(device.site).time_zone)
        end_us = read_instant(end, zone) if end else services.now_us()
        start_us = read_instant(start, zone) if start else end_us - US_PER_DAY
        check_span(start_us, end_us)
        found = _desk(services).expect(device, start_us, end_us)
        if found is None:
            raise UnknownNameError(f"device {device.id!r} tells no power; panels and inverters do")
        window, expected = found
        at = window.devices.index(device)
        power = window.find(*POWER_QUANTITIES)
        peers = [] if power is None else _choose_peers(power, at)
        return {
            "device": device.id,
            "quantity": next(name for name in POWER_QUANTITIES if name in window.values),
            "unit": "W",
            "method": expected.method.value,
            "times": [format_utc(one) for one in window.slot_us.tolist()],
            "power": [] if power is None else numbers(power[at]),
            "low": numbers(expected.low_w[at]),
            "expected": numbers(expected.expected_w[at]),
            "high": numbers(expected.high_w[at]),
            "peers": [numbers(power[one]) for one in peers] if power is not None else [],
            "peer_devices": [window.devices[one].id for one in peers],
        }

    return router


def describe_fleet(
    site: Site, fleet: SolarFleet, price: float | None, now_us: int
) -> dict[str, Any]:
    """The fleet as the page shows it; ``price`` is that of a kWh."""
    ranked = sorted(fleet.members, key=lambda one: (-_lost_wh(one), one.device.id))
    lost_wh = sum(_lost_wh(one) for one in ranked)
    return {
        "as_of": format_utc(now_us),
        "looked_at": None if fleet.looked_at_us is None else format_utc(fleet.looked_at_us),
        "site": site.id,
        "is_day": fleet.is_day,
        "currency": site.currency,
        "devices": [_describe(one, price, now_us) for one in ranked],
        "summary": {
            "n": len(ranked),
            "n_losing": sum(one.state in _LOSING for one in ranked),
            "lost_kwh_per_day": number(lost_wh / _WH_PER_KWH),
            "lost_money_per_day": _money(lost_wh, price),
            "power_w": total(np.array([one.power_w for one in ranked])),
            "expected_w": total(np.array([one.expected_w for one in ranked])),
        },
    }


def _describe(member: FleetMember, price: float | None, now_us: int) -> dict[str, Any]:
    device, incident = member.device, member.incident
    at_us = member.measured_at_us
    lost_wh = _lost_wh(member)
    return {
        "id": device.id,
        "name": device.name,
        "kind": device.kind.value,
        "parent": device.parent,
        "rating_w": device.rating_w,
        "power_w": number(member.power_w),
        "expected_w": number(member.expected_w),
        "performance": number(member.performance),
        "state": member.state.value,
        "age_s": None if at_us is None else number((now_us - at_us) / US_PER_S),
        "lost_kwh_per_day": number(lost_wh / _WH_PER_KWH),
        "lost_money_per_day": _money(lost_wh, price),
        "incident": None if incident is None else incident.id,
        "cause": None if incident is None else name_kind(incident.causes[0].name),
        "spark": [number(one) for one in member.spark_w],
    }


def _lost_wh(member: FleetMember) -> float:
    """What a device loses a day [Wh]."""
    return 0.0 if member.incident is None else member.incident.lost_wh_per_day


def _money(lost_wh: float, price: float | None) -> float | None:
    return None if price is None else number(lost_wh / _WH_PER_KWH * price)


def _choose_peers(power: FloatColumn, at: int) -> list[int]:
    """Neighbours to draw: those that have most readings, the next ones first."""
    others = [one for one in range(len(power)) if one != at]
    counts = np.isfinite(power).sum(axis=1)
    return sorted(others, key=lambda one: (-int(counts[one]), abs(one - at)))[:_N_PEERS]


def _desk(services: Services) -> FleetDesk:
    if services.fleet is None:
        raise UnknownNameError("nothing looks for faults here; set enabled = true in [detect]")
    return services.fleet
