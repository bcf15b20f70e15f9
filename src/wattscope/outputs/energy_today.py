"""Energy of the local day so far, for Prometheus: what PromQL cannot ask for.

``increase(x[1d])`` is the growth of the last 24 hours, and PromQL knows no local midnight. The
store does: it has the buckets of local days, with resets seen and gaps left out.

A scrape asks the store for a second at most and leaves the rest to the next; a round over all
series is followed by twenty times as much rest. So some devices are never older than a minute,
thousands than some minutes, and no scrape times out. A series has no value between midnight and
the moment at which it was asked for again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from wattscope.compute.prometheus_names import Exposition, expose_today
from wattscope.compute.prometheus_page import Booleans, Page, build_page
from wattscope.core.quantities import Quantity, QuantityKind
from wattscope.core.reading import FloatColumn
from wattscope.core.time_grid import day_start_us, from_us, load_zone
from wattscope.core.topology import Series, Site
from wattscope.ports import Store

BUDGET_S = 1.0
"""Longest time that a scrape waits for the store; one piece more is not begun after it [s]."""
PIECE = 1000
"""Series that are asked for at once."""
SHORTEST_REST_S = 30.0
REST_FACTOR = 20.0
"""For each second that the store was busy so many of rest."""
_POWERS = ("active_power_w", "production_power_w")
_NO_DAY = 0


@dataclass(slots=True)
class _Board:
    """The energies of some series, by zone."""

    series: tuple[Series, ...]
    """All series, of which only some have an energy."""
    rows: npt.NDArray[np.intp]
    """Places of those that have."""
    ids: list[int]
    zones: list[str]
    """Time zone of each; equal ones stand together."""
    page: Page
    energy_wh: FloatColumn
    day: npt.NDArray[np.int64]
    """The local day of each energy, as an ordinal; 0 before it was asked for."""
    at: int = 0
    """What is asked for next."""
    took_s: float = 0.0
    """How long the store was busy in this round."""
    wake_s: float = field(default=-np.inf)
    """When the next round may begin; by the clock that never jumps."""


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
        self._board: _Board | None = None
        self._asking = threading.Lock()

    def render(self, series: tuple[Series, ...], is_fresh: Booleans, now_us: int) -> str:
        """The text of the samples of series that are fresh and have an energy today.

        Args:
            series: All series; the same tuple as before costs least.
            is_fresh: Whether the newest value of each is not too old.
            now_us: This moment [µs].
        """
        board = self._board
        # While another scrape asks the store, this one takes what is known.
        if self._asking.acquire(blocking=False):
            try:
                if board is None or board.series is not series:
                    board = self._board = self._arrange(series, board)
                today = _find_days(board.zones, now_us)
                self._ask(board, today)
            finally:
                self._asking.release()
        if board is None or board.series is not series:
            return ""
        today = _find_days(board.zones, now_us)
        return board.page.render(
            board.energy_wh, is_fresh[board.rows] & (board.day == _list_ordinals(board, today))
        )

    def _arrange(self, series: tuple[Series, ...], before: _Board | None) -> _Board:
        """A board for these series, with what was known of them."""
        zone_of = {site.id: site.time_zone for site in self._list_sites()}
        place = {one.id: at for at, one in enumerate(series)}
        chosen = sorted(
            (one for one in choose_energies(series) if one.site in zone_of),
            key=lambda one: (zone_of[one.site], one.id),
        )
        known = {}
        if before is not None:
            pairs = zip(before.energy_wh.tolist(), before.day.tolist(), strict=True)
            known = dict(zip(before.ids, pairs, strict=True))
        kept = [known.get(one.id, (np.nan, _NO_DAY)) for one in chosen]
        return _Board(
            series,
            np.array([place[one.id] for one in chosen], np.intp),
            [one.id for one in chosen],
            [zone_of[one.site] for one in chosen],
            build_page(_expose(one) for one in chosen),
            np.array([energy for energy, _ in kept], np.float64),
            np.array([day for _, day in kept], np.int64),
        )

    def _ask(self, board: _Board, today: dict[str, date]) -> None:
        """Go on with the round as long as this scrape may wait."""
        is_new = board.day != _list_ordinals(board, today)
        if not board.at and not is_new.any() and self._monotonic_s() < board.wake_s:
            return
        began_s = self._monotonic_s()
        while board.at < len(board.ids) and self._monotonic_s() - began_s < BUDGET_S:
            zone = board.zones[board.at]
            end = min(board.at + PIECE, len(board.ids))
            while board.zones[end - 1] != zone:
                end -= 1
            self._ask_piece(board, slice(board.at, end), zone, today[zone])
            board.at = end
        board.took_s += self._monotonic_s() - began_s
        if board.at >= len(board.ids):
            rest_s = max(SHORTEST_REST_S, REST_FACTOR * board.took_s)
            board.at, board.took_s, board.wake_s = 0, 0.0, self._monotonic_s() + rest_s

    def _ask_piece(self, board: _Board, rows: slice, zone: str, day: date) -> None:
        ids = board.ids[rows]
        start_us = day_start_us(day, load_zone(zone))
        end_us = day_start_us(day + timedelta(days=1), load_zone(zone))
        rollup = self._store.roll_up(ids, "1d", start_us, end_us)
        pairs = zip(rollup.series_id.tolist(), rollup.energy_wh.tolist(), strict=True)
        found = dict(pairs)
        board.energy_wh[rows] = [found.get(one, np.nan) for one in ids]
        board.day[rows] = day.toordinal()


def _find_days(zones: Sequence[str], now_us: int) -> dict[str, date]:
    """The local date in each zone."""
    now = from_us(now_us)
    return {zone: now.astimezone(load_zone(zone)).date() for zone in set(zones)}


def _list_ordinals(board: _Board, today: dict[str, date]) -> npt.NDArray[np.int64]:
    return np.array([today[zone].toordinal() for zone in board.zones], np.int64)


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
