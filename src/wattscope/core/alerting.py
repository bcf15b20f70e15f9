"""Alerts and the rules that raise them, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wattscope.core.findings import Severity


class RuleKind(Enum):
    """What a rule looks at."""

    ABOVE = "above"
    """A value above the threshold."""
    BELOW = "below"
    """A value below the threshold."""
    NO_DATA = "no_data"
    """No reading for ``for_s`` seconds."""
    RISES = "rises"
    """A value rises by more than the threshold within ``per_s`` seconds."""
    FALLS = "falls"
    """A value falls by more than the threshold within ``per_s`` seconds."""
    INCIDENT = "incident"
    """An incident of the chosen kinds; the threshold is its loss per day [kWh]."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a rule looks, in local time of the site."""

    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """Monday is 0."""
    start_minute: int = 0
    """First minute of the day that counts."""
    end_minute: int = 1440
    """First minute that no longer does; before the first one, the time runs over midnight."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """What a person wants to be told."""

    id: int
    """0 before it is kept."""
    name: str
    kind: RuleKind
    devices: tuple[str, ...] = ()
    """Ids; empty for all."""
    quantity: str = ""
    """What to look at; empty for ``no_data`` of any quantity, and for incidents."""
    threshold: float = 0.0
    """In the quantity's base unit."""
    hysteresis: float = 0.0
    """How far a value must come back behind the threshold until the alert clears [base unit]."""
    for_s: float = 0.0
    """How long it must hold [s]."""
    per_s: float = 60.0
    """Over what time a rise or fall is measured [s]."""
    kinds: tuple[str, ...] = ()
    """For incidents: keys of ``FINDING_KINDS``; empty for all."""
    severity: Severity = Severity.WARNING
    schedule: Schedule = Schedule()
    channels: tuple[str, ...] = ()
    """Names of ``[[notify]]`` tables to tell; empty for all."""
    is_enabled: bool = True


class AlertState(Enum):
    """Where an alert stands."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that holds for a device, or did."""

    id: int
    """0 before it is kept."""
    rule: int
    """Id of the rule."""
    device: str
    key: str
    """What it is about, beside rule and device: a quantity, or the id of an incident."""
    state: AlertState
    severity: Severity
    raised_at_us: int
    """[µs since 1970, UTC]"""
    changed_at_us: int
    """When the state changed last [µs]."""
    title: str
    """One line for a phone."""
    detail: str
    value: float = float("nan")
    """What was measured [base unit]; NaN where there is none."""
    silenced_until_us: int = 0
    """While it is silenced [µs]."""


class AlertEvent(Enum):
    """What a channel is told of an alert."""

    RAISED = "raised"
    REMINDED = "reminded"
    """The time of silence is over, and it still holds."""
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Notice:
    """A message about an alert, as it was when it came to be told."""

    id: str
    """The same whenever this message is sent again: by it a receiver knows a repeat."""
    event: AlertEvent
    alert: int
    rule: str
    """Name of the rule."""
    site: str
    """Name of the site."""
    device: str
    device_name: str
    severity: Severity
    title: str
    detail: str
    at_us: int
    """When it happened [µs since 1970, UTC]."""
    time_zone: str
    """Of the site; for words to a person."""
    value: float | None = None
    """What was measured [base unit]; None where there is none."""
    recommendation: str = ""


class DeliveryState(Enum):
    """How far a message has come."""

    WAITING = "waiting"
    """To be sent, perhaps again."""
    SENDING = "sending"
    """It was given to the channel, and no outcome is noted yet."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """It was tried for days, and is not tried any more."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to one channel, and what became of it."""

    notice: Notice
    channel: str
    state: DeliveryState
    created_at_us: int
    """[µs since 1970, UTC]"""
    due_at_us: int
    """Not to be tried before [µs]."""
    attempts: int = 0
    """How often it was given to the channel."""
    last_error: str | None = None
    """Why the last attempt failed, in words and without secrets."""
    delivered_at_us: int | None = None
