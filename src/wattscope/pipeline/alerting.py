"""Raises and ends alerts: rules over the live view once a second, and over incidents.

What changes is written with the messages that tell of it in one transaction, and only then
remembered: where the disk refuses, the next look begins from the same state. Which alerts are not
over is known from them after a start; what else rules remember is kept every few seconds.

Where processes share the book, one of them looks, and people may ask any of them: what they change
is announced, and read by the one that looks before it looks again.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from wattscope.alerts import (
    Step,
    Watch,
    acknowledge,
    clear,
    find_rule_faults,
    raise_alert,
    reopen,
    silence,
    wake,
)
from wattscope.alerts.incident_rules import tells_of
from wattscope.alerts.wording import word_alert, word_incident_alert
from wattscope.core.alerting import (
    Alert,
    AlertEvent,
    AlertRule,
    AlertState,
    Delivery,
    RuleKind,
)
from wattscope.core.errors import ChangedMeanwhileError, QueryError, UnknownNameError
from wattscope.core.incidents import BookedIncident, Incident, IncidentState
from wattscope.core.time_grid import US_PER_S
from wattscope.pipeline.alert_rows import AlertRows, Change, IncidentRows
from wattscope.pipeline.known_alerts import KnownAlerts, key_of
from wattscope.pipeline.notices import Channel, make_deliveries
from wattscope.pipeline.rule_watch import RuleWatch
from wattscope.pipeline.watched import Names
from wattscope.ports import LiveView

LOOK_S: Final = 1.0
TOPIC: Final = "alerts"
"""Under which changes are announced to all processes."""
FOLLOW_US: Final = 5 * US_PER_S
"""How old what other processes keep may be in memory, should an announcement be lost [µs]."""
_ATTEMPTS: Final = 3
_log = structlog.get_logger()


class Alerting:
    """Rules, what they remember, and the alerts that are not over. Thread-safe."""

    def __init__(
        self,
        rows: AlertRows,
        incident_rows: IncidentRows,
        names: Names,
        live: LiveView,
        channels: Sequence[Channel],
        on_news: Callable[[], None],
    ) -> None:
        """Take the parts.

        Args:
            rows: Keeps rules and alerts. Where other processes change them beside this one, the
                incidents are those that are kept.
            incident_rows: Keeps incidents.
            names: Sites, devices and series.
            live: What rules look at.
            channels: Where alerts are told.
            on_news: Called when there are new messages to send.
        """
        self._rows = rows
        self._names = names
        self._live = live
        self._channels = tuple(channels)
        self._on_news = on_news
        self._lock = threading.RLock()
        self._is_shared = rows.is_shared
        self._known = KnownAlerts(rows, incident_rows, has_kept_incidents=rows.is_shared)
        self._seen_version, self._followed_at_us = -1, 0
        self._watch = RuleWatch(rows, names, live)

    @property
    def version(self) -> int:
        """Raised with every change of an alert or an incident, by whatever process."""
        return self._live.version_of(TOPIC)

    async def run(self, now_us: Callable[[], int]) -> None:
        """Look once a second, for ever."""
        while True:
            await asyncio.to_thread(self.observe, now_us())
            await asyncio.sleep(LOOK_S)

    def observe(self, now_us: int) -> None:
        """Look at the live view and at the incidents, and raise and end alerts."""
        with self._lock:
            try:
                self._observe(now_us)
            except ChangedMeanwhileError as fault:
                # Nothing was written or remembered: the next look sees what is so now.
                _log.info("alerts are looked at again", reason=str(fault))
                self._followed_at_us = 0

    def _observe(self, now_us: int) -> None:
        has_other_rules = self._is_shared and self._follow(now_us)
        if self._watch.follow_names(now_us) or has_other_rules:
            self._rewatch(now_us)
        changes: list[Change] = self._wake_all(now_us)
        steps = self._watch.look(now_us)
        for rule, made in steps.items():
            changes += self._judge_step(self._watch.find(rule), made, now_us)
        changes += self._judge_incidents(now_us)
        self._write(changes)
        self._watch.remember(steps, now_us)

    def _follow(self, now_us: int) -> bool:
        """Read what others may have changed. Returns whether there are other rules."""
        # Before what is read: what is changed while it is read is read again.
        version = self.version
        is_recent = 0 <= now_us - self._followed_at_us < FOLLOW_US
        if version == self._seen_version and is_recent:
            return False
        has_other_rules = self._known.load()
        self._seen_version, self._followed_at_us = version, now_us
        return has_other_rules

    def take_incidents(self, incidents: Sequence[Incident], now_us: int) -> None:
        """Take all incidents that are not over, as they are from now on."""
        with self._lock:
            if self._known.take_incidents(incidents):
                self._live.announce(TOPIC)
            self._write(self._judge_incidents(now_us))

    def save(self) -> None:
        """Keep what rules remember; before the end."""
        with self._lock:
            self._watch.save()

    # ── for people ───────────────────────────────────────────────────────────────────────────

    def list_rules(self) -> list[AlertRule]:
        """All rules, by id."""
        with self._lock:
            if self._is_shared:
                return self._rows.list_rules()
            return [self._known.rules[number] for number in sorted(self._known.rules)]

    def check_rule(self, rule: AlertRule) -> None:
        """Refuse a rule that cannot be meant.

        Raises:
            QueryError: All faults.
        """
        known = {one.id for one in self._names.list_devices()}
        faults = find_rule_faults(
            rule, devices=known, channels=[one.name for one in self._channels]
        )
        if faults:
            raise QueryError("; ".join(faults))

    def put_rule(self, rule: AlertRule, now_us: int) -> AlertRule:
        """Keep a rule; alerts that it would not raise any more are over.

        Raises:
            QueryError: It cannot be meant.
            UnknownNameError: There is no rule of its id.
        """
        self.check_rule(rule)
        with self._lock:
            kept = self._rows.put_rule(rule)
            self._take_rules(now_us)
            return kept

    def drop_rule(self, rule: int, now_us: int) -> None:
        """Forget a rule; its alerts are over.

        Raises:
            UnknownNameError: There is none of this id.
        """
        with self._lock:
            self._rows.drop_rule(rule)
            self._watch.forget(rule)
            self._take_rules(now_us)

    def _take_rules(self, now_us: int) -> None:
        """Look by the rules that are kept now; where processes share them, the one that looks."""
        if self._is_shared:
            self._live.announce(TOPIC)
        elif self._known.load():
            self._rewatch(now_us)

    def acknowledge(self, alert: int, now_us: int) -> Alert:
        """Note that somebody knows of an alert, and of the incident that it is about.

        Raises:
            UnknownNameError: There is no such alert.
            QueryError: It is over.
        """
        return self._change(
            alert, lambda one: acknowledge(one, now_us), IncidentState.ACKNOWLEDGED, now_us
        )

    def silence(self, alert: int, until_us: int, now_us: int) -> Alert:
        """Tell nobody of an alert until an instant [µs], nor of its incident.

        Raises:
            UnknownNameError: There is no such alert.
            QueryError: It is over.
        """
        return self._change(
            alert, lambda one: silence(one, until_us, now_us), IncidentState.SILENCED, now_us
        )

    def put_incident_state(
        self, incident: str, state: IncidentState, now_us: int, until_us: int = 0
    ) -> BookedIncident:
        """Note how far a person has come with an incident; its alerts follow.

        Raises:
            UnknownNameError: There is no such incident.
            QueryError: It is over.
        """
        with self._lock:
            booked = self._known.put_incident_state(incident, state, now_us, until_us)

            def follow(alert: Alert) -> Alert:
                if state is IncidentState.ACKNOWLEDGED:
                    return acknowledge(alert, now_us)
                if state is IncidentState.SILENCED:
                    return silence(alert, until_us, now_us)
                return reopen(alert, now_us)

            self._insist(
                lambda: [
                    (follow(one), ()) for one in self._known.open.values() if one.key == incident
                ]
            )
            self._live.announce(TOPIC)
            return booked

    def _change(
        self, alert: int, change: Callable[[Alert], Alert], state: IncidentState, now_us: int
    ) -> Alert:
        with self._lock:

            def decide() -> list[Change]:
                open_ones = (one for one in self._known.open.values() if one.id == alert)
                # One that is over is refused by what is to be done with it.
                found = next(open_ones, None) or self._rows.find_alert(alert)
                return [(change(found), ())]

            [(changed, _)] = self._insist(decide)
            rule = self._known.rules.get(changed.rule)
            if rule is not None and rule.kind is RuleKind.INCIDENT:
                # One that has just ended needs nobody any more.
                with contextlib.suppress(QueryError, UnknownNameError):
                    self._known.put_incident_state(
                        changed.key, state, now_us, changed.silenced_until_us
                    )
            return changed

    def _insist(self, decide: Callable[[], list[Change]]) -> list[Change]:
        """Decide upon what is kept now and write it, again where it has changed meanwhile.

        Raises:
            ChangedMeanwhileError: It changes all the time.
        """
        for attempt in range(_ATTEMPTS):
            if self._is_shared:
                self._known.load()
            changes = decide()
            try:
                self._write(changes)
            except ChangedMeanwhileError:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                break
        return changes

    # ── rules over the live view ─────────────────────────────────────────────────────────────

    def _rewatch(self, now_us: int) -> None:
        """Put all rules over the registry anew, and end alerts that nobody watches any more."""
        self._watch.rebuild(self._known.rules.values(), self._known.open)
        watched = self._watch.list_places()
        about_incidents = {
            rule.id
            for rule in self._known.rules.values()
            if rule.is_enabled and rule.kind is RuleKind.INCIDENT
        }
        gone = [
            (clear(one, now_us), ())
            for key, one in self._known.open.items()
            if key not in watched and key[0] not in about_incidents
        ]
        self._write(gone)

    def _judge_step(self, watch: Watch, made: Step, now_us: int) -> list[Change]:
        rule = watch.rule
        changes: list[Change] = []
        for at in made.raised.tolist():
            place = watch.places[at]
            measured = float(made.measured[at])
            device = self._watch.devices.get(place.device)
            said = word_alert(rule, device, (place.device, place.key), measured)
            changes.append(self._raise(said, rule, now_us, ""))
        for at in made.cleared.tolist():
            place = watch.places[at]
            alert = self._known.open.get((rule.id, place.device, place.key))
            if alert is not None:
                changes.append(self._end(alert, rule, now_us))
        return changes

    # ── rules over incidents ─────────────────────────────────────────────────────────────────

    def _judge_incidents(self, now_us: int) -> list[Change]:
        if self._known.incidents is None:
            return []
        changes: list[Change] = []
        for rule in self._known.rules.values():
            if rule.kind is not RuleKind.INCIDENT:
                continue
            changes += [
                self._raise_incident(rule, one, now_us)
                for one in self._known.incidents.values()
                if (rule.id, one.device, one.id) not in self._known.open
                and one.id not in self._known.dealt_with
                and tells_of(rule, one, self._zone_of(one.site), now_us)
            ]
        for key, alert in self._known.open.items():
            of_rule = self._known.rules.get(key[0])
            if of_rule is None or of_rule.kind is not RuleKind.INCIDENT:
                continue
            if not of_rule.is_enabled or alert.key not in self._known.incidents:
                changes.append(self._end(alert, of_rule, now_us))
        return changes

    def _raise_incident(self, rule: AlertRule, incident: Incident, now_us: int) -> Change:
        said = word_incident_alert(rule, incident, self._watch.devices.get(incident.device))
        return self._raise(said, rule, now_us, incident.recommendation)

    def _zone_of(self, site: str) -> str:
        found = self._watch.sites.get(site)
        return "UTC" if found is None else found.time_zone

    # ── what becomes of alerts ───────────────────────────────────────────────────────────────

    def _raise(self, said: Alert, rule: AlertRule, now_us: int, advice: str) -> Change:
        alert = raise_alert(said, self._known.silent.get(key_of(said)), now_us)
        return alert, self._tell(AlertEvent.RAISED, alert, rule, advice)

    def _end(self, alert: Alert, rule: AlertRule, now_us: int) -> Change:
        ended = clear(alert, now_us)
        was_silent = alert.state is AlertState.SILENCED
        return ended, [] if was_silent else self._tell(AlertEvent.CLEARED, ended, rule, "")

    def _wake_all(self, now_us: int) -> list[Change]:
        changes: list[Change] = []
        for alert in self._known.open.values():
            woken = wake(alert, now_us)
            rule = self._known.rules.get(alert.rule)
            if woken is not None and rule is not None:
                changes.append((woken, self._tell(AlertEvent.REMINDED, woken, rule, "")))
        if self._known.wake_incidents(now_us):
            self._live.announce(TOPIC)
        return changes

    def _tell(
        self, event: AlertEvent, alert: Alert, rule: AlertRule, advice: str
    ) -> list[Delivery]:
        device = self._watch.devices.get(alert.device)
        site = None if device is None else self._watch.sites.get(device.site)
        return make_deliveries(event, alert, rule, (device, site), self._channels, advice)

    def _write(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        self._known.write(changes)
        self._live.announce(TOPIC)
        if any(messages for _, messages in changes):
            self._on_news()
