"""What looks have found becomes incidents, those of earlier looks and runs extended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from wattscope.compute.solar import find_sun
from wattscope.core.findings import Finding
from wattscope.core.incidents import Incident
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE
from wattscope.core.topology import Device, Site
from wattscope.core.window import View
from wattscope.incidents import merge_findings
from wattscope.pipeline.detect import Seen

_SUN_STEP_US = 10 * US_PER_MINUTE
_LOW_SUN_DEG = 5.0
_KEPT_US = 3 * US_PER_DAY
"""An incident that is over for longer is no longer extended [µs]."""


class IncidentBook(Protocol):
    """Where incidents are kept over restarts."""

    def list_open(self, since_us: int) -> Sequence[Incident]:
        """Incidents that are not over, and those that ended since an instant [µs]."""
        ...

    def put_all(self, incidents: Sequence[Incident], now_us: int) -> None:
        """Keep incidents as they are now."""
        ...


class Diagnosis:
    """Keeps the incidents of all devices. Thread-safe."""

    def __init__(
        self,
        book: IncidentBook,
        list_devices: Callable[[], Sequence[Device]],
        list_sites: Callable[[], Sequence[Site]],
        price_per_kwh: float | None,
        now_us: Callable[[], int],
        tell: Callable[[Sequence[Incident]], None],
    ) -> None:
        """Take the parts.

        Args:
            book: Keeps incidents over restarts.
            list_devices: The tree as it is.
            list_sites: Where the devices are, which tells nights from days.
            price_per_kwh: Worth of a lost kWh; None when not told.
            now_us: The clock [µs].
            tell: Gets the incidents that are not over, after each look.
        """
        self._book = book
        self._list_devices = list_devices
        self._list_sites = list_sites
        self._price_per_kwh = price_per_kwh
        self._now_us = now_us
        self._tell = tell
        self._lock = threading.Lock()
        self._known: dict[str, Incident] | None = None
        self._latest: dict[tuple[str, int, View], tuple[Finding, ...]] = {}

    def take(self, seen: Seen) -> None:
        """Take in what a look has found."""
        with self._lock:
            now_us = self._now_us()
            group = seen.look.group
            self._latest[group.name, group.step_us, seen.look.view] = seen.findings
            known = self._load(now_us)
            found = [one for findings in self._latest.values() for one in findings]
            devices = list(self._list_devices())
            looked = _with_above([one.id for one in group.devices], devices)
            merged = merge_findings(
                found,
                tuple(known.values()),
                devices,
                self._price_per_kwh,
                now_us,
                looked=looked,
                daylight=find_daylight(self._list_sites()),
            )
            changed = [one for one in merged if known.get(one.id) != one]
            if changed:
                self._book.put_all(changed, now_us)
            self._known = {one.id: one for one in merged if _is_kept(one, now_us)}
            self._tell([one for one in merged if not one.is_over])

    def list_open(self) -> list[Incident]:
        """Incidents that are not over."""
        with self._lock:
            return [one for one in self._load(self._now_us()).values() if not one.is_over]

    def _load(self, now_us: int) -> dict[str, Incident]:
        if self._known is None:
            self._known = {one.id: one for one in self._book.list_open(now_us - _KEPT_US)}
        return self._known


def _with_above(looked: Sequence[str], devices: Sequence[Device]) -> set[str]:
    """Devices and all above them: who looks at panels sees what has become of their inverter."""
    parents = {one.id: one.parent for one in devices}
    found: set[str] = set()
    for device in looked:
        at: str | None = device
        while at is not None and at not in found:
            found.add(at)
            at = parents.get(at)
    return found


def find_daylight(sites: Sequence[Site]) -> Callable[[int, int], int] | None:
    """Tells how long the sun is up between two instants [µs]; None where no site says where it is.

    That of the first site that does counts for all.
    """
    places = [
        (one.latitude, one.longitude)
        for one in sites
        if one.latitude is not None and one.longitude is not None
    ]
    if not places:
        return None
    latitude, longitude = places[0]

    def measure(start_us: int, end_us: int) -> int:
        step_us = _SUN_STEP_US
        instants = np.arange(start_us, max(start_us, end_us), step_us, dtype=np.int64)
        is_up = find_sun(instants, latitude, longitude).elevation_deg > _LOW_SUN_DEG
        return min(end_us - start_us, int(is_up.sum()) * step_us)

    return measure


def _is_kept(incident: Incident, now_us: int) -> bool:
    return not incident.is_over or now_us - incident.end_us < _KEPT_US
