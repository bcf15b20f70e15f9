"""Rules over what the live view holds: which series each of them looks at, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from wattscope.alerts import Place, Watch, WatchState, unpack_state
from wattscope.alerts.saved_state import mark_raised
from wattscope.alerts.watch import NEVER
from wattscope.compute.staleness import stale_after_s
from wattscope.core.alerting import AlertRule, RuleKind
from wattscope.core.reading import FloatColumn, Int32Column, Int64Column
from wattscope.core.time_grid import US_PER_S
from wattscope.core.topology import Device
from wattscope.pipeline.windows import Names as WindowNames
from wattscope.ports import LiveView


class Names(WindowNames, Protocol):
    """The part of the registry that rules need."""

    def count_series(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Columns:
    """The series behind the places of a watch, those of a place side by side."""

    series: Int32Column
    starts: npt.NDArray[np.intp]
    """Where those of each place begin."""

    def read(self, live: LiveView) -> tuple[Int64Column, FloatColumn]:
        """Instant [µs] and value of each place: of its newest series."""
        if not len(self.starts):
            return np.empty(0, np.int64), np.empty(0)
        t_us, value = live.latest_of(self.series)
        t_us = np.where(t_us <= 0, NEVER, t_us)
        if len(self.starts) == len(self.series):
            return t_us, value
        # Several series a place only where it is about the device as a whole: its age counts.
        return np.maximum.reduceat(t_us, self.starts), np.full(len(self.starts), np.nan)


@dataclass(frozen=True, slots=True)
class Watched:
    """A rule with its places, the series behind them, and what it remembers."""

    watch: Watch
    columns: Columns
    state: WatchState


def watch_rule(
    rule: AlertRule,
    names: Names,
    packed: Mapping[str, Any],
    raised: set[tuple[str, str]],
) -> Watched:
    """A rule put over what the registry knows.

    Args:
        rule: Not one about incidents.
        names: Sites, devices and series as they are now.
        packed: What the rule remembers.
        raised: Device and key of its alerts that are not over.
    """
    places, columns, devices = _find_places(rule, names)
    zones = {site.id: site.time_zone for site in names.list_sites()}
    zone_names = tuple(dict.fromkeys(zones[one.site] for one in devices)) or ("UTC",)
    watch = Watch(
        rule,
        places,
        np.array([round(stale_after_s(one) * US_PER_S) for one in devices], np.int64),
        zone_names,
        np.array([zone_names.index(zones[one.site]) for one in devices], np.intp),
    )
    state = unpack_state(watch, dict(packed))
    is_raised = [(one.device, one.key) in raised for one in places]
    return Watched(watch, columns, mark_raised(state, is_raised))


def _find_places(
    rule: AlertRule, names: Names
) -> tuple[tuple[Place, ...], Columns, Sequence[Device]]:
    wanted = set(rule.devices)
    by_device: dict[str, list[int]] = {}
    for series in names.list_series():
        is_wanted = not wanted or series.device in wanted
        if is_wanted and (not rule.quantity or series.quantity.name == rule.quantity):
            by_device.setdefault(series.device, []).append(series.id)
    devices = [one for one in names.list_devices() if one.id in by_device]
    ids = [by_device[one.id] for one in devices]
    starts = np.cumsum([0, *map(len, ids)])[:-1].astype(np.intp)
    flat = np.array([number for group in ids for number in group], np.int32)
    key = rule.quantity if rule.kind is not RuleKind.INCIDENT else ""
    return tuple(Place(one.id, key) for one in devices), Columns(flat, starts), devices
