"""What the store knows of its series: names for SQL, rules for rollups, zones for local days."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import tzinfo
from typing import Protocol

import duckdb
import numpy as np

from wattscope.compute.segments import SeriesRule
from wattscope.core.time_grid import load_zone
from wattscope.core.topology import Device, Series, Site
from wattscope.stores.labels import Labels


class SeriesNames(Protocol):
    """The part of the registry that a store needs."""

    def list_sites(self) -> list[Site]: ...

    def list_devices(self) -> list[Device]: ...

    def list_series(self) -> list[Series]: ...

    def count_series(self) -> int: ...


class Catalogue:
    """The registry as the store uses it, read again whenever series were added."""

    def __init__(self, names: SeriesNames, cursor: duckdb.DuckDBPyConnection) -> None:
        self._names = names
        self._cursor = cursor
        self._lock = threading.Lock()
        self._n_known = -1
        self.rules: dict[int, SeriesRule] = {}
        """Rule of each series."""
        self.site_of: dict[int, str] = {}
        """Site of each series."""
        self.labels = Labels.build([])
        """Names of each series."""
        cursor.execute(
            "CREATE TABLE series_names (series_id INTEGER, site VARCHAR, device VARCHAR, "
            "quantity VARCHAR, unit VARCHAR, is_counter BOOLEAN)"
        )

    def refresh(self) -> None:
        """Take in series that were added since the last call; cheap when there are none."""
        with self._lock:
            n_series = self._names.count_series()
            if n_series != self._n_known:
                self._read()
                self._n_known = n_series

    def _read(self) -> None:
        series = self._names.list_series()
        devices = {device.id: device for device in self._names.list_devices()}
        self.rules = {one.id: _make_rule(one, devices[one.device]) for one in series}
        self.site_of = {one.id: one.site for one in series}
        self.labels = Labels.build(series)
        columns = {
            "series_id": np.array([one.id for one in series], np.int32),
            "site": np.array([one.site for one in series], object),
            "device": np.array([one.device for one in series], object),
            "quantity": np.array([one.quantity.name for one in series], object),
            "unit": np.array([one.quantity.unit for one in series], object),
            "is_counter": np.array([one.quantity.kind.value == "counter" for one in series], bool),
        }
        self._cursor.register("names_now", columns)
        self._cursor.execute("BEGIN; DELETE FROM series_names")
        if series:
            self._cursor.execute("INSERT INTO series_names SELECT * FROM names_now")
        self._cursor.execute("COMMIT")
        self._cursor.unregister("names_now")

    def forget(self) -> None:
        """Read everything again at the next ``refresh``, for changed sites and devices."""
        self._n_known = -1

    def zone_names(self) -> dict[str, str]:
        """Name of the time zone of each site."""
        return {site.id: site.time_zone for site in self._names.list_sites()}

    def find_series(
        self, devices: frozenset[str] | None, quantities: frozenset[str] | None
    ) -> list[int]:
        """Series by the names of their device and quantity; None for any."""
        if devices is None and quantities is None:
            return sorted(self.rules)
        return sorted(self.labels.find(devices, quantities))

    def by_zone(self, series: Iterable[int]) -> dict[tzinfo, list[int]]:
        """Known series in groups of equal time zone."""
        zones = self.zones()
        groups: dict[tzinfo, list[int]] = {}
        for one in series:
            if one in self.site_of:
                groups.setdefault(zones[self.site_of[one]], []).append(one)
        return groups

    def zones(self) -> dict[str, tzinfo]:
        """Time zone of each site."""
        return {site.id: load_zone(site.time_zone) for site in self._names.list_sites()}


def _make_rule(series: Series, device: Device) -> SeriesRule:
    return SeriesRule.build(series, device)
