"""``/api/energy`` and ``/api/power``: what a site used, made, took and gave."""

from __future__ import annotations

import itertools
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response

from wattscope.compute.energy import Balance, share
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE, US_PER_S, format_utc
from wattscope.web.numbers import CSV_RESPONSES, csv_response, number, numbers, total
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.services import Services
from wattscope.web.site_energy import PowerChart, SiteEnergy
from wattscope.web.spans import Span, bucket_edges, check_span, read_instant, read_span

_COMPLETE = 0.995
"""A span with at least this share covered is called complete."""
_MIN_GAP_BUCKETS = 3
_BUCKET_COLUMNS = (
    "import_wh",
    "export_wh",
    "production_wh",
    "consumption_wh",
    "self_consumed_wh",
    "coverage",
)


def build_energy_routes(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["energy"], responses=PROBLEM_RESPONSES)

    @router.get("/energy", response_model=None, responses=CSV_RESPONSES)
    def read_energy(
        site: str | None = None,
        day: Annotated[str | None, Query(examples=["2026-05-01"])] = None,
        month: Annotated[str | None, Query(examples=["2026-05"])] = None,
        year: Annotated[str | None, Query(examples=["2026"])] = None,
        start: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        end: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        interval: Annotated[str | None, Query(description="15m, 1h, 1d or 1mo")] = None,
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
    ) -> dict[str, Any] | Response:
        """Energies of a local day, month, year or any range, in buckets and in total [Wh]."""
        energy = SiteEnergy(services, services.find_site(site))
        now_us = services.now_us()
        span = read_span(
            energy.zone,
            now_us,
            day=day,
            month=month,
            year=year,
            start=start,
            end=end,
            interval=interval,
        )
        edges = bucket_edges(span, energy.zone)
        balance = energy.balance(edges)
        buckets = _describe_buckets(balance, edges)
        if format == "csv":
            columns = ("start", "end", *_BUCKET_COLUMNS)
            rows = [[bucket[name] for name in columns] for bucket in buckets]
            return csv_response(
                f"energy-{span.unit}-{format_utc(span.start_us)[:10]}", columns, rows
            )
        covered = _coverage(balance, edges, now_us)
        return {
            "site": energy.site.id,
            "start": format_utc(span.start_us),
            "end": format_utc(span.end_us),
            "interval": span.interval,
            "is_complete": covered >= _COMPLETE,
            "coverage": number(covered),
            "totals": _describe_totals(balance),
            "peak": _find_peak(buckets),
            "power_peak": _find_power_peak(energy, span),
            "previous": _describe_previous(energy, span, now_us),
            "buckets": buckets,
        }

    @router.get("/power")
    def read_power(
        site: str | None = None,
        start: str | None = None,
        end: str | None = None,
        points: Annotated[int, Query(ge=10, le=5000)] = 600,
    ) -> dict[str, Any]:
        """Mean power of home, solar and grid for a chart [W]; null where there is no data."""
        energy = SiteEnergy(services, services.find_site(site))
        now_us = services.now_us()
        end_us = read_instant(end, energy.zone) if end else now_us
        start_us = read_instant(start, energy.zone) if start else end_us - US_PER_DAY
        check_span(start_us, end_us)
        chart = energy.power(start_us, end_us, points)
        return {
            "start": format_utc(start_us),
            "end": format_utc(end_us),
            "interval_s": chart.step_us / US_PER_S,
            "t": [format_utc(t) for t in chart.starts_us.tolist()],
            "home_w": numbers(chart.home_w),
            "solar_w": numbers(chart.solar_w),
            "grid_w": numbers(chart.grid_w),
            "gaps": find_gaps(chart, now_us),
        }

    return router


def find_gaps(chart: PowerChart, now_us: int) -> list[dict[str, Any]]:
    """Stretches without grid power between the first value and now."""
    is_known = ~np.isnan(chart.grid_w) & (chart.starts_us < now_us)
    known = np.flatnonzero(is_known)
    gaps = []
    for before, after in itertools.pairwise(known):
        start_us, end_us = int(chart.starts_us[before]) + chart.step_us, int(chart.starts_us[after])
        if (after - before) > _MIN_GAP_BUCKETS and end_us - start_us >= US_PER_MINUTE:
            gaps.append(
                {
                    "start": format_utc(start_us),
                    "end": format_utc(end_us),
                    "duration_s": (end_us - start_us) / US_PER_S,
                }
            )
    return gaps


def _describe_buckets(balance: Balance, edges: Int64Column) -> list[dict[str, Any]]:
    columns = [
        numbers(column)
        for column in (
            balance.imported,
            balance.exported,
            balance.produced,
            balance.consumed,
            balance.self_consumed,
            balance.coverage,
        )
    ]
    starts, ends = edges[:-1].tolist(), edges[1:].tolist()
    return [
        {"start": format_utc(start), "end": format_utc(end)}
        | dict(zip(_BUCKET_COLUMNS, values, strict=True))
        for start, end, *values in zip(starts, ends, *columns, strict=True)
    ]


def _describe_totals(balance: Balance) -> dict[str, float | None]:
    consumed, produced = total(balance.consumed), total(balance.produced)
    own = total(balance.self_consumed)
    return {
        "import_wh": total(balance.imported),
        "export_wh": total(balance.exported),
        "production_wh": produced,
        "consumption_wh": consumed,
        "self_consumed_wh": own,
        "self_sufficiency": number(share(own, consumed)),
        "self_consumption": number(share(own, produced)),
    }


def _coverage(balance: Balance, edges: Int64Column, now_us: int) -> float:
    """Share of the span up to now for which there is data."""
    ends = np.minimum(edges[1:], max(now_us, int(edges[0]) + 1))
    elapsed = np.maximum(ends - edges[:-1], 0)
    covered = np.minimum(balance.coverage * np.diff(edges), elapsed)
    return float(covered.sum() / elapsed.sum()) if elapsed.sum() else 0.0


def _find_peak(buckets: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The bucket with the highest consumption."""
    known = [one for one in buckets if one["consumption_wh"]]
    if not known:
        return None
    peak = max(known, key=lambda one: one["consumption_wh"])
    return {name: peak[name] for name in ("start", "end", "consumption_wh")}


def _find_power_peak(energy: SiteEnergy, span: Span) -> dict[str, Any] | None:
    """The quarter hour, or the finer bucket, with the highest production."""
    if not energy.series.productions:
        return None
    chart = energy.power(span.start_us, span.end_us, 300)
    if np.isnan(chart.solar_w).all() or not np.nanmax(chart.solar_w) > 0:
        return None
    at = int(np.nanargmax(chart.solar_w))
    return {
        "production_w": number(float(chart.solar_w[at])),
        "at": format_utc(int(chart.starts_us[at])),
    }


def _describe_previous(energy: SiteEnergy, span: Span, now_us: int) -> dict[str, Any] | None:
    """Totals of the same stretch one period earlier; None where there are no data."""
    edges = span.previous_edges(energy.zone, now_us)
    if edges is None:
        return None
    balance = energy.balance(edges)
    if np.isnan(balance.consumed).all():
        return None
    return {
        "start": format_utc(int(edges[0])),
        "end": format_utc(int(edges[1])),
        "totals": _describe_totals(balance),
    }
