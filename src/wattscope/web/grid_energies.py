"""``/api/grid``: what was used by day, by meter and month, and by region."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Response

from wattscope.compute.grid_energy import (
    DayTable,
    compare,
    rank,
    region_of,
    sum_by_region,
    sum_known,
)
from wattscope.core.reading import FloatColumn
from wattscope.core.time_grid import day_start_us, format_utc, month_range
from wattscope.web.grid_days import MeterDays
from wattscope.web.grid_desk import MAX_DAYS, GridDesk
from wattscope.web.grid_meters import GridMeters, find_meters, read_news
from wattscope.web.numbers import CSV_RESPONSES, csv_response, number, numbers, total
from wattscope.web.spans import read_day, read_month

MAX_PAGE = 1000
_DAY_COLUMNS = ("day", "energy_wh", "meters", "coverage", "mean_wh")
_MONTH_COLUMNS = ("rank", "meter", "name", "energy_wh", "share", "before_wh", "change", "coverage")
_REGION_COLUMNS = (
    "region",
    "meters",
    "load_w",
    "today_wh",
    "yesterday_wh",
    "month_wh",
    "share_of_month",
)


class MonthOrder(Enum):
    """What the list of a month begins with."""

    ENERGY = "energy"
    """The highest consumption."""
    RISE = "rise"
    """What has grown most."""
    FALL = "fall"
    """What has fallen most."""
    METER = "meter"


@dataclass(frozen=True, slots=True)
class _Month:
    """A month by meter, as far as it has come."""

    meters: GridMeters
    first: date
    until: date
    """The day after its last, or after today."""
    energy_wh: FloatColumn
    before_wh: FloatColumn
    """Of the compared days of the month before."""
    change: FloatColumn
    coverage: FloatColumn
    n_compared: int
    """The first so many days are compared,"""
    n_before: int
    """with so many of the month before."""


def build_grid_energy_routes(router: APIRouter, desk: GridDesk) -> None:
    """Add the routes."""

    @router.get("/days", response_model=None, responses=CSV_RESPONSES)
    def read_days(
        site: str | None = None,
        days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = 31,
        end: Annotated[str | None, Query(description="last local date, itself included")] = None,
        meter: Annotated[str | None, Query(description="one meter alone")] = None,
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
    ) -> dict[str, Any] | Response:
        """Energy by local day of all meters together, or of one [Wh].

        ``mean_wh`` is that of the meters that counted something; ``coverage`` the mean share of
        the day for which they have data, of those that ever spoke in these days.
        """
        meters = desk.lists.find(site)
        last = desk.today(meters) if end is None else read_day(end)
        first = last - timedelta(days=days - 1)
        found = desk.days.read(meters.site.id, first, last + timedelta(days=1))
        rows = _describe_days(found, None if meter is None else desk.find_meter(meters, meter))
        if format == "csv":
            cells = [[row[name] for name in _DAY_COLUMNS] for row in rows]
            return csv_response(f"days-{first}", _DAY_COLUMNS, cells)
        return {"site": meters.site.id, "meters": len(found.meters), "days": rows}

    @router.get("/months", response_model=None, responses=CSV_RESPONSES)
    def read_month_by_meter(
        site: str | None = None,
        month: Annotated[str | None, Query(examples=["2026-05"])] = None,
        find: Annotated[
            str | None, Query(description="part of an id or a name", max_length=128)
        ] = None,
        order: MonthOrder = MonthOrder.ENERGY,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
    ) -> dict[str, Any] | Response:
        """Energy of a month by meter [Wh], with its share and the change to the month before.

        ``rank`` is that by energy among all meters. Of a month that is still running, its finished
        days are compared with as many of the month before; ``change`` is null where one of the
        two has gaps. CSV has all meters that were found, whatever ``limit`` says.
        """
        chosen = desk.lists.find(site)
        today = desk.today(chosen)
        first = today.replace(day=1) if month is None else read_month(month)
        found = _read_month(desk, chosen.site.id, first, today)
        wanted = np.array(find_meters(found.meters, find), np.intp)
        ordered = wanted[_order(found, wanted, order)]
        page = ordered if format == "csv" else ordered[offset : offset + limit]
        rows = _describe_month(found, page)
        if format == "csv":
            cells = [[row[name] for name in _MONTH_COLUMNS] for row in rows]
            return csv_response(f"meters-{first:%Y-%m}", _MONTH_COLUMNS, cells)
        zone = found.meters.zone
        before = (first - timedelta(days=1)).replace(day=1)
        return {
            "site": chosen.site.id,
            "month": f"{first:%Y-%m}",
            "start": format_utc(day_start_us(first, zone)),
            "end": format_utc(day_start_us(found.until, zone)),
            "is_running": first <= today < month_range(first.year, first.month)[1],
            "compared": {
                "days": found.n_compared,
                "start": first.isoformat(),
                "end": (first + timedelta(days=found.n_compared)).isoformat(),
                "before_start": before.isoformat(),
                "before_end": (before + timedelta(days=found.n_before)).isoformat(),
            },
            "energy_wh": total(found.energy_wh),
            "mean_wh": _mean(found.energy_wh),
            "total": len(ordered),
            "offset": offset,
            "meters": rows,
        }

    @router.get("/regions", response_model=None, responses=CSV_RESPONSES)
    def read_regions(
        site: str | None = None,
        digit: Annotated[int, Query(ge=1, le=20, description="which digit of an id")] = 1,
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
    ) -> dict[str, Any] | Response:
        """Load now [W] and energies [Wh] by region, which is a digit of the meters' ids."""
        chosen = desk.lists.find(site)
        today = desk.today(chosen)
        month = today.replace(day=1)
        first = min(month, today - timedelta(days=1))
        found = desk.days.read(chosen.site.id, first, today + timedelta(days=1))
        rows = _describe_regions(desk, found, month, today, digit)
        if format == "csv":
            cells = [[row[name] for name in _REGION_COLUMNS] for row in rows]
            return csv_response(f"regions-{today}", _REGION_COLUMNS, cells)
        return {
            "site": chosen.site.id,
            "digit": digit,
            "today": today.isoformat(),
            "month": f"{month:%Y-%m}",
            "regions": rows,
        }


