"""``/api/plant``: every meter of a site, whether it answers, and whether its numbers fit."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from typing import Any

import numpy as np
from fastapi import APIRouter

from wattscope.compute.meter_truth import (
    PHASES,
    Remainder,
    find_contradictions,
    find_remainder,
)
from wattscope.compute.staleness import stale_after_s
from wattscope.core.time_grid import US_PER_S, day_start_us, format_utc, load_zone, local_date
from wattscope.core.topology import Device, DeviceKind
from wattscope.web.device_energy import find_energy_series
from wattscope.web.numbers import number
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.services import Services

_ONE_INSTANT_US = 3 * US_PER_S
"""Values of one device within this time of its power are compared with each other."""
_ENERGY_AGE_US = 15 * US_PER_S
"""So long the energies of today are kept: with thousands of meters they are much to add up."""
_LEFT_OUT = frozenset({DeviceKind.SENSOR, DeviceKind.PLANT, DeviceKind.STRING})
_UNREACHABLE = frozenset({"offline", "refused"})
_SHOWN = (
    "active_power_w",
    "production_power_w",
    *(f"active_power_{phase}_w" for phase in PHASES),
    "voltage_v",
    *(f"voltage_{phase}_v" for phase in PHASES),
    *(f"current_{phase}_a" for phase in PHASES),
    "power_factor",
    "frequency_hz",
)


@dataclass(frozen=True, slots=True)
class _Meter:
    """A device with its newest values."""

    device: Device
    newest_us: int | None
    values: dict[str, float]
    """The newest of each quantity that is not too old."""
    quantities: tuple[str, ...]
    """All that it ever said."""
    link: dict[str, Any] | None
    """State of its Modbus connection; None where it is read in another way."""
    state: str
    """ok, faulty, stale, offline or silent."""
    words: str

    @property
    def power_w(self) -> float | None:
        """What it uses now, or makes where it counts that; None while nothing fresh is known."""
        if self.state not in {"ok", "faulty"}:
            return None
        power = self.values.get("active_power_w")
        made = self.values.get("production_power_w")
        return made if power is None or (self.device.is_production and made is not None) else power


class _EnergyToday:
    """Energies of the day by device, remembered for some seconds."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kept: dict[str, tuple[int, dict[str, float | None]]] = {}

    def read(self, site: str, devices: list[Device], zone: tzinfo) -> dict[str, float | None]:
        """Energy of each device since local midnight [Wh]; None where it is unknown."""
        now_us = self._services.now_us()
        kept = self._kept.get(site)
        if kept is not None and 0 <= now_us - kept[0] < _ENERGY_AGE_US:
            return kept[1]
        energies = self._count(devices, zone, now_us)
        self._kept[site] = now_us, energies
        return energies

    def _count(self, devices: list[Device], zone: tzinfo, now_us: int) -> dict[str, float | None]:
        today = local_date(now_us, zone)
        ends = day_start_us(today, zone), day_start_us(today + timedelta(days=1), zone)
        series: dict[int, str] = {}
        for device in devices:
            found = find_energy_series(self._services, device).get("total")
            if found is not None:
                series[found[1]] = device.id
        rollup = self._services.store.roll_up(list(series), "1d", *ends)
        energies: dict[str, float | None] = {device.id: None for device in devices}
        for one, energy in zip(rollup.series_id.tolist(), rollup.energy_wh.tolist(), strict=True):
            if not np.isnan(energy):
                energies[series[one]] = (energies[series[one]] or 0.0) + energy
        return energies


def build_plant_routes(services: Services) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/api", tags=["plant"], responses=PROBLEM_RESPONSES)
    energy_today = _EnergyToday(services)

    @router.get("/plant")
    def read_plant(site: str | None = None) -> dict[str, Any]:
        """Every meter with its newest values, its link and what contradicts what.

        ``state`` is ok, faulty (its numbers cannot be true), stale (its newest value is too old),
        offline (it does not answer) or silent (it never said anything).
        """
        place = services.find_site(site)
        meters = list_meters(services, place.id)
        energies = energy_today.read(
            place.id, [one.device for one in meters], load_zone(place.time_zone)
        )
        by_id = {one.device.id: one for one in meters}
        counts = Counter(one.state for one in meters)
        return {
            "site": place.id,
            "at": format_utc(services.now_us()),
            "summary": {"meters": len(meters)}
            | {state: counts[state] for state in ("ok", "faulty", "stale", "offline", "silent")},
            "meters": [_describe(services, one, by_id, energies) for one in meters],
            "sums": _describe_sums(meters, energies),
        }

    return router


def list_meters(services: Services, site: str) -> list[_Meter]:
    """Every meter of a site, by id."""
    links = _read_links(services)
    names: dict[str, list[tuple[int, str]]] = {}
    for series in services.book.list_series():
        names.setdefault(series.device, []).append((series.id, series.quantity.name))
    devices = [
        one
        for one in services.book.list_devices()
        if one.site == site and one.kind not in _LEFT_OUT
    ]
    return [
        _look_at(services, one, names.get(one.id, []), links.get(one.id))
        for one in sorted(devices, key=lambda one: one.id)
    ]


