"""The courier delivers each message once, waits for who is away, and lets nobody else wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from wattscope.core.alerting import (
    Alert,
    AlertEvent,
    AlertState,
    Delivery,
    DeliveryState,
    Notice,
)
from wattscope.core.errors import NoticeRefusedError, TransientError, UnknownNameError
from wattscope.core.findings import Severity
from wattscope.core.time_grid import US_PER_S
from wattscope.pipeline.delivery import (
    GIVE_UP_US,
    LONGEST_RETRY_S,
    Courier,
    make_test_notice,
)
from wattscope.registry.alert_book import AlertBook
from wattscope.registry.database import Database
from wattscope.registry.outbox import SqlOutbox

NOW_US = 1_700_000_000 * US_PER_S
ALERT = Alert(0, 1, "p1", "", AlertState.RAISED, Severity.WARNING, NOW_US, NOW_US, "Hot", "61 °C")


class Receiver:
    """A channel that does as it is told."""

    kind = "webhook"

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.n_asked = 0
        self.is_away = False
        self.refused: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, notice: Notice) -> None:
        self.n_asked += 1
        await self.gate.wait()
        if self.is_away:
            raise TransientError("nobody is there")
        if notice.id in self.refused:
            raise NoticeRefusedError("not this one")
        self.taken.append(notice.id)


class Post:
    """An outbox in a real registry, and a clock that the test moves."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.book = AlertBook(self.database)
        self.outbox = SqlOutbox(self.database)
        self.now_us = NOW_US
        self.receivers: dict[str, Receiver] = {}

    def write(self, *numbers: str, channel: str = "hook") -> None:
        for number in numbers:
            notice = Notice(
                number,
                AlertEvent.RAISED,
                0,
                "Too hot",
                "Farm",
                "p1",
                "Panel 1",
                Severity.WARNING,
                "Hot",
                "61 °C",
                NOW_US,
                "UTC",
            )
            message = Delivery(notice, channel, DeliveryState.WAITING, self.now_us, self.now_us)
            self.book.write([(ALERT, [message])])

    def list_all(self) -> dict[str, Delivery]:
        of = self.book.list_deliveries(range(1000))
        return {one.notice.id: one for group in of.values() for one in group}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Courier]:
        """A courier at work, ended as the program ends it."""
        courier = Courier(self.outbox, self.receivers, lambda: self.now_us, lambda: 0.0)
        work = asyncio.create_task(courier.run())
        await asyncio.sleep(0)
        try:
            yield courier
        finally:
            await courier.end()
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    made = Post(tmp_path / "registry.sqlite")
    made.receivers = {"hook": Receiver(), "mail": Receiver()}
    yield made
    made.database.close()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)


async def test_messages_are_delivered_once_and_in_order_over_restarts(post: Post) -> None:
    post.write("a", "b", "c")
    for _ in range(3):
        async with post.running():
            await until(lambda: post.receivers["hook"].taken == ["a", "b", "c"])
            await until(lambda: post.outbox.count_waiting() == {})
            await asyncio.sleep(0.05)
    assert post.receivers["hook"].taken == ["a", "b", "c"]
    assert {one.state for one in post.list_all().values()} == {DeliveryState.DELIVERED}
    assert {one.attempts for one in post.list_all().values()} == {1}


async def test_new_message_leaves_at_once_when_it_is_announced(post: Post) -> None:
    async with post.running() as courier:
        await asyncio.sleep(0.1)
        post.write("a")
        courier.announce()
        async with asyncio.timeout(2):
            await until(lambda: post.receivers["hook"].taken == ["a"])


