"""Sites, devices and series in SQL, with everything read once and kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from wattscope.core.errors import UnknownNameError
from wattscope.core.quantities import find_quantity
from wattscope.core.topology import Device, DeviceKind, Sampling, Series, Site
from wattscope.registry.counter_decisions import CounterDecisions
from wattscope.registry.database_port import (
    NOTHING_SEEN,
    NamesEdit,
    NamesNews,
    RegistryDatabase,
)
from wattscope.registry.names import (
    Names,
    Packed,
    Row,
    RowChange,
    change_row,
    make_row,
    name_columns,
    widen_row,
)
from wattscope.registry.schema import counter_decisions, devices, series, sites


class SqlRegistry:
    """The registry port over a database.

    Promises that a series id is committed before it is returned, and is that of all processes.
    Reads come from memory; changes by other processes are seen after ``follow``, and by each
    change of one's own.
    """

    def __init__(self, database: RegistryDatabase) -> None:
        self._database = database
        self._lock = threading.RLock()
        self._sites: dict[str, Site] = {}
        self._devices: dict[str, Device] = {}
        self._series: dict[tuple[str, str], int] = {}
        self._last_id = 0
        self._serial = NOTHING_SEEN
        self.decisions = CounterDecisions(self._edit)
        """What people decided about steps of counters."""
        self.reload()

    def reload(self) -> None:
        """Read everything again."""
        with self._lock:
            self._serial = NOTHING_SEEN
            self.follow()

    def follow(self) -> bool:
        """Take in what other processes have changed; cheap where they have not.

        Returns:
            Whether there was anything.

        Raises:
            TransientError: The database cannot be reached; all stays known as it was.
        """
        with self._lock:
            news = self._database.read_news(self._serial)
            if news is not None:
                self._take(news)
            return news is not None

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
            if site == self._sites.get(site.id):
                return
            with self._edit() as edit:
                older = self._sites.get(site.id)
                if site != older:
                    edit.write([_change_site(older, site)])
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
        with self._lock:
            if not self._find_strange(wanted) and not self._plan(wanted).changes:
                return
            with self._edit() as edit:
                # Others may have made some of it, sites among them.
                strange = self._find_strange(wanted)
                if strange is not None:
                    raise UnknownNameError(
                        f"device {strange.id!r}: site {strange.site!r} does not exist"
                    )
                plan = self._plan(wanted)
                self._write(edit, plan)

    def find_series(self, device: str, quantity: str) -> int | None:
        """The id, or None when nothing of that kind was ever stored."""
        return self._series.get((device, quantity))

    def ensure_series(self, device: str, quantity: str) -> int:
        """The id, newly given and committed when there was none."""
        return self.ensure_all_series(device, (quantity,))[0]

    def ensure_all_series(self, device: str, quantities: Sequence[str]) -> tuple[int, ...]:
        """The ids of several quantities of a device; all new ones in one commit."""
        if any((device, name) not in self._series for name in quantities):
            with self._edit() as edit:
                made = self._number_series((device, name) for name in quantities)
                self._write(edit, _Plan({}, made, ()))
        return tuple(self._series[(device, name)] for name in quantities)

    @contextmanager
    def _edit(self) -> Iterator[NamesEdit]:
        """While nobody else changes names, and with all known that others have changed."""
        with self._lock, self._database.edit_names(self._serial) as edit:
            if edit.news is not None:
                self._take(edit.news)
            yield edit
            self._serial = edit.serial

    def _find_strange(self, wanted: Sequence[tuple[Device, Sequence[str]]]) -> Device | None:
        """A device whose site is not known."""
        return next((one for one, _ in wanted if one.site not in self._sites), None)

    def _plan(self, wanted: Sequence[tuple[Device, Sequence[str]]]) -> _Plan:
        """What is not there yet."""
        made = self._number_series((one.id, name) for one, names in wanted for name in names)
        changed = {one.id: one for one, _ in wanted if one != self._devices.get(one.id)}
        changes = [_change_device(self._devices.get(one.id), one) for one in changed.values()]
        return _Plan(changed, made, changes)

    def _number_series(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Ids for those that have none; not given out yet."""
        missing = dict.fromkeys(one for one in wanted if one not in self._series)
        return {one: number for number, one in enumerate(missing, start=self._last_id + 1)}

    def _write(self, edit: NamesEdit, plan: _Plan) -> None:
        if not plan.changes:
            return
        # Known only once it is committed: an id that was rolled back is given again.
        edit.write(plan.changes)
        self._devices |= plan.devices
        self._series |= plan.series
        self._last_id += len(plan.series)

    def _take(self, news: NamesNews) -> None:
        """Know what the database knows."""
        if news.names is not None:
            self._take_all(news.names)
        for packed in news.changes:
            self._take_changes(packed)
        self._last_id = max(self._last_id, news.last_series)
        self._serial = news.serial

    def _take_all(self, names: Names) -> None:
        self._sites = {one.id: one for one in map(_site_from, names[sites.name].values())}
        self._devices = {one.id: one for one in map(_device_from, names[devices.name].values())}
        self._series = {
            (device, quantity): number for number, device, quantity in names[series.name].values()
        }
        self._last_id = max(self._series.values(), default=0)
        self.decisions.take_rows(names[counter_decisions.name].values())

    def _take_changes(self, packed: Packed) -> None:
        """Sites, devices and series come and change; none of them goes."""
        for site in map(_site_from, packed.get(sites.name, ())):
            self._sites[site.id] = site
        for device in map(_device_from, packed.get(devices.name, ())):
            self._devices[device.id] = device
        for number, owner, quantity in packed.get(series.name, ()):
            self._series[owner, quantity] = number
        self.decisions.take_changes(packed)

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


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be written, and to be known afterwards."""

    devices: dict[str, Device]
    series: dict[tuple[str, str], int]
    device_changes: Sequence[RowChange]

    @property
    def changes(self) -> list[RowChange]:
        """All rows."""
        made = [
            change_row(series, None, (number, device, quantity))
            for (device, quantity), number in self.series.items()
        ]
        return [*self.device_changes, *made]


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


def _site_from(row: Row) -> Site:
    return Site(**name_columns(sites, widen_row(sites, row)))


def _device_from(row: Row) -> Device:
    values = name_columns(devices, widen_row(devices, row))
    values["kind"], values["sampling"] = DeviceKind(values["kind"]), Sampling(values["sampling"])
    for name in ("is_production", "is_direction_swapped"):
        values[name] = bool(values[name])
    return Device(**values)
