"""Sums of the minute under way and of the one before, counted in Redis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.live.redis_views import Installation, wait_until
from tests.redis_server import RedisServer
from wattscope.core.errors import TransientError
from wattscope.core.reading import build_batch
from wattscope.core.time_grid import US_PER_MINUTE, US_PER_S
from wattscope.live.redis import link
from wattscope.live.redis.mirror import Mirror
from wattscope.live.redis.view import RedisView
from wattscope.ports import MinuteSums

pytestmark = pytest.mark.integration

NEVER = np.iinfo(np.int64).min
START_US = 29_000_000 * US_PER_MINUTE
Row = tuple[int, int, float, int]


@pytest.fixture
def shared(redis_server: RedisServer) -> Installation:
    return Installation(redis_server)


@pytest.fixture
def view(shared: Installation) -> Iterator[RedisView]:
    with shared.open() as made:
        assert made.wait(10)
        yield made


def at(minute: int, second: float) -> int:
    return START_US + minute * US_PER_MINUTE + round(second * US_PER_S)


def read(view: RedisView, series: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Start, count, sum, min and max of the two minutes of a series."""
    found = view.minutes_of(np.array([series], np.int32))
    now, before = (
        tuple(float(one[0]) for one in (sums.start_us, sums.count, sums.sum, sums.min, sums.max))
        for sums in found
    )
    return now, before


def wait_for(view: RedisView, series: int, count: int, minute: int) -> None:
    """Until the minute under way of a series is this one and has so many values."""
    expected = (at(minute, 0), count)
    wait_until(lambda: read(view, series)[0][:2] == expected, f"{read(view, series)}")


def test_two_minutes_of_a_series(view: RedisView) -> None:
    view.update(build_batch([(4, at(0, 10), 2.0, 0), (4, at(0, 50), 6.0, 0)]))
    view.update(build_batch([(4, at(1, 0), -1.0, 0)]))
    view.update(build_batch([(4, at(1, 59.999999), 3.0, 0), (4, at(1, 30), 1.0, 0)]))
    wait_for(view, 4, 3, 1)
    now, before = read(view, 4)
    assert now == (at(1, 0), 3, 3.0, -1.0, 3.0)
    assert before == (at(0, 0), 2, 8.0, 2.0, 6.0)
    sums = view.minutes_of(np.array([4], np.int32))
    assert [one.mean.tolist() for one in sums] == [[1.0], [4.0]]


def test_series_without_values_has_no_minutes(view: RedisView) -> None:
    for series in (3, 2_000_000):
        for sums in view.minutes_of(np.array([series], np.int32)):
            assert sums.start_us.tolist() == [NEVER]
            assert sums.count.tolist() == [0]
            assert np.isnan(np.r_[sums.min, sums.max, sums.mean]).all()


def test_minute_before_is_empty_after_a_gap(view: RedisView) -> None:
    view.update(build_batch([(4, at(0, 10), 2.0, 0)]))
    view.update(build_batch([(4, at(2, 10), 5.0, 0)]))
    wait_for(view, 4, 1, 2)
    assert read(view, 4)[1][:2] == (NEVER, 0)


def test_repeated_and_late_values_count_once_or_not_at_all(
    shared: Installation, view: RedisView
) -> None:
    """A record of the log that is read again after a crash, by another process."""
    rows: list[Row] = [(4, at(0, second), float(second), 0) for second in range(10)]
    view.update(build_batch(rows))
    with shared.open(is_following=False) as other:
        assert other.wait(10)
        other._mirror = Mirror()  # It has forgotten all: Redis must know.
        other.update(build_batch([*rows, (4, at(0, 10), 10.0, 0)]))
        assert other.n_missed == 0
    wait_for(view, 4, 11, 0)
    assert read(view, 4)[0] == (at(0, 0), 11, 55.0, 0.0, 10.0)


def count_slowly(rows: list[Row]) -> dict[int, dict[int, list[float]]]:
    """The values of each series by minute, of those that are newer than all before."""
    newest: dict[int, int] = {}
    minutes: dict[int, dict[int, list[float]]] = {}
    for series, t_us, value, _ in rows:
        if t_us > newest.get(series, NEVER):
            newest[series] = t_us
            by_minute = minutes.setdefault(series, {})
            by_minute.setdefault(t_us // US_PER_MINUTE, []).append(value)
    return minutes


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4200),
            st.integers(0, 5 * 60),
            st.integers(-1000, 1000).map(lambda one: one / 4),
        ),
        min_size=1,
        max_size=60,
    ),
    st.integers(1, 60),
)
def test_minutes_are_those_of_a_slow_count(
    view: RedisView, drawn: list[tuple[int, int, float]], size: int
) -> None:
    # Each example begins after all before it: older values would be ignored.
    start_us = view.version * 100 * US_PER_MINUTE * 1_000 + START_US
    # Few series, some of them on another page.
    rows = [
        (one % 3 + 4095 * (one % 2), start_us + second * US_PER_S, value, 0)
        for one, second, value in drawn
    ]
    for start in range(0, len(rows), size):
        part = sorted(rows[start : start + size], key=lambda row: row[1])
        rows[start : start + size] = part
        view.update(build_batch(part))
    minutes = count_slowly(rows)
    for series, by_minute in minutes.items():
        newest = max(by_minute)
        for which, minute in enumerate((newest, newest - 1)):
            values = by_minute.get(minute, [])
            expected = (
                (minute * US_PER_MINUTE, len(values), sum(values), min(values), max(values))
                if values
                else None
            )

            def is_so(
                series: int = series,
                which: int = which,
                expected: tuple[float, ...] | None = expected,
            ) -> bool:
                found = read(view, series)[which]
                return found[1] == 0 if expected is None else found == expected

            wait_until(is_so, f"{series} {which} {expected}")


