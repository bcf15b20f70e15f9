"""``/api/grid``: thousands of meters at this moment, in the last hour, and one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Response

from wattscope.compute.grid_energy import rank
from wattscope.compute.grid_load import add_up
from wattscope.compute.rollups import merge_rollups
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE, US_PER_S, format_utc
from wattscope.web.grid_desk import GridDesk
from wattscope.web.grid_energies import build_grid_energy_routes
from wattscope.web.grid_insights import build_grid_insight_routes
from wattscope.web.grid_meters import (
    NEVER_US,
    STATES,
    GridMeters,
    MeterNews,
    find_meters,
    read_news,
)
from wattscope.web.grid_rollups import build_grid_rollup_routes
from wattscope.web.numbers import CSV_RESPONSES, csv_response, number, numbers
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.remembered import Remembered
from wattscope.web.services import Services

HOUR_KEPT_US = 15 * US_PER_S
"""So long the last hour is kept."""
MAX_PAGE = 1000
_STEP_US = 5 * US_PER_MINUTE
_SHOWN = ("voltage_v", "current_a", "frequency_hz")
_METER_COLUMNS = (
    "meter",
    "name",
    "state",
    "measured_at",
    "power_w",
    "voltage_v",
    "current_a",
    "frequency_hz",
)


class MeterOrder(Enum):
    """What the list of meters begins with."""

    METER = "meter"
    POWER = "power"
    """The highest power now."""
    AGE = "age"
    """The meter that has been silent longest."""
    NEWEST = "newest"
    """The newest reading."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Places of the meters that an answer shows, and how many there are in all."""

    places: npt.NDArray[np.intp]
    n_found: int


