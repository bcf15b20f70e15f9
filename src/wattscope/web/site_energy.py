"""Energy and power of a site over any span: finds the series, asks the store, balances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from wattscope.compute.energy import Balance, Roles, RoleSeries, balance_buckets, find_roles
from wattscope.compute.rollups import merge_rollups
from wattscope.core.quantities import QuantityKind
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE, load_zone
from wattscope.core.topology import Device, Site
from wattscope.ports import Rollup
from wattscope.web.rollup_edges import FINE_US, roll_up_between
from wattscope.web.services import Services

POWER_STEPS_US = tuple(
    minutes * US_PER_MINUTE for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)
)
_MIN_COVERAGE = 0.5
"""A bucket with less of its time covered has no mean power."""


@dataclass(frozen=True, slots=True)
class PowerChart:
    """Mean power by bucket [W]; NaN where nothing is known."""

    starts_us: Int64Column
    step_us: int
    grid_w: np.ndarray
    """Positive from the grid, negative to it."""
    solar_w: np.ndarray
    home_w: np.ndarray


class SiteEnergy:
    """Questions about one site."""

    def __init__(self, services: Services, site: Site) -> None:
        self._services = services
        self.site = site
        self.zone: tzinfo = load_zone(site.time_zone)
        self.devices: list[Device] = [
            one for one in services.book.list_devices() if one.site == site.id
        ]
        quantities: dict[str, set[str]] = {}
        self._counters: set[int] = set()
        for series in services.book.list_series():
            quantities.setdefault(series.device, set()).add(series.quantity.name)
            if series.quantity.kind is QuantityKind.COUNTER:
                self._counters.add(series.id)
        self.roles: Roles = find_roles(self.devices, quantities)
        self.series = self._series_of(self.roles)

    def _series_of(self, roles: Roles) -> RoleSeries:
        find = self._services.book.find_series

        def ids(pairs: tuple[tuple[str, str], ...]) -> tuple[int, ...]:
            found = (find(device, quantity) for device, quantity in pairs)
            return tuple(one for one in found if one is not None)

        net = ids(tuple(pair for pair in roles.imports if pair[1] == "active_power_w"))
        return RoleSeries(
            ids(roles.imports), ids(roles.exports), ids(roles.productions), frozenset(net)
        )

    def balance(self, edges_us: Int64Column) -> Balance:
        """Energies of the buckets between edges; edges lie on quarter hours."""
        store = self._services.store
        rollup = roll_up_between(store, self.series.all(), edges_us, self.zone)
        return balance_buckets(rollup, self.series, edges_us[:-1])

    def power(self, start_us: int, end_us: int, n_points: int) -> PowerChart:
        """Mean powers in at most some ``n_points`` buckets.

        Power is what the energy of a bucket makes over its covered time, so that registers,
        samples and means give the same chart; a bucket that is mostly gap has none.
        """
        wanted = (end_us - start_us) / max(n_points, 1)
        step_us = next((step for step in POWER_STEPS_US if step >= wanted), POWER_STEPS_US[-1])
        starts = np.arange(start_us // step_us * step_us, end_us, step_us, dtype=np.int64)
        edges = np.r_[starts, starts[-1] + step_us]
        roles = self._power_roles()
        level, size_us = ("1m", US_PER_MINUTE) if step_us < FINE_US else ("15m", FINE_US)
        parts = self._services.store.roll_up(roles.all(), level, int(edges[0]), int(edges[-1]))
        rollup = merge_rollups(parts, edges, size_us)
        grid = _mean_power(rollup, roles.imports, starts, step_us, self._counters)
        if roles.exports:
            grid = grid - _mean_power(rollup, roles.exports, starts, step_us, self._counters)
        solar = _mean_power(rollup, roles.productions, starts, step_us, self._counters)
        home = grid if not roles.productions else np.maximum(grid + solar, 0.0)
        return PowerChart(starts, step_us, grid, solar, home)

    def _power_roles(self) -> RoleSeries:
        """Like the energy roles, but signed power of the grid where the meter tells it."""
        find = self._services.book.find_series
        imports, exports = [], []
        given = dict(self.roles.exports)
        for device, quantity in self.roles.imports:
            signed = find(device, "active_power_w")
            found = signed or find(device, quantity)
            imports += [] if found is None else [found]
            export = find(device, given[device]) if signed is None and device in given else None
            exports += [] if export is None else [export]
        productions = []
        for device, quantity in self.roles.productions:
            found = find(device, "production_power_w") or find(device, quantity)
            productions += [] if found is None else [found]
        return RoleSeries(tuple(imports), tuple(exports), tuple(productions), frozenset(imports))


def _mean_power(
    rollup: Rollup,
    series: tuple[int, ...],
    starts_us: Int64Column,
    step_us: int,
    counters: set[int],
) -> np.ndarray:
    """Sum over series of energy over its time [W]; NaN where one of them has a gap."""
    total = np.full(len(starts_us), np.nan if not series else 0.0)
    for one in series:
        rows = np.flatnonzero((rollup.series_id == one) & (rollup.coverage >= _MIN_COVERAGE))
        at = np.searchsorted(starts_us, rollup.bucket_start_us[rows])
        power = np.full(len(starts_us), np.nan)
        hours = rollup.coverage[rows] * step_us / US_PER_HOUR
        if one in counters and len(rows):
            # A register also grows while it is silent: only its first and its last bucket hold
            # less than their whole time.
            hours[1:-1] = step_us / US_PER_HOUR
        power[at] = rollup.energy_wh[rows] / hours
        total = total + power
    return total
