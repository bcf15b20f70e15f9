"""The newest values of every device as the text that Prometheus scrapes.

It promises that a value older than its limit is left out, never repeated; the device's other
values stay. Samples carry no time of their own: Prometheus marks a series stale at once when it is
missing from a scrape, and would go on repeating it for five minutes if its samples carried one.
When a device was last heard is a value beside the others.

Names, labels and their order are worked out when devices or series come, not at each scrape.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import structlog

from wattscope.compute.prometheus_names import (
    Exposition,
    Family,
    MetricType,
    Scale,
    expose_quantity,
)
from wattscope.compute.prometheus_page import Booleans, Page, build_page
from wattscope.compute.prometheus_renames import Rename, expose_renamed
from wattscope.core.reading import FloatColumn, Int32Column, Int64Column
from wattscope.core.topology import Device, Series
from wattscope.ports import LiveView

_log = structlog.get_logger()
_US_PER_S = 1_000_000
GRACE_US = 60 * _US_PER_S
"""So long after the first scrape a device may still be on its way [µs]."""
_UP = Family(
    "wattscope_device_up", MetricType.GAUGE, "Whether a device has a value that is not too old."
)
_ABOUT = Family("wattscope_device_info", MetricType.GAUGE, "What is known of a device; always 1.")
_HEARD = Family(
    "wattscope_device_last_reading_timestamp_seconds",
    MetricType.GAUGE,
    "Instant of the newest value of a device, as the device tells it.",
)
_SECONDS = Scale(divisor=float(_US_PER_S))


class Book(Protocol):
    """The part of the registry that is needed here."""

    def list_devices(self) -> list[Device]: ...

    def list_series(self) -> list[Series]: ...

    def count_series(self) -> int: ...


class DayEnergy(Protocol):
    """Energies of the local day so far."""

    def render(self, series: tuple[Series, ...], is_fresh: Booleans, now_us: int) -> str:
        """The text of their samples, of the series that are fresh."""
        ...


@dataclass(frozen=True, slots=True)
class _Plan:
    """Everything about a scrape that does not change from one to the next."""

    state: tuple[int, tuple[Device, ...], object]
    """What it was made for: the number of series, the devices, the state of their limits."""
    devices: tuple[Device, ...]
    series: tuple[Series, ...]
    ids: Int32Column
    limit_us: Int64Column
    """Age at which each series is too old [µs]."""
    of_device: npt.NDArray[np.intp]
    """Place of each series' device."""
    page: Page
    """Values of the series, then of the renamed ones."""
    renamed: npt.NDArray[np.intp]
    """Place of the series behind each sample of a name of one's own."""
    missing: tuple[Rename, ...]
    """Names of one's own of series that do not exist."""
    device_page: Page
    """For each device: whether it is up, what is known of it, when it was heard."""


class Limits(Protocol):
    """When values are too old."""

    @property
    def state(self) -> object:
        """Equal as long as the limits are the same."""
        ...

    def limit_s(self, device: Device, quantity: str) -> float:
        """Age at which a quantity of a device is too old [s]."""
        ...


