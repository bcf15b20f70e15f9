"""``/api/incidents``: what is wrong, why, what it costs and what to do; worst first."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from wattscope.core.findings import Finding, Severity, name_kind
from wattscope.core.incidents import BookedIncident, Incident, IncidentState
from wattscope.core.time_grid import US_PER_HOUR, format_utc
from wattscope.core.topology import Device
from wattscope.incidents import sum_losses
from wattscope.web.numbers import number
from wattscope.web.problems import CHANGE_RESPONSES, PROBLEM_RESPONSES, UNREADY_RESPONSES
from wattscope.web.services import Services

MAX_LISTED = 1000
_ALL_ACTIVE = 100_000
_WH_PER_KWH = 1000.0
_ORDER = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
_ACTIVE = tuple(one for one in IncidentState if one is not IncidentState.CLEARED)
IncidentId = Annotated[str, Path(max_length=32)]


class ChosenState(Enum):
    """Which incidents to list."""

    ACTIVE = "active"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    CLEARED = "cleared"


class Silence(BaseModel):
    """For how long nobody wants to hear of it."""

    model_config = ConfigDict(extra="forbid")

    hours: float = Field(gt=0, le=24 * 366, allow_inf_nan=False, examples=[24])


def build_incident_routes(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(
        prefix="/api", tags=["incidents"], responses=PROBLEM_RESPONSES | UNREADY_RESPONSES
    )

    @router.get("/incidents")
    def list_incidents(
        site: str | None = None,
        device: Annotated[str | None, Query(max_length=128)] = None,
        state: ChosenState = ChosenState.ACTIVE,
        limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 100,
    ) -> dict[str, Any]:
        """Incidents that cost most a day first; ``active`` is all but cleared."""
        shelf = services.find_alerts().incidents
        if site is not None:
            services.find_site(site)
        is_over = state is ChosenState.CLEARED
        states = _ACTIVE if state is ChosenState.ACTIVE else (IncidentState(state.value),)
        found = shelf.list_newest(
            limit if is_over else _ALL_ACTIVE, states=states, site=site, device=device
        )
        ranked = sorted(found, key=_rank)
        return {
            "incidents": [describe_incident(services, one) for one in ranked[:limit]],
            "summary": _sum_up(services, [one.incident for one in found], site),
        }

    @router.get("/incidents/{incident_id}")
    def read_incident(incident_id: IncidentId) -> dict[str, Any]:
        """One incident."""
        return describe_incident(services, services.find_alerts().incidents.find(incident_id))

    def change(incident: str, state: IncidentState, until_us: int = 0) -> dict[str, Any]:
        booked = services.find_alerts().put_incident_state(incident, state, until_us)
        return describe_incident(services, booked)

    @router.post("/incidents/{incident_id}/acknowledge", responses=CHANGE_RESPONSES)
    def acknowledge_incident(incident_id: IncidentId) -> dict[str, Any]:
        """Note that somebody knows; its alerts follow."""
        return change(incident_id, IncidentState.ACKNOWLEDGED)

    @router.post("/incidents/{incident_id}/silence", responses=CHANGE_RESPONSES)
    def silence_incident(incident_id: IncidentId, silence: Silence) -> dict[str, Any]:
        """Tell nobody of it for some hours."""
        until_us = services.now_us() + round(silence.hours * US_PER_HOUR)
        return change(incident_id, IncidentState.SILENCED, until_us)

    @router.post("/incidents/{incident_id}/reopen", responses=CHANGE_RESPONSES)
    def reopen_incident(incident_id: IncidentId) -> dict[str, Any]:
        """Nobody has dealt with it after all."""
        return change(incident_id, IncidentState.OPEN)

    return router


def describe_incident(services: Services, booked: BookedIncident) -> dict[str, Any]:
    """An incident for an answer."""
    one = booked.incident
    device = services.book.find_device(one.device)
    return {
        "id": one.id,
        "site": one.site,
        "device": one.device,
        "device_name": one.device if device is None else device.name,
        "kind": one.causes[0].name,
        "title": name_kind(one.causes[0].name),
        "state": booked.state.value,
        "severity": one.severity.value,
        "start": format_utc(one.start_us),
        "end": format_utc(one.end_us) if one.is_over else None,
        "causes": [
            {"name": cause.name, "title": name_kind(cause.name), "share": number(cause.share)}
            for cause in one.causes
        ],
        "lost_kwh": number(one.lost_wh / _WH_PER_KWH),
        "lost_kwh_per_day": number(one.lost_wh_per_day / _WH_PER_KWH),
        "lost_money": number(one.lost_money),
        "lost_money_per_day": number(one.lost_money_per_day),
        "currency": _currency(services, one.site),
        "recommendation": one.recommendation,
        "silenced_until": format_utc(booked.silenced_until_us)
        if booked.state is IncidentState.SILENCED
        else None,
        "findings": [_describe_finding(finding) for finding in one.findings],
    }


def _describe_finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "title": name_kind(finding.kind),
        "detector": finding.detector,
        "quantity": finding.quantity,
        "start": format_utc(finding.start_us),
        "end": format_utc(finding.end_us),
        "detail": finding.detail,
        "confidence": number(finding.confidence),
        "lost_kwh": number(finding.lost_wh / _WH_PER_KWH),
        "evidence": {name: number(value) for name, value in finding.evidence.items()},
    }


def _rank(booked: BookedIncident) -> tuple[float, float, int, int]:
    one = booked.incident
    return (
        -(one.lost_money_per_day or 0.0),
        -one.lost_wh_per_day,
        _ORDER[one.severity],
        -one.start_us,
    )


def _sum_up(services: Services, found: Sequence[Incident], site: str | None) -> dict[str, Any]:
    devices: dict[str, Device] = {one.id: one for one in services.book.list_devices()}
    losses = sum_losses(found, devices)
    sites = {one.site for one in found} or {services.find_site(site).id}
    currencies = {_currency(services, one) for one in sites}
    # Money of two currencies is no sum.
    is_one = len(currencies) == 1
    money = losses.lost_money_per_day if is_one else None
    return {
        "n": losses.n,
        "lost_kwh_per_day": number(losses.lost_wh_per_day / _WH_PER_KWH),
        "lost_money_per_day": number(money),
        "currency": currencies.pop() if is_one else None,
    }


def _currency(services: Services, site: str) -> str | None:
    return next((one.currency for one in services.book.list_sites() if one.id == site), None)
