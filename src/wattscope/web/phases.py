"""``/api/insights/phases``: how evenly the three phases of a device are loaded and fed."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from wattscope.compute.meter_truth import PHASES
from wattscope.compute.phase_balance import find_imbalance
from wattscope.compute.staleness import stale_after_s
from wattscope.core.quantities import unit_of
from wattscope.core.time_grid import US_PER_S, format_utc, load_zone
from wattscope.core.topology import Device
from wattscope.web.device_energy import count_energy, find_energy_series
from wattscope.web.numbers import number, total
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.services import Services
from wattscope.web.spans import Span, read_span

DEFINITION = "largest deviation of a phase from the mean of the three, over that mean"
_STEMS = {"voltage": "v", "current": "a", "active_power": "w"}
"""What is compared at this moment, and how its names end."""


def build_phase_routes(services: Services) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/api/insights", tags=["insights"], responses=PROBLEM_RESPONSES)

    @router.get("/phases")
    def read_phases(
        device: str,
        day: Annotated[str | None, Query(examples=["2026-05-01"])] = None,
        month: Annotated[str | None, Query(examples=["2026-05"])] = None,
        year: Annotated[str | None, Query(examples=["2026"])] = None,
        start: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        end: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
    ) -> dict[str, Any]:
        """Voltage, current and power by phase now, energy by phase of a span, and the imbalance.

        Values that are too old are null, and so is an imbalance without all three.
        """
        found = services.find_device(device)
        zone = load_zone(services.find_site(found.site).time_zone)
        span = read_span(
            zone, services.now_us(), day=day, month=month, year=year, start=start, end=end
        )
        rows = [_describe_now(services, found, stem) for stem in _STEMS]
        return {
            "device": found.id,
            "start": format_utc(span.start_us),
            "end": format_utc(span.end_us),
            "definition": DEFINITION,
            "rows": [*rows, _describe_energy(services, found, span, zone)],
        }

    return router


def _describe_now(services: Services, device: Device, stem: str) -> dict[str, Any]:
    """The newest fresh values of one quantity."""
    values: list[float | None] = []
    oldest_us = services.now_us() - int(stale_after_s(device) * US_PER_S)
    for phase in PHASES:
        series = services.book.find_series(device.id, f"{stem}_{phase}_{_STEMS[stem]}")
        latest = None if series is None else services.live.latest(series)
        values.append(latest[1] if latest is not None and latest[0] >= oldest_us else None)
    return _describe_row(stem, unit_of(f"{stem}_{_STEMS[stem]}"), values)


def _describe_energy(
    services: Services, device: Device, span: Span, zone: tzinfo
) -> dict[str, Any]:
    series = find_energy_series(services, device)
    edges = np.array([span.start_us, span.end_us], np.int64)
    columns = count_energy(services, series, edges, zone)
    return _describe_row("energy", "Wh", [total(columns.by_part[phase]) for phase in PHASES])


def _describe_row(name: str, unit: str, values: list[float | None]) -> dict[str, Any]:
    return {
        "name": name,
        "unit": unit,
        "phases": dict(zip(PHASES, (number(one) for one in values), strict=True)),
        "imbalance": number(find_imbalance(values)),
    }
