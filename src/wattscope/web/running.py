"""``/api/insights/states``: when a machine stood by, ran, and ran hard."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import tzinfo
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from wattscope.compute.running_states import (
    Cells,
    RunningState,
    Stretch,
    clip,
    count_starts,
    cut_cells,
    find_stretches,
)
from wattscope.compute.segments import SeriesRule
from wattscope.compute.staleness import stale_after_s
from wattscope.core.errors import QueryError
from wattscope.core.time_grid import (
    US_PER_DAY,
    US_PER_HOUR,
    US_PER_S,
    format_utc,
    load_zone,
    local_date,
    local_day_edges,
)
from wattscope.core.topology import Device
from wattscope.web.numbers import CSV_RESPONSES, csv_response, number
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.screen import describe_limits
from wattscope.web.services import Services
from wattscope.web.spans import Span, check_span, read_span

POWER = "active_power_w"
MAX_STATES_US = 93 * US_PER_DAY
"""States are told from the readings themselves: a longer span would be too many."""
MAX_ROWS = 1_500_000
_LEAD_US = 6 * US_PER_HOUR
"""So far back the reading begins, to know since when the first state lasts."""
_COLUMNS = ("start", "end", "state", "duration_s", "energy_wh")


@dataclass(frozen=True, slots=True)
class _Course:
    """What a machine did over a span."""

    cells: Cells
    stretches: list[Stretch]
    """Beginning before the span where the first one does."""
    start_us: int
    end_us: int
    """The end of the span, or now."""


def build_running_routes(services: Services) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/api/insights", tags=["insights"], responses=PROBLEM_RESPONSES)

    @router.get("/states", response_model=None, responses=CSV_RESPONSES)
    def read_states(
        device: str,
        day: Annotated[str | None, Query(examples=["2026-05-01"])] = None,
        month: Annotated[str | None, Query(examples=["2026-05"])] = None,
        start: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        end: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
    ) -> dict[str, Any] | Response:
        """Standby, active and high load by power: time, energy, starts, and when each was.

        What was not measured is in no state; at most 93 days at once.
        """
        found = services.find_device(device)
        zone = load_zone(services.find_site(found.site).time_zone)
        now_us = services.now_us()
        span = read_span(zone, now_us, day=day, month=month, start=start, end=end)
        course = _follow(services, found, span, now_us)
        segments = [_describe_segment(course, one) for one in _shown(course)]
        if format == "csv":
            rows = [[segment[name] for name in _COLUMNS] for segment in segments]
            return csv_response(f"states-{format_utc(span.start_us)[:10]}", _COLUMNS, rows)
        return {
            "device": found.id,
            "start": format_utc(span.start_us),
            "end": format_utc(span.end_us),
            "limits": describe_limits(services.screen.heat_pump.limits),
            "now": _describe_now(course, found, now_us),
            **_describe_part(course, course.start_us, course.end_us),
            "days": _describe_days(course, zone),
            "segments": segments,
        }

    return router


def _follow(services: Services, device: Device, span: Span, now_us: int) -> _Course:
    check_span(span.start_us, span.end_us)
    if span.end_us - span.start_us > MAX_STATES_US:
        raise QueryError("states are told for at most 93 days at once; ask for a month")
    series = services.find_quantity_series(device, POWER)
    end_us = max(min(span.end_us, now_us), span.start_us)
    # One more reading at the end: it says how far the last one reaches.
    rows = services.store.read_raw(
        [series.id], span.start_us - _LEAD_US, min(span.end_us + _LEAD_US, now_us + 1)
    )
    if len(rows) > MAX_ROWS:
        raise QueryError(f"{len(rows)} readings are more than {MAX_ROWS}; ask for a shorter span")
    cells = cut_cells(rows, SeriesRule.build(series, device))
    stretches = find_stretches(cells, services.screen.heat_pump.limits)
    return _Course(cells, stretches, span.start_us, end_us)


def _shown(course: _Course) -> list[Stretch]:
    return clip(course.stretches, course.start_us, course.end_us)


def _describe_segment(course: _Course, one: Stretch) -> dict[str, Any]:
    return {
        "state": one.state.word,
        "start": format_utc(one.start_us),
        "end": format_utc(one.end_us),
        "duration_s": one.duration_us / US_PER_S,
        "energy_wh": number(course.cells.energy_wh(one.start_us, one.end_us)),
    }


def _describe_part(course: _Course, start_us: int, end_us: int) -> dict[str, Any]:
    """Time, energy and starts of a part of the span."""
    parts = clip(course.stretches, start_us, end_us)
    known_us = sum(one.duration_us for one in parts)
    states = []
    for state in RunningState:
        own = [one for one in parts if one.state is state]
        spent_us = sum(one.duration_us for one in own)
        energy = sum(course.cells.energy_wh(one.start_us, one.end_us) for one in own)
        states.append(
            {
                "state": state.word,
                "duration_s": spent_us / US_PER_S,
                "share": number(spent_us / known_us) if known_us else None,
                "energy_wh": number(energy) if known_us else None,
            }
        )
    return {
        "states": states,
        "known_s": known_us / US_PER_S,
        "unknown_s": max(0, end_us - start_us - known_us) / US_PER_S,
        "starts": count_starts(course.stretches, RunningState.ACTIVE, start_us, end_us),
        "high_starts": count_starts(course.stretches, RunningState.HIGH, start_us, end_us),
    }


def _describe_days(course: _Course, zone: tzinfo) -> list[dict[str, Any]]:
    """Each local day that has begun."""
    if course.end_us <= course.start_us:
        return []
    edges = local_day_edges(course.start_us, course.end_us, zone).tolist()
    return [
        {"date": local_date(first_us, zone).isoformat()}
        | _describe_part(course, max(first_us, course.start_us), min(last_us, course.end_us))
        for first_us, last_us in itertools.pairwise(edges)
    ]


def _describe_now(course: _Course, device: Device, now_us: int) -> dict[str, Any] | None:
    """The state at this moment and since when; None where the newest reading is too old."""
    if not course.stretches:
        return None
    last = course.stretches[-1]
    if now_us - last.end_us > stale_after_s(device) * US_PER_S:
        return None
    return {
        "state": last.state.word,
        "since": format_utc(last.start_us),
        # Before it nothing is known, or nothing was read: it may have lasted longer.
        "is_since_known": last.goes_on,
    }