def _read_links(services: Services) -> dict[str, dict[str, Any]]:
    """State of every Modbus meter by device, as the health page has it."""
    sources = services.read_health()["sources"]
    return {one["device"]: one for source in sources for one in source.get("meters", [])}


def _look_at(
    services: Services,
    device: Device,
    series: list[tuple[int, str]],
    link: dict[str, Any] | None,
) -> _Meter:
    latest = {
        name: found for one, name in series if (found := services.live.latest(one)) is not None
    }
    newest_us = max((t for t, _ in latest.values()), default=None)
    oldest_us = services.now_us() - int(stale_after_s(device) * US_PER_S)
    fresh = {
        name: (t, value)
        for name, (t, value) in latest.items()
        if t >= oldest_us and not math.isnan(value)
    }
    state, words = _judge(newest_us, fresh, link)
    values = {name: value for name, (_, value) in fresh.items()}
    return _Meter(device, newest_us, values, tuple(sorted(latest)), link, state, words)


def _of_one_instant(fresh: dict[str, tuple[int, float]]) -> dict[str, float]:
    """Values that were read together with the power, or else with the newest of all.

    A meter may be read in groups: registers of energy seldom, those of power often.
    """
    at_us, _ = fresh.get("active_power_w") or max(fresh.values())
    return {name: value for name, (t, value) in fresh.items() if abs(t - at_us) <= _ONE_INSTANT_US}


def _judge(
    newest_us: int | None, fresh: dict[str, tuple[int, float]], link: dict[str, Any] | None
) -> tuple[str, str]:
    """The state of a meter, and why."""
    if link is not None and link["state"] in _UNREACHABLE:
        return "offline", link.get("detail") or "it does not answer"
    if newest_us is None:
        waiting = "it is being asked for the first time" if link is not None else ""
        return "silent", waiting or "it has never said anything"
    if not fresh:
        return "stale", "its newest value is too old"
    contradictions = find_contradictions(_of_one_instant(fresh))
    if contradictions:
        return "faulty", "; ".join(contradictions)
    return "ok", "" if link is None else link.get("detail") or ""


def _describe(
    services: Services,
    meter: _Meter,
    by_id: dict[str, _Meter],
    energies: dict[str, float | None],
) -> dict[str, Any]:
    device = meter.device
    parent = by_id.get(device.parent or "")
    of_parent = None if parent is None else parent.power_w
    power = meter.power_w
    share = None
    if power is not None and of_parent is not None and of_parent > 0 and not device.is_production:
        share = power / of_parent
    age_s = None
    if meter.newest_us is not None:
        age_s = max(0.0, (services.now_us() - meter.newest_us) / US_PER_S)
    return {
        "device": device.id,
        "name": device.name,
        "kind": device.kind.value,
        "parent": device.parent,
        "is_production": device.is_production,
        "state": meter.state,
        "words": meter.words,
        "last_measured_at": None if meter.newest_us is None else format_utc(meter.newest_us),
        "age_s": age_s,
        "stale_after_s": stale_after_s(device),
        "power_w": number(power),
        "values": {name: number(meter.values.get(name)) for name in _SHOWN if name in meter.values},
        "quantities": list(meter.quantities),
        "energy_today_wh": number(energies.get(device.id)),
        "share_of_parent": number(share),
        "link": meter.link,
    }


def _describe_sums(meters: list[_Meter], energies: dict[str, float | None]) -> list[dict[str, Any]]:
    """Each meter that has others below it, against their sum."""
    known = {one.device.id for one in meters}
    below: dict[str, list[_Meter]] = {}
    for one in meters:
        if one.device.parent in known:
            below.setdefault(one.device.parent or "", []).append(one)
    return [
        _describe_sum(one, below[one.device.id], energies)
        for one in meters
        if one.device.id in below
    ]


def _describe_sum(
    whole: _Meter, parts: list[_Meter], energies: dict[str, float | None]
) -> dict[str, Any]:
    makes = [one.device.is_production for one in parts]
    missing = [one.device.id for one in (whole, *parts) if one.power_w is None]
    power = find_remainder(whole.power_w, [one.power_w for one in parts], is_producer=makes)
    # An import register does not fall when the site gives: with producers it is no balance. And a
    # meter that fell silent has counted less than the day.
    energy = None
    if not any(makes) and not missing:
        energy = find_remainder(
            energies.get(whole.device.id),
            [energies.get(one.device.id) for one in parts],
            is_producer=makes,
        )
    return {
        "device": whole.device.id,
        "parts": [one.device.id for one in parts],
        "missing": missing,
        "power_w": _describe_remainder(power),
        "energy_today_wh": _describe_remainder(energy),
    }


def _describe_remainder(remainder: Remainder | None) -> dict[str, Any] | None:
    if remainder is None:
        return None
    return {
        "whole": number(remainder.whole),
        "parts": number(remainder.parts),
        "rest": number(remainder.rest),
        "is_contradiction": remainder.is_contradiction,
    }
