"""What is expected of each panel, kept from the last look, beside what it gives now."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wattscope.compute.expected_power import Expected, expect_power
from wattscope.compute.production import POWER_QUANTITIES
from wattscope.compute.solar import find_sun
from wattscope.compute.staleness import stale_after_interval_s
from wattscope.core.findings import Severity
from wattscope.core.fleet_state import FleetMember, FleetState, SolarFleet
from wattscope.core.incidents import Incident
from wattscope.core.reading import FloatColumn
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.core.window import Matrix, Window
from wattscope.pipeline.windows import Group, WindowReader
from wattscope.ports import LiveView

LEVEL = "15m"
EXPECTED_SPAN_US = 14 * US_PER_DAY
"""How much of the past tells what to expect [µs]."""
_LOOK_EVERY_US = 10 * 60 * US_PER_S
_N_NEIGHBOURS = 24
_LOW_SUN_DEG = 5.0
_LOW = 0.8
"""Below this share of what is expected a device is low."""
_DARK_SHARE = 0.03
"""Slots in which less than this share of the fleet's best slot is expected tell nothing."""
_GOOD_LIGHT_SHARE = 0.2
"""With less light what neighbours give and what is expected cannot be set beside each other."""
_N_HOURS = 24
_FEW_PEERS = 3
"""Fewer devices have no median worth the name."""
_BEST = 0.98
_MIN_STALE_S = 180.0


@dataclass(frozen=True, slots=True)
class _Outlook:
    """A group as the last look saw it."""

    group: Group
    window: Window
    power: Matrix
    expected_w: Matrix
    looked_at_us: int


