"""What every live view promises. Memory is the only one yet; a second joins ``VIEWS``."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from wattscope.core.reading import build_batch, empty_batch
from wattscope.live.memory_view import MemoryView
from wattscope.ports import LiveView

NEVER = np.iinfo(np.int64).min
VIEWS: dict[str, Callable[[], LiveView]] = {"memory": MemoryView}


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest) -> LiveView:
    return VIEWS[request.param]()


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
