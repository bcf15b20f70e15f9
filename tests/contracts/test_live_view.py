"""What every live view promises, in memory and in a real Redis."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.redis_server import make_prefix
from wattscope.core.reading import build_batch, empty_batch
from wattscope.live.memory_view import MemoryView
from wattscope.live.redis.options import RedisViewOptions
from wattscope.live.redis.view import RedisView
from wattscope.ports import LiveView

NEVER = np.iinfo(np.int64).min
INT64 = np.iinfo(np.int64)


@pytest.fixture(
    params=["memory", pytest.param("redis", marks=pytest.mark.integration)],
)
def view(request: pytest.FixtureRequest) -> Iterator[LiveView]:
    if request.param == "memory":
        yield MemoryView()
        return
    server = request.getfixturevalue("redis_server")
    with RedisView(RedisViewOptions(server.url, prefix=make_prefix())) as made:
        assert made.wait(10)
        yield made


def test_series_without_a_value_has_none(view: LiveView) -> None:
    view.update(empty_batch())
    assert view.latest(1) is None
    assert view.latest(10**6) is None


def test_newest_value_stands(view: LiveView) -> None:
    view.update(build_batch([(1, 10, 1.0, 0), (1, 30, 3.0, 0), (1, 20, 2.0, 0), (2, 5, 9.0, 0)]))
    assert view.latest(1) == (30, 3.0)
    assert view.latest(2) == (5, 9.0)


def test_older_value_is_ignored(view: LiveView) -> None:
    view.update(build_batch([(1, 30, 3.0, 0)]))
    view.update(build_batch([(1, 20, 2.0, 4), (1, 30, 99.0, 0)]))
    assert view.latest(1) == (30, 3.0)


def test_of_two_values_for_one_instant_the_first_stands(view: LiveView) -> None:
    view.update(build_batch([(1, 30, 3.0, 0), (1, 30, 99.0, 0)]))
    assert view.latest(1) == (30, 3.0)


@pytest.mark.parametrize("quality", [1, 2, 3, 6])
def test_value_that_cannot_be_trusted_is_not_shown(view: LiveView, quality: int) -> None:
    view.update(build_batch([(1, 30, 3.0, 0)]))
    view.update(build_batch([(1, 40, float("nan") if quality & 1 else 1e12, quality)]))
    assert view.latest(1) == (30, 3.0)


def test_series_with_a_high_number_is_kept(view: LiveView) -> None:
    view.update(build_batch([(5000, 1, 1.0, 0)]))
    view.update(build_batch([(70_000, 2, 2.0, 8)]))
    assert (view.latest(5000), view.latest(70_000)) == ((1, 1.0), (2, 2.0))


def test_any_order_of_updates_ends_the_same(view: LiveView) -> None:
    draw = random.Random(3)
    rows = [(draw.randrange(4), t, float(t), 0) for t in range(200)]
    newest = {series: t for series, t, _, _ in rows}
    draw.shuffle(rows)
    for start in range(0, 200, 7):
        view.update(build_batch(rows[start : start + 7]))
    for series, t in newest.items():
        assert view.latest(series) == (t, float(t))


def test_many_series_are_read_at_once(view: LiveView) -> None:
    view.update(build_batch([(1, 30, 3.0, 0), (7, 40, -4.0, 0)]))
    instants, values = view.latest_of(np.array([7, 2, 1, 10**6], np.int32))
    assert instants.tolist() == [40, NEVER, 30, NEVER]
    assert values[[0, 2]].tolist() == [-4.0, 3.0]
    assert np.isnan(values[[1, 3]]).all()
    assert view.latest_of(np.empty(0, np.int32))[0].tolist() == []


def test_version_is_raised_by_news_only(view: LiveView) -> None:
    before = view.version
    view.update(build_batch([(1, 30, 3.0, 0)]))
    first = view.version
    view.update(build_batch([(1, 20, 2.0, 0), (1, 30, 99.0, 0)]))
    view.update(build_batch([(1, 40, 4.0, 2)]))
    assert first > before
    assert view.version == first
    view.update(build_batch([(1, 50, 5.0, 0)]))
    assert view.version > first


def test_announced_topic_has_a_higher_version_and_others_keep_theirs(view: LiveView) -> None:
    before = {topic: view.version_of(topic) for topic in ("alerts", "devices")}
    view.announce("alerts")
    assert view.version_of("alerts") > before["alerts"]
    assert view.version_of("devices") == before["devices"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.one_of(st.integers(INT64.min + 1, INT64.max), st.integers(-3, 3)),
            st.floats(allow_nan=False),
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 10**6),
    st.integers(1, 30),
)
def test_newest_of_any_rows_stands_to_the_last_bit(
    view: LiveView, rows: list[tuple[int, int, float]], first_series: int, size: int
) -> None:
    newest: dict[int, tuple[int, float]] = {}
    for series, t_us, value in rows:
        known = newest.get(first_series + series, view.latest(first_series + series))
        if known is None or t_us > known[0]:
            newest[first_series + series] = t_us, value
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        view.update(build_batch([(first_series + one, t, value, 0) for one, t, value in part]))
    for series, expected in newest.items():
        assert view.latest(series) == expected
