"""The outbox: messages to channels, noted before they are sent and after.

::

    waiting ──▶ sending ──▶ delivered
       ▲           │
       └───────────┴──────▶ failed (after days)

A message that is found ``sending`` at a start was given to its channel by a process that died
before it noted the outcome. It is sent again, under the same id: by that a receiver knows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from sqlalchemy import Connection, func, select, update

from wattscope.core.alerting import Delivery, DeliveryState
from wattscope.registry.alert_rows import delivery_of_row
from wattscope.registry.schema import alert_deliveries

_OPEN = (DeliveryState.WAITING.value, DeliveryState.SENDING.value)


class PlainDatabase(Protocol):
    """A database with transactions."""

    def begin(self) -> AbstractContextManager[Connection]: ...


class SqlOutbox:
    """The table."""

    def __init__(self, database: PlainDatabase) -> None:
        self._database = database

    def take_back(self, channel: str) -> int:
        """At a start: what was being sent is to be sent. Returns how many there were."""
        with self._database.begin() as connection:
            changed = connection.execute(
                update(alert_deliveries)
                .where(
                    alert_deliveries.c.channel == channel,
                    alert_deliveries.c.state == DeliveryState.SENDING.value,
                )
                .values(state=DeliveryState.WAITING.value)
            )
            return changed.rowcount

    def list_due(self, channel: str, now_us: int, limit: int) -> list[Delivery]:
        """Messages of a channel that are to be sent by now, in the order in which they came."""
        query = (
            select(alert_deliveries)
            .where(
                alert_deliveries.c.channel == channel,
                alert_deliveries.c.state == DeliveryState.WAITING.value,
                alert_deliveries.c.due_at_us <= now_us,
            )
            .order_by(
                alert_deliveries.c.created_at_us, alert_deliveries.c.alert, alert_deliveries.c.id
            )
            .limit(limit)
        )
        with self._database.begin() as connection:
            return [delivery_of_row(row) for row in connection.execute(query).mappings()]

    def begin_sending(self, delivery: Delivery) -> Delivery:
        """Note that a message is given to its channel; durable on return."""
        return self._put(
            replace(delivery, state=DeliveryState.SENDING, attempts=delivery.attempts + 1)
        )

    def note(self, delivery: Delivery) -> Delivery:
        """Note the outcome of an attempt; durable on return."""
        return self._put(delivery)

    def count_waiting(self) -> dict[str, int]:
        """Messages that are not delivered yet, by channel."""
        query = (
            select(alert_deliveries.c.channel, func.count())
            .where(alert_deliveries.c.state.in_(_OPEN))
            .group_by(alert_deliveries.c.channel)
        )
        with self._database.begin() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def make_due(self, channels: Sequence[str], now_us: int) -> None:
        """Try what waits for these channels at once: they have come back."""
        with self._database.begin() as connection:
            connection.execute(
                update(alert_deliveries)
                .where(
                    alert_deliveries.c.channel.in_(list(channels)),
                    alert_deliveries.c.state == DeliveryState.WAITING.value,
                    alert_deliveries.c.due_at_us > now_us,
                )
                .values(due_at_us=now_us)
            )

    def _put(self, delivery: Delivery) -> Delivery:
        with self._database.begin() as connection:
            connection.execute(
                update(alert_deliveries)
                .where(alert_deliveries.c.id == delivery.notice.id)
                .values(
                    state=delivery.state.value,
                    attempts=delivery.attempts,
                    due_at_us=delivery.due_at_us,
                    delivered_at_us=delivery.delivered_at_us,
                    last_error=delivery.last_error,
                )
            )
        return delivery
