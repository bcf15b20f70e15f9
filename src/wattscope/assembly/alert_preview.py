"""What a rule would have done in the last thirty days, from the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from wattscope.alerts import Fired, preview
from wattscope.alerts.incident_rules import tells_of
from wattscope.alerts.watch import NEVER
from wattscope.core.alerting import AlertRule, RuleKind
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE, US_PER_S
from wattscope.pipeline.watched import Names, Watched, watch_rule
from wattscope.ports import Store
from wattscope.registry.incident_book import SqlIncidentBook

DAYS = 30
MAX_PLACES = 2000
"""Of more devices only the first are looked at."""
_FINE_VALUES = 1_000_000
"""Up to so many minutes of all devices together are looked at one by one; else quarter hours."""
_AT_ONCE = 100
"""Series that are read at once."""


@dataclass(frozen=True, slots=True)
class FiredAlert:
    """An alert that would have been."""

    device: str
    raised_at_us: int
    cleared_at_us: int | None
    value: float


@dataclass(frozen=True, slots=True)
class RulePreview:
    """All of them, the newest first."""

    fired: tuple[FiredAlert, ...]
    n_devices: int


class Previewer:
    """Plays rules over the past."""

    def __init__(self, store: Store, names: Names, incidents: SqlIncidentBook) -> None:
        self._store = store
        self._names = names
        self._incidents = incidents

    def preview(self, rule: AlertRule, now_us: int) -> RulePreview:
        """What a rule would have done."""
        if rule.kind is RuleKind.INCIDENT:
            return self._preview_incidents(rule, now_us)
        watched = watch_rule(rule, self._names, {}, set())
        n_places = min(len(watched.watch.places), MAX_PLACES)
        is_fine = n_places * DAYS * 24 * 60 <= _FINE_VALUES and rule.kind is not RuleKind.NO_DATA
        level, step_us = ("1m", US_PER_MINUTE) if is_fine else ("15m", 15 * US_PER_MINUTE)
        end_us = now_us // step_us * step_us
        looks = np.arange(end_us - DAYS * US_PER_DAY, end_us, step_us) + step_us
        n_looks = len(looks)
        grid = int(looks[0]) - step_us, step_us
        t_us, value = self._read(watched, n_places, level, grid, n_looks)
        watch = _widen(watched, n_places, step_us)
        fired = preview(watch.watch, looks.tolist(), t_us, value)
        return RulePreview(_name(fired, watch), n_places)

    def _read(
        self, watched: Watched, n_places: int, level: str, grid: tuple[int, int], n_looks: int
    ) -> tuple[Int64Column, FloatColumn]:
        """For each place and look the newest instant and its value."""
        start_us, step_us = grid
        rule = watched.watch.rule
        columns = watched.columns
        edges = np.r_[columns.starts, len(columns.series)].astype(np.intp)
        place_of = np.repeat(np.arange(len(columns.starts)), np.diff(edges))
        t_us = np.full((n_places, n_looks), NEVER, np.int64)
        value = np.full((n_places, n_looks), np.nan)
        wanted = columns.series[: edges[n_places]]
        for at in range(0, len(wanted), _AT_ONCE):
            ids = wanted[at : at + _AT_ONCE].tolist()
            rows = self._store.roll_up(ids, level, start_us, start_us + n_looks * step_us)
            has = rows.count > 0
            places = dict(zip(ids, place_of[at : at + _AT_ONCE].tolist(), strict=True))
            to = np.array([places[one] for one in rows.series_id[has].tolist()], np.intp)
            look = (rows.bucket_start_us[has] - start_us) // step_us
            means = rows.sum[has] / rows.count[has]
            value[to, look] = _choose(rule, means, rows.min[has], rows.max[has])
            t_us[to, look] = rows.bucket_start_us[has] + step_us
        return _carry(t_us, value)

    def _preview_incidents(self, rule: AlertRule, now_us: int) -> RulePreview:
        start_us = now_us - DAYS * US_PER_DAY
        zones = {one.id: one.time_zone for one in self._names.list_sites()}
        fired = []
        devices = {one.id for one in self._names.list_devices()}
        for booked in self._incidents.list_since(start_us):
            one = booked.incident
            at_us = one.start_us + round(rule.for_s * US_PER_S)
            # While it was there, at its beginning or when it had lasted for long enough.
            if at_us > one.end_us or one.end_us < start_us:
                continue
            if tells_of(rule, one, zones.get(one.site, "UTC"), at_us):
                end_us = one.end_us if one.is_over else None
                fired.append(FiredAlert(one.device, at_us, end_us, one.lost_wh_per_day))
        wanted = devices & set(rule.devices) if rule.devices else devices
        return RulePreview(tuple(reversed(fired)), len(wanted))


def _choose(rule: AlertRule, mean: FloatColumn, low: FloatColumn, high: FloatColumn) -> FloatColumn:
    """What of a bucket a rule sees: its extreme, or its mean where the value must hold."""
    if rule.for_s > 0 or rule.kind is RuleKind.NO_DATA:
        return mean
    return high if rule.kind in {RuleKind.ABOVE, RuleKind.RISES} else low


def _carry(t_us: Int64Column, value: FloatColumn) -> tuple[Int64Column, FloatColumn]:
    """Where a look has no value of its own, the one before."""
    at = np.where(t_us != NEVER, np.arange(t_us.shape[1]), 0)
    newest = np.maximum.accumulate(at, axis=1)
    rows = np.arange(len(t_us))[:, None]
    return t_us[rows, newest], value[rows, newest]


def _widen(watched: Watched, n_places: int, step_us: int) -> Watched:
    """The watch of the first places, in which a value lasts for a bucket at least."""
    watch = watched.watch
    zone_of: npt.NDArray[np.intp] | None = watch.zone_of
    return replace(
        watched,
        watch=replace(
            watch,
            places=watch.places[:n_places],
            stale_us=np.maximum(watch.stale_us[:n_places], step_us),
            zone_of=None if zone_of is None else zone_of[:n_places],
        ),
    )


def _name(fired: Sequence[Fired], watched: Watched) -> tuple[FiredAlert, ...]:
    return tuple(
        FiredAlert(
            watched.watch.places[one.place].device, one.raised_at_us, one.cleared_at_us, one.value
        )
        for one in reversed(fired)
    )
