"""From device keys and quantities to series ids, with devices registered on first sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from wattscope.compute.enrich import give_meaning
from wattscope.compute.routing import TopicRoute
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.quantities import find_quantity, unit_of
from wattscope.core.topology import Device, Sampling, Site, is_place


class DeviceBook(Protocol):
    """The part of the registry that binding needs."""

    def find_device(self, device: str) -> Device | None: ...

    def list_sites(self) -> list[Site]: ...

    def put_site(self, site: Site) -> None: ...

    def put_device(self, device: Device, quantities: Sequence[str] = ()) -> None: ...

    def put_devices(self, wanted: Sequence[tuple[Device, Sequence[str]]]) -> None: ...

    def ensure_all_series(self, device: str, quantities: Sequence[str]) -> tuple[int, ...]: ...

    def find_series(self, device: str, quantity: str) -> int | None: ...

    def count_series(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Binding:
    """Series of one reading's values, in the order of its quantities."""

    series: tuple[int, ...]
    factors: tuple[float, ...] | None
    """Signs to apply; None where all are 1."""
    is_placed: bool = True
    """Whether it is known where the device is, or has been told once."""


@dataclass(frozen=True, slots=True)
class BindingRules:
    """What happens with devices and series that were never seen."""

    site: str
    """Site of devices that register themselves."""
    is_open: bool = True
    """Whether unknown devices register themselves."""
    max_series: int = 100_000
    place: tuple[float | None, float | None] = (None, None)
    """Latitude and longitude of the site: devices that are there need none of their own."""


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
        self._lowest = np.full(1024, -np.inf)
        self._highest = np.full(1024, np.inf)
        self._names: dict[int, tuple[str, str]] = {}
        """Quantity and profile by series."""
        self._places: dict[str, tuple[float, float]] = {}
        self.has_ranges = False
        """Whether any series has a range beyond which values are not taken."""

    def bind(
        self,
        device: str,
        quantities: tuple[str, ...],
        route: TopicRoute,
        place: tuple[float, float] | None = None,
        site: str | None = None,
    ) -> Binding | Rejection:
        """Series of a device's quantities, made where there are none yet.

        ``place``: where the device says that it is; see ``write_places``.
        ``site``: at which site it says to be; None: that of the rules.
        """
        known = self._known.get((device, quantities))
        if known is not None and (known.is_placed or place is None):
            return known
        found = known or self._resolve(device, quantities, route, place, site)
        if isinstance(found, Binding):
            if place is not None and not found.is_placed:
                self._places[device] = place
                found = replace(found, is_placed=True)
            self._known[(device, quantities)] = found
        return found

    def write_places(self) -> None:
        """Keep where devices are of which that was unknown; all in one commit."""
        if not self._places:
            return
        places, self._places = self._places, {}
        moved = [
            (replace(device, latitude=place[0], longitude=place[1]), ())
            for key, place in places.items()
            if is_place(place)
            and place != self._rules.place
            and (device := self._book.find_device(key)) is not None
        ]
        if moved:
            self._book.put_devices(moved)

    def limits(self, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Plausible range of each row's series."""
        return self._low[series], self._high[series]

    def ranges(self, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value of each row's series that is taken."""
        return self._lowest[series], self._highest[series]

    def refuse_value(self, number: int, value: float) -> Rejection:
        """The words for a value beyond its range."""
        low, high = self._lowest[number], self._highest[number]
        quantity, profile = self._names[number]
        unit = unit_of(quantity)
        return Rejection(
            ReasonCode.RANGE,
            f"{quantity} is {value:g} {unit}, beyond {low:g} to {high:g} {unit}; see to the "
            f"sensor, or change [ranges] in profile {profile}",
        )

    def forget(self) -> None:
        """Resolve everything anew, after devices were changed."""
        self._known.clear()

    def _resolve(
        self,
        key: str,
        quantities: tuple[str, ...],
        route: TopicRoute,
        place: tuple[float, float] | None,
        site: str | None,
    ) -> Binding | Rejection:
        device, is_new = self._book.find_device(key), False
        if device is not None and site not in {None, device.site}:
            return Rejection(
                ReasonCode.IDENTITY_MISMATCH,
                f"device {key!r} is at site {device.site!r} and says to be at {site!r}",
            )
        if device is None:
            if not self._rules.is_open:
                return Rejection(
                    ReasonCode.UNKNOWN_DEVICE,
                    f"device {key!r} is not registered; add it, then replay the quarantine",
                )
            device, is_new = self._describe(key, route, place, site), True
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
            self._ensure_site(device.site)
            # The device and its series in one commit: many of them come at once.
            self._book.put_device(device, names)
            self._on_new(device)
        series = self._book.ensure_all_series(key, names)
        for number, name in zip(series, names, strict=True):
            self._set_limits(number, name)
        factors = tuple(meaning.factor for meaning in meanings)
        for number, quantity, factor in zip(series, quantities, factors, strict=True):
            self._set_range(number, route, quantity, factor)
        return Binding(
            series,
            None if all(one == 1.0 for one in factors) else factors,
            device.latitude is not None or device.longitude is not None,
        )

    def _ensure_site(self, name: str) -> None:
        """Make a site that a device names first, in the zone and currency of the settings' own."""
        sites = {one.id: one for one in self._book.list_sites()}
        own = sites.get(self._rules.site)
        if name not in sites and own is not None:
            self._book.put_site(Site(name, name, own.time_zone, own.currency))

    def _describe(
        self, key: str, route: TopicRoute, place: tuple[float, float] | None, site: str | None
    ) -> Device:
        """A device that is first heard of, as its profile and itself describe it."""
        is_told = place is not None and is_place(place) and place != self._rules.place
        latitude, longitude = place if place is not None and is_told else (None, None)
        return Device(
            id=key,
            site=site or self._rules.site,
            name=key,
            kind=route.kind,
            interval_s=route.interval_s,
            sampling=Sampling.INSTANT,
            rollover_wh=route.rollover_wh,
            latitude=latitude,
            longitude=longitude,
        )

    def _set_limits(self, number: int, name: str) -> None:
        if number >= len(self._low):
            n_more = max(number + 1, 2 * len(self._low)) - len(self._low)
            below, above = np.full(n_more, -np.inf), np.full(n_more, np.inf)
            self._low, self._high = np.r_[self._low, below], np.r_[self._high, above]
            self._lowest, self._highest = np.r_[self._lowest, below], np.r_[self._highest, above]
        quantity = find_quantity(name)
        if quantity is not None:
            self._low[number], self._high[number] = quantity.low, quantity.high

    def _set_range(self, number: int, route: TopicRoute, quantity: str, factor: float) -> None:
        """What a profile takes of a series; the last profile that is used for it counts."""
        low, high = route.ranges.get(quantity, (-np.inf, np.inf))
        self._lowest[number], self._highest[number] = sorted((factor * low, factor * high))
        self._names[number] = (quantity, route.profile)
        self.has_ranges = self.has_ranges or quantity in route.ranges
