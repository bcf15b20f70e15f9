"""Where alerting keeps what must outlive the program, as it sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from wattscope.core.alerting import Alert, AlertRule, Delivery
from wattscope.core.incidents import BookedIncident, IncidentState

Change = tuple[Alert, Sequence[Delivery]]
"""An alert as it is from now on, with the messages that tell of it."""


class AlertRows(Protocol):
    """Where rules and alerts are kept."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes change them beside us."""
        ...

    def list_rules(self) -> list[AlertRule]: ...

    def put_rule(self, rule: AlertRule) -> AlertRule: ...

    def drop_rule(self, rule: int) -> None: ...

    def load_states(self) -> dict[int, dict[str, Any]]: ...

    def save_states(self, states: Mapping[int, Mapping[str, Any]]) -> None: ...

    def write(self, changed: Sequence[Change], before: Mapping[int, Alert]) -> list[Alert]: ...

    def list_open(self) -> list[Alert]: ...

    def list_silenced(self, now_us: int) -> list[Alert]: ...

    def find_alert(self, alert: int) -> Alert: ...


class IncidentRows(Protocol):
    """Where incidents are kept."""

    def list_states(self, states: Sequence[IncidentState]) -> list[BookedIncident]: ...

    def put_state(
        self, incident: str, state: IncidentState, now_us: int, silenced_until_us: int = 0
    ) -> BookedIncident: ...

    def wake(self, incident: str, now_us: int) -> bool: ...
