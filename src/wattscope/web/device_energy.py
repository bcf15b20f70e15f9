"""``/api/devices/{id}/energy``: what one device counted, in total and by phase."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import tzinfo
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response

from wattscope.compute.energy import Floats, spread_series
from wattscope.compute.meter_truth import PHASES
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_MINUTE, format_utc, load_zone
from wattscope.core.topology import Device
from wattscope.ports import Rollup
from wattscope.web.numbers import CSV_RESPONSES, csv_response, number, numbers, total
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.rollup_edges import FINE_US, roll_up_between
from wattscope.web.services import Services
from wattscope.web.spans import bucket_edges, read_span

_USED = ("energy_import{}_wh", "energy_import{}_delta_wh", "energy_total{}_wh", "active_power{}_w")
_MADE = (
    "energy_production{}_wh",
    "energy_export{}_wh",
    "energy_total{}_wh",
    "production_power{}_w",
    "active_power{}_w",
)
"""The best series of energy: registers before integrated power."""
PARTS = ("total", *PHASES)


@dataclass(frozen=True, slots=True)
class EnergyColumns:
    """Energy by part and bucket [Wh]; NaN where nothing is known."""

    by_part: dict[str, Floats]
    coverage: Floats
    """Of the total; of the worst phase where only phases are counted."""


def build_device_energy_routes(services: Services) -> APIRouter:
    """The route; it must come before that of one device, whose id may hold slashes."""
    router = APIRouter(prefix="/api", tags=["devices"], responses=PROBLEM_RESPONSES)

    @router.get("/devices/{device_id:path}/energy", response_model=None, responses=CSV_RESPONSES)
    def read_device_energy(
        device_id: str,
        day: Annotated[str | None, Query(examples=["2026-05-01"])] = None,
        month: Annotated[str | None, Query(examples=["2026-05"])] = None,
        year: Annotated[str | None, Query(examples=["2026"])] = None,
        start: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        end: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        interval: Annotated[str | None, Query(description="15m, 1h, 1d or 1mo")] = None,
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
    ) -> dict[str, Any] | Response:
        """Energy of a device and of its phases in buckets and in total [Wh]; null is unknown."""
        device = services.find_device(device_id)
        zone = load_zone(services.find_site(device.site).time_zone)
        now_us = services.now_us()
        span = read_span(
            zone,
            now_us,
            day=day,
            month=month,
            year=year,
            start=start,
            end=end,
            interval=interval,
        )
        edges = bucket_edges(span, zone)
        series = find_energy_series(services, device)
        columns = count_energy(services, series, edges, zone)
        buckets = _describe_buckets(columns, edges)
        if format == "csv":
            names = ("start", "end", *(f"{part}_wh" for part in PARTS), "coverage")
            rows = [[bucket[name] for name in names] for bucket in buckets]
            return csv_response(f"energy-{span.unit}-{format_utc(span.start_us)[:10]}", names, rows)
        return {
            "device": device.id,
            "start": format_utc(span.start_us),
            "end": format_utc(span.end_us),
            "interval": span.interval,
            "quantities": {part: name for part, (name, _) in series.items()},
            "totals": _describe_totals(columns),
            "previous": _describe_previous(services, series, span.previous(zone, now_us), zone),
            "buckets": buckets,
        }

    return router


def find_energy_series(services: Services, device: Device) -> dict[str, tuple[str, int]]:
    """The quantity and the series by which each part is counted; what is not counted is absent."""
    wanted = _MADE if device.is_production else _USED
    found: dict[str, tuple[str, int]] = {}
    for part in PARTS:
        suffix = "" if part == "total" else f"_{part}"
        for pattern in wanted:
            name = pattern.format(suffix)
            series = services.book.find_series(device.id, name)
            if series is not None:
                found[part] = (name, series)
                break
    return found


def count_energy(
    services: Services, series: dict[str, tuple[str, int]], edges: Int64Column, zone: tzinfo
) -> EnergyColumns:
    """Energy of a device between edges; the phases make the total where nothing else counts it."""
    ids = [one for _, one in series.values()]
    return _spread(roll_up_between(services.store, ids, edges, zone), series, edges[:-1])


def _count_minutes(
    services: Services, series: dict[str, tuple[str, int]], edges: Int64Column
) -> EnergyColumns:
    """The same between edges that are whole minutes apart."""
    ids = [one for _, one in series.values()]
    rollup = services.store.roll_up(ids, "1m", int(edges[0]), int(edges[-1]))
    return _spread(rollup, series, edges[:-1])


def _spread(
    rollup: Rollup, series: dict[str, tuple[str, int]], starts: Int64Column
) -> EnergyColumns:
    unknown = np.full(len(starts), np.nan)
    if not series:
        return EnergyColumns(dict.fromkeys(PARTS, unknown), np.zeros(len(starts)))
    spread = {part: spread_series(rollup, one, starts) for part, (_, one) in series.items()}
    energy = {part: spread[part][0] if part in spread else unknown for part in PARTS}
    if "total" in spread:
        return EnergyColumns(energy, spread["total"][1])
    energy["total"] = sum((energy[phase] for phase in PHASES), np.zeros(len(unknown)))
    return EnergyColumns(energy, np.min([coverage for _, coverage in spread.values()], axis=0))


def _describe_buckets(columns: EnergyColumns, edges: Int64Column) -> list[dict[str, Any]]:
    by_part = [numbers(columns.by_part[part]) for part in PARTS]
    rows = zip(
        edges[:-1].tolist(), edges[1:].tolist(), *by_part, numbers(columns.coverage), strict=True
    )
    names = [*(f"{part}_wh" for part in PARTS), "coverage"]
    return [
        {"start": format_utc(start), "end": format_utc(end)} | dict(zip(names, values, strict=True))
        for start, end, *values in rows
    ]


def _describe_totals(columns: EnergyColumns) -> dict[str, float | None]:
    return {f"{part}_wh": total(columns.by_part[part]) for part in PARTS}


def _describe_previous(
    services: Services,
    series: dict[str, tuple[str, int]],
    span_us: tuple[int, int],
    zone: tzinfo,
) -> dict[str, Any] | None:
    """Totals of the same stretch one period earlier; None where there are no data.

    To the minute: a machine that runs now and then may take in a quarter hour what it took in the
    hours before.
    """
    start_us, end_us = span_us[0], span_us[1] // US_PER_MINUTE * US_PER_MINUTE
    quarter_us = max(end_us // FINE_US * FINE_US, start_us)
    parts = []
    if quarter_us > start_us:
        edges = np.array([start_us, quarter_us], np.int64)
        parts.append(_describe_totals(count_energy(services, series, edges, zone)))
    if end_us > quarter_us:
        minutes = np.arange(quarter_us, end_us + 1, US_PER_MINUTE, dtype=np.int64)
        parts.append(_describe_totals(_count_minutes(services, series, minutes)))
    totals = (
        {name: _sum_known([part[name] for part in parts]) for name in parts[0]} if parts else {}
    )
    if all(one is None for one in totals.values()):
        return None
    return {"start": format_utc(start_us), "end": format_utc(end_us), "totals": totals}


def _sum_known(parts: list[float | None]) -> float | None:
    known = [one for one in parts if one is not None]
    return number(math.fsum(known)) if known else None
