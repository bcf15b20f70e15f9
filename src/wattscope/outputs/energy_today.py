"""Energy of the local day so far, for Prometheus: what PromQL cannot ask for.

``increase(x[1d])`` is the growth of the last 24 hours, and PromQL knows no local midnight. The
store does: it has the buckets of local days, with resets seen and gaps left out.

The store is asked at most every half minute, and the more rarely the longer it takes, so that many
devices cost a twentieth of one core at most. Right after midnight there is no value until it was
asked again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from wattscope.compute.prometheus_names import Exposition, expose_today
from wattscope.compute.prometheus_page import Page, build_page
from wattscope.core.quantities import Quantity, QuantityKind
from wattscope.core.time_grid import US_PER_S, day_start_us, load_zone, local_date
from wattscope.core.topology import Series, Site
from wattscope.ports import Store

SHORTEST_REST_S = 30.0
REST_FACTOR = 20.0
"""For each second that the store was busy so many of rest."""
_POWERS = ("active_power_w", "production_power_w")


@dataclass(frozen=True, slots=True)
class _Energies:
    """What the store said."""

    asked_us: int
    took_s: float
    by_series: dict[int, float]
    """Energy of a series since its local midnight [Wh]."""
    days: dict[str, date]
    """The local day that was asked for, by zone."""


class EnergyToday:
    """The samples of today's energies; safe to be asked from any thread."""

    def __init__(
        self,
        store: Store,
        list_sites: Callable[[], list[Site]],
        *,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._store, self._list_sites = store, list_sites
        self._monotonic_s = monotonic_s
        self._known = _Energies(0, 0.0, {}, {})
        self._plan: tuple[tuple[Series, ...], tuple[Series, ...], Page] | None = None
        self._asking = threading.Lock()

    def render(self, series: tuple[Series, ...], is_fresh: frozenset[int], now_us: int) -> str:
        """The text of the samples of series that are fresh and have an energy today.

        Args:
            series: All series; the same tuple as before costs least.
            is_fresh: Ids of the series whose newest value is not too old.
            now_us: This moment [µs].
        """
        chosen, page = self._choose(series)
        zones = {site.id: site.time_zone for site in self._list_sites()}
        today = {zone: local_date(now_us, load_zone(zone)) for zone in set(zones.values())}
        # While another scrape asks the store, this one takes what is known.
        if self._is_due(now_us, today) and self._asking.acquire(blocking=False):
            try:
                self._known = self._ask(chosen, zones, today, now_us)
            finally:
                self._asking.release()
        known = self._known
        is_of_today = {zone: known.days.get(zone) == day for zone, day in today.items()}
        values = np.array(
            [
                known.by_series.get(one.id, np.nan)
                if one.id in is_fresh and is_of_today.get(zones.get(one.site, ""), False)
                else np.nan
                for one in chosen
            ],
            np.float64,
        )
        return page.render(values, ~np.isnan(values))

    def _choose(self, series: tuple[Series, ...]) -> tuple[tuple[Series, ...], Page]:
        if self._plan is None or self._plan[0] is not series:
            chosen = choose_energies(series)
            self._plan = (series, chosen, build_page(_expose(one) for one in chosen))
        return self._plan[1:]

    def _is_due(self, now_us: int, today: dict[str, date]) -> bool:
        known = self._known
        rest_s = max(SHORTEST_REST_S, REST_FACTOR * known.took_s)
        return known.days != today or not 0 <= now_us - known.asked_us < rest_s * US_PER_S

    def _ask(
        self,
        chosen: Sequence[Series],
        zones: dict[str, str],
        today: dict[str, date],
        now_us: int,
    ) -> _Energies:
        began_s = self._monotonic_s()
        by_series: dict[int, float] = {}
        for zone, day in today.items():
            ids = [one.id for one in chosen if zones.get(one.site) == zone]
            if not ids:
                continue
            start_us = day_start_us(day, load_zone(zone))
            end_us = day_start_us(day + timedelta(days=1), load_zone(zone))
            rollup = self._store.roll_up(ids, "1d", start_us, end_us)
            pairs = zip(rollup.series_id.tolist(), rollup.energy_wh.tolist(), strict=True)
            by_series |= dict(pairs)
        return _Energies(now_us, self._monotonic_s() - began_s, by_series, today)


def choose_energies(series: Sequence[Series]) -> tuple[Series, ...]:
    """Registers of energy; powers, integrated, of devices that have none.

    Registers by tariff are left out: their sum is that of the whole.
    """
    registers = [one for one in series if _is_register(one.quantity)]
    counted = {one.device for one in registers}
    powers = [one for one in series if one.quantity.name in _POWERS and one.device not in counted]
    return (*registers, *powers)


def _is_register(quantity: Quantity) -> bool:
    is_counter = quantity.is_energy and quantity.kind is QuantityKind.COUNTER
    return is_counter and "tariff" not in dict(expose_today(quantity).labels)


def _expose(series: Series) -> Exposition:
    shown = expose_today(series.quantity)
    labels = (("site", series.site), ("device", series.device), *shown.labels)
    return Exposition(shown.family, labels, shown.scale)
