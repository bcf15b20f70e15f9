"""``/api/pages/settings``: what pages look like and judge by, and the machine they are about."""

from __future__ import annotations

import math
from typing import Any

from fastapi import APIRouter

from wattscope.compute.bands import Bands
from wattscope.compute.running_states import StateLimits
from wattscope.core.time_grid import US_PER_S
from wattscope.core.topology import Device, DeviceKind
from wattscope.web.numbers import number
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.services import Services


def build_screen_routes(services: Services) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/api/pages", tags=["pages"], responses=PROBLEM_RESPONSES)

    @router.get("/settings")
    def read_settings(site: str | None = None) -> dict[str, Any]:
        """Colours of the phases; device, limits and bands of the heat-pump page."""
        screen = services.screen
        devices = list_heat_pumps(services, services.find_site(site).id)
        pump = screen.heat_pump
        return {
            "phase_colours": screen.phase_colours,
            "heat_pump": {
                "devices": [{"id": one.id, "name": one.name} for one in devices],
                "limits": describe_limits(pump.limits),
                "bands": {
                    "active_power_w": describe_bands(pump.power),
                    "frequency_hz": describe_bands(pump.frequency),
                    "power_factor": describe_bands(pump.power_factor),
                },
            },
        }

    return router


def list_heat_pumps(services: Services, site: str) -> list[Device]:
    """The machines that the heat-pump page can show, the one it shows first at the head.

    The device of the settings counts also where it is none by its kind; where there is no heat pump
    at all, the meters at the top of the tree stand in.
    """
    devices = [one for one in services.book.list_devices() if one.site == site]
    wanted = services.screen.heat_pump.device
    pumps = [one for one in devices if one.kind is DeviceKind.HEAT_PUMP or one.id == wanted]
    if not pumps:
        pumps = [one for one in devices if one.kind is DeviceKind.METER and one.parent is None]
    return sorted(pumps, key=lambda one: (one.id != wanted, one.id))


def describe_limits(limits: StateLimits) -> dict[str, float]:
    """Limits of states for an answer."""
    return {
        "standby_below_w": limits.standby_below_w,
        "high_from_w": limits.high_from_w,
        "hysteresis": limits.hysteresis,
        "min_state_s": limits.min_duration_us / US_PER_S,
    }


def describe_bands(bands: Bands) -> dict[str, float | None]:
    """Limits of bands for an answer; null where a side has none."""
    return {
        name: number(value) if math.isfinite(value := getattr(bands, name)) else None
        for name in bands.__slots__
    }
