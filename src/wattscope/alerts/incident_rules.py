"""Which incidents a rule of kind ``incident`` tells of."""

from __future__ import annotations

from wattscope.alerts.schedule import is_within
from wattscope.core.alerting import AlertRule
from wattscope.core.findings import Severity
from wattscope.core.incidents import Incident
from wattscope.core.time_grid import US_PER_S, load_zone

_ORDER = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
_WH_PER_KWH = 1000.0


def tells_of(rule: AlertRule, incident: Incident, time_zone: str, now_us: int) -> bool:
    """Whether an incident that is not over is to be told now.

    The severity of the rule is the least that it tells of; its threshold is a loss per day [kWh].
    """
    return (
        rule.is_enabled
        and _ORDER[incident.severity] >= _ORDER[rule.severity]
        and (not rule.devices or incident.device in rule.devices)
        and (not rule.kinds or incident.causes[0].name in rule.kinds)
        and incident.lost_wh_per_day >= rule.threshold * _WH_PER_KWH
        and now_us - incident.start_us >= rule.for_s * US_PER_S
        and is_within(rule.schedule, now_us, load_zone(time_zone))
    )
