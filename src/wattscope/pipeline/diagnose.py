"""What looks have found becomes incidents, those of earlier looks and runs extended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from wattscope.core.findings import Finding
from wattscope.core.incidents import Incident
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.topology import Device
from wattscope.core.window import View
from wattscope.incidents import merge_findings
from wattscope.pipeline.detect import Seen

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
        price_per_kwh: float | None,
        now_us: Callable[[], int],
        tell: Callable[[Sequence[Incident]], None],
    ) -> None:
        """Take the parts.

        Args:
            book: Keeps incidents over restarts.
            list_devices: The tree as it is.
            price_per_kwh: Worth of a lost kWh; None when not told.
            now_us: The clock [µs].
            tell: Gets the incidents that are not over, after each look.
        """
        self._book = book
        self._list_devices = list_devices
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
            looked = {device.id for device in group.devices}
            merged = merge_findings(
                found,
                tuple(known.values()),
                self._list_devices(),
                self._price_per_kwh,
                now_us,
                looked=looked,
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


def _is_kept(incident: Incident, now_us: int) -> bool:
    return not incident.is_over or now_us - incident.end_us < _KEPT_US