def build_grid_routes(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/grid", tags=["grid"], responses=PROBLEM_RESPONSES)
    desk = GridDesk.build(services)
    hours = Remembered(
        lambda site: _read_hour(services, desk.lists.find(site)),
        kept_us=HOUR_KEPT_US,
        now_us=services.now_us,
    )

    @router.get("/now")
    def read_now(site: str | None = None) -> dict[str, Any]:
        """What all meters take now [W], how many of them speak, and how old their newest is."""
        meters = desk.lists.find(site)
        return _describe_now(services, meters, read_news(services, meters))

    @router.get("/hour", response_model=None, responses=CSV_RESPONSES)
    def read_hour(
        site: str | None = None,
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
    ) -> dict[str, Any] | Response:
        """The load of the last hour by five minutes [W], with how many meters are known in each.

        ``load_w`` is null where too few meters are known: the newest minutes are, until all have
        spoken.
        """
        meters = desk.lists.find(site)
        starts, load, known = hours(meters.site.id)
        instants = [format_utc(start) for start in starts.tolist()]
        columns = numbers(load), known.tolist()
        if format == "csv":
            rows = zip(instants, *columns, strict=True)
            return csv_response("load-last-hour", ("t", "load_w", "meters"), rows)
        return {
            "site": meters.site.id,
            "start": instants[0],
            "end": format_utc(services.now_us()),
            "interval_s": _STEP_US / US_PER_S,
            "meters": len(meters),
            "t": instants,
            "load_w": columns[0],
            "known": columns[1],
        }

    @router.get("/meters", response_model=None, responses=CSV_RESPONSES)
    def list_meters(
        site: str | None = None,
        find: Annotated[
            str | None, Query(description="part of an id or a name", max_length=128)
        ] = None,
        state: Annotated[
            str | None, Query(description="ok, stale or silent", pattern="^(ok|stale|silent)$")
        ] = None,
        order: MeterOrder = MeterOrder.METER,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
    ) -> dict[str, Any] | Response:
        """Some of the meters with their newest values; ``total`` says how many were found.

        CSV has all that were found, whatever ``limit`` says.
        """
        meters = desk.lists.find(site)
        news = read_news(services, meters)
        is_csv = format == "csv"
        page = slice(None) if is_csv else slice(offset, offset + limit)
        chosen = _choose(meters, news, find, state, order, page)
        rows = [_describe_meter(services, meters, news, at) for at in chosen.places.tolist()]
        if is_csv:
            cells = [[row[name] for name in _METER_COLUMNS] for row in rows]
            return csv_response("meters", _METER_COLUMNS, cells)
        return {
            "site": meters.site.id,
            "at": format_utc(services.now_us()),
            "total": chosen.n_found,
            "offset": offset,
            "meters": rows,
        }

    build_grid_insight_routes(router, desk)
    build_grid_energy_routes(router, desk)
    build_grid_rollup_routes(router, desk)
    return router


def _describe_now(services: Services, meters: GridMeters, news: MeterNews) -> dict[str, Any]:
    now_us = services.now_us()
    counts = Counter(STATES[state] for state in news.state.tolist())
    heard = news.measured_at_us[news.measured_at_us != NEVER_US]
    newest_us = int(heard.max()) if len(heard) else None
    known = news.power_w[~np.isnan(news.power_w)]
    return {
        "site": meters.site.id,
        "at": format_utc(now_us),
        "meters": {"all": len(meters)} | {state: counts[state] for state in STATES},
        "newest_at": None if newest_us is None else format_utc(newest_us),
        "age_s": None if newest_us is None else number(max(0, now_us - newest_us) / US_PER_S),
        "is_stale": counts["ok"] == 0,
        "stale_after_s": number(float(meters.stale_after_us.max(initial=0)) / US_PER_S),
        "load_w": number(float(known.sum())) if len(known) else None,
        "load_meters": len(known),
        "mean_w": number(float(known.mean())) if len(known) else None,
        "median_w": number(float(np.median(known))) if len(known) else None,
        "highest": _describe_highest(meters, news.power_w),
    }


def _describe_highest(meters: GridMeters, power_w: FloatColumn) -> dict[str, Any] | None:
    """The meter that takes most now."""
    if np.isnan(power_w).all():
        return None
    at = int(np.nanargmax(power_w))
    device = meters.devices[at]
    return {"meter": device.id, "name": device.name, "power_w": number(float(power_w[at]))}


def _read_hour(
    services: Services, meters: GridMeters
) -> tuple[Int64Column, FloatColumn, Int64Column]:
    """Starts of five minutes each [µs], the load in them [W], and the meters that are known."""
    now_us = services.now_us()
    first_us = (now_us - US_PER_HOUR) // _STEP_US * _STEP_US
    edges = np.arange(first_us, now_us + _STEP_US, _STEP_US, dtype=np.int64)
    told = np.where(meters.power >= 0, meters.power, meters.energy)
    minutes = services.store.roll_up(told.tolist(), "1m", int(edges[0]), int(edges[-1]))
    registers = meters.counters[np.isin(meters.counters, told)]
    load = add_up(merge_rollups(minutes, edges, US_PER_MINUTE), edges, registers)
    return load.starts_us, load.load_w, load.known


def _choose(  # the words of one question
    meters: GridMeters,
    news: MeterNews,
    find: str | None,
    state: str | None,
    order: MeterOrder,
    page: slice,
) -> _Chosen:
    wanted = np.array(find_meters(meters, find), np.intp)
    if state is not None:
        wanted = wanted[news.state[wanted] == STATES.index(state)]
    if order is MeterOrder.POWER:
        wanted = wanted[rank(news.power_w[wanted], is_falling=True)]
    elif order is not MeterOrder.METER:
        at_us = news.measured_at_us[wanted].astype(np.float64)
        wanted = wanted[rank(at_us, is_falling=order is MeterOrder.NEWEST)]
    return _Chosen(wanted[page], len(wanted))


def _describe_meter(
    services: Services, meters: GridMeters, news: MeterNews, at: int
) -> dict[str, Any]:
    device, at_us = meters.devices[at], int(news.measured_at_us[at])
    is_known = at_us != NEVER_US
    age_s = max(0, services.now_us() - at_us) / US_PER_S if is_known else None
    is_fresh = STATES[int(news.state[at])] == "ok"
    return {
        "meter": device.id,
        "name": device.name,
        "state": STATES[int(news.state[at])],
        "measured_at": format_utc(at_us) if is_known else None,
        "age_s": number(age_s),
        "stale_after_s": number(int(meters.stale_after_us[at]) / US_PER_S),
        "power_w": number(float(news.power_w[at])),
    } | {name: _newest(services, device.id, name) if is_fresh else None for name in _SHOWN}


def _newest(services: Services, device: str, quantity: str) -> float | None:
    series = services.book.find_series(device, quantity)
    latest = None if series is None else services.live.latest(series)
    return None if latest is None else number(latest[1])
