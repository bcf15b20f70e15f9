"""A Redis that dies, hangs, comes back empty or refuses: nothing fails, and the view heals."""

from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest

from tests.live.redis_views import Installation, wait_until
from tests.redis_server import RedisServer
from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch, build_batch
from wattscope.live.redis.view import RedisView

pytestmark = pytest.mark.integration

N_SERIES = 300


def rows_at(t_us: int) -> Batch:
    """One row of each series."""
    return build_batch([(one, t_us, float(one + t_us), 0) for one in range(N_SERIES)])


def read_instants(view: RedisView) -> list[int]:
    instants, values = view.latest_of(np.arange(N_SERIES, dtype=np.int32))
    known = instants > 0
    assert (values[known] == (np.arange(N_SERIES) + instants)[known]).all()
    return [int(one) for one in instants]


@pytest.fixture
def shared(own_redis: RedisServer) -> Installation:
    return Installation(own_redis)


def test_redis_that_is_killed_under_updates_comes_back_with_everything(
    shared: Installation,
) -> None:
    """Ten kills; updates go on throughout, and each heals to what the store holds."""
    newest = 0
    is_over = threading.Event()
    faults: list[BaseException] = []

    def pour(writer: RedisView) -> None:
        nonlocal newest
        t_us = 0
        try:
            while not is_over.is_set():
                t_us += 1
                batch = rows_at(t_us)
                shared.store.parts[:] = [batch]
                writer.update(batch)
                newest = t_us
                is_over.wait(0.002)
        except BaseException as fault:
            faults.append(fault)
            raise

    with shared.open(is_following=False) as writer, shared.open() as reader:
        assert writer.wait(10)
        assert reader.wait(10)
        pouring = threading.Thread(target=pour, args=(writer,))
        pouring.start()
        try:
            for _ in range(10):
                shared.server.stop(signal.SIGKILL)
                wait_until(lambda: reader.is_degraded and writer.is_degraded, "degraded")
                shared.server.start()
                wait_until(lambda: not (reader.is_degraded or writer.is_degraded), "healed")
                goal = newest + 1
                wait_until(lambda goal=goal: min(read_instants(reader)) >= goal, "follows again")  # type: ignore[misc]  # the default binds the loop's goal
        finally:
            is_over.set()
            pouring.join()
        assert faults == []
        assert writer.n_lost == reader.n_lost == 10
        assert writer.n_missed > 0
        with shared.open(has_store=False) as late:
            assert late.wait(10)
            assert read_instants(late) == [newest] * N_SERIES


