"""What is wrong with a rule; all of it is listed at once."""

from __future__ import annotations

import math
from collections.abc import Collection

from wattscope.core.alerting import AlertRule, RuleKind, Schedule
from wattscope.core.findings import FINDING_KINDS
from wattscope.core.quantities import find_quantity

MAX_SECONDS = 31 * 24 * 3600.0
MAX_NAME = 128
MAX_NAMED = 10_000
"""Devices that one rule may name."""
_DAY_MINUTES = 1440
_VALUED = {RuleKind.ABOVE, RuleKind.BELOW, RuleKind.RISES, RuleKind.FALLS}


def find_rule_faults(
    rule: AlertRule, *, devices: Collection[str] | None = None, channels: Collection[str] = ()
) -> list[str]:
    """Faults as lines: which field, what, and what to do.

    Args:
        rule: As a person gave it.
        devices: All ids; None: not looked at.
        channels: Names of all channels.
    """
    faults = []
    if not rule.name.strip() or len(rule.name) > MAX_NAME:
        faults.append(f"name: give it one of at most {MAX_NAME} letters")
    if rule.kind in _VALUED and find_quantity(rule.quantity) is None:
        faults.append(f"quantity: {rule.quantity!r} is unknown; see /api/devices")
    if rule.kind is RuleKind.NO_DATA and rule.quantity and find_quantity(rule.quantity) is None:
        faults.append(f"quantity: {rule.quantity!r} is unknown; leave it empty for any")
    faults += _find_number_faults(rule)
    faults += _find_schedule_faults(rule.schedule)
    faults += [
        f"kinds: {kind!r} is unknown; valid are {', '.join(FINDING_KINDS)}"
        for kind in rule.kinds
        if kind not in FINDING_KINDS
    ]
    if len(rule.devices) > MAX_NAMED:
        faults.append(f"devices: at most {MAX_NAMED}; leave it empty for all")
    elif devices is not None:
        faults += [f"devices: {one!r} does not exist" for one in rule.devices if one not in devices]
    valid = ", ".join(channels) or "none; add [[notify]] to the settings"
    faults += [
        f"channels: {one!r} does not exist; there are: {valid}"
        for one in rule.channels
        if one not in channels
    ]
    return faults


def _find_number_faults(rule: AlertRule) -> list[str]:
    faults = []
    if not math.isfinite(rule.threshold):
        faults.append("threshold: must be a number")
    if not 0 <= rule.hysteresis < math.inf:
        faults.append("hysteresis: must be 0 or more")
    if not 0 <= rule.for_s <= MAX_SECONDS:
        faults.append(f"for_s: must be between 0 and {MAX_SECONDS:g}")
    if rule.kind is RuleKind.NO_DATA and rule.for_s <= 0:
        faults.append("for_s: say after how many seconds without a reading")
    if rule.kind in {RuleKind.RISES, RuleKind.FALLS}:
        if not 1 <= rule.per_s <= MAX_SECONDS:
            faults.append(f"per_s: must be between 1 and {MAX_SECONDS:g}")
        if not rule.threshold > 0:
            faults.append("threshold: by how much it rises or falls; must be above 0")
    return faults


def _find_schedule_faults(schedule: Schedule) -> list[str]:
    faults = []
    if not schedule.weekdays or not set(schedule.weekdays) <= set(range(7)):
        faults.append("schedule.weekdays: name at least one; 0 is Monday, 6 is Sunday")
    start, end = schedule.start_minute, schedule.end_minute
    if not (0 <= start < _DAY_MINUTES and 0 < end <= _DAY_MINUTES):
        faults.append("schedule: start is from 00:00 to 23:59, end from 00:01 to 24:00")
    elif start == end:
        faults.append("schedule: start and end are the same; 00:00 to 24:00 is the whole day")
    return faults
