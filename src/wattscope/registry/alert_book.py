"""Rules, alerts and the messages about them, in SQL.

An alert and the messages that tell of it are one transaction: after a crash there are both or
none, so that nothing is raised twice and nothing raised goes untold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from wattscope.core.alerting import Alert, AlertRule, AlertState, Delivery
from wattscope.core.errors import ChangedMeanwhileError, UnknownNameError
from wattscope.registry.alert_rows import (
    alert_of_row,
    delivery_of_row,
    row_of_alert,
    row_of_delivery,
    row_of_rule,
    rule_of_row,
)
from wattscope.registry.database_port import RegistryDatabase
from wattscope.registry.names import Row, change_row, make_row
from wattscope.registry.schema import alert_deliveries, alert_rules, alert_states, alerts

KEPT_ALERTS = 100_000
"""Alerts that are over are forgotten beyond this number, the oldest first, with their messages."""
_PRUNE_EVERY = 500
_MAX_IN = 500
_OVER = AlertState.CLEARED.value
_FIRST_RULE_MARK = 0
"""No rule has this number: what is kept under it says that the first rule has been made."""


class AlertBook:
    """The tables; safe to use from several threads and processes, as its database is.

    Rules are kept as names are. What changes an alert says what the alert was before.
    """

    def __init__(self, database: RegistryDatabase) -> None:
        self._database = database
        self._since_prune = 0

    @property
    def is_shared(self) -> bool:
        """Whether other processes change it beside us."""
        return self._database.is_shared

    # ── rules ────────────────────────────────────────────────────────────────────────────────

    def list_rules(self) -> list[AlertRule]:
        """All rules, by id."""
        with self._database.begin() as connection:
            rows = connection.execute(select(alert_rules).order_by(alert_rules.c.id))
            return [rule_of_row(row) for row in rows.mappings()]

    def find_rule(self, rule: int) -> AlertRule:
        """The rule of an id.

        Raises:
            UnknownNameError: There is none.
        """
        with self._database.begin() as connection:
            rows = connection.execute(select(alert_rules).where(alert_rules.c.id == rule))
            found = [rule_of_row(row) for row in rows.mappings()]
        if not found:
            raise UnknownNameError(f"alert rule {rule} does not exist; see /api/alert-rules")
        return found[0]

    def put_rule(self, rule: AlertRule) -> AlertRule:
        """Keep a rule, in place of one with its id; id 0 gets one that no rule ever had.

        Raises:
            UnknownNameError: There is no rule of this id.
        """
        with self._database.edit_names() as edit:
            older = self.find_rule(rule.id) if rule.id else None
            kept = rule if rule.id else replace(rule, id=self._next_id())
            old_row = None if older is None else _named_row(older)
            edit.write([change_row(alert_rules, old_row, _named_row(kept))])
        return kept

    def put_first_rule(self, rule: AlertRule) -> None:
        """Keep a rule where there never was one: whoever drops it shall not find it again."""
        with self._database.edit_names() as edit:
            if _FIRST_RULE_MARK in self.load_states() or self.list_rules():
                return
            edit.write(
                [change_row(alert_rules, None, _named_row(replace(rule, id=self._next_id())))]
            )
            self.save_states({_FIRST_RULE_MARK: {"places": []}})

    def drop_rule(self, rule: int) -> None:
        """Forget a rule and what it remembers; its alerts stay.

        Raises:
            UnknownNameError: There is no rule of this id.
        """
        with self._database.edit_names() as edit:
            edit.write([change_row(alert_rules, _named_row(self.find_rule(rule)), None)])
        with self._database.begin() as connection:
            connection.execute(delete(alert_states).where(alert_states.c.rule == rule))

    def _next_id(self) -> int:
        with self._database.begin() as connection:
            known = connection.execute(
                select(func.max(alert_rules.c.id)).union_all(select(func.max(alerts.c.rule)))
            )
            return max(0, *(int(number or 0) for (number,) in known)) + 1

    # ── what rules remember ──────────────────────────────────────────────────────────────────

    def load_states(self) -> dict[int, dict[str, Any]]:
        """What each rule remembers of its places."""
        with self._database.begin() as connection:
            rows = connection.execute(select(alert_states.c.rule, alert_states.c.content)).all()
        return {rule: msgspec.json.decode(content) for rule, content in rows}

    def save_states(self, states: Mapping[int, Mapping[str, Any]]) -> None:
        """Keep what rules remember."""
        if states:
            with self._database.begin_alone(alert_states.name) as connection:
                _write_states(connection, states)

    # ── alerts ───────────────────────────────────────────────────────────────────────────────

    def write(
        self,
        changed: Sequence[tuple[Alert, Sequence[Delivery]]],
        before: Mapping[int, Alert] | None = None,
    ) -> list[Alert]:
        """Keep alerts and the messages about them in one transaction.

        Where processes share the book and two of them see the same begin or end, the first one
        tells of it, and the other gets what the first has written.

        Args:
            changed: New alerts with id 0 and changed ones, each with its messages; those of a new
                alert are given its id.
            before: What changed alerts were when that was decided, by id.

        Returns:
            The alerts, the new ones with their ids.

        Raises:
            ChangedMeanwhileError: One is not any more what it was before; nothing is kept.
        """
        written = []
        with self._database.begin_alone(alerts.name) as connection:
            for alert, messages in changed:
                told = _find_told(connection, alert) if self._database.is_shared else None
                if told is not None and (messages or not alert.id):
                    written.append(told)
                    continue
                kept = _write_alert(connection, alert, (before or {}).get(alert.id))
                written.append(kept)
                for one in messages:
                    sent = replace(one, notice=replace(one.notice, alert=kept.id))
                    connection.execute(insert(alert_deliveries), row_of_delivery(sent))
        self._since_prune += len(written)
        if self._since_prune >= _PRUNE_EVERY:
            self._since_prune = 0
            self.prune(KEPT_ALERTS)
        return written

    def list_open(self) -> list[Alert]:
        """Alerts that are not over, by id."""
        return self._select(alerts.c.state != _OVER)

    def list_silenced(self, now_us: int) -> list[Alert]:
        """Alerts that are over, but silenced until later; by id."""
        return self._select(alerts.c.state == _OVER, alerts.c.silenced_until_us > now_us)

    def list_newest(self, limit: int, states: Collection[AlertState] | None = None) -> list[Alert]:
        """The newest alerts, newest first; of some states or all."""
        query = select(alerts).order_by(alerts.c.id.desc()).limit(limit)
        if states is not None:
            query = query.where(alerts.c.state.in_([one.value for one in states]))
        with self._database.begin() as connection:
            return [alert_of_row(row) for row in connection.execute(query).mappings()]

    def find_alert(self, alert: int) -> Alert:
        """The alert of an id.

        Raises:
            UnknownNameError: There is none.
        """
        found = self._select(alerts.c.id == alert)
        if not found:
            raise UnknownNameError(f"alert {alert} does not exist; see /api/alerts")
        return found[0]

    def list_deliveries(self, of: Iterable[int]) -> dict[int, list[Delivery]]:
        """The messages about some alerts, by alert."""
        wanted = list(of)
        found: dict[int, list[Delivery]] = {}
        with self._database.begin() as connection:
            for at in range(0, len(wanted), _MAX_IN):
                rows = connection.execute(
                    select(alert_deliveries)
                    .where(alert_deliveries.c.alert.in_(wanted[at : at + _MAX_IN]))
                    .order_by(alert_deliveries.c.created_at_us, alert_deliveries.c.id)
                )
                for row in rows.mappings():
                    found.setdefault(row["alert"], []).append(delivery_of_row(row))
        return found

    def prune(self, n_kept: int) -> None:
        """Forget the oldest alerts that are over."""
        with self._database.begin() as connection:
            last = connection.execute(
                select(alerts.c.id)
                .where(alerts.c.state == _OVER)
                .order_by(alerts.c.id.desc())
                .offset(n_kept)
                .limit(1)
            ).scalar()
            if last is None:
                return
            old = select(alerts.c.id).where(alerts.c.state == _OVER, alerts.c.id <= last)
            connection.execute(delete(alert_deliveries).where(alert_deliveries.c.alert.in_(old)))
            connection.execute(delete(alerts).where(alerts.c.state == _OVER, alerts.c.id <= last))

    def _select(self, *conditions: Any) -> list[Alert]:  # noqa: ANN401  # conditions of SQLAlchemy
        with self._database.begin() as connection:
            rows = connection.execute(select(alerts).where(*conditions).order_by(alerts.c.id))
            return [alert_of_row(row) for row in rows.mappings()]


def _named_row(rule: AlertRule) -> Row:
    return make_row(alert_rules, row_of_rule(rule))


def _find_told(connection: Connection, alert: Alert) -> Alert | None:
    """The alert as another process has written it, if it has come to the same state already."""
    same: tuple[ColumnElement[bool], ...]
    if alert.id:
        same = (alerts.c.id == alert.id, alerts.c.state == alert.state.value)
    else:
        same = (
            alerts.c.rule == alert.rule,
            alerts.c.device == alert.device,
            alerts.c.key == alert.key,
            alerts.c.state != _OVER,
        )
    rows = connection.execute(select(alerts).where(*same).limit(1))
    return next((alert_of_row(row) for row in rows.mappings()), None)


def _write_alert(connection: Connection, alert: Alert, before: Alert | None) -> Alert:
    row = row_of_alert(alert)
    if not alert.id:
        key = connection.execute(insert(alerts).values(row)).inserted_primary_key
        assert key is not None  # noqa: S101  # one row was inserted
        return replace(alert, id=key[0])
    is_it = alerts.c.id == alert.id
    if before is None:
        connection.execute(update(alerts).where(is_it).values(row))
        return alert
    changed = connection.execute(
        update(alerts)
        .where(
            is_it,
            # One of them is another whenever anything is.
            alerts.c.state == before.state.value,
            alerts.c.changed_at_us == before.changed_at_us,
            alerts.c.silenced_until_us == before.silenced_until_us,
        )
        .values(row)
    )
    if not changed.rowcount:
        raise ChangedMeanwhileError(
            f"alert {alert.id} has changed since it was read; read it and try again"
        )
    return alert


def _write_states(connection: Connection, states: Mapping[int, Mapping[str, Any]]) -> None:
    for rule, content in states.items():
        connection.execute(delete(alert_states).where(alert_states.c.rule == rule))
        text = msgspec.json.encode(content).decode()
        connection.execute(insert(alert_states).values(rule=rule, content=text))
