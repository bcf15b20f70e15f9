"""``/api/grid``: the load of a grid by time: today over yesterday, its peaks, any days."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response

from wattscope.compute.grid_energy import COMPLETE
from wattscope.compute.grid_load import Load, find_peaks, widen
from wattscope.core.errors import QueryError
from wattscope.core.reading import FloatColumn
from wattscope.core.time_grid import (
    US_PER_S,
    day_start_us,
    format_utc,
    from_us,
    local_to_us,
)
from wattscope.web.grid_desk import GridDesk, check_days
from wattscope.web.numbers import CSV_RESPONSES, csv_response, number, numbers, total
from wattscope.web.rollup_edges import FINE_US
from wattscope.web.spans import read_day

_QUARTERS = {"15m": 1, "1h": 4}
_LOAD_COLUMNS = ("start", "end", "load_w", "energy_wh", "meters")
_PEAK_COLUMNS = ("rank", "start", "end", "load_w", "meters")
_HOUR_COLUMNS = ("start", "end", "load_w", "energy_wh", "yesterday_load_w", "yesterday_energy_wh")


def build_grid_insight_routes(router: APIRouter, desk: GridDesk) -> None:
    """Add the routes."""

    @router.get("/load", response_model=None, responses=CSV_RESPONSES)
    def read_load(
        site: str | None = None,
        start: Annotated[str | None, Query(description="local date; the default is today")] = None,
        end: Annotated[str | None, Query(description="last local date, itself included")] = None,
        interval: Annotated[str, Query(description="15m or 1h", pattern="^(15m|1h)$")] = "15m",
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
    ) -> dict[str, Any] | Response:
        """Mean load of all meters together by quarter hours or hours of local days [W].

        ``meters`` are those that are known in each; ``load_w`` is null where too few are.
        """
        meters = desk.lists.find(site)
        today = desk.today(meters)
        last = today if end is None else read_day(end)
        first = last if start is None else read_day(start)
        if last < first:
            raise QueryError("start must not be after end")
        check_days(first, last)
        load = _until(desk.load(meters, first, last), desk.services.now_us())
        load = widen(load, _QUARTERS[interval])
        if format == "csv":
            return csv_response(f"load-{first}", _LOAD_COLUMNS, _rows(load))
        return {
            "site": meters.site.id,
            "start": format_utc(day_start_us(first, meters.zone)),
            "end": format_utc(day_start_us(last + timedelta(days=1), meters.zone)),
            "interval_s": _QUARTERS[interval] * FINE_US / US_PER_S,
            "meters": len(meters),
            "t": [format_utc(t) for t in load.starts_us.tolist()],
            "load_w": numbers(load.load_w),
            "energy_wh": numbers(load.energy_wh),
            "known": load.known.tolist(),
        }

    @router.get("/today", response_model=None, responses=CSV_RESPONSES)
    def read_today(
        site: str | None = None,
        day: Annotated[str | None, Query(examples=["2026-05-01"])] = None,
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
    ) -> dict[str, Any] | Response:
        """The hours of a local day beside those of the day before, and both up to the same time.

        The same time is that of the wall clock. Of a day that is still running, ``so_far`` ends
        with the last quarter hour that is over and known.
        """
        meters = desk.lists.find(site)
        wanted = desk.today(meters) if day is None else read_day(day)
        now_us, zone = desk.services.now_us(), meters.zone
        both = desk.load(meters, wanted - timedelta(days=1), wanted)
        is_wanted = both.starts_us >= day_start_us(wanted, zone)
        load, before = both.take(is_wanted), both.take(~is_wanted)
        hours, earlier = widen(_until(load, now_us), 4), widen(before, 4)
        rows = _pair(hours, earlier, zone)
        if format == "csv":
            cells = [[row[name] for name in _HOUR_COLUMNS] for row in rows]
            return csv_response(f"hours-{wanted}", _HOUR_COLUMNS, cells)
        return {
            "site": meters.site.id,
            "day": wanted.isoformat(),
            "start": format_utc(day_start_us(wanted, zone)),
            "end": format_utc(day_start_us(wanted + timedelta(days=1), zone)),
            "hours": rows,
            "so_far": _describe_so_far(load, before, zone, now_us),
        }

    @router.get("/peaks", response_model=None, responses=CSV_RESPONSES)
    def read_peaks(
        site: str | None = None,
        days: Annotated[int, Query(ge=1, le=31, description="days, today included")] = 7,
        limit: Annotated[int, Query(ge=1, le=100)] = 10,
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
    ) -> dict[str, Any] | Response:
        """The quarter hours with the highest load of all meters together, the highest first."""
        meters = desk.lists.find(site)
        last = desk.today(meters)
        first = last - timedelta(days=days - 1)
        load = _over(desk.load(meters, first, last), desk.services.now_us())
        peaks = [
            {
                "rank": place + 1,
                "start": format_utc(int(load.starts_us[at])),
                "end": format_utc(int(load.ends_us[at])),
                "load_w": number(float(load.load_w[at])),
                "meters": int(load.known[at]),
            }
            for place, at in enumerate(find_peaks(load, limit).tolist())
        ]
        if format == "csv":
            cells = [[peak[name] for name in _PEAK_COLUMNS] for peak in peaks]
            return csv_response(f"peaks-{first}", _PEAK_COLUMNS, cells)
        told = load.load_w[~np.isnan(load.load_w)]
        return {
            "site": meters.site.id,
            "start": format_utc(day_start_us(first, meters.zone)),
            "end": format_utc(desk.services.now_us()),
            "meters": len(meters),
            "mean_w": number(float(told.mean())) if len(told) else None,
            "known_quarters": len(told),
            "quarters": len(load),
            "peaks": peaks,
        }


def _until(load: Load, now_us: int) -> Load:
    """What has begun by now."""
    return load.take(load.starts_us < now_us)


def _over(load: Load, now_us: int) -> Load:
    """What is over by now."""
    return load.take(load.ends_us <= now_us)


def _rows(load: Load) -> list[list[Any]]:
    return [
        [format_utc(start), format_utc(end), *values]
        for start, end, *values in zip(
            load.starts_us.tolist(),
            load.ends_us.tolist(),
            numbers(load.load_w),
            numbers(load.energy_wh),
            load.known.tolist(),
            strict=True,
        )
    ]


def _pair(hours: Load, earlier: Load, zone: tzinfo) -> list[dict[str, Any]]:
    """Each hour with the one that the wall clock named alike a day before."""
    by_clock = {
        _clock(start, zone): at for at, start in reversed(list(enumerate(earlier.starts_us)))
    }
    load, energy = numbers(earlier.load_w), numbers(earlier.energy_wh)
    rows = []
    for at, (start, end, load_w, energy_wh, known) in enumerate(_rows(hours)):
        same = by_clock.get(_clock(hours.starts_us[at], zone))
        rows.append(
            {
                "start": start,
                "end": end,
                "load_w": load_w,
                "energy_wh": energy_wh,
                "meters": known,
                "yesterday_load_w": None if same is None else load[same],
                "yesterday_energy_wh": None if same is None else energy[same],
            }
        )
    return rows


def _clock(instant_us: np.int64, zone: tzinfo) -> tuple[int, int, int]:
    """Hour and minute of the wall clock, and whether it shows them for the second time."""
    moment = from_us(int(instant_us)).astimezone(zone)
    return moment.hour, moment.minute, moment.fold


def _describe_so_far(load: Load, before: Load, zone: tzinfo, now_us: int) -> dict[str, Any]:
    """Energies of both days up to the same time of the wall clock [Wh]."""
    over = _over(load, now_us)
    told = np.flatnonzero(~np.isnan(over.load_w))
    if not len(told):
        return {"until": None, "energy_wh": None, "yesterday_wh": None, "change": None}
    over = over.take(slice(0, int(told[-1]) + 1))
    until_us = int(over.ends_us[-1])
    is_whole = len(over) == len(load)
    earlier = before if is_whole else before.take(before.ends_us <= _day_before(until_us, zone))
    energy, yesterday = total(over.energy_wh), total(earlier.energy_wh)
    is_fair = _is_complete(over.load_w) and _is_complete(earlier.load_w)
    change = None
    if is_fair and energy is not None and yesterday is not None and yesterday > 0:
        change = number(energy / yesterday - 1.0)
    return {
        "until": format_utc(until_us),
        "energy_wh": energy,
        "yesterday_wh": yesterday,
        "change": change,
    }


def _day_before(instant_us: int, zone: tzinfo) -> int:
    """The instant at which the wall clock showed the same a day before [µs]."""
    moment = from_us(instant_us).astimezone(zone)
    naive = datetime.combine(moment.date() - timedelta(days=1), moment.time())
    return local_to_us(naive, zone, fold=moment.fold)


def _is_complete(load_w: FloatColumn) -> bool:
    """Whether nearly all of a stretch is known; less data is not less energy."""
    return len(load_w) > 0 and float((~np.isnan(load_w)).mean()) >= COMPLETE
