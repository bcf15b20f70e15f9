"""The outbox: messages to channels, noted before they are sent and after.

::

    waiting ──▶ sending ──▶ delivered
       ▲           │
       └───────────┴──────▶ failed (after days)

A message that is found ``sending`` at a start was given to its channel by a process that died
before it noted the outcome. It is sent again, under the same id: by that a receiver knows it.

Where processes share the outbox, ``begin_sending`` gives each message to one of them, for a time:
the instant at which it is ``due`` while it is being sent is when that time is over. It is told by
the clock of the database, the only one that all of them have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import BigInteger, and_, cast, func, or_, select, update

from wattscope.core.alerting import Delivery, DeliveryState
from wattscope.core.time_grid import US_PER_S
from wattscope.registry.alert_rows import delivery_of_row
from wattscope.registry.database_port import PlainDatabase
from wattscope.registry.schema import alert_deliveries

LEASE_S: Final = 120.0
"""A notifier answers or gives up in some ten seconds."""
_OPEN = (DeliveryState.WAITING.value, DeliveryState.SENDING.value)
_NOW_US: Final[Any] = cast(
    func.floor(func.extract("epoch", func.clock_timestamp()) * US_PER_S), BigInteger
)
"""The clock of a PostgreSQL server [µs]."""


class SqlOutbox:
    """The table."""

    def __init__(self, database: PlainDatabase, *, lease_s: float = LEASE_S) -> None:
        """``lease_s``: how long a shared message is its sender's [s]; longer than a send takes."""
        self._database = database
        self._lease_us = round(lease_s * US_PER_S)

    def take_back(self, channel: str) -> int:
        """At a start: what was being sent is to be sent. Returns how many there were.

        What another process may be sending now stays its own.
        """
        with self._database.begin() as connection:
            changed = connection.execute(
                update(alert_deliveries)
                .where(alert_deliveries.c.channel == channel, self._is_left())
                .values(state=DeliveryState.WAITING.value)
            )
            return changed.rowcount

    def list_due(self, channel: str, now_us: int, limit: int) -> list[Delivery]:
        """Messages of a channel that are to be sent by now, in the order in which they came."""
        waits = and_(
            alert_deliveries.c.state == DeliveryState.WAITING.value,
            alert_deliveries.c.due_at_us <= now_us,
        )
        query = (
            select(alert_deliveries)
            .where(
                alert_deliveries.c.channel == channel,
                or_(waits, self._is_left()) if self._database.is_shared else waits,
            )
            .order_by(
                alert_deliveries.c.created_at_us, alert_deliveries.c.alert, alert_deliveries.c.id
            )
            .limit(limit)
        )
        with self._database.begin() as connection:
            return [delivery_of_row(row) for row in connection.execute(query).mappings()]

    def begin_sending(self, delivery: Delivery) -> Delivery | None:
        """Note that a message is given to its channel; durable on return.

        Returns:
            The message as it is from now on; None: another process has it, or had it.
        """
        begun = replace(delivery, state=DeliveryState.SENDING, attempts=delivery.attempts + 1)
        values: dict[str, Any] = {"state": begun.state.value, "attempts": begun.attempts}
        if self._database.is_shared:
            values["due_at_us"] = _NOW_US + self._lease_us
        with self._database.begin() as connection:
            taken = connection.execute(
                update(alert_deliveries)
                .where(
                    alert_deliveries.c.id == delivery.notice.id,
                    # Whoever took it meanwhile has changed one of them.
                    alert_deliveries.c.state == delivery.state.value,
                    alert_deliveries.c.attempts == delivery.attempts,
                )
                .values(values)
            )
            return begun if taken.rowcount else None

    def note(self, delivery: Delivery) -> Delivery:
        """Note the outcome of an attempt; durable on return.

        That a message has arrived is noted whoever sends it by now; another outcome only by the
        one whose attempt was the last.
        """
        is_mine = and_(
            alert_deliveries.c.attempts == delivery.attempts,
            alert_deliveries.c.state != DeliveryState.DELIVERED.value,
        )
        has_arrived = delivery.state is DeliveryState.DELIVERED
        with self._database.begin() as connection:
            connection.execute(
                update(alert_deliveries)
                .where(
                    alert_deliveries.c.id == delivery.notice.id,
                    *(() if has_arrived else (is_mine,)),
                )
                .values(
                    state=delivery.state.value,
                    attempts=delivery.attempts,
                    due_at_us=delivery.due_at_us,
                    delivered_at_us=delivery.delivered_at_us,
                    last_error=delivery.last_error,
                )
            )
        return delivery

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

    def _is_left(self) -> Any:  # noqa: ANN401  # a condition of SQLAlchemy
        """Whether a message is being sent by nobody any more."""
        is_sending = alert_deliveries.c.state == DeliveryState.SENDING.value
        if not self._database.is_shared:
            return is_sending
        return and_(is_sending, alert_deliveries.c.due_at_us <= _NOW_US)