def _describe_days(found: MeterDays, meter: int | None) -> list[dict[str, Any]]:
    table = found.table
    if meter is not None:
        table = DayTable(table.energy_wh[meter : meter + 1], table.coverage[meter : meter + 1])
    is_known = ~np.isnan(table.energy_wh)
    n_spoke = max(1, int(is_known.any(axis=1).sum()))
    energy = numbers(sum_known(table.energy_wh, 0))
    counted = is_known.sum(axis=0).tolist()
    coverage = numbers(table.coverage.sum(axis=0) / n_spoke)
    rows = []
    for at, wh in enumerate(energy):
        day = found.first + timedelta(days=at)
        rows.append(
            {
                "day": day.isoformat(),
                "start": format_utc(day_start_us(day, found.meters.zone)),
                "end": format_utc(day_start_us(day + timedelta(days=1), found.meters.zone)),
                "energy_wh": wh,
                "meters": counted[at],
                "coverage": coverage[at],
                "mean_wh": None if wh is None else number(wh / counted[at]),
            }
        )
    return rows


def _read_month(desk: GridDesk, site: str, first: date, today: date) -> _Month:
    """A month and what of the one before it is compared with; one question to the store."""
    following = month_range(first.year, first.month)[1]
    before = (first - timedelta(days=1)).replace(day=1)
    until = max(first, min(following, today + timedelta(days=1)))
    found = desk.days.read(site, before, until)
    table = found.between(first, until)
    n_before, n_now = (first - before).days, (until - first).days
    if today < following:
        # What runs is compared by its finished days.
        n_now = n_before = max(0, min(n_before, (today - first).days))
    compared = found.table.days(0, n_before)
    return _Month(
        found.meters,
        first,
        until,
        sum_known(table.energy_wh, 1),
        sum_known(compared.energy_wh, 1),
        compare(table.days(0, n_now), compared),
        table.coverage.mean(axis=1) if first < until else np.zeros(len(found.meters)),
        n_now,
        n_before,
    )


def _order(found: _Month, wanted: npt.NDArray[np.intp], order: MonthOrder) -> npt.NDArray[np.intp]:
    if order is MonthOrder.METER:
        return np.argsort(wanted, kind="stable")
    if order is MonthOrder.ENERGY:
        return rank(found.energy_wh[wanted], is_falling=True)
    return rank(found.change[wanted], is_falling=order is MonthOrder.RISE)


def _describe_month(found: _Month, page: npt.NDArray[np.intp]) -> list[dict[str, Any]]:
    ranks = np.empty(len(found.meters), np.int64)
    ranks[rank(found.energy_wh, is_falling=True)] = np.arange(1, len(found.meters) + 1)
    whole = total(found.energy_wh)
    return [
        {
            "rank": int(ranks[at]) if not np.isnan(found.energy_wh[at]) else None,
            "meter": found.meters.devices[at].id,
            "name": found.meters.devices[at].name,
            "energy_wh": number(float(found.energy_wh[at])),
            "share": number(float(found.energy_wh[at]) / whole) if whole else None,
            "before_wh": number(float(found.before_wh[at])),
            "change": number(float(found.change[at])),
            "coverage": number(float(found.coverage[at])),
        }
        for at in page.tolist()
    ]


def _mean(values: FloatColumn) -> float | None:
    known = values[~np.isnan(values)]
    return number(float(known.mean())) if len(known) else None


def _describe_regions(
    desk: GridDesk, found: MeterDays, month: date, today: date, digit: int
) -> list[dict[str, Any]]:
    meters = found.meters
    regions = [region_of(device.id, digit) for device in meters.devices]
    tomorrow, yesterday = today + timedelta(days=1), today - timedelta(days=1)
    columns = {
        "load_w": read_news(desk.services, meters).power_w,
        "today_wh": sum_known(found.between(today, tomorrow).energy_wh, 1),
        "yesterday_wh": sum_known(found.between(yesterday, today).energy_wh, 1),
        "month_wh": sum_known(found.between(month, tomorrow).energy_wh, 1),
    }
    sums = {name: sum_by_region(column, regions) for name, column in columns.items()}
    whole = total(columns["month_wh"])
    named = sorted({one for one in regions if one is not None})
    shown: list[str | None] = [*named, *([None] if None in regions else [])]
    rows = []
    for region in shown:
        values = {name: number(by_region[region]) for name, by_region in sums.items()}
        month_wh = values["month_wh"]
        share = None if month_wh is None or not whole else number(month_wh / whole)
        rows.append(
            {"region": region, "meters": regions.count(region)} | values | {"share_of_month": share}
        )
    return rows