def sums_of(minute: int, count: int, total: float, low: float, high: float) -> MinuteSums:
    return MinuteSums(
        np.array([at(minute, 0)], np.int64),
        np.array([count], np.int64),
        np.array([total]),
        np.array([low]),
        np.array([high]),
    )


def test_sums_made_elsewhere_stand_for_the_minute_before_only(view: RedisView) -> None:
    series = np.array([4], np.int32)
    view.put_minutes(series, sums_of(0, 9, 9.0, 1.0, 1.0))
    view.update(build_batch([(4, at(0, 10), 2.0, 0), (4, at(1, 10), 3.0, 0)]))
    wait_for(view, 4, 1, 1)
    for minute in (-1, 1, 2):
        view.put_minutes(series, sums_of(minute, 9, 9.0, 1.0, 1.0))
    view.put_minutes(series, sums_of(0, 3, 12.0, 2.0, 6.0))
    wait_until(lambda: read(view, 4)[1][1] == 3)
    assert read(view, 4) == (
        (at(1, 0), 1, 3.0, 3.0, 3.0),
        (at(0, 0), 3, 12.0, 2.0, 6.0),
    )
    assert view.latest(4) == (at(1, 10), 3.0)
    view.update(build_batch([(4, at(1, 20), 5.0, 0)]))
    wait_for(view, 4, 2, 1)
    assert read(view, 4)[1] == (at(0, 0), 3, 12.0, 2.0, 6.0)


def put_fewer_values(view: RedisView) -> tuple[float, ...]:
    """The minute before of a series with two values, when sums of one value come from elsewhere."""
    series = np.array([4], np.int32)
    view.update(
        build_batch([(4, at(0, 10), 2.0, 0), (4, at(0, 20), 4.0, 0), (4, at(1, 0), 3.0, 0)])
    )
    wait_for(view, 4, 1, 1)
    view.put_minutes(series, sums_of(0, 1, 4.0, 4.0, 4.0))
    view.update(build_batch([(4, at(1, 5), 3.0, 0)]))
    wait_for(view, 4, 2, 1)
    return read(view, 4)[1]


def test_of_two_sums_of_a_minute_those_of_more_values_stay(view: RedisView) -> None:
    """Sums from elsewhere may lack what came before or after their maker was there."""
    assert put_fewer_values(view) == (at(0, 0), 2, 6.0, 2.0, 4.0)
    view.put_minutes(np.array([4], np.int32), sums_of(0, 2, 7.0, 2.0, 5.0))
    wait_until(lambda: read(view, 4)[1] == (at(0, 0), 2, 7.0, 2.0, 5.0))


def test_without_the_comparison_fewer_values_would_stand(
    shared: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = " and row_n >= n_before"
    read_script = link.read_script
    assert known in read_script("minutes.lua")
    monkeypatch.setattr(link, "read_script", lambda name: read_script(name).replace(known, ""))
    with shared.open() as made:
        assert made.wait(10)
        assert put_fewer_values(made) == (at(0, 0), 1, 4.0, 4.0, 4.0)


def test_sums_are_not_taken_while_redis_is_away(own_redis: RedisServer) -> None:
    shared = Installation(own_redis)
    series = np.array([4], np.int32)
    with shared.open(has_store=False) as view:
        assert view.wait(10)
        view.update(build_batch([(4, at(0, 10), 2.0, 0), (4, at(1, 0), 3.0, 0)]))
        own_redis.stop()
        wait_until(lambda: view.is_degraded, "degraded")
        with pytest.raises(TransientError, match="cannot be used"):
            view.put_minutes(series, sums_of(0, 3, 9.0, 1.0, 5.0))
        own_redis.start()
        wait_until(lambda: not view.is_degraded, "healed")
        # It came back empty: of the minute before it has what is put there now.
        view.put_minutes(series, sums_of(0, 3, 9.0, 1.0, 5.0))
        wait_until(lambda: read(view, 4)[1] == (at(0, 0), 3, 9.0, 1.0, 5.0))
