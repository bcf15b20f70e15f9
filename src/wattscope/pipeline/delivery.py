"""The outbox's worker: every message once, whoever is away, and nobody waits for the others.

::

    outbox ──▶ channel "mail" ──▶ Notifier        a task for each channel
           ──▶ channel "hook" ──▶ Notifier

A channel that cannot be reached is tried with its oldest message, ever more slowly; when that gets
through, the others follow at once. A message that a receiver refuses waits by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import structlog

from wattscope.core.alerting import AlertEvent, Delivery, DeliveryState, Notice
from wattscope.core.errors import NoticeRefusedError, TransientError, UnknownNameError
from wattscope.core.findings import Severity
from wattscope.core.time_grid import US_PER_DAY, US_PER_S
from wattscope.pipeline.supervise import keep_running
from wattscope.ports import Notifier

_log = structlog.get_logger()
FIRST_RETRY_S: Final = 2.0
LONGEST_RETRY_S: Final = 2 * 3600.0
GIVE_UP_US: Final = 7 * US_PER_DAY
"""A message that could not be delivered for so long is not tried any more."""
_LOOK_S: Final = 5.0
_GROUP: Final = 50
_END_S: Final = 15.0
"""So long the end of the program waits for messages that are being sent [s]."""


class Outbox(Protocol):
    """Where messages wait; what it was told is durable when it returns."""

    def take_back(self, channel: str) -> int: ...

    def list_due(self, channel: str, now_us: int, limit: int) -> list[Delivery]: ...

    def begin_sending(self, delivery: Delivery) -> Delivery | None:
        """None: another process sends it."""
        ...

    def note(self, delivery: Delivery) -> Delivery: ...

    def make_due(self, channels: Sequence[str], now_us: int) -> None: ...


@dataclass(slots=True)
class ChannelHealth:
    """How a channel stands."""

    name: str
    kind: str
    n_failures: int = 0
    """Attempts that did not reach it, since the last that did."""
    last_error: str | None = None
    """Of the last attempt; None when it was taken."""
    wake: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set when there are new messages."""
    retry: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set when it shall not be left alone any longer."""

    @property
    def is_ok(self) -> bool:
        """Whether nothing is known to be wrong."""
        return self.last_error is None


class Courier:
    """Delivers what is in the outbox."""

    def __init__(
        self,
        outbox: Outbox,
        notifiers: Mapping[str, Notifier],
        now_us: Callable[[], int],
        draw: Callable[[], float],
    ) -> None:
        """Take the parts.

        Args:
            outbox: Where messages wait.
            notifiers: By the names of their channels.
            now_us: The clock [µs].
            draw: Gives numbers in [0, 1) for the jitter of delays.
        """
        self._outbox = outbox
        self._notifiers = dict(notifiers)
        self._now_us = now_us
        self._draw = draw
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.health = {name: ChannelHealth(name, one.kind) for name, one in self._notifiers.items()}
        """By channel."""
        self._idle = asyncio.Event()

    def announce(self) -> None:
        """Look into the outbox now; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_all)

    async def run(self) -> None:
        """Deliver until ``end`` is called."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as workers:
                for name in self._notifiers:
                    workers.create_task(
                        keep_running(f"notify {name}", lambda name=name: self._serve(name))  # type: ignore[misc]  # the default binds the loop's name
                    )
        finally:
            self._loop = None
            self._idle.set()

    async def end(self) -> None:
        """Stop when what is being sent has been sent and noted, but not for ever."""
        self._ending.set()
        if self._loop is None:
            return
        self._wake_all()
        for one in self.health.values():
            one.retry.set()
        try:
            await asyncio.wait_for(self._idle.wait(), _END_S)
        except TimeoutError:
            _log.warning("messages were still being sent at the end")

    async def test(self, channel: str, notice: Notice) -> None:
        """Send a message past the outbox.

        Raises:
            UnknownNameError: There is no such channel.
            TransientError: It cannot be reached.
            NoticeRefusedError: It does not take it.
        """
        if channel not in self._notifiers:
            valid = ", ".join(self._notifiers) or "none; add [[notify]] to the settings"
            raise UnknownNameError(f"channel {channel!r} does not exist; there are: {valid}")
        try:
            await self._notifiers[channel].send(notice)
        except (TransientError, NoticeRefusedError) as fault:
            self._note_health(channel, str(fault))
            raise
        self._note_health(channel, None)
        await asyncio.to_thread(self._outbox.make_due, [channel], self._now_us())
        self.health[channel].retry.set()
        self._wake_all()

    def _wake_all(self) -> None:
        for one in self.health.values():
            one.wake.set()

    async def _serve(self, channel: str) -> None:
        """Deliver the messages of one channel."""
        await asyncio.to_thread(self._outbox.take_back, channel)
        wake, retry = self.health[channel].wake, self.health[channel].retry
        while not self._ending.is_set():
            wake.clear()
            retry.clear()
            due = await asyncio.to_thread(self._outbox.list_due, channel, self._now_us(), _GROUP)
            pause_s = 0.0
            for delivery in due:
                if self._ending.is_set():
                    return
                pause_s = await self._deliver(channel, delivery)
                if pause_s:
                    break
            if pause_s:
                await _wait(retry, pause_s)
            elif not due:
                # Messages that wait by themselves are looked for now and then.
                await _wait(wake, _LOOK_S)

    async def _deliver(self, channel: str, delivery: Delivery) -> float:
        """Try one message; returns how long to leave the channel alone [s]."""
        sending = await asyncio.to_thread(self._outbox.begin_sending, delivery)
        if sending is None:
            return 0.0
        try:
            await self._notifiers[channel].send(delivery.notice)
        except NoticeRefusedError as fault:
            await self._fail(sending, str(fault), self._delay_s(sending.attempts))
            self.health[channel].last_error = str(fault)
            return 0.0
        except TransientError as fault:
            health = self.health[channel]
            health.n_failures += 1
            delay_s = self._delay_s(health.n_failures)
            self._note_health(channel, str(fault))
            await self._fail(sending, str(fault), delay_s)
            return delay_s
        done = replace(
            sending,
            state=DeliveryState.DELIVERED,
            delivered_at_us=self._now_us(),
            last_error=None,
        )
        await asyncio.to_thread(self._outbox.note, done)
        if self.health[channel].n_failures:
            await asyncio.to_thread(self._outbox.make_due, [channel], self._now_us())
        self._note_health(channel, None)
        return 0.0

    async def _fail(self, sending: Delivery, reason: str, delay_s: float) -> None:
        now_us = self._now_us()
        is_over = now_us - sending.created_at_us > GIVE_UP_US
        outcome = replace(
            sending,
            state=DeliveryState.FAILED if is_over else DeliveryState.WAITING,
            due_at_us=now_us + round(delay_s * US_PER_S),
            last_error=reason,
        )
        await asyncio.to_thread(self._outbox.note, outcome)

    def _delay_s(self, n_failures: int) -> float:
        grown_s = FIRST_RETRY_S * 2.0 ** min(n_failures - 1, 20)
        return min(grown_s, LONGEST_RETRY_S) * (0.5 + self._draw())

    def _note_health(self, channel: str, error: str | None) -> None:
        """A change is said once."""
        health = self.health[channel]
        if error is None:
            if not health.is_ok:
                _log.info("channel takes messages again", channel=channel)
            health.n_failures = 0
        elif health.is_ok:
            _log.warning("channel takes no messages", channel=channel, reason=error)
        health.last_error = error


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    """Until it is set, or the time is over."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), timeout_s)


def make_test_notice(number: str, now_us: int, site: str, time_zone: str) -> Notice:
    """A message that only says that messages arrive."""
    return Notice(
        id=number,
        event=AlertEvent.RAISED,
        alert=0,
        rule="Test",
        site=site,
        device="",
        device_name="",
        severity=Severity.INFO,
        title="Test of Wattscope",
        detail="Alerts of Wattscope arrive here.",
        at_us=now_us,
        time_zone=time_zone,
    )
