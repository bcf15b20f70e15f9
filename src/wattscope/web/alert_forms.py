"""Alerts and rules as JSON, and rules out of JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from wattscope.core.alerting import (
    Alert,
    AlertRule,
    AlertState,
    Delivery,
    DeliveryState,
    RuleKind,
    Schedule,
)
from wattscope.core.errors import QueryError
from wattscope.core.findings import Severity
from wattscope.core.time_grid import format_utc
from wattscope.web.numbers import number

_Text = Annotated[str, Field(max_length=128)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Names = Annotated[list[_Text], Field(max_length=10_000)]
_HOURS = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"


class ScheduleForm(BaseModel):
    """When a rule looks, in local time of the site; over midnight where the end is before."""

    model_config = ConfigDict(extra="forbid")

    weekdays: list[int] = Field(
        default=[0, 1, 2, 3, 4, 5, 6], max_length=7, description="0 is Monday"
    )
    start: str = Field(default="00:00", pattern=_HOURS)
    end: str = Field(default="24:00", pattern=_HOURS)


class RuleForm(BaseModel):
    """A rule, as docs/alerts.md describes it."""

    model_config = ConfigDict(extra="forbid")

    id: int = Field(default=0, description="ignored: the address tells it")
    name: str = Field(max_length=128, examples=["Inverter too hot"])
    kind: RuleKind
    devices: _Names = []
    quantity: _Text = Field(default="", examples=["temperature_c"])
    threshold: _Number = Field(
        default=0.0, description="in the base unit; for incidents kWh lost a day"
    )
    hysteresis: _Number = 0.0
    for_s: _Number = 0.0
    per_s: _Number = 60.0
    kinds: _Names = []
    severity: Severity = Severity.WARNING
    schedule: ScheduleForm = ScheduleForm()
    channels: _Names = []
    is_enabled: bool = True

    def read(self, number_of: int) -> AlertRule:
        """The rule that is meant; it may still be wrong."""
        return AlertRule(
            id=number_of,
            name=self.name,
            kind=self.kind,
            devices=tuple(dict.fromkeys(self.devices)),
            quantity=self.quantity,
            threshold=self.threshold,
            hysteresis=self.hysteresis,
            for_s=self.for_s,
            per_s=self.per_s,
            kinds=tuple(dict.fromkeys(self.kinds)),
            severity=self.severity,
            schedule=Schedule(
                tuple(sorted(set(self.schedule.weekdays))),
                _read_minute(self.schedule.start),
                _read_minute(self.schedule.end),
            ),
            channels=tuple(dict.fromkeys(self.channels)),
            is_enabled=self.is_enabled,
        )


def describe_rule(rule: AlertRule) -> dict[str, Any]:
    """A rule for an answer."""
    return {
        "id": rule.id,
        "name": rule.name,
        "kind": rule.kind.value,
        "devices": list(rule.devices),
        "quantity": rule.quantity,
        "threshold": rule.threshold,
        "hysteresis": rule.hysteresis,
        "for_s": rule.for_s,
        "per_s": rule.per_s,
        "kinds": list(rule.kinds),
        "severity": rule.severity.value,
        "schedule": {
            "weekdays": list(rule.schedule.weekdays),
            "start": _word_minute(rule.schedule.start_minute),
            "end": _word_minute(rule.schedule.end_minute),
        },
        "channels": list(rule.channels),
        "is_enabled": rule.is_enabled,
    }


def describe_alert(
    alert: Alert,
    deliveries: Sequence[Delivery],
    rules: Mapping[int, AlertRule],
    device_name: str,
) -> dict[str, Any]:
    """An alert for an answer."""
    rule = rules.get(alert.rule)
    return {
        "id": alert.id,
        "rule": alert.rule,
        "rule_name": "" if rule is None else rule.name,
        "device": alert.device,
        "device_name": device_name,
        "key": alert.key,
        "state": alert.state.value,
        "severity": alert.severity.value,
        "raised_at": format_utc(alert.raised_at_us),
        "changed_at": format_utc(alert.changed_at_us),
        "title": alert.title,
        "detail": alert.detail,
        "value": number(alert.value) if math.isfinite(alert.value) else None,
        "silenced_until": format_utc(alert.silenced_until_us)
        if alert.state is AlertState.SILENCED
        else None,
        "deliveries": [_describe_delivery(one) for one in deliveries],
    }


def _describe_delivery(delivery: Delivery) -> dict[str, Any]:
    # That it is being sent right now is nothing to a person.
    is_open = delivery.state is DeliveryState.SENDING
    state = DeliveryState.WAITING if is_open else delivery.state
    at_us = delivery.delivered_at_us
    return {
        "channel": delivery.channel,
        "event": delivery.notice.event.value,
        "state": state.value,
        "attempts": delivery.attempts,
        "last_error": delivery.last_error,
        "delivered_at": None if at_us is None else format_utc(at_us),
    }


def _read_minute(text: str) -> int:
    try:
        hours, _, minutes = text.partition(":")
        return 60 * int(hours) + int(minutes)
    except ValueError:
        raise QueryError(f"schedule: {text!r} is no time of day; write 08:00") from None


def _word_minute(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
