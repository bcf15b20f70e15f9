"""Rules, alerts, messages and incidents as rows, and back.

What is queried is a column; the rest is JSON in one. Numbers that JSON has no form for are left
out of the evidence of a finding.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from wattscope.core.alerting import (
    Alert,
    AlertRule,
    AlertState,
    Delivery,
    DeliveryState,
    Notice,
    RuleKind,
    Schedule,
)
from wattscope.core.findings import Finding, Severity
from wattscope.core.incidents import BookedIncident, Incident, IncidentState

Row = dict[str, Any]
_RULE_LISTS = ("devices", "kinds", "channels")
_read_names = msgspec.json.Decoder(tuple[str, ...])
_read_schedule = msgspec.json.Decoder(Schedule)
_read_notice = msgspec.json.Decoder(Notice)
_read_incident = msgspec.json.Decoder(Incident)


def row_of_rule(rule: AlertRule) -> Row:
    """The columns of ``alert_rules``."""
    row = {name: getattr(rule, name) for name in AlertRule.__slots__}
    row |= {name: _encode(row[name]) for name in _RULE_LISTS}
    return row | {
        "kind": rule.kind.value,
        "severity": rule.severity.value,
        "schedule": _encode(rule.schedule),
    }


def rule_of_row(row: RowMapping) -> AlertRule:
    """The rule of a row."""
    values = dict(row)
    values |= {name: _read_names.decode(values[name]) for name in _RULE_LISTS}
    return AlertRule(
        **values
        | {
            "kind": RuleKind(values["kind"]),
            "severity": Severity(values["severity"]),
            "schedule": _read_schedule.decode(values["schedule"]),
            "is_enabled": bool(values["is_enabled"]),
        }
    )


def row_of_alert(alert: Alert) -> Row:
    """The columns of ``alerts`` but the id."""
    row = {name: getattr(alert, name) for name in Alert.__slots__ if name != "id"}
    return row | {
        "state": alert.state.value,
        "severity": alert.severity.value,
        "value": alert.value if math.isfinite(alert.value) else None,
    }


def alert_of_row(row: RowMapping) -> Alert:
    """The alert of a row."""
    return Alert(
        **dict(row)
        | {
            "state": AlertState(row["state"]),
            "severity": Severity(row["severity"]),
            "value": math.nan if row["value"] is None else row["value"],
        }
    )


def row_of_delivery(delivery: Delivery) -> Row:
    """The columns of ``alert_deliveries``."""
    row = {name: getattr(delivery, name) for name in Delivery.__slots__}
    return row | {
        "id": delivery.notice.id,
        "alert": delivery.notice.alert,
        "state": delivery.state.value,
        "notice": _encode(delivery.notice),
    }


def delivery_of_row(row: RowMapping) -> Delivery:
    """The message of a row."""
    values = {name: row[name] for name in Delivery.__slots__}
    return Delivery(
        **values
        | {
            "state": DeliveryState(values["state"]),
            "notice": _read_notice.decode(values["notice"]),
        }
    )


def row_of_incident(booked: BookedIncident) -> Row:
    """The columns of ``incidents``."""
    one = booked.incident
    return {
        "id": one.id,
        "site": one.site,
        "device": one.device,
        "kind": one.causes[0].name,
        "severity": one.severity.value,
        "start_us": one.start_us,
        "end_us": one.end_us,
        "is_over": one.is_over,
        "lost_wh": one.lost_wh,
        "lost_money": one.lost_money,
        "state": booked.state.value,
        "silenced_until_us": booked.silenced_until_us,
        "changed_at_us": booked.changed_at_us,
        "content": _encode(replace(one, findings=tuple(map(_make_sound, one.findings)))),
    }


def incident_of_row(row: RowMapping) -> BookedIncident:
    """The incident of a row."""
    return BookedIncident(
        _read_incident.decode(row["content"]),
        IncidentState(row["state"]),
        row["changed_at_us"],
        row["silenced_until_us"],
    )


def _make_sound(finding: Finding) -> Finding:
    evidence = {
        name: float(value) for name, value in finding.evidence.items() if math.isfinite(value)
    }
    return replace(finding, evidence=evidence)


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()
