"""``/api/insights/grid-quality``: frequency and power factor against their bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query

from wattscope.compute.bands import Band, Bands, Floats
from wattscope.compute.energy import spread_series
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import (
    US_PER_DAY,
    US_PER_HOUR,
    US_PER_MINUTE,
    US_PER_S,
    format_utc,
    load_zone,
)
from wattscope.core.topology import Device
from wattscope.ports import Rollup
from wattscope.web.numbers import number
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.running import POWER
from wattscope.web.screen import describe_bands
from wattscope.web.services import Services
from wattscope.web.spans import check_span, read_span

Bools = npt.NDArray[np.bool_]

_MINUTES_US = 32 * US_PER_DAY
"""Up to this length of a span each minute is graded, beyond it each quarter hour."""


@dataclass(frozen=True, slots=True)
class _Means:
    """One quantity in buckets of one length; NaN where there is none."""

    starts_us: Int64Column
    size_us: int
    mean: Floats
    coverage: Floats
    rollup: Rollup


def build_grid_quality_routes(services: Services) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/api/insights", tags=["insights"], responses=PROBLEM_RESPONSES)

    @router.get("/grid-quality")
    def read_grid_quality(
        device: str,
        day: Annotated[str | None, Query(examples=["2026-05-01"])] = None,
        month: Annotated[str | None, Query(examples=["2026-05"])] = None,
        year: Annotated[str | None, Query(examples=["2026"])] = None,
        start: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        end: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
    ) -> dict[str, Any]:
        """Share of time of frequency and power factor in green, yellow and red, with extremes.

        Means of a minute are graded, of a quarter hour beyond 32 days. A power factor counts only
        while the machine runs: that of a supply in standby says nothing.
        """
        found = services.find_device(device)
        zone = load_zone(services.find_site(found.site).time_zone)
        span = read_span(
            zone, services.now_us(), day=day, month=month, year=year, start=start, end=end
        )
        check_span(span.start_us, span.end_us)
        return {
            "device": found.id,
            "start": format_utc(span.start_us),
            "end": format_utc(span.end_us),
        } | _grade(services, found, span.start_us, span.end_us)

    return router


def _grade(services: Services, device: Device, start_us: int, end_us: int) -> dict[str, Any]:
    is_short = end_us - start_us <= _MINUTES_US
    level, size_us = ("1m", US_PER_MINUTE) if is_short else ("15m", 15 * US_PER_MINUTE)
    end_us = min(end_us, max(services.now_us(), start_us) + size_us)
    starts = np.arange(start_us // size_us * size_us, end_us, size_us, dtype=np.int64)

    def read(quantity: str) -> _Means:
        series = services.book.find_series(device.id, quantity)
        return _read_means(services, series, level, starts, size_us)

    pump = services.screen.heat_pump
    is_running = _find_running(read(POWER), pump.limits.standby_below_w)
    return {
        "graded_by_s": size_us / US_PER_S,
        "frequency_hz": _describe(read("frequency_hz"), pump.frequency, np.ones_like(is_running)),
        "power_factor": _describe(read("power_factor"), pump.power_factor, is_running),
    }


def _find_running(power: _Means, standby_below_w: float) -> Bools:
    """Buckets in which the machine never stood by; all of them where its power is not told."""
    is_running = np.ones(len(power.starts_us), np.bool_)
    at = np.searchsorted(power.starts_us, power.rollup.bucket_start_us)
    is_running[at] = ~(power.rollup.min < standby_below_w)
    return is_running


def _read_means(
    services: Services, series: int | None, level: str, starts_us: Int64Column, size_us: int
) -> _Means:
    ids = [] if series is None else [series]
    rollup = services.store.roll_up(ids, level, int(starts_us[0]), int(starts_us[-1]) + 1)
    mean, coverage = np.full(len(starts_us), np.nan), np.zeros(len(starts_us))
    if series is not None:
        known = rollup.count > 0
        at = np.searchsorted(starts_us, rollup.bucket_start_us[known])
        mean[at] = rollup.sum[known] / rollup.count[known]
        _, coverage = spread_series(rollup, series, starts_us)
    return _Means(starts_us, size_us, mean, coverage, rollup)


def _describe(means: _Means, bands: Bands, kept: Bools) -> dict[str, Any] | None:
    """Shares and extremes of one quantity; None where the device does not tell it."""
    if np.isnan(means.mean).all():
        return None
    # Either sign of a power factor is the same load to the grid.
    graded = np.where(kept, np.abs(means.mean), np.nan)
    shares = bands.shares(graded, means.coverage)
    hours = means.coverage[~np.isnan(graded)].sum() * means.size_us / US_PER_HOUR
    return {
        "bands": describe_bands(bands),
        "graded_h": number(float(hours)),
        "shares": None if shares is None else {one.word: number(shares[one]) for one in Band},
        "lowest": _find_extreme(means, kept, is_highest=False),
        "highest": _find_extreme(means, kept, is_highest=True),
    }


def _find_extreme(means: _Means, kept: Bools, *, is_highest: bool) -> dict[str, Any] | None:
    """The lowest or highest single reading, and the bucket in which it came."""
    rollup = means.rollup
    usable = (rollup.count > 0) & kept[np.searchsorted(means.starts_us, rollup.bucket_start_us)]
    if not usable.any():
        return None
    column = rollup.max if is_highest else rollup.min
    ranked = np.where(usable, column if is_highest else -column, -np.inf)
    row = int(np.argmax(ranked))
    return {
        "value": number(float(column[row])),
        "at": format_utc(int(rollup.bucket_start_us[row])),
    }