class FleetBoard:
    """Tells how the panels of a site stand. Thread-safe."""

    def __init__(
        self,
        reader: WindowReader,
        live: LiveView,
        now_us: Callable[[], int],
        list_incidents: Callable[[], Sequence[Incident]],
    ) -> None:
        self._reader = reader
        self._live = live
        self._now_us = now_us
        self._list_incidents = list_incidents
        self._lock = threading.Lock()
        self._outlooks: dict[tuple[str, str, int], _Outlook] = {}

    def read(self, site: Site) -> SolarFleet:
        """All panels of a site at this moment; its inverters where it has no panels."""
        groups = self._find_groups(site)
        now_us = self._now_us()
        outlooks = [one for group in groups if (one := self._look(group, now_us)) is not None]
        incidents = _worst_by_device(self._list_incidents())
        is_day = _is_day(site, now_us, outlooks)
        members = [
            member
            for one in outlooks
            for member in self._judge(one, incidents, now_us, is_day=is_day)
        ]
        looked_at_us = min((one.looked_at_us for one in outlooks), default=None)
        return SolarFleet(site.id, looked_at_us, is_day, tuple(members))

    def expect(self, device: Device, start_us: int, end_us: int) -> tuple[Window, Expected] | None:
        """What is expected of a device and its neighbours in ``[start, end)``, slot by slot.

        Fitted to the two weeks before the end, or more where more is asked for, of it and the
        devices beside it. None for a device that never said what it produces.
        """
        found = self._find_neighbours(device)
        groups = [one for one in found if any(name in one.series for name in POWER_QUANTITIES)]
        if not groups:
            return None
        first_us = min(start_us, end_us - EXPECTED_SPAN_US)
        window = self._reader.read(groups[0], LEVEL, first_us, end_us)
        told = expect_power(window)
        low, high = np.searchsorted(window.slot_us, (start_us, end_us)).tolist()
        return window.cut(start_us, end_us), Expected(
            told.low_w[:, low:high],
            told.expected_w[:, low:high],
            told.high_w[:, low:high],
            told.method,
            told.is_told[low:high],
        )

    def _find_neighbours(self, device: Device) -> list[Group]:
        """The group of a device and some of those beside it: a thousand would take a minute."""
        whole = [one for one in self._reader.list_groups() if device in one.devices]
        if not whole:
            return []
        others = [one for one in whole[0].devices if one != device]
        nearest = sorted(others, key=lambda one: one.parent != device.parent)[:_N_NEIGHBOURS]
        chosen = self._reader.list_groups([device.id, *(one.id for one in nearest)])
        return [one for one in chosen if device in one.devices]

    def _find_groups(self, site: Site) -> list[Group]:
        groups = [
            one
            for one in self._reader.list_groups()
            if one.site.id == site.id and any(name in one.series for name in POWER_QUANTITIES)
        ]
        panels = [one for one in groups if one.kind is DeviceKind.PANEL]
        return panels or [one for one in groups if one.kind is DeviceKind.INVERTER]

    def _look(self, group: Group, now_us: int) -> _Outlook | None:
        """The outlook of a group, made anew when it is old or the group has changed."""
        key = group.site.id, group.kind.value, group.step_us
        with self._lock:
            known = self._outlooks.get(key)
            is_fresh = known is not None and now_us - known.looked_at_us < _LOOK_EVERY_US
            if known is not None and is_fresh and known.group.devices == group.devices:
                return known
            newest_us = self._reader.newest_us(group)
            if newest_us is None:
                return None
            step_us = self._reader.step_of(group, LEVEL)
            end_us = newest_us // step_us * step_us
            window = self._reader.read(group, LEVEL, end_us - EXPECTED_SPAN_US, end_us)
            power = window.find(*POWER_QUANTITIES)
            if power is None:
                return None
            made = _Outlook(group, window, power, _expect_now(window, power), now_us)
            self._outlooks[key] = made
            return made

    def _judge(
        self,
        outlook: _Outlook,
        incidents: Mapping[str, Incident],
        now_us: int,
        *,
        is_day: bool,
    ) -> list[FleetMember]:
        group, expected_w = outlook.group, outlook.expected_w
        name = next(one for one in POWER_QUANTITIES if one in group.series)
        series = group.series[name]
        ids = np.array([series.get(at, 0) for at in range(len(group.devices))], np.int32)
        instants, values = self._live.latest_of(ids)
        performance = _find_performance(outlook.power, expected_w, outlook.window.step_us)
        now_w = np.where([at in series for at in range(len(ids))], values, np.nan)
        due_w = _expect_live(outlook, now_w)
        sparks = _hourly(outlook.power, outlook.window.step_us)
        members = []
        for at, device in enumerate(group.devices):
            is_known = at in series and instants[at] > 0
            measured_at_us = int(instants[at]) if is_known else None
            incident = incidents.get(device.id)
            interval_s = device.interval_s or group.step_us / US_PER_S
            stale_us = max(_MIN_STALE_S, stale_after_interval_s(interval_s)) * US_PER_S
            is_stale = measured_at_us is not None and now_us - measured_at_us > stale_us
            share = float(performance[at])
            members.append(
                FleetMember(
                    device,
                    _name_state(measured_at_us, share, incident, is_stale=is_stale, is_day=is_day),
                    measured_at_us,
                    float(values[at]) if is_known else float("nan"),
                    float(due_w[at]),
                    share,
                    incident,
                    tuple(sparks[at].tolist()),
                )
            )
        return members


def _name_state(
    measured_at_us: int | None,
    performance: float,
    incident: Incident | None,
    *,
    is_stale: bool,
    is_day: bool,
) -> FleetState:
    if measured_at_us is None:
        return FleetState.UNKNOWN
    if is_stale:
        return FleetState.STALE
    if incident is not None and incident.severity is not Severity.INFO:
        return FleetState.FAULT if incident.severity is Severity.CRITICAL else FleetState.LOW
    if not is_day:
        return FleetState.NIGHT
    return FleetState.LOW if performance < _LOW else FleetState.OK


def _expect_now(window: Window, power: Matrix) -> Matrix:
    """What is expected slot by slot [W]: of weather and past; under clouds, of the neighbours."""
    told = expect_power(window)
    of_peers = _expect_of_peers(window.devices, power)
    return np.where(
        told.is_told[np.newaxis, :] & np.isfinite(told.expected_w), told.expected_w, of_peers
    )


