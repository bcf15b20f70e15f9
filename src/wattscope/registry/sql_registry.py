"""Sites, devices and series in SQL, with everything read once and kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select

from wattscope.core.errors import UnknownNameError
from wattscope.core.quantities import QUANTITIES
from wattscope.core.topology import Device, DeviceKind, Sampling, Series, Site
from wattscope.registry.database import Database
from wattscope.registry.schema import devices, series, sites


class SqlRegistry:
    """The registry port over a ``Database``.

    Promises that a series id is committed before it is returned. Reads come from memory; changes
    by other processes are seen after ``reload``.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.RLock()
        self._sites: dict[str, Site] = {}
        self._devices: dict[str, Device] = {}
        self._series: dict[tuple[str, str], int] = {}
        self.reload()

    def reload(self) -> None:
        """Read everything again."""
        with self._lock, self._database.begin() as connection:
            self._sites = {
                row.id: Site(**row._mapping) for row in connection.execute(select(sites))
            }
            self._devices = {
                row.id: _device_from(dict(row._mapping))
                for row in connection.execute(select(devices))
            }
            self._series = {
                (row.device, row.quantity): row.id for row in connection.execute(select(series))
            }

    def list_sites(self) -> list[Site]:
        """All sites, by id."""
        return sorted(self._sites.values(), key=lambda site: site.id)

    def list_devices(self) -> list[Device]:
        """All devices, by id."""
        return sorted(self._devices.values(), key=lambda device: device.id)

    def find_device(self, device: str) -> Device | None:
        """The device of an id, or None."""
        return self._devices.get(device)

    def put_site(self, site: Site) -> None:
        """Add or change a site."""
        row = {name: getattr(site, name) for name in Site.__slots__}
        with self._lock:
            with self._database.begin() as connection:
                _replace_row(connection, sites, row)
            self._sites[site.id] = site

    def put_device(self, device: Device) -> None:
        """Add or change a device.

        Raises:
            UnknownNameError: Its site does not exist.
        """
        if device.site not in self._sites:
            raise UnknownNameError(f"device {device.id!r}: site {device.site!r} does not exist")
        row = {name: getattr(device, name) for name in Device.__slots__}
        row["kind"], row["sampling"] = device.kind.value, device.sampling.value
        with self._lock:
            with self._database.begin() as connection:
                _replace_row(connection, devices, row)
            self._devices[device.id] = device

    def find_series(self, device: str, quantity: str) -> int | None:
        """The id, or None when nothing of that kind was ever stored."""
        return self._series.get((device, quantity))

    def ensure_series(self, device: str, quantity: str) -> int:
        """The id, newly given and committed when there was none."""
        return self.ensure_all_series(device, (quantity,))[0]

    def ensure_all_series(self, device: str, quantities: Sequence[str]) -> tuple[int, ...]:
        """The ids of several quantities of a device; all new ones in one commit."""
        if any((device, name) not in self._series for name in quantities):
            with self._lock:
                missing = [name for name in quantities if (device, name) not in self._series]
                # Known only once it is committed: an id that was rolled back is given again.
                self._series |= self._make_series(device, missing)
        return tuple(self._series[(device, name)] for name in quantities)

    def _make_series(self, device: str, missing: Sequence[str]) -> dict[tuple[str, str], int]:
        made: dict[tuple[str, str], int] = {}
        with self._database.begin() as connection:
            for name in dict.fromkeys(missing):
                row = connection.execute(insert(series).values(device=device, quantity=name))
                made[(device, name)] = int(row.inserted_primary_key[0])  # type: ignore[index]  # autoincrement always gives one
        return made

    def count_series(self) -> int:
        """Number of series ever given an id."""
        return len(self._series)

    def list_series(self) -> list[Series]:
        """All series, by id."""
        found = [
            Series(number, self._devices[device].site, device, QUANTITIES[quantity])
            for (device, quantity), number in list(self._series.items())
            if device in self._devices and quantity in QUANTITIES
        ]
        return sorted(found, key=lambda one: one.id)


def _replace_row(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    connection.execute(delete(table).where(table.c.id == row["id"]))
    connection.execute(insert(table).values(**row))


def _device_from(row: dict[str, Any]) -> Device:
    row["kind"], row["sampling"] = DeviceKind(row["kind"]), Sampling(row["sampling"])
    return Device(**row)
