"""The meters of a grid: which of them count, what they say now, and how old that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from wattscope.compute.energy import find_roles
from wattscope.compute.staleness import stale_after_s
from wattscope.core.quantities import QuantityKind
from wattscope.core.reading import FloatColumn, Int32Column, Int64Column
from wattscope.core.time_grid import US_PER_S, load_zone
from wattscope.core.topology import Device, Site
from wattscope.web.remembered import Remembered
from wattscope.web.services import Services

KEPT_US = 5 * US_PER_S
"""So long the list of thousands of meters is kept."""
_NO_SERIES = -1
NEVER_US = np.iinfo(np.int64).min
"""Instant of a meter that never said anything, as the live view tells it."""
STATES = ("ok", "stale", "silent")
"""Fresh, too old, and never heard; in ``MeterNews.state`` by their place."""


@dataclass(frozen=True, slots=True)
class GridMeters:
    """The meters that count for a site, by id; columns of equal length.

    Meters below another meter count there already, producers count elsewhere.
    """

    site: Site
    zone: tzinfo
    devices: tuple[Device, ...]
    energy: Int32Column
    """Series of the energy of each: a register, deltas, or else its power."""
    power: Int32Column
    """Series of the power of each; -1 where it tells none."""
    counters: Int32Column
    """Those of ``energy`` that are registers, rising."""
    stale_after_us: Int64Column

    def __len__(self) -> int:
        """How many meters."""
        return len(self.devices)

    def place_of(self, series: Int32Column) -> Int64Column:
        """For each series of ``energy`` the place of its meter."""
        order = np.argsort(self.energy, kind="stable")
        found: Int64Column = order[np.searchsorted(self.energy[order], series)].astype(np.int64)
        return found


@dataclass(frozen=True, slots=True)
class MeterNews:
    """What each meter said last, in the order of ``GridMeters``."""

    measured_at_us: Int64Column
    power_w: FloatColumn
    """NaN where it is too old or was never told."""
    last_power_w: FloatColumn
    """The same, however old."""
    state: Int64Column
    """Places in ``STATES``."""


class MeterLists:
    """Lists of the meters of each site, remembered for some seconds."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._list = Remembered(self._read, kept_us=KEPT_US, now_us=services.now_us)

    def find(self, site: str | None) -> GridMeters:
        """The meters of a site; of the first one where none is told.

        Raises:
            UnknownNameError: No such site.
        """
        return self._list(self._services.find_site(site).id)

    def _read(self, site_id: str) -> GridMeters:
        site = self._services.find_site(site_id)
        book = self._services.book
        devices = {one.id: one for one in book.list_devices() if one.site == site_id}
        quantities: dict[str, set[str]] = {}
        kinds: dict[int, QuantityKind] = {}
        for series in book.list_series():
            if series.device in devices:
                quantities.setdefault(series.device, set()).add(series.quantity.name)
                kinds[series.id] = series.quantity.kind
        counted = sorted(find_roles(list(devices.values()), quantities).imports)
        names = [name for name, _ in counted]
        found = [book.find_series(*pair) for pair in counted]
        energy = np.array([_NO_SERIES if one is None else one for one in found], np.int32)
        told = [book.find_series(name, "active_power_w") for name in names]
        counters = [one for one in energy.tolist() if kinds.get(one) is QuantityKind.COUNTER]
        return GridMeters(
            site,
            load_zone(site.time_zone),
            tuple(devices[name] for name in names),
            energy,
            np.array([_NO_SERIES if one is None else one for one in told], np.int32),
            np.array(sorted(counters), np.int32),
            np.array([int(stale_after_s(devices[name]) * US_PER_S) for name in names], np.int64),
        )


def read_news(services: Services, meters: GridMeters) -> MeterNews:
    """What every meter said last; two questions to the live view, however many there are."""
    energy_at, _ = services.live.latest_of(meters.energy)
    has_power = meters.power != _NO_SERIES
    power_at = np.full(len(meters), NEVER_US, np.int64)
    power = np.full(len(meters), np.nan)
    power_at[has_power], power[has_power] = services.live.latest_of(meters.power[has_power])
    newest = np.maximum(energy_at, power_at)
    oldest_fresh = services.now_us() - meters.stale_after_us
    state = np.where(newest == NEVER_US, 2, np.where(newest < oldest_fresh, 1, 0))
    fresh = np.where(power_at >= oldest_fresh, power, np.nan)
    return MeterNews(newest, fresh, power, state.astype(np.int64))


def find_meters(meters: GridMeters, text: str | None) -> list[int]:
    """Places of meters whose id or name holds a text, whatever its case; those that begin first."""
    wanted = (text or "").strip().casefold()
    if not wanted:
        return list(range(len(meters)))
    begins, holds = [], []
    for at, device in enumerate(meters.devices):
        names = device.id.casefold(), device.name.casefold()
        if any(name.startswith(wanted) for name in names):
            begins.append(at)
        elif any(wanted in name for name in names):
            holds.append(at)
    return begins + holds
