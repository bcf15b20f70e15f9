"""Rules, incidents, the outbox and its channels, put together."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Sequence
from typing import Any

from wattscope.assembly.alert_preview import Previewer, RulePreview
from wattscope.assembly.notifiers import build_notifiers
from wattscope.assembly.storage import Keeping, now_us
from wattscope.core.alerting import Alert, AlertRule, AlertState, Delivery, RuleKind
from wattscope.core.findings import Severity
from wattscope.core.incidents import BookedIncident, Incident, IncidentState
from wattscope.pipeline.alerting import Alerting
from wattscope.pipeline.delivery import Courier, make_test_notice
from wattscope.pipeline.notices import Channel
from wattscope.registry.alert_book import AlertBook
from wattscope.registry.incident_book import SqlIncidentBook
from wattscope.registry.outbox import SqlOutbox
from wattscope.settings import Settings

FIRST_RULE = AlertRule(0, "Incidents", RuleKind.INCIDENT, severity=Severity.WARNING)
"""There from the start: whoever adds a channel is told what is wrong."""


class AlertDesk:
    """Everything about alerts and incidents that routes and the program need."""

    def __init__(self, settings: Settings, keeping: Keeping) -> None:
        """Put it together.

        Raises:
            SettingsError: A channel cannot be made.
        """
        self._settings = settings
        self._rows = AlertBook(keeping.database)
        self._outbox = SqlOutbox(keeping.database)
        self.incidents = SqlIncidentBook(keeping.database)
        """Incidents with their states; what looks find is kept in it."""
        self._rows.put_first_rule(FIRST_RULE)
        self._courier = Courier(self._outbox, build_notifiers(settings), now_us, random.random)
        self._alerting = Alerting(
            self._rows,
            self.incidents,
            keeping.registry,
            keeping.live,
            [Channel(one.name, one.type, tells_end=one.tell_end) for one in settings.notify],
            self._courier.announce,
        )
        self._previewer = Previewer(keeping.store, keeping.registry, self.incidents)

    # ── for the program ──────────────────────────────────────────────────────────────────────

    def take_incidents(self, incidents: Sequence[Incident]) -> None:
        """Take all incidents that are not over; alerts about them are raised and ended at once."""
        self._alerting.take_incidents(incidents, now_us())

    async def watch(self) -> None:
        """Look at the live view once a second, for ever."""
        await self._alerting.run(now_us)

    async def deliver(self) -> None:
        """Deliver messages until ``end``."""
        await self._courier.run()

    async def end(self, *, saves: bool = True) -> None:
        """Let messages that are being sent arrive, and keep what rules remember.

        ``saves``: not where another process looks by them already.
        """
        await self._courier.end()
        if saves:
            await asyncio.to_thread(self._alerting.save)

    # ── for the routes ───────────────────────────────────────────────────────────────────────

    @property
    def version(self) -> int:
        """Raised with every change of an alert or an incident."""
        return self._alerting.version

    def list_alerts(
        self, limit: int, states: tuple[AlertState, ...] | None
    ) -> list[tuple[Alert, list[Delivery]]]:
        """The newest alerts with the messages about them."""
        found = self._rows.list_newest(limit, states)
        messages = self._rows.list_deliveries(one.id for one in found)
        return [(one, messages.get(one.id, [])) for one in found]

    def find_alert(self, alert: int) -> tuple[Alert, list[Delivery]]:
        """An alert with the messages about it."""
        found = self._rows.find_alert(alert)
        return found, self._rows.list_deliveries([alert]).get(alert, [])

    def acknowledge_alert(self, alert: int) -> None:
        """Somebody knows of it."""
        self._alerting.acknowledge(alert, now_us())

    def silence_alert(self, alert: int, until_us: int) -> None:
        """Nobody is told of it until an instant [µs]."""
        self._alerting.silence(alert, until_us, now_us())

    def list_rules(self) -> list[AlertRule]:
        """All rules."""
        return self._alerting.list_rules()

    def put_rule(self, rule: AlertRule) -> AlertRule:
        """Keep a rule; id 0 is a new one."""
        return self._alerting.put_rule(rule, now_us())

    def drop_rule(self, rule: int) -> None:
        """Forget a rule."""
        self._alerting.drop_rule(rule, now_us())

    def preview(self, rule: AlertRule) -> RulePreview:
        """What a rule would have done.

        Raises:
            QueryError: It cannot be meant.
        """
        self._alerting.check_rule(rule)
        return self._previewer.preview(rule, now_us())

    def put_incident_state(
        self, incident: str, state: IncidentState, until_us: int = 0
    ) -> BookedIncident:
        """Note how far a person has come with an incident."""
        return self._alerting.put_incident_state(incident, state, now_us(), until_us)

    def list_channels(self) -> list[dict[str, Any]]:
        """How each channel stands."""
        waiting = self._outbox.count_waiting()
        return [
            {
                "name": one.name,
                "type": one.kind,
                "is_ok": one.is_ok,
                "last_error": one.last_error,
                "waiting": waiting.get(one.name, 0),
            }
            for one in self._courier.health.values()
        ]

    async def test_channel(self, channel: str) -> None:
        """Send a message that only says that messages arrive."""
        site = self._settings.site
        notice = make_test_notice(secrets.token_hex(16), now_us(), site.name, site.time_zone)
        await self._courier.test(channel, notice)