async def test_dead_channel_delays_nobody_else_and_is_shown(post: Post) -> None:
    post.receivers["hook"].is_away = True
    post.write("a", "b", "c")
    post.write("x", channel="mail")
    async with post.running() as courier:
        await until(lambda: post.receivers["mail"].taken == ["x"])
        await until(lambda: "mail" not in post.outbox.count_waiting())
        await until(lambda: courier.health["hook"].last_error is not None)
        assert not courier.health["hook"].is_ok
        assert courier.health["mail"].is_ok
        assert post.outbox.count_waiting() == {"hook": 3}
        # One message is tried, not all of them.
        assert post.receivers["hook"].n_asked == 1
        failed = post.list_all()["a"]
        assert (failed.state, failed.attempts, failed.last_error) == (
            DeliveryState.WAITING,
            1,
            "nobody is there",
        )
        assert failed.due_at_us == NOW_US + US_PER_S
        post.receivers["hook"].is_away = False
        # The clock of the outbox moves on; the courier's own pause is a second.
        post.now_us += 2 * US_PER_S
        await until(lambda: sorted(post.receivers["hook"].taken) == ["a", "b", "c"])
        assert courier.health["hook"].is_ok


async def test_refused_message_does_not_hold_up_the_others(post: Post) -> None:
    post.receivers["hook"].refused = {"a"}
    post.write("a", "b")
    async with post.running():
        await until(lambda: post.receivers["hook"].taken == ["b"])
    refused = post.list_all()["a"]
    assert (refused.state, refused.last_error) == (DeliveryState.WAITING, "not this one")
    assert refused.due_at_us > NOW_US


async def test_message_that_was_being_sent_at_a_crash_is_sent_again_under_its_id(
    post: Post,
) -> None:
    post.write("a")
    [due] = post.outbox.list_due("hook", NOW_US, 10)
    post.outbox.begin_sending(due)
    async with post.running():
        await until(lambda: post.receivers["hook"].taken == ["a"])
    assert post.list_all()["a"].attempts == 2


async def test_end_waits_for_what_is_being_sent(post: Post) -> None:
    receiver = post.receivers["hook"]
    receiver.gate.clear()
    post.write("a", "b")
    async with post.running() as courier:
        await until(lambda: receiver.n_asked == 1)
        ending = asyncio.create_task(courier.end())
        await asyncio.sleep(0.05)
        assert not ending.done()
        receiver.gate.set()
        await ending
    states = {number: one.state for number, one in post.list_all().items()}
    assert states == {"a": DeliveryState.DELIVERED, "b": DeliveryState.WAITING}


async def test_message_is_given_up_after_days_and_stays_to_be_seen(post: Post) -> None:
    post.receivers["hook"].is_away = True
    post.write("a")
    post.now_us += GIVE_UP_US + 1
    async with post.running():
        await until(lambda: post.list_all()["a"].state is DeliveryState.FAILED)
    assert post.outbox.count_waiting() == {}


def test_delays_grow_up_to_hours_and_differ() -> None:
    courier = Courier(None, {}, lambda: 0, lambda: 0.5)  # type: ignore[arg-type]  # it sends nothing
    delays = [courier._delay_s(n) for n in range(1, 40)]
    assert delays[:4] == [2.0, 4.0, 8.0, 16.0]
    assert delays[-1] == LONGEST_RETRY_S
    late = Courier(None, {}, lambda: 0, lambda: 0.99)  # type: ignore[arg-type]  # likewise
    assert late._delay_s(1) > delays[0]


async def test_test_of_a_channel_passes_the_outbox_and_wakes_it(post: Post) -> None:
    receiver = post.receivers["hook"]
    receiver.is_away = True
    post.write("a")
    async with post.running() as courier:
        await until(lambda: receiver.n_asked == 1)
        notice = make_test_notice("test", NOW_US, "Farm", "UTC")
        with pytest.raises(TransientError):
            await courier.test("hook", notice)
        receiver.is_away = False
        await courier.test("hook", replace(notice, id="test 2"))
        assert courier.health["hook"].is_ok
        assert "test 2" in receiver.taken
        async with asyncio.timeout(0.5):
            await until(lambda: "a" in receiver.taken)
        with pytest.raises(UnknownNameError, match="hook, mail"):
            await courier.test("pager", notice)
