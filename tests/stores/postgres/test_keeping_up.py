"""A store that rows come into all the time keeps its rollups, and holds nobody up."""

from __future__ import annotations

import pytest

from tests.stores.opened import Opener, ask_server
from wattscope.core.reading import build_batch
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE, US_PER_S
from wattscope.stores.postgres import roller

pytestmark = pytest.mark.integration

T0 = 1_717_200_000 * US_PER_S  # 2024-06-01 00:00 UTC
S, MIN, H = US_PER_S, US_PER_MINUTE, US_PER_HOUR
POWER, IMPORT, VOLTAGE = 1, 2, 7


def test_buckets_under_way_wait_until_they_are_over(opener: Opener) -> None:
    store = opener.open()

    def rows(first: int, stop: int) -> list[tuple[int, int, float, int]]:
        return [(IMPORT, T0 + n * MIN, 10.0 * n, 0) for n in range(first, stop)]

    def kept() -> list[tuple[object, ...]]:
        return ask_server(store, "SELECT count FROM bucket_15m ORDER BY bucket_start")

    def answer() -> list[float]:
        found = store.roll_up([IMPORT], "15m", T0, T0 + 2 * H)
        increase: list[float] = found.increase.tolist()
        return increase

    store.load(build_batch(rows(0, 40)))
    store.keep_up()
    assert kept() == [(15,), (15,)]
    assert answer() == pytest.approx([150.0, 150.0, 90.0])
    # The third quarter is as it was: nothing is over that was not.
    store.load(build_batch(rows(40, 44)))
    store.keep_up()
    assert kept() == [(15,), (15,)]
    store.load(build_batch(rows(44, 62)))
    store.keep_up()
    assert kept() == [(15,), (15,), (15,), (15,)]
    # Late for a quarter that is kept.
    store.load(build_batch([(IMPORT, T0 + 5 * MIN + S, 55.0, 0)]))
    assert answer() == pytest.approx([150.0, 150.0, 150.0, 150.0, 10.0])
    store.keep_up()
    assert kept() == [(16,), (15,), (15,), (15,)]
    # Nothing has come since: the rest is made too.
    store.keep_up()
    assert kept() == [(16,), (15,), (15,), (15,), (2,)]
    assert ask_server(store, "SELECT fresh_from FROM series_states") == [(None,)]
    store.close()


def test_what_is_due_at_once_is_made_by_several_calls(
    plain: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest first, and the rest even when no further row comes."""
    monkeypatch.setattr(roller, "_KEEP_SERIES", 1)
    monkeypatch.setattr(roller, "_KEEP_CALLS", 3)
    store = plain.open()
    monkeypatch.setattr(store._roller, "_sleep", lambda _: None)
    now_s = store._monotonic()
    monkeypatch.setattr(store, "_monotonic", lambda: now_s)
    rows = [
        (series, T0 + (n + ahead) * MIN, 1.0, 0)
        for series, ahead in ((POWER, 15), (IMPORT, 0), (VOLTAGE, 30))
        for n in range(20)
    ]
    store.load(build_batch(rows))
    made: list[set[int]] = []
    while True:
        now_s += store._options.flush_every_s
        if not store.is_flush_due:
            break
        store.keep_up()
        kept = ask_server(store, "SELECT series_id FROM bucket_15m")
        made.append({int(str(one)) for (one,) in kept})
    assert made[0] == {IMPORT}
    assert made[-1] == {POWER, IMPORT, VOLTAGE}
    # One each, and again once it is seen that they do not grow.
    assert len(made) <= 6
    left = "SELECT count(*) FROM series_states WHERE fresh_from IS NOT NULL"
    assert ask_server(store, left) == [(0,)]
    store.close()


def test_rows_that_come_have_their_turn_between_groups(
    plain: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roller, "_KEEP_SERIES", 1)
    monkeypatch.setattr(roller, "_KEEP_CALLS", 1)
    store = plain.open()
    rows = [(series, T0 + n * MIN, 1.0, 0) for n in range(20) for series in (POWER, VOLTAGE)]
    store.load(build_batch(rows))
    came: list[int] = []

    def pause(seconds: float) -> None:
        assert 0.0 <= seconds <= roller._LONGEST_PAUSE_S
        # Nobody holds the series: this would wait for ever.
        row = (POWER, T0 + (20 + len(came)) * MIN, 1.0, 0)
        came.append(store.load(build_batch([row])).stored)

    monkeypatch.setattr(store._roller, "_sleep", pause)
    store.keep_up()
    assert came == [1]
    assert ask_server(store, "SELECT count FROM bucket_15m ORDER BY series_id") == [(15,), (15,)]
    store.close()
