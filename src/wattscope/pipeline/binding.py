"""From device keys and quantities to series ids, with devices registered on first sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wattscope.compute.enrich import give_meaning
from wattscope.compute.routing import TopicRoute
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.quantities import find_quantity
from wattscope.core.topology import Device, Sampling


class DeviceBook(Protocol):
    """The part of the registry that binding needs."""

    def find_device(self, device: str) -> Device | None: ...

    def put_device(self, device: Device, quantities: Sequence[str] = ()) -> None: ...

    def ensure_all_series(self, device: str, quantities: Sequence[str]) -> tuple[int, ...]: ...

    def find_series(self, device: str, quantity: str) -> int | None: ...

    def count_series(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Binding:
    """Series of one reading's values, in the order of its quantities."""

    series: tuple[int, ...]
    factors: tuple[float, ...] | None
    """Signs to apply; None where all are 1."""


@dataclass(frozen=True, slots=True)
class BindingRules:
    """What happens with devices and series that were never seen."""

    site: str
    """Site of devices that register themselves."""
    is_open: bool = True
    """Whether unknown devices register themselves."""
    max_series: int = 100_000


class Binder:
    """Resolves readings to series ids; remembers every answer."""

    def __init__(
        self, book: DeviceBook, rules: BindingRules, on_new: Callable[[Device], None]
    ) -> None:
        self._book = book
        self._rules = rules
        self._on_new = on_new
        self._known: dict[tuple[str, tuple[str, ...]], Binding] = {}
        self._low = np.full(1024, -np.inf)
        self._high = np.full(1024, np.inf)

    def bind(
        self, device: str, quantities: tuple[str, ...], route: TopicRoute
    ) -> Binding | Rejection:
        """Series of a device's quantities, made where there are none yet."""
        known = self._known.get((device, quantities))
        if known is not None:
            return known
        found = self._resolve(device, quantities, route)
        if isinstance(found, Binding):
            self._known[(device, quantities)] = found
        return found

    def limits(self, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Plausible range of each row's series."""
        return self._low[series], self._high[series]

    def forget(self) -> None:
        """Resolve everything anew, after devices were changed."""
        self._known.clear()

    def _resolve(
        self, key: str, quantities: tuple[str, ...], route: TopicRoute
    ) -> Binding | Rejection:
        device, is_new = self._book.find_device(key), False
        if device is None:
            if not self._rules.is_open:
                return Rejection(
                    ReasonCode.UNKNOWN_DEVICE,
                    f"device {key!r} is not registered; add it, then replay the quarantine",
                )
            device, is_new = self._describe(key, route), True
        meanings = [give_meaning(quantity, device) for quantity in quantities]
        names = [meaning.quantity for meaning in meanings]
        n_new = sum(self._book.find_series(key, name) is None for name in names)
        if n_new and self._book.count_series() + n_new > self._rules.max_series:
            return Rejection(
                ReasonCode.SERIES_LIMIT,
                f"device {key!r} would need {n_new} new series, the limit is "
                f"{self._rules.max_series}; raise ingest.max_series",
            )
        if is_new:
            # The device and its series in one commit: many of them come at once.
            self._book.put_device(device, names)
            self._on_new(device)
        series = self._book.ensure_all_series(key, names)
        for number, name in zip(series, names, strict=True):
            self._set_limits(number, name)
        factors = tuple(meaning.factor for meaning in meanings)
        return Binding(series, None if all(one == 1.0 for one in factors) else factors)

    def _describe(self, key: str, route: TopicRoute) -> Device:
        """A device that is first heard of, as its profile describes it."""
        return Device(
            id=key,
            site=self._rules.site,
            name=key,
            kind=route.kind,
            interval_s=route.interval_s,
            sampling=Sampling.INSTANT,
            rollover_wh=route.rollover_wh,
        )

    def _set_limits(self, number: int, name: str) -> None:
        if number >= len(self._low):
            size = max(number + 1, 2 * len(self._low))
            self._low = np.r_[self._low, np.full(size - len(self._low), -np.inf)]
            self._high = np.r_[self._high, np.full(size - len(self._high), np.inf)]
        quantity = find_quantity(name)
        if quantity is not None:
            self._low[number], self._high[number] = quantity.low, quantity.high
