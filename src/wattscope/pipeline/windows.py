"""From the store to windows: like devices side by side, on their own interval or coarser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from wattscope.compute.rollups import select_buckets
from wattscope.core.quantities import QuantityKind
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_S
from wattscope.core.topology import Device, DeviceKind, Series, Site
from wattscope.core.window import Matrix, Window
from wattscope.pipeline.recent_minutes import RecentMinutes
from wattscope.ports import LiveView, Store

NATIVE = "native"
LEVEL_STEPS = {
    "1m": US_PER_MINUTE,
    "15m": 15 * US_PER_MINUTE,
    "1h": US_PER_HOUR,
    "1d": US_PER_DAY,
}
"""Length of a slot of each level [µs]; a local day stands in the slot of the UTC day in which its
noon lies."""
WEATHER = ("irradiance_w_m2", "temperature_c", "module_temperature_c")
"""What sensors of a site tell all its devices."""
_ENOUGH_ROWS = 3
"""Fewer tell no usual distance."""
_DEFAULT_STEP_US = 15 * US_PER_MINUTE
_HALF_DAY_US = US_PER_DAY // 2
_NEVER_US = np.iinfo(np.int64).min
_MAX_VALUES = 20_000_000
"""Values of one window at most; a longer span is looked at in pieces."""


class Names(Protocol):
    """The part of the registry that windows need."""

    def list_sites(self) -> list[Site]: ...

    def list_devices(self) -> list[Device]: ...

    def list_series(self) -> list[Series]: ...


@dataclass(frozen=True, slots=True)
class Group:
    """Devices that are alike: of one kind, at one site, read at one pace."""

    site: Site
    kind: DeviceKind
    step_us: int
    """Time between two readings, but a minute at least [µs]."""
    devices: tuple[Device, ...]
    series: Mapping[str, Mapping[int, int]]
    """Quantity to the place of a device to its series."""
    counters: frozenset[str]
    """Those of the quantities that count; of these a slot holds the last value."""

    @property
    def name(self) -> str:
        """For screens: the site and the kind."""
        return f"{self.site.id}/{self.kind.value}"


class _ReadWhenAsked(Mapping[str, Matrix]):
    """Quantities that are read when a detector first asks for them; most ask for one or two."""

    def __init__(self, names: tuple[str, ...], read: Callable[[str], Matrix]) -> None:
        self._names = names
        self._read = read
        self._known: dict[str, Matrix] = {}

    def __getitem__(self, name: str) -> Matrix:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class WindowReader:
    """Makes windows of a store. Thread-safe as far as the store is."""

    def __init__(
        self, store: Store, names: Names, live: LiveView, recent: RecentMinutes | None = None
    ) -> None:
        """``recent`` spares the store the minutes just gone; None asks it for all."""
        self._recent = recent
        self._store = store
        self._names = names
        self._live = live
        self._steps: dict[int, int] = {}

    def list_groups(self, devices: Iterable[str] | None = None) -> list[Group]:
        """All groups with what they measure, by site, kind and pace; None asks for all devices."""
        sites = {site.id: site for site in self._names.list_sites()}
        wanted = None if devices is None else set(devices)
        by_device: dict[str, list[Series]] = {}
        for one in self._names.list_series():
            by_device.setdefault(one.device, []).append(one)
        found: dict[tuple[str, str, int], list[Device]] = {}
        for device in self._names.list_devices():
            if device.id in by_device and (wanted is None or device.id in wanted):
                step_us = self._find_step(device, by_device[device.id])
                found.setdefault((device.site, device.kind.value, step_us), []).append(device)
        return [
            _make_group(sites[site], step_us, members, by_device)
            for (site, _, step_us), members in sorted(found.items())
        ]

    def read(self, group: Group, level: str, start_us: int, end_us: int) -> Window:
        """The slots of a group in ``[start, end)``; both are moved outward to whole slots.

        Args:
            group: Devices and their series.
            level: ``native``, or a name in ``LEVEL_STEPS``.
            start_us: First instant [µs].
            end_us: End [µs].
        """
        step_us = self.step_of(group, level)
        first = start_us // step_us
        n_slots = max(0, -(-end_us // step_us) - first)
        slot_us = (first + np.arange(n_slots, dtype=np.int64)) * step_us
        if step_us == US_PER_MINUTE and self._recent is not None:
            gauges = [group.series[name] for name in group.series.keys() - group.counters]
            self._recent.follow(
                (one for series in gauges for one in series.values()), self.newest_us(group)
            )

        def read(name: str) -> Matrix:
            series = group.series[name]
            matrix = np.full((len(group.devices), n_slots), np.nan)
            matrix[list(series)] = self._read_slots(
                tuple(series.values()), slot_us, step_us, is_counter=name in group.counters
            )
            return matrix

        values = _ReadWhenAsked(tuple(group.series), read)
        return Window(
            group.site,
            group.devices,
            slot_us,
            step_us,
            values,
            self._read_weather(group.site, slot_us, step_us),
            self._list_above(group),
        )

    def pieces(
        self, group: Group, level: str, start_us: int, end_us: int, overlap_us: int
    ) -> list[tuple[int, int]]:
        """Spans into which a long one is cut so that each window fits into memory, overlapping."""
        step_us = self.step_of(group, level)
        per_slot = max(1, sum(len(one) for one in group.series.values()))
        length_us = max(2 * overlap_us, _MAX_VALUES // per_slot * step_us)
        starts = range(start_us, max(end_us, start_us + 1), length_us)
        return [(max(start_us, one - overlap_us), min(end_us, one + length_us)) for one in starts]

    @staticmethod
    def step_of(group: Group, level: str) -> int:
        """Length of a slot [µs]; that of a level is never finer than the readings."""
        return group.step_us if level == NATIVE else max(LEVEL_STEPS[level], group.step_us)

    def newest_us(self, group: Group) -> int | None:
        """The newest instant of any device of a group [µs]; None before its first value."""
        ids = np.array([one for series in group.series.values() for one in series.values()])
        instants, _ = self._live.latest_of(ids.astype(np.int32))
        newest = int(instants.max()) if len(instants) else _NEVER_US
        return None if newest == _NEVER_US else newest

    def _find_step(self, device: Device, series: Sequence[Series]) -> int:
        """Time between two readings [µs], as it was told or else as the newest readings show."""
        if device.interval_s:
            return max(US_PER_MINUTE, round(device.interval_s * US_PER_S))
        first = series[0].id
        if first not in self._steps:
            step_us = self._measure_step(first)
            if step_us is None:
                return _DEFAULT_STEP_US
            self._steps[first] = step_us
        return self._steps[first]

    def _measure_step(self, series: int) -> int | None:
        newest = self._live.latest(series)
        if newest is None:
            return None
        for back_us in (US_PER_HOUR, 2 * US_PER_DAY, 60 * US_PER_DAY):
            rows = self._store.read_raw((series,), newest[0] - back_us, newest[0] + 1)
            if len(rows) > _ENOUGH_ROWS:
                step_us = int(np.median(np.diff(rows.measured_at_us)))
                return max(US_PER_MINUTE, round(step_us / US_PER_MINUTE) * US_PER_MINUTE)
        return None

    def _read_slots(
        self, series: tuple[int, ...], slot_us: Int64Column, step_us: int, *, is_counter: bool
    ) -> Matrix:
        """A row a series: means of its slots, or the last value of a counter; NaN for nothing."""
        if not len(slot_us) or not series:
            return np.full((len(series), len(slot_us)), np.nan)
        first, n_slots = int(slot_us[0]) // step_us, len(slot_us)
        is_recent = step_us == US_PER_MINUTE and self._recent is not None and not is_counter
        if is_recent and self._recent is not None:
            known = self._recent.read(series, first, n_slots)
            if known is not None:
                return _divide(*known)
        place = np.full(max(series) + 1, -1, np.int64)
        place[list(series)] = np.arange(len(series))
        ids, span_us = tuple(sorted(series)), (int(slot_us[0]), int(slot_us[-1]) + step_us)
        level = _find_level(step_us)
        if level is None:
            rows = self._store.read_raw(ids, *span_us)
            rows = rows.take(rows.is_usable)
            at, slot = place[rows.series_id], rows.measured_at_us // step_us - first
            count, value = np.ones(len(at), np.int64), rows.value
        else:
            if level == "1d":
                # Local days begin up to a day before or after those of UTC.
                span_us = span_us[0] - US_PER_DAY, span_us[1] + US_PER_DAY
            found = self._store.roll_up(ids, level, *span_us)
            middle_us = found.bucket_start_us + (_HALF_DAY_US if level == "1d" else 0)
            slot = middle_us // step_us - first
            inside = (slot >= 0) & (slot < n_slots)
            found, slot = select_buckets(found, inside), slot[inside]
            at = place[found.series_id]
            count, value = found.count, np.where(found.count > 0, found.sum, 0.0)
            if is_counter:
                value = found.last
        if is_counter:
            # Rows come by time, so that the last one stands.
            matrix = np.full((len(series), n_slots), np.nan)
            matrix[at, slot] = value
            return matrix
        total = np.zeros((len(series), n_slots))
        counts = np.zeros((len(series), n_slots), np.int64)
        np.add.at(total, (at, slot), value)
        np.add.at(counts, (at, slot), count)
        if is_recent and self._recent is not None:
            self._recent.take_in(series, first, total, counts)
        return _divide(total, counts)

    def _list_above(self, group: Group) -> dict[str, Device]:
        """All that stands above the devices of a group, by id."""
        known = {device.id: device for device in self._names.list_devices()}
        above: dict[str, Device] = {}
        for device in group.devices:
            parent = device.parent
            while parent in known and parent not in above:
                above[parent] = known[parent]
                parent = known[parent].parent
        return above

    def _read_weather(
        self, site: Site, slot_us: Int64Column, step_us: int
    ) -> dict[str, FloatColumn]:
        """What the sensors of the site measured, the mean where there are several."""
        sensors = {
            device.id
            for device in self._names.list_devices()
            if device.site == site.id and device.kind is DeviceKind.SENSOR
        }
        if not sensors:
            return {}
        members: dict[str, list[int]] = {}
        for one in self._names.list_series():
            if one.device in sensors and one.quantity.name in WEATHER:
                members.setdefault(one.quantity.name, []).append(one.id)
        found: dict[str, FloatColumn] = {}
        for name, series in members.items():
            each = self._read_slots(tuple(series), slot_us, step_us, is_counter=False)
            known = ~np.isnan(each)
            found[name] = _divide(np.where(known, each, 0.0).sum(axis=0), known.sum(axis=0))
        return found


def _find_level(step_us: int) -> str | None:
    """The level whose buckets are the slots; None where rows must be read."""
    return {step: level for level, step in LEVEL_STEPS.items()}.get(step_us)


def _make_group(
    site: Site, step_us: int, members: Sequence[Device], by_device: Mapping[str, Sequence[Series]]
) -> Group:
    series: dict[str, dict[int, int]] = {}
    counters: set[str] = set()
    for at, device in enumerate(members):
        for one in by_device[device.id]:
            if one.quantity.kind is not QuantityKind.DELTA:
                series.setdefault(one.quantity.name, {})[at] = one.id
                if one.quantity.kind is QuantityKind.COUNTER:
                    counters.add(one.quantity.name)
    return Group(site, members[0].kind, step_us, tuple(members), series, frozenset(counters))


def _divide(total: Matrix, count: npt.NDArray[np.int64]) -> Matrix:
    """Means; NaN where there is nothing."""
    means = np.full(total.shape, np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means
