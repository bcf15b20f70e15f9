"""The daily report of devices: finds their series, asks the store, arranges the days."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Protocol

from wattscope.compute.daily_report import (
    DayRow,
    ReportSeries,
    arrange_days,
    choose_outdoor,
    day_edges,
    is_register,
    list_devices_with_energy,
    name_phases,
)
from wattscope.core.errors import QueryError, UnknownNameError
from wattscope.core.time_grid import load_zone, local_date
from wattscope.core.topology import Device, Series, Site
from wattscope.ports import Store
from wattscope.web.numbers import number

DEFAULT_DAYS = 30
MAX_ROWS = 100_000
"""More days of all devices together are not reported at once."""
REPORT_COLUMNS = (
    "device",
    "date",
    "hours",
    "start_kwh",
    "end_kwh",
    "kwh",
    "l1_kwh",
    "l2_kwh",
    "l3_kwh",
    "mean_outdoor_c",
    "status",
    "coverage",
)
_WH_PER_KWH = 1000.0
_TEMPERATURE = "temperature_c"


class Book(Protocol):
    """The part of the registry that a report needs."""

    def list_sites(self) -> list[Site]: ...

    def list_devices(self) -> list[Device]: ...

    def list_series(self) -> list[Series]: ...


@dataclass(frozen=True, slots=True)
class ReportOrder:
    """What is asked for."""

    device: str | None = None
    """None for all devices that tell an energy."""
    first: str | None = None
    """Local date; None for 30 days before the last."""
    last: str | None = None
    """Local date, itself included; None for yesterday, or today with ``has_today``."""
    outdoor: str | None = None
    """Device whose temperature_c is that outside; None lets the site tell."""
    has_today: bool = False


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """The days of one device."""

    device: Device
    quantity: str
    """What its energy comes from."""
    outdoor: str | None
    """The device that the temperature comes from."""
    rows: tuple[DayRow, ...]


def report_days(store: Store, book: Book, order: ReportOrder, now_us: int) -> list[DeviceReport]:
    """The reports, by device.

    Raises:
        UnknownNameError: There is no such device.
        QueryError: It tells no energy, or the dates are none.
    """
    names = _Names.read(book)
    for one in (order.device, order.outdoor):
        _check_device(one, names.devices)
    if order.outdoor is not None and (order.outdoor, _TEMPERATURE) not in names.ids:
        raise QueryError(f"device {order.outdoor!r} has no temperature_c; name another")
    chosen = [
        (device, quantity)
        for device, quantity in list_devices_with_energy(names.devices, names.quantities)
        if order.device in {None, device.id}
    ]
    if order.device is not None and not chosen:
        raise QueryError(
            f"device {order.device!r} counts no energy and measures no power; see /api/devices"
        )
    reports: list[DeviceReport] = []
    for site in book.list_sites():
        here = [(device, quantity) for device, quantity in chosen if device.site == site.id]
        if here:
            reports += _report_site(store, site, here, names, order, now_us)
    return sorted(reports, key=lambda report: report.device.id)


@dataclass(frozen=True, slots=True)
class _Names:
    """What there is, looked up once."""

    devices: list[Device]
    ids: dict[tuple[str, str], int]
    """Device and quantity to series."""
    quantities: dict[str, set[str]]
    """Names of the quantities of each device."""

    @classmethod
    def read(cls, book: Book) -> _Names:
        """Of a registry."""
        ids: dict[tuple[str, str], int] = {}
        quantities: dict[str, set[str]] = {}
        for one in book.list_series():
            ids[one.device, one.quantity.name] = one.id
            quantities.setdefault(one.device, set()).add(one.quantity.name)
        return cls(book.list_devices(), ids, quantities)


def _report_site(
    store: Store,
    site: Site,
    chosen: Sequence[tuple[Device, str]],
    names: _Names,
    order: ReportOrder,
    now_us: int,
) -> list[DeviceReport]:
    zone = load_zone(site.time_zone)
    today = local_date(now_us, zone)
    first, last = read_days(order, today)
    neighbours = [one for one in names.devices if one.site == site.id]
    outdoor = order.outdoor or choose_outdoor(neighbours, names.quantities)
    if first > last:
        return [DeviceReport(device, quantity, outdoor, ()) for device, quantity in chosen]
    n_rows = len(chosen) * ((last - first).days + 1)
    if n_rows > MAX_ROWS:
        raise QueryError(f"{n_rows} rows are more than {MAX_ROWS}; name a device, or fewer days")
    edges = day_edges(first, last, zone)
    warmth = None if outdoor is None else names.ids[outdoor, _TEMPERATURE]
    wanted = {one.id: _find_series(one.id, name, names.ids, warmth) for one, name in chosen}
    series = sorted(set().union(*(one.list_ids() for one in wanted.values())))
    rollup = store.roll_up(series, "1d", int(edges[0]), int(edges[-1]))
    return [
        DeviceReport(
            device,
            quantity,
            outdoor,
            tuple(arrange_days(rollup, wanted[device.id], first, edges, today=today)),
        )
        for device, quantity in chosen
    ]


def _find_series(
    device: str, quantity: str, ids: dict[tuple[str, str], int], outdoor: int | None
) -> ReportSeries:
    l1, l2, l3 = (ids.get((device, name)) for name in name_phases(quantity))
    energy = ids[device, quantity]
    return ReportSeries(energy, is_register(quantity), (l1, l2, l3), outdoor)


def _check_device(name: str | None, devices: Sequence[Device]) -> None:
    known = [one.id for one in devices]
    if name is not None and name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "see wattscope devices"
        raise UnknownNameError(f"device {name!r} does not exist; {hint}")


def read_days(order: ReportOrder, today: date) -> tuple[date, date]:
    """First and last day of a report, both included; today only where that is asked for.

    Raises:
        QueryError: A word is no date, or they are the wrong way round.
    """
    newest = today if order.has_today else today - timedelta(days=1)
    last = _read_date(order.last, "to") or newest
    shown = min(last, newest)
    first = _read_date(order.first, "from") or shown - timedelta(days=DEFAULT_DAYS - 1)
    if first > last:
        raise QueryError(f"from {first} is after to {last}; give the earlier date first")
    return first, shown


def _read_date(text: str | None, word: str) -> date | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text if len(text) == len("2026-05-01") else "")
    except ValueError:
        raise QueryError(f"{word} {text!r} is no date; write 2026-05-01") from None
    if not 1970 < day.year < 2200:
        raise QueryError(f"{word} {text!r} is beyond the years that can be asked for")
    return day


def list_report_rows(reports: Sequence[DeviceReport]) -> list[tuple[Any, ...]]:
    """The rows under ``REPORT_COLUMNS``; None for the unknown."""
    return [
        (
            report.device.id,
            row.day.isoformat(),
            row.hours,
            _to_kwh(row.first_wh),
            _to_kwh(row.last_wh),
            _to_kwh(row.energy_wh),
            *(_to_kwh(one) for one in row.phases_wh),
            number(row.outdoor_c),
            row.state.value,
            number(row.coverage),
        )
        for report in reports
        for row in report.rows
    ]


def _to_kwh(energy_wh: float | None) -> float | None:
    return None if energy_wh is None else number(energy_wh / _WH_PER_KWH)