def _expect_of_peers(devices: Sequence[Device], power: Matrix) -> Matrix:
    """The neighbours' median share of their size, times one's own size [W].

    The size is the rating, or where one is not told what each gave at its best.
    """
    if power.shape[1] == 0 or len(devices) < _FEW_PEERS:
        return np.full(power.shape, np.nan)
    with warnings.catch_warnings():
        # Of a device or an instant without any value nothing is told: that is what NaN says.
        warnings.simplefilter("ignore", RuntimeWarning)
        best = np.nanquantile(power, _BEST, axis=1)
        ratings = np.array([one.rating_w or np.nan for one in devices])
        size = ratings if np.isfinite(ratings).all() else best
        share = np.nanmedian(power / size[:, np.newaxis], axis=0)
    return np.asarray(share[np.newaxis, :] * size[:, np.newaxis], np.float64)


def _expect_live(outlook: _Outlook, now_w: FloatColumn) -> FloatColumn:
    """What is expected at this moment [W].

    It is what the neighbours give, times how far all of them stayed below what the weather told in
    the last slot, where that had good light.
    """
    of_peers = _expect_of_peers(outlook.group.devices, now_w[:, np.newaxis])[:, 0]
    if not outlook.expected_w.shape[1]:
        return of_peers
    last_w = outlook.expected_w[:, -1]
    if not np.isfinite(of_peers).any():
        return last_w
    then_w = _expect_of_peers(outlook.group.devices, outlook.power)[:, -1]
    is_light = then_w > _GOOD_LIGHT_SHARE * np.nanmax(outlook.expected_w, initial=0.0)
    known = np.isfinite(last_w) & np.isfinite(then_w) & is_light
    return of_peers * (float(np.median(last_w[known] / then_w[known])) if known.any() else 1.0)


def _find_performance(power: Matrix, expected: Matrix, step_us: int) -> Matrix:
    """Power by expected power over the last hours of light, of each device; NaN for none."""
    n_slots = max(1, 3 * US_PER_HOUR // step_us)
    best = np.nanmax(expected) if np.isfinite(expected).any() else np.nan
    is_light = np.isfinite(power) & np.isfinite(expected) & (expected > _DARK_SHARE * best)
    # The newest slots of light of each device.
    is_new = is_light & (np.cumsum(is_light[:, ::-1], axis=1)[:, ::-1] <= n_slots)
    got = np.where(is_new, power, 0.0).sum(axis=1)
    due = np.where(is_new, expected, 0.0).sum(axis=1)
    share = np.full(len(power), np.nan)
    np.divide(got, due, out=share, where=due > 0)
    return share


def _hourly(power: Matrix, step_us: int) -> Matrix:
    """Means of the last 24 hours, shape ``(n_devices, 24)``."""
    per_hour = max(1, US_PER_HOUR // step_us)
    n_slots = _N_HOURS * per_hour
    padded = np.full((len(power), n_slots), np.nan)
    part = power[:, -n_slots:]
    padded[:, n_slots - part.shape[1] :] = part
    hours = padded.reshape(len(power), _N_HOURS, per_hour)
    count = np.isfinite(hours).sum(axis=2)
    means = np.full(count.shape, np.nan)
    np.divide(np.nansum(hours, axis=2), count, out=means, where=count > 0)
    return means


def _is_day(site: Site, now_us: int, outlooks: Sequence[_Outlook]) -> bool:
    """Whether the sun is high enough to judge by."""
    if site.latitude is not None and site.longitude is not None:
        sun = find_sun(np.array([now_us], np.int64), site.latitude, site.longitude)
        return bool(sun.elevation_deg[0] > _LOW_SUN_DEG)
    newest = [one.expected_w[:, -1] for one in outlooks if one.expected_w.shape[1]]
    best = [np.nanmax(one.expected_w, initial=0.0) for one in outlooks]
    return any((one > _DARK_SHARE * max(best)).any() for one in newest)


def _worst_by_device(incidents: Sequence[Incident]) -> dict[str, Incident]:
    """The incident of each device that costs most a day."""
    worst: dict[str, Incident] = {}
    for one in incidents:
        known = worst.get(one.device)
        if known is None or one.lost_wh_per_day > known.lost_wh_per_day:
            worst[one.device] = one
    return worst