def test_without_healing_what_was_missed_would_be_lost(
    shared: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: it does when nothing is put in after Redis is back."""
    monkeypatch.setattr(RedisView, "_fill", lambda _: True)
    monkeypatch.setattr("wattscope.live.redis.mirror.Mirror.list_newer", lambda *_: build_batch([]))
    with shared.open(is_following=False) as writer:
        assert writer.wait(10)
        writer.update(rows_at(1))
        shared.server.stop()
        wait_until(lambda: writer.is_degraded)
        shared.server.start()
        wait_until(lambda: not writer.is_degraded)
        with shared.open(has_store=False) as late:
            assert late.wait(10)
            assert read_instants(late) != [1] * N_SERIES


def test_updates_while_redis_is_away_wait_for_nothing_and_are_counted(
    shared: Installation,
) -> None:
    with shared.open(is_following=False) as writer:
        assert writer.wait(10)
        shared.server.stop()
        wait_until(lambda: writer.is_degraded)
        before_s = time.process_time(), time.monotonic()
        for t_us in range(1, 201):
            writer.update(rows_at(t_us))
        waited_s = (time.monotonic() - before_s[1]) - (time.process_time() - before_s[0])
        # Each would wait for its time-out of 1 s, if it asked.
        assert waited_s < 100
        assert writer.n_missed == 200 * N_SERIES
        assert read_instants(writer) == [200] * N_SERIES
        assert "6379" not in writer.detail
        assert str(shared.server.port) in writer.detail


def test_redis_that_hangs_stops_one_update_for_its_timeout_and_no_other(
    shared: Installation,
) -> None:
    with shared.open(is_following=False) as writer:
        assert writer.wait(10)
        shared.server.send(signal.SIGSTOP)
        writer.update(rows_at(1))
        assert writer.is_degraded
        assert writer.n_missed == N_SERIES
        writer.update(rows_at(2))
        shared.server.send(signal.SIGCONT)
        wait_until(lambda: not writer.is_degraded)
        with shared.open(has_store=False) as late:
            assert late.wait(10)
            assert read_instants(late) == [2] * N_SERIES


def test_values_of_others_come_from_the_store_while_redis_is_away(shared: Installation) -> None:
    with shared.open() as reader:
        assert reader.wait(10)
        shared.server.stop()
        wait_until(lambda: reader.is_degraded)
        alerts = reader.version_of("alerts")
        shared.store.write(rows_at(5))
        wait_until(lambda: min(read_instants(reader)) == 5)
        # What others announce is not heard now: pages are told to look.
        assert reader.version_of("alerts") > alerts
        shared.store.write(rows_at(9))
        wait_until(lambda: min(read_instants(reader)) == 9)
        assert reader.is_degraded


def test_process_that_starts_without_redis_has_the_store_and_heals(shared: Installation) -> None:
    shared.store.write(rows_at(3))
    shared.server.stop()
    with shared.open() as reader:
        wait_until(lambda: min(read_instants(reader)) == 3)
        assert reader.is_degraded
        assert not reader.wait(0)
        shared.server.start()
        assert reader.wait(30)
        assert reader.detail == ""


def test_redis_that_comes_back_empty_is_filled_from_the_store(shared: Installation) -> None:
    """Rows that no running process ever had in memory."""
    with shared.open(is_following=False) as writer:
        assert writer.wait(10)
        shared.store.write(rows_at(4))
        shared.server.stop()
        wait_until(lambda: writer.is_degraded)
        shared.server.start()
        wait_until(lambda: not writer.is_degraded)
        with shared.open(has_store=False) as late:
            assert late.wait(10)
            assert read_instants(late) == [4] * N_SERIES


def test_database_that_somebody_emptied_is_filled_again(shared: Installation) -> None:
    with shared.open() as writer:
        assert writer.wait(10)
        writer.update(rows_at(7))
        writer._link._client.flushall()

        def is_back() -> bool:
            with shared.open(has_store=False) as late:
                return late.wait(10) and read_instants(late) == [7] * N_SERIES

        wait_until(is_back)
        assert writer.n_lost == 0


def test_store_that_is_away_too_is_asked_again_until_it_answers(shared: Installation) -> None:
    shared.store.fault = TransientError("the store is away")
    shared.store.write(rows_at(8))
    with shared.open() as view:
        wait_until(lambda: "store is away" in view.detail)
        # Values go on through Redis meanwhile.
        view.update(build_batch([(1000, 1, 1.0, 0)]))
        assert view.n_missed == 0
        shared.store.fault = None
        assert view.wait(30)
        assert read_instants(view) == [8] * N_SERIES


def test_announcement_while_redis_is_away_is_made_up_for(shared: Installation) -> None:
    with shared.open() as one, shared.open() as other:
        assert one.wait(10)
        assert other.wait(10)
        shared.server.stop()
        wait_until(lambda: one.is_degraded and other.is_degraded)
        before = one.version_of("alerts")
        one.announce("alerts")
        assert one.version_of("alerts") > before
        assert one._versions.list_untold() == ["alerts"]
        shared.server.start()
        wait_until(lambda: not (one.is_degraded or other.is_degraded))
        wait_until(lambda: other._versions._theirs.get("alerts") == 1)
        assert one._versions.list_untold() == []


def test_store_is_asked_once_while_redis_stays(shared: Installation) -> None:
    with shared.open() as view:
        assert view.wait(10)
        looked = view._link.read_mark()
        for t_us in range(1, 30):
            view.update(rows_at(t_us))
            time.sleep(0.03)
        assert looked[0]
        assert shared.store.n_asked == 1
