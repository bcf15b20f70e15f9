"""Alerts in words: one line for a phone, one with the numbers."""

from __future__ import annotations

import math

from wattscope.core.alerting import Alert, AlertRule, AlertState, RuleKind
from wattscope.core.findings import name_kind
from wattscope.core.incidents import Incident
from wattscope.core.quantities import find_quantity, unit_of
from wattscope.core.topology import Device

_LONGEST_TITLE = 120


def word_alert(
    rule: AlertRule, device: Device | None, place: tuple[str, str], measured: float
) -> Alert:
    """What an alert of a rule over values says; not raised yet.

    Args:
        rule: That holds.
        device: Where; None when nobody knows it any more.
        place: Id of the device, and quantity.
        measured: What was compared with the threshold.
    """
    return Alert(
        *(0, rule.id, *place, AlertState.CLEARED, rule.severity, 0, 0),
        title=word_title(rule, name_device(device, place[0])),
        detail=word_detail(rule, place[1], measured),
        value=measured,
    )


def word_incident_alert(rule: AlertRule, incident: Incident, device: Device | None) -> Alert:
    """What an alert about an incident says; not raised yet."""
    return Alert(
        *(0, rule.id, incident.device, incident.id, AlertState.CLEARED, incident.severity, 0, 0),
        title=word_incident_title(incident, name_device(device, incident.device)),
        detail=word_incident_detail(incident),
        value=incident.lost_wh_per_day or math.nan,
    )


def word_title(rule: AlertRule, device_name: str) -> str:
    """The line for a phone."""
    return f"{rule.name}: {device_name}"[:_LONGEST_TITLE]


def word_detail(rule: AlertRule, quantity: str, measured: float) -> str:
    """What was measured, and what the rule says of it.

    >>> rule = AlertRule(1, "Hot", RuleKind.ABOVE, quantity="temperature_c", threshold=60.0)
    >>> word_detail(rule, "temperature_c", 61.25)
    'Temperature 61.25 °C is above 60 °C'
    """
    if rule.kind is RuleKind.NO_DATA:
        what = _name(quantity) if quantity else "reading"
        return f"no {what} for {_span(measured)}"
    unit = unit_of(quantity)
    value, limit = _number(measured, unit), _number(rule.threshold, unit)
    if rule.kind is RuleKind.ABOVE:
        return f"{_name(quantity)} {value} is above {limit}"
    if rule.kind is RuleKind.BELOW:
        return f"{_name(quantity)} {value} is below {limit}"
    verb = "rose" if rule.kind is RuleKind.RISES else "fell"
    return f"{_name(quantity)} {verb} by {value} within {_span(rule.per_s)}, more than {limit}"


def word_incident_title(incident: Incident, device_name: str) -> str:
    """The line for a phone."""
    kind = incident.causes[0].name
    return f"{device_name}: {name_kind(kind)}"[:_LONGEST_TITLE]


def word_incident_detail(incident: Incident) -> str:
    """What was seen, by the finding that says most."""
    kind = incident.causes[0].name
    of_kind = [one for one in incident.findings if one.kind == kind] or list(incident.findings)
    newest = max(of_kind, key=lambda one: (one.end_us, one.lost_wh), default=None)
    return "" if newest is None else newest.detail


def name_device(device: Device | None, fallback: str) -> str:
    """The name of a device on the screen."""
    return fallback if device is None else device.name


def _name(quantity: str) -> str:
    found = find_quantity(quantity)
    return quantity if found is None else found.title


def _number(value: float, unit: str) -> str:
    return f"{value:.6g} {unit}".strip()


def _span(seconds: float) -> str:
    """A length of time in words.

    >>> [_span(one) for one in (45.2, 600.0, 7200.0, 200_000.0)]
    ['45 s', '10 min', '2 h', '2.3 days']
    """
    for unit, length_s, from_s in (("days", 86_400.0, 172_800.0), ("h", 3600.0, 3600.0)):
        if seconds >= from_s:
            return f"{seconds / length_s:.2g} {unit}"
    return f"{seconds / 60:.2g} min" if seconds >= 120 else f"{seconds:.0f} s"
