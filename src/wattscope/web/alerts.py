"""``/api/alerts``, ``/api/alert-rules``, ``/api/channels``: what is told, by what, and to whom."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from wattscope.core.alerting import Alert, AlertState, RuleKind
from wattscope.core.errors import NoticeRefusedError, TransientError, UnknownNameError
from wattscope.core.findings import Severity
from wattscope.core.time_grid import US_PER_HOUR, format_utc
from wattscope.incidents.seed_advice import advise
from wattscope.incidents.traits import TRAITS
from wattscope.web.alert_forms import RuleForm, describe_alert, describe_rule
from wattscope.web.incidents import Silence
from wattscope.web.numbers import number
from wattscope.web.problems import (
    CHANGE_RESPONSES,
    PROBLEM_RESPONSES,
    UNREADY_RESPONSES,
    problem,
)
from wattscope.web.services import Services

MAX_LISTED = 1000
_MAX_FIRED = 100
_SEED_SEVERITIES = {Severity.INFO: "low", Severity.WARNING: "medium", Severity.CRITICAL: "high"}
AlertId = Annotated[int, Path(ge=0, le=2**31 - 1)]
RuleId = Annotated[int, Path(ge=0, le=2**31 - 1)]
_BAD_GATEWAY: dict[int | str, dict[str, Any]] = {
    502: {
        "description": "The channel took no message",
        "content": PROBLEM_RESPONSES[404]["content"],
    }
}


def build_alert_routes(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(
        prefix="/api", tags=["alerts"], responses=PROBLEM_RESPONSES | UNREADY_RESPONSES
    )
    _add_alert_routes(router, services)
    _add_rule_routes(router, services)
    _add_channel_routes(router, services)
    return router


def _add_alert_routes(router: APIRouter, services: Services) -> None:
    def describe(alert: int) -> dict[str, Any]:
        desk = services.find_alerts()
        found, deliveries = desk.find_alert(alert)
        rules = {one.id: one for one in desk.list_rules()}
        return describe_alert(found, deliveries, rules, _name_of(services, found.device))

    @router.get("/alerts")
    def list_alerts(
        state: Annotated[AlertState | None, Query(description="left out: all but cleared")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 100,
    ) -> dict[str, Any]:
        """Alerts with the messages about them, newest first."""
        desk = services.find_alerts()
        states = tuple(one for one in AlertState if one is not AlertState.CLEARED)
        found = desk.list_alerts(limit, states if state is None else (state,))
        rules = {one.id: one for one in desk.list_rules()}
        return {
            "alerts": [
                describe_alert(one, deliveries, rules, _name_of(services, one.device))
                for one, deliveries in found
            ]
        }

    @router.get("/alerts/recent")
    def list_recent(
        limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 50,
    ) -> list[dict[str, Any]]:
        """The newest alerts of any state, newest first, with the fields of a panel's alert."""
        desk = services.find_alerts()
        kinds = {one.id: one.kind for one in desk.list_rules()}
        return [
            _describe_seed(services, one, kinds.get(one.rule))
            for one, _ in desk.list_alerts(limit, None)
        ]

    @router.post("/alerts/{alert_id}/acknowledge", responses=CHANGE_RESPONSES)
    def acknowledge_alert(alert_id: AlertId) -> dict[str, Any]:
        """Note that somebody knows; its incident follows."""
        services.find_alerts().acknowledge_alert(alert_id)
        return describe(alert_id)

    @router.post("/alerts/{alert_id}/silence", responses=CHANGE_RESPONSES)
    def silence_alert(alert_id: AlertId, silence: Silence) -> dict[str, Any]:
        """Tell nobody of it for some hours, also when it ends and begins again."""
        until_us = services.now_us() + round(silence.hours * US_PER_HOUR)
        services.find_alerts().silence_alert(alert_id, until_us)
        return describe(alert_id)


