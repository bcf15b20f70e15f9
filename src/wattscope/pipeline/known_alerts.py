"""Rules, alerts and incidents in memory, as they are kept.

Where processes share the book, what is in memory may be old: ``load`` reads it anew, and ``write``
refuses what was decided upon an alert that has changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

from wattscope.core.alerting import Alert, AlertRule, AlertState
from wattscope.core.incidents import BookedIncident, Incident, IncidentState
from wattscope.pipeline.alert_rows import AlertRows, Change, IncidentRows

Key = tuple[int, str, str]
"""Rule, device, and what it is about: of these there is one open alert at most."""
_NOT_OVER = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.SILENCED)


class KnownAlerts:
    """What is kept of them. Not thread-safe: its owner has a lock."""

    def __init__(
        self, rows: AlertRows, incident_rows: IncidentRows, *, has_kept_incidents: bool
    ) -> None:
        """Read everything.

        Args:
            rows: Keeps rules and alerts.
            incident_rows: Keeps incidents.
            has_kept_incidents: Whether the incidents are those that are kept; else ``incidents``
                is None until it is given some.
        """
        self._rows = rows
        self._incident_rows = incident_rows
        self._has_kept_incidents = has_kept_incidents
        self.rules: dict[int, AlertRule] = {}
        """By id."""
        self.open: dict[Key, Alert] = {}
        """Alerts that are not over."""
        self.silent: dict[Key, Alert] = {}
        """Those that are over, and silenced until later."""
        self.incidents: dict[str, Incident] | None = None
        """Those that are not over, by id; None: not known."""
        self.dealt_with: dict[str, BookedIncident] = {}
        """Incidents of which somebody knows, by id."""
        self.load()

    def load(self) -> bool:
        """Read everything anew. Returns whether there are other rules than before.

        Raises:
            TransientError: The book cannot be reached.
        """
        rules = {one.id: one for one in self._rows.list_rules()}
        alerts, silent = self._rows.list_open(), self._rows.list_silenced(0)
        booked = self._incident_rows.list_states(_NOT_OVER)
        has_changed, self.rules = rules != self.rules, rules
        self.open = {key_of(one): one for one in alerts}
        self.silent = {key_of(one): one for one in silent}
        self.dealt_with = {
            one.incident.id: one for one in booked if one.state is not IncidentState.OPEN
        }
        if self._has_kept_incidents:
            self.incidents = {one.incident.id: one.incident for one in booked}
        return has_changed

    def write(self, changes: Sequence[Change]) -> None:
        """Keep changes and the messages about them, then remember them.

        Raises:
            ChangedMeanwhileError: An alert is not any more what was known; nothing is kept.
            TransientError: The book cannot be reached; likewise.
        """
        before = {one.id: one for one in self.open.values()}
        for alert in self._rows.write(changes, before):
            key = key_of(alert)
            self.silent.pop(key, None)
            if alert.state is not AlertState.CLEARED:
                self.open[key] = alert
                continue
            self.open.pop(key, None)
            if alert.silenced_until_us:
                self.silent[key] = alert

    def take_incidents(self, incidents: Sequence[Incident]) -> bool:
        """Take all incidents that are not over. Returns whether they are others than before."""
        found = {one.id: one for one in incidents}
        has_changed, self.incidents = found != self.incidents, found
        # One that is over and begins again is news.
        self.dealt_with = {
            number: one for number, one in self.dealt_with.items() if number in found
        }
        return has_changed

    def put_incident_state(
        self, incident: str, state: IncidentState, now_us: int, until_us: int
    ) -> BookedIncident:
        """Note how far a person has come with an incident.

        Raises:
            UnknownNameError: There is no such incident.
            QueryError: It is over.
        """
        booked = self._incident_rows.put_state(incident, state, now_us, until_us)
        self.dealt_with.pop(incident, None)
        if state is not IncidentState.OPEN:
            self.dealt_with[incident] = booked
        return booked

    def wake_incidents(self, now_us: int) -> bool:
        """Open incidents whose silence is over. Returns whether there were any."""
        due = [
            number
            for number, one in self.dealt_with.items()
            if one.state is IncidentState.SILENCED and now_us >= one.silenced_until_us
        ]
        for number in due:
            self._incident_rows.wake(number, now_us)
            del self.dealt_with[number]
        return bool(due)


def key_of(alert: Alert) -> Key:
    """What there is one open alert of at most."""
    return alert.rule, alert.device, alert.key
