"""``/api/devices/{id}/chart``: a quantity over any span, as many columns as a chart has pixels.

Columns of numbers rather than objects, and instants as seconds after ``start``: what a chart of
1,000 pixels needs stays small enough for a phone.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from wattscope.core.quantities import unit_of
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, format_utc, load_zone
from wattscope.ports import Chart
from wattscope.web.numbers import SIGNIFICANT_DIGITS, csv_response
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.services import Services
from wattscope.web.spans import check_span, read_instant

MAX_PIXELS = 10_000
"""No screen is wider."""
_MEAN_STEPS = 10_000
"""A mean is told to this share of the height of the chart; extremes are told as measured."""
_VALUES = ("mean", "min", "max", "first", "last")
_WORDS = {
    "level": "what was read: raw for readings, or the kept rollup 1m, 15m, 1h or 1d",
    "t_s": "where each column of pixels begins, in seconds after start; those without values "
    "are left out",
    "mean": "mean of the values in the column, rounded to what can be seen",
    "min": "lowest value in the column",
    "max": "highest value in the column",
    "first": "first value in the column",
    "last": "last value in the column",
    "count": "number of values in the column",
}
_COLUMN = {"type": "array", "items": {"type": "number"}}
_PROPERTIES = {
    name: ({"type": "string"} if name == "level" else _COLUMN) | {"description": words}
    for name, words in _WORDS.items()
} | {name: {"type": "string"} for name in ("device", "quantity", "unit", "start", "end")}
CHART_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Columns of equal length, by time; or the same as CSV",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": _PROPERTIES | {"pixels": {"type": "integer"}},
                    "required": [*_PROPERTIES, "pixels"],
                }
            },
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}


def build_chart_routes(services: Services) -> APIRouter:
    """The route; it must come before that of one device, whose id may hold slashes."""
    router = APIRouter(prefix="/api", tags=["devices"], responses=PROBLEM_RESPONSES)

    @router.get("/devices/{device_id:path}/chart", response_model=None, responses=CHART_RESPONSES)
    def read_chart(
        device_id: str,
        quantity: str,
        start: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        end: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        pixels: Annotated[
            int, Query(ge=1, le=MAX_PIXELS, description="width of the chart in pixels")
        ] = 1000,
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
    ) -> Response:
        """One quantity for a chart: mean and true extremes of each column of its pixels.

        Read from the coarsest kept rollup that is not coarser than a pixel; a spike of one
        reading stays visible in a chart of a year. A counter shows its register.
        """
        device = services.find_device(device_id)
        series = services.find_series(device, quantity)
        zone = load_zone(services.find_site(device.site).time_zone)
        end_us = read_instant(end, zone) if end else services.now_us()
        start_us = read_instant(start, zone) if start else end_us - US_PER_DAY
        check_span(start_us, end_us)
        chart = services.store.chart(series, start_us, end_us, pixels)
        columns = {name: _shorten(column) for name, column in _columns_of(chart).items()}
        if format == "csv":
            instants = [format_utc(t) for t in chart.t_us.tolist()]
            rows = zip(instants, *columns.values(), strict=True)
            return csv_response(f"{quantity}-{format_utc(start_us)[:10]}", ("t", *columns), rows)
        return JSONResponse(
            {
                "device": device.id,
                "quantity": quantity,
                "unit": unit_of(quantity),
                "level": chart.level,
                "start": format_utc(start_us),
                "end": format_utc(end_us),
                "pixels": pixels,
                "t_s": _shorten(_seconds_after(chart.t_us, start_us, (end_us - start_us) / pixels)),
            }
            | columns
        )

    return router


def _columns_of(chart: Chart) -> dict[str, npt.NDArray[np.float64]]:
    columns = {name: getattr(chart, name) for name in _VALUES}
    columns["mean"] = _round_mean(chart)
    return columns | {"count": chart.count.astype(np.float64)}


def _round_mean(chart: Chart) -> npt.NDArray[np.float64]:
    """Means without digits that no chart can show, and never outside of their extremes."""
    if not len(chart.mean):
        return chart.mean
    height = float(chart.max.max()) - float(chart.min.min())
    decimals = SIGNIFICANT_DIGITS
    if 0 < height < math.inf:
        decimals = min(decimals, -math.floor(math.log10(height / _MEAN_STEPS)))
    return np.clip(np.round(chart.mean, decimals), chart.min, chart.max)


def _seconds_after(
    t_us: npt.NDArray[np.int64], start_us: int, pixel_us: float
) -> npt.NDArray[np.float64]:
    decimals = 3 if pixel_us >= US_PER_S else 6
    return np.round((t_us - start_us) / US_PER_S, decimals)


def _shorten(column: npt.NDArray[np.float64]) -> list[float | int | None]:
    """Numbers in as few characters as they need; None for what is not finite."""
    return [_shorten_one(value) for value in column.tolist()]


def _shorten_one(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    is_whole = short.is_integer() and abs(short) < 10**SIGNIFICANT_DIGITS
    return int(short) if is_whole else short
