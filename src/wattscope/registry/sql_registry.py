"""Sites, devices and series in SQL, with everything read once and kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from wattscope.core.errors import UnknownNameError
from wattscope.core.quantities import find_quantity
from wattscope.core.topology import Device, DeviceKind, Sampling, Series, Site
from wattscope.registry.counter_decisions import CounterDecisions
from wattscope.registry.database import Database
from wattscope.registry.names import Row, RowChange, change_row, make_row, name_columns
from wattscope.registry.schema import counter_decisions, devices, series, sites


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
        self._last_id = 0
        self.decisions = CounterDecisions(database)
        """What people decided about steps of counters."""
        self.reload()

    def reload(self) -> None:
        """Read everything again."""
        with self._lock:
            names = self._database.take_names()
            rows = [name_columns(sites, row) for row in names[sites.name].values()]
            self._sites = {row["id"]: Site(**row) for row in rows}
            rows = [name_columns(devices, row) for row in names[devices.name].values()]
            self._devices = {row["id"]: _device_from(row) for row in rows}
            self._series = {
                (device, quantity): number
                for number, device, quantity in names[series.name].values()
            }
            self._last_id = max(self._series.values(), default=0)
            self.decisions.take_rows(names[counter_decisions.name].values())

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
        """Add or change a site; nothing is written when it is as it was."""
        with self._lock:
            older = self._sites.get(site.id)
            if site != older:
                self._database.change_names([_change_site(older, site)])
                self._sites[site.id] = site

    def put_device(self, device: Device, quantities: Sequence[str] = ()) -> None:
        """Add or change a device, and make series for it; nothing is written when all is there.

        Args:
            device: It takes the place of one with the same id.
            quantities: Series of the device to make in the same commit, where there are none yet.

        Raises:
            UnknownNameError: Its site does not exist.
        """
        self.put_devices([(device, quantities)])

    def put_devices(self, wanted: Sequence[tuple[Device, Sequence[str]]]) -> None:
        """``put_device`` of many, all in one commit.

        Raises:
            UnknownNameError: A site does not exist; nothing is changed.
        """
        for device, _ in wanted:
            if device.site not in self._sites:
                raise UnknownNameError(f"device {device.id!r}: site {device.site!r} does not exist")
        with self._lock:
            made = self._number_series((one.id, name) for one, names in wanted for name in names)
            changed = {one.id: one for one, _ in wanted if one != self._devices.get(one.id)}
            changes = [_change_device(self._devices.get(one.id), one) for one in changed.values()]
            self._write(changes, made)
            self._devices |= changed

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
                self._write([], self._number_series((device, name) for name in quantities))
        return tuple(self._series[(device, name)] for name in quantities)

    def _number_series(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Ids for those that have none; not given out yet."""
        missing = dict.fromkeys(one for one in wanted if one not in self._series)
        return {one: number for number, one in enumerate(missing, start=self._last_id + 1)}

    def _write(self, changes: list[RowChange], made: dict[tuple[str, str], int]) -> None:
        for (device, quantity), number in made.items():
            changes.append(change_row(series, None, (number, device, quantity)))
        if changes:
            # Known only once it is committed: an id that was rolled back is given again.
            self._database.change_names(changes)
            self._series |= made
            self._last_id += len(made)

    def count_series(self) -> int:
        """Number of series ever given an id."""
        return len(self._series)

    def list_series(self) -> list[Series]:
        """All series, by id."""
        decided = self.decisions.by_series()
        listed = [
            Series(
                *(number, self._devices[device].site, device, found),
                decided.get(number, ()),
            )
            for (device, name), number in list(self._series.items())
            if device in self._devices and (found := find_quantity(name)) is not None
        ]
        return sorted(listed, key=lambda one: one.id)


def _change_site(old: Site | None, new: Site) -> RowChange:
    rows = [None if one is None else make_row(sites, _values_of(one)) for one in (old, new)]
    return change_row(sites, *rows)


def _change_device(old: Device | None, new: Device) -> RowChange:
    rows = [None if one is None else _row_of_device(one) for one in (old, new)]
    return change_row(devices, *rows)


def _row_of_device(device: Device) -> Row:
    words = {"kind": device.kind.value, "sampling": device.sampling.value}
    return make_row(devices, _values_of(device) | words)


def _values_of(one: Site | Device) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


def _device_from(row: dict[str, Any]) -> Device:
    row["kind"], row["sampling"] = DeviceKind(row["kind"]), Sampling(row["sampling"])
    for name in ("is_production", "is_direction_swapped"):
        row[name] = bool(row[name])
    return Device(**row)
