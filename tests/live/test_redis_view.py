"""Several processes at one Redis: who writes, who reads, and what both see."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from tests.live.redis_views import Installation, wait_until
from tests.redis_server import RedisServer
from wattscope.core.reading import Batch, build_batch
from wattscope.live.redis import link
from wattscope.live.redis.layout import MAX_ROWS, PAGE_SERIES
from wattscope.live.redis.view import RedisView

pytestmark = pytest.mark.integration


@pytest.fixture
def shared(redis_server: RedisServer) -> Installation:
    return Installation(redis_server)


@pytest.fixture
def views(shared: Installation) -> Iterator[list[RedisView]]:
    """Two that write only, and one that reads."""
    with ExitStack() as stack:
        made = [shared.open(is_following=False), shared.open(is_following=False), shared.open()]
        for one in made:
            stack.enter_context(one)
        assert all(one.wait(10) for one in made)
        yield made


def test_reader_sees_what_another_process_writes(views: list[RedisView]) -> None:
    writer, _, reader = views
    before = reader.version
    writer.update(build_batch([(1, 30, 3.0, 0), (70_000, 40, -4.5, 0)]))
    wait_until(lambda: reader.latest(70_000) == (40, -4.5))
    assert reader.latest(1) == (30, 3.0)
    assert reader.version > before


def test_late_reader_finds_what_was_written_before(
    shared: Installation, views: list[RedisView]
) -> None:
    views[0].update(build_batch([(one, 10 * one + 1, one / 3, 0) for one in range(9000)]))
    with shared.open(has_store=False) as late:
        assert late.wait(10)
        series = np.arange(9000, dtype=np.int32)
        instants, values = late.latest_of(series)
    assert instants.tolist() == (10 * series.astype(np.int64) + 1).tolist()
    assert values.tolist() == (series / 3).tolist()


def find_wrong_newest(shared: Installation) -> dict[int, object]:
    """Two writers that give all their rows in any order; which series end with an older one."""
    draw = random.Random(7)
    rows = [(draw.choice([1, 2, 5000]), t, float(t), 0) for t in range(1, 3001)]
    newest = {series: (t, float(t)) for series, t, _, _ in rows}
    draw.shuffle(rows)
    halves = rows[::2], rows[1::2]

    def pour(writer: RedisView, mine: list[tuple[int, int, float, int]]) -> None:
        for start in range(0, len(mine), 11):
            writer.update(build_batch(mine[start : start + 11]))

    with ExitStack() as stack:
        writers = [stack.enter_context(shared.open(is_following=False)) for _ in halves]
        assert all(one.wait(10) for one in writers)
        pouring = [
            threading.Thread(target=pour, args=pair) for pair in zip(writers, halves, strict=True)
        ]
        for one in pouring:
            one.start()
        for one in pouring:
            one.join()
    # Who comes later has nothing but what is in Redis.
    with shared.open(has_store=False) as reader:
        assert reader.wait(10)
        return {
            series: found
            for series, expected in newest.items()
            if (found := reader.latest(series)) != expected
        }


def test_older_values_are_ignored_whoever_of_two_writers_brings_them(shared: Installation) -> None:
    assert find_wrong_newest(shared) == {}


def test_without_the_comparison_older_values_would_stand(
    shared: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: it does when the script takes whatever comes."""
    known = "n == 0 or row_hi > hi or (row_hi == hi and row_lo > lo)"
    read = link.read_script
    assert known in read("update.lua")
    monkeypatch.setattr(link, "read_script", lambda name: read(name).replace(known, "true"))
    assert find_wrong_newest(shared) != {}


def test_rows_beyond_one_call_and_one_page_arrive(
    shared: Installation, views: list[RedisView]
) -> None:
    n_series = 2 * PAGE_SERIES + 17
    assert n_series > MAX_ROWS
    draw = np.random.default_rng(1)
    series = np.repeat(np.arange(n_series, dtype=np.int32), 3)
    t_us = draw.integers(1, 10**15, len(series))
    order = draw.permutation(len(series))
    value = t_us / 7
    rows = Batch(series[order], t_us[order], value[order], np.zeros(len(series), np.uint8))
    views[0].update(rows)
    expected = t_us.reshape(n_series, 3).max(axis=1)
    with shared.open(has_store=False) as reader:
        assert reader.wait(10)
        instants, values = reader.latest_of(np.arange(n_series, dtype=np.int32))
    assert instants.tolist() == expected.tolist()
    assert values.tolist() == (expected / 7).tolist()


def test_topic_announced_by_one_process_is_heard_by_all(views: list[RedisView]) -> None:
    before = [one.version_of("alerts") for one in views]
    views[1].announce("alerts")
    for view, known in zip(views, before, strict=True):
        wait_until(lambda view=view, known=known: view.version_of("alerts") > known)  # type: ignore[misc]  # the defaults bind the loop's values
    assert views[2].version_of("devices") == 0


def test_databases_of_one_server_do_not_hear_each_other(redis_server: RedisServer) -> None:
    """Channels are common to all databases of a server, whatever the database."""
    first = Installation(RedisServer(f"{redis_server.url}/1"))
    second = Installation(RedisServer(f"{redis_server.url}/2"), prefix=first.prefix)
    third = Installation(RedisServer(f"{redis_server.url}/1"), prefix=first.prefix)
    with first.open() as one, second.open() as other, third.open() as same:
        assert one.wait(10)
        assert other.wait(10)
        assert same.wait(10)
        one.update(build_batch([(1, 30, 3.0, 0)]))
        other.update(build_batch([(2, 5, 5.0, 0)]))
        wait_until(lambda: same.latest(1) == (30, 3.0))
        other.update(build_batch([(2, 6, 6.0, 0)]))
        assert other.latest(1) is None
        assert same.latest(2) is None


def test_messages_of_other_programs_are_ignored(views: list[RedisView]) -> None:
    stranger = views[0]._link
    for content in (b"", b"hello", b"\xff" * 82, b"\x00" * 81):
        stranger._client.publish(stranger.names.changes, content)
        stranger._client.publish(stranger.names.news, content)
    views[0].update(build_batch([(1, 30, 3.0, 0)]))
    wait_until(lambda: views[2].latest(1) == (30, 3.0))
    assert not views[2].is_degraded
    assert views[2].n_lost == 0


def test_reading_asks_redis_for_nothing(views: list[RedisView]) -> None:
    """Pages are made on the event loop: a thousand series may not cost a thousand round trips."""
    writer, _, reader = views
    writer.update(build_batch([(one, 5, 1.0, 0) for one in range(1000)]))
    wait_until(lambda: reader.latest(999) is not None)
    reader.close()
    instants, _ = reader.latest_of(np.arange(1000, dtype=np.int32))
    assert set(instants.tolist()) == {5}
    assert reader.minutes_of(np.arange(1000, dtype=np.int32))[0].count.sum() == 1000