def _add_rule_routes(router: APIRouter, services: Services) -> None:
    @router.get("/alert-rules")
    def list_rules() -> dict[str, Any]:
        """All rules."""
        return {"rules": [describe_rule(one) for one in services.find_alerts().list_rules()]}

    @router.post("/alert-rules", status_code=201, responses=CHANGE_RESPONSES)
    def add_rule(rule: RuleForm) -> dict[str, Any]:
        """Make a rule; it looks from now on."""
        return describe_rule(services.find_alerts().put_rule(rule.read(0)))

    @router.post("/alert-rules/preview", responses=CHANGE_RESPONSES)
    def preview_rule(rule: RuleForm) -> dict[str, Any]:
        """What a rule would have raised in the last thirty days."""
        found = services.find_alerts().preview(rule.read(0))
        return {
            "days": 30,
            "n_fired": len(found.fired),
            "fired": [
                {
                    "device": one.device,
                    "device_name": _name_of(services, one.device),
                    "raised_at": format_utc(one.raised_at_us),
                    "cleared_at": None
                    if one.cleared_at_us is None
                    else format_utc(one.cleared_at_us),
                    "value": number(one.value),
                }
                for one in found.fired[:_MAX_FIRED]
            ],
            "n_devices": found.n_devices,
        }

    @router.put("/alert-rules/{rule_id}", responses=CHANGE_RESPONSES)
    def put_rule(rule_id: RuleId, rule: RuleForm) -> dict[str, Any]:
        """Write a rule anew; alerts that it would not raise any more are over."""
        if rule_id == 0:
            raise UnknownNameError("alert rule 0 does not exist; see /api/alert-rules")
        return describe_rule(services.find_alerts().put_rule(rule.read(rule_id)))

    @router.delete("/alert-rules/{rule_id}", responses=CHANGE_RESPONSES)
    def drop_rule(rule_id: RuleId) -> dict[str, Any]:
        """Forget a rule; its alerts are over."""
        services.find_alerts().drop_rule(rule_id)
        return {"removed": rule_id}


def _add_channel_routes(router: APIRouter, services: Services) -> None:
    @router.get("/channels")
    def list_channels() -> dict[str, Any]:
        """Where alerts are told, and how each channel stands."""
        return {"channels": services.find_alerts().list_channels()}

    @router.post(
        "/channels/{name}/test",
        response_model=None,
        responses=CHANGE_RESPONSES | _BAD_GATEWAY,
    )
    async def test_channel(name: Annotated[str, Path(max_length=64)]) -> Any:  # noqa: ANN401  # a response
        """Send a message that only says that messages arrive."""
        try:
            await services.find_alerts().test_channel(name)
        except (NoticeRefusedError, TransientError) as fault:
            return problem(502, "channel_failed", str(fault))
        return {"name": name, "is_ok": True}


def _describe_seed(services: Services, alert: Alert, kind: RuleKind | None) -> dict[str, Any]:
    """An alert with the fields and words of the panel's API."""
    alert_type, recommendation = "performance_anomaly", ""
    if kind is not None and kind is not RuleKind.INCIDENT:
        alert_type = kind.value
    elif kind is RuleKind.INCIDENT:
        found = services.find_alerts().incidents
        try:
            incident = found.find(alert.key).incident
        except UnknownNameError:
            pass
        else:
            alert_type, recommendation = incident.causes[0].name, incident.recommendation
    if not recommendation:
        device = services.book.find_device(alert.device)
        values = {alert.key: alert.value} if alert.key and kind is not RuleKind.INCIDENT else {}
        is_silent = kind is RuleKind.NO_DATA
        recommendation = TRAITS["missing_data"].advice if is_silent else advise(values, device)
    return {
        "panel_id": alert.device,
        "timestamp": format_utc(alert.raised_at_us),
        "alert_type": "performance_anomaly" if alert_type == "anomaly" else alert_type,
        "severity": _SEED_SEVERITIES[alert.severity],
        "details": {
            "title": alert.title,
            "detail": alert.detail,
            "key": alert.key,
            "value": number(alert.value),
        },
        "recommendation": recommendation,
    }


def _name_of(services: Services, device: str) -> str:
    found = services.book.find_device(device)
    return device if found is None else found.name
