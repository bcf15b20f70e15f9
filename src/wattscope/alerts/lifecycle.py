"""What becomes of an alert: a person acknowledges or silences it, time and values end it."""

from __future__ import annotations

from dataclasses import replace

from wattscope.core.alerting import Alert, AlertState
from wattscope.core.errors import QueryError

OPEN = frozenset({AlertState.RAISED, AlertState.ACKNOWLEDGED, AlertState.SILENCED})
"""States of an alert that is not over."""


def raise_alert(alert: Alert, before: Alert | None, now_us: int) -> Alert:
    """A new alert; it is born silent when the last one of its kind was silenced until later.

    Args:
        alert: What it says.
        before: The last alert of the same rule, device and key, if any; it is over.
        now_us: The instant [µs].
    """
    is_silent = before is not None and before.silenced_until_us > now_us
    return replace(
        alert,
        state=AlertState.SILENCED if is_silent else AlertState.RAISED,
        raised_at_us=now_us,
        changed_at_us=now_us,
        silenced_until_us=before.silenced_until_us if is_silent and before is not None else 0,
    )


def acknowledge(alert: Alert, now_us: int) -> Alert:
    """Somebody knows.

    Raises:
        QueryError: It is over.
    """
    _demand_open(alert)
    return replace(alert, state=AlertState.ACKNOWLEDGED, changed_at_us=now_us, silenced_until_us=0)


def silence(alert: Alert, until_us: int, now_us: int) -> Alert:
    """Nobody wants to hear of it until an instant, also if it ends and begins again.

    Raises:
        QueryError: It is over, or the instant is not later.
    """
    _demand_open(alert)
    if until_us <= now_us:
        raise QueryError("an alert can be silenced until a later instant only")
    return replace(
        alert, state=AlertState.SILENCED, changed_at_us=now_us, silenced_until_us=until_us
    )


def reopen(alert: Alert, now_us: int) -> Alert:
    """Nobody has dealt with it after all.

    Raises:
        QueryError: It is over.
    """
    _demand_open(alert)
    return replace(alert, state=AlertState.RAISED, changed_at_us=now_us, silenced_until_us=0)


def wake(alert: Alert, now_us: int) -> Alert | None:
    """The alert as it is again when the time of silence is over; None while it is not."""
    if alert.state is not AlertState.SILENCED or now_us < alert.silenced_until_us:
        return None
    return replace(alert, state=AlertState.RAISED, changed_at_us=now_us, silenced_until_us=0)


def clear(alert: Alert, now_us: int) -> Alert:
    """It is over; until when it was silenced stays known.

    Raises:
        QueryError: It was over already.
    """
    _demand_open(alert)
    return replace(alert, state=AlertState.CLEARED, changed_at_us=now_us)


def _demand_open(alert: Alert) -> None:
    if alert.state not in OPEN:
        raise QueryError(f"alert {alert.id} is over; there is nothing to do about it")