class DeviceMetrics:
    """The text of the devices' values; safe to be asked from any thread."""

    def __init__(
        self,
        book: Book,
        live: LiveView,
        *,
        limits: Limits,
        renames: Sequence[Rename] = (),
        today: DayEnergy | None = None,
    ) -> None:
        """Make it ready.

        Args:
            book: Devices and series.
            live: Their newest values.
            limits: When values are too old.
            renames: Names of one's own; without fault.
            today: Energies of the local day; None leaves them out.
        """
        self._book, self._live, self._limits = book, live, limits
        self._renames = tuple(renames)
        self._today = today
        self._plan: _Plan | None = None
        self._lock = threading.Lock()
        self._first_us: int | None = None
        self._said: set[str] = set()

    def render(self, now_us: int) -> str:
        """The text of this moment [µs]; empty before there is a device."""
        plan = self._find_plan()
        self._say_missing(plan, now_us)
        instants, values = self._live.latest_of(plan.ids)
        is_fresh = instants >= now_us - plan.limit_us
        rows = np.r_[np.arange(len(plan.ids)), plan.renamed]
        text = plan.page.render(values[rows], is_fresh[rows])
        text += _render_devices(plan, instants, is_fresh)
        if self._today is not None:
            text += self._today.render(plan.series, is_fresh, now_us)
        return text

    def _find_plan(self) -> _Plan:
        """The plan for the devices and series that there are now."""
        with self._lock:
            devices = tuple(self._book.list_devices())
            state = self._book.count_series(), devices, self._limits.state
            if self._plan is None or self._plan.state != state:
                self._plan = self._build_plan(state)
            return self._plan

    def _build_plan(self, state: tuple[int, tuple[Device, ...], object]) -> _Plan:
        devices = {device.id: device for device in state[1]}
        series = tuple(one for one in self._book.list_series() if one.device in devices)
        limits = [self._limits.limit_s(devices[one.device], one.quantity.name) for one in series]
        place = {name: at for at, name in enumerate(devices)}
        own = [_expose_series(one) for one in series]
        places = {(one.device, one.quantity.name): at for at, one in enumerate(series)}
        named = [(places.get((one.device, one.quantity)), one) for one in self._renames]
        renamed = [
            (at, shown) for at, one in named if at is not None for shown in expose_renamed(one)
        ]
        return _Plan(
            state,
            state[1],
            series,
            np.array([one.id for one in series], np.int32),
            (np.array(limits, np.float64) * _US_PER_S).astype(np.int64),
            np.array([place[one.device] for one in series], np.intp),
            build_page([*own, *(shown for _, shown in renamed)]),
            np.array([at for at, _ in renamed], np.intp),
            tuple(one for at, one in named if at is None),
            build_page(_expose_devices(state[1])),
        )

    def _say_missing(self, plan: _Plan, now_us: int) -> None:
        """Say once, a minute after the start, which names have no series and what may be meant."""
        with self._lock:
            self._first_us = now_us if self._first_us is None else self._first_us
            if now_us - self._first_us < GRACE_US:
                return
            missing = [one for one in plan.missing if one.name not in self._said]
            self._said |= {one.name for one in missing}
        known = [device.id for device in plan.devices]
        for device in dict.fromkeys(one.device for one in missing):
            near = [] if device in known else difflib.get_close_matches(device, known, n=1)
            _log.warning(
                "prometheus names without a series",
                device=device,
                is_device_known=device in known,
                did_you_mean=near[0] if near else None,
                names=[one.name for one in missing if one.device == device],
            )


def _expose_series(series: Series) -> Exposition:
    shown = expose_quantity(series.quantity)
    labels = (("site", series.site), ("device", series.device), *shown.labels)
    return Exposition(shown.family, labels, shown.scale)


def _expose_devices(devices: Sequence[Device]) -> list[Exposition]:
    keys = [(("site", device.site), ("device", device.id)) for device in devices]
    about = [
        (*key, ("kind", device.kind.value), ("name", device.name), ("parent", device.parent or ""))
        for key, device in zip(keys, devices, strict=True)
    ]
    return [
        *(Exposition(_UP, key) for key in keys),
        *(Exposition(_ABOUT, key) for key in about),
        *(Exposition(_HEARD, key, _SECONDS) for key in keys),
    ]


def _render_devices(plan: _Plan, instants: Int64Column, is_fresh: Booleans) -> str:
    n_devices = len(plan.devices)
    newest = np.full(n_devices, np.iinfo(np.int64).min)
    np.maximum.at(newest, plan.of_device, instants)
    is_up = np.bincount(plan.of_device[is_fresh], minlength=n_devices) > 0
    values: FloatColumn = np.r_[is_up, np.ones(n_devices), newest].astype(np.float64)
    is_shown = np.ones(3 * n_devices, np.bool_)
    is_shown[2 * n_devices :] = newest > np.iinfo(np.int64).min
    return plan.device_page.render(values, is_shown)
