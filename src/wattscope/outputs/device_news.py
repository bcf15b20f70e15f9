"""What a broker does not have yet of devices, their values and their silence.

It promises that a device comes after the one above it, that a register is told as a total which
never falls, that a value which is too old is told as unknown and never as 0, and that a device of
which nothing is new is told nothing of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Protocol

import numpy as np

from wattscope.compute.encode.home_assistant import (
    OFFLINE,
    ONLINE,
    Places,
    build_discovery,
    describe_sensor,
    encode_state,
    name_device,
)
from wattscope.core.quantities import QuantityKind
from wattscope.core.time_grid import US_PER_S
from wattscope.core.topology import Device, Series
from wattscope.ports import LiveView

TOTALS_EVERY_S: Final = 30.0
"""How often the store is asked what registers grew by [s]."""
_SOON_S: Final = 2.0
"""Likewise while a register that has a value is not told of yet [s]."""
_NEVER: Final = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsOptions:
    """What is told, and where."""

    places: Places = field(default_factory=Places)
    quantities: tuple[str, ...] = ("*",)
    """Patterns of the quantities that are told."""
    devices: tuple[str, ...] = ("*",)
    """Likewise of devices."""
    version: str = ""
    """Of the program, as it is told."""


class Book(Protocol):
    """The part of the registry that is needed here."""

    def list_devices(self) -> list[Device]: ...

    def list_series(self) -> list[Series]: ...


class Limits(Protocol):
    """When values are too old."""

    def limit_s(self, device: Device, quantity: str) -> float:
        """Age at which a quantity of a device is too old [s]."""
        ...


class Totals(Protocol):
    """What registers ever grew by."""

    def read(self, series: Sequence[Series], now_us: int) -> Mapping[int, float]:
        """Totals by series; those without a value are left out. Blocks."""
        ...


@dataclass(slots=True)
class ToldDevice:
    """What a broker has of a device."""

    basis: object = None
    """What the announcement was made of."""
    is_available: bool | None = None
    state: bytes = b""


@dataclass(slots=True)
class News:
    """What is to be told."""

    messages: list[tuple[str, bytes]] = field(default_factory=list)
    """Topics and payloads, in order."""
    n_values: int = 0


class DeviceNews:
    """Looks for what is new; for one thread at a time."""

    def __init__(
        self, options: NewsOptions, book: Book, live: LiveView, limits: Limits, totals: Totals
    ) -> None:
        """Ask nothing yet.

        Args:
            options: What is told, and where.
            book: Devices and series.
            live: Their newest values.
            limits: When values are too old.
            totals: What registers ever grew by.
        """
        self._options, self._book, self._live = options, book, live
        self._limits, self._totals = limits, totals
        self._known_totals: Mapping[int, float] = {}
        self._totals_us = 0

    def collect(self, told: dict[str, ToldDevice], now_us: int) -> News:
        """What is new at this moment [µs]; blocks.

        Args:
            told: What the broker has, by key of the device; brought up to date, for what is
                returned is told, or the connection is lost and with it this.
            now_us: This moment.
        """
        chosen = self._choose()
        self._look_at_totals([one for series in chosen.values() for one in series], now_us)
        devices = [one for one in self._book.list_devices() if one.id in chosen]
        news = News()
        announced: dict[str, str] = {}
        for device in _order(devices):
            values, is_speaking = self._read(device, chosen[device.id], now_us)
            if not values:
                continue
            above = announced.get(device.parent or "")
            key = announced[device.id] = name_device(device.site, device.id)
            mine = told.setdefault(key, ToldDevice())
            self._announce(news, device, list(values), above, mine)
            self._tell_values(news, key, values, mine)
            self._tell_silence(news, key, mine, is_speaking=is_speaking)
        return news

    def _choose(self) -> dict[str, list[Series]]:
        """The series that are told, by device."""
        options = self._options
        chosen: dict[str, list[Series]] = {}
        for one in self._book.list_series():
            is_wanted = _fits(one.quantity.name, options.quantities)
            if is_wanted and _fits(one.device, options.devices):
                chosen.setdefault(one.device, []).append(one)
        return chosen

    def _look_at_totals(self, series: Sequence[Series], now_us: int) -> None:
        summed = [one for one in series if describe_sensor(one.quantity).is_summed]
        waited_us = now_us - self._totals_us
        is_due = waited_us >= TOTALS_EVERY_S * US_PER_S
        if is_due or (waited_us >= _SOON_S * US_PER_S and self._is_any_missing(summed)):
            self._known_totals = self._totals.read(summed, now_us)
            self._totals_us = now_us

    def _is_any_missing(self, series: Sequence[Series]) -> bool:
        """Whether a register has a value and no total yet."""
        ids = [one.id for one in series if one.id not in self._known_totals]
        instants, _ = self._live.latest_of(np.array(ids, np.int32))
        return bool((instants > _NEVER).any())

    def _read(
        self, device: Device, series: Sequence[Series], now_us: int
    ) -> tuple[dict[Series, float | None], bool]:
        """Values of the series that ever had one, and whether the device still speaks.

        What a register counted stays true. Any other value that is too old is not known any more,
        unless the whole device is silent: that is told as such, and its values are held.
        """
        instants, values = self._live.latest_of(np.array([one.id for one in series], np.int32))
        pairs = zip(series, instants.tolist(), values.tolist(), strict=True)
        known = [(one, at, value) for one, at, value in pairs if at > _NEVER]
        fresh = {
            one.id
            for one, at, _ in known
            if now_us - at <= self._limits.limit_s(device, one.quantity.name) * US_PER_S
        }
        found: dict[Series, float | None] = {}
        for one, _, value in known:
            if describe_sensor(one.quantity).is_summed:
                if one.id in self._known_totals:
                    found[one] = self._known_totals[one.id]
                continue
            is_held = one.quantity.kind is QuantityKind.COUNTER or not fresh
            found[one] = value if is_held or one.id in fresh else None
        return found, bool(fresh)

    def _announce(
        self,
        news: News,
        device: Device,
        series: Sequence[Series],
        above: str | None,
        told: ToldDevice,
    ) -> None:
        basis = device, tuple(one.id for one in series), above
        if told.basis == basis:
            return
        options = self._options
        quantities = [one.quantity for one in series]
        config = build_discovery(
            device, quantities, options.places, version=options.version, above=above
        )
        key = name_device(device.site, device.id)
        news.messages.append((options.places.config(key), config))
        told.basis = basis

    def _tell_values(
        self, news: News, key: str, values: Mapping[Series, float | None], told: ToldDevice
    ) -> None:
        state = encode_state(
            {
                one.quantity.name: (describe_sensor(one.quantity), value)
                for one, value in values.items()
            }
        )
        if told.state != state:
            news.messages.append((self._options.places.state(key), state))
            news.n_values += len(values)
            told.state = state

    def _tell_silence(self, news: News, key: str, told: ToldDevice, *, is_speaking: bool) -> None:
        if told.is_available != is_speaking:
            word = ONLINE if is_speaking else OFFLINE
            news.messages.append((self._options.places.available(key), word))
            told.is_available = is_speaking


def _order(devices: Sequence[Device]) -> list[Device]:
    """Devices with those above them first; a circle is cut anywhere."""
    by_id = {one.id: one for one in devices}

    def depth(device: Device) -> int:
        seen = {device.id}
        while device.parent in by_id and device.parent not in seen:
            seen.add(device.parent)
            device = by_id[device.parent]
        return len(seen)

    return sorted(devices, key=depth)


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
