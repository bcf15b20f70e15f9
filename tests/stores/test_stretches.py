"""Rows in bulk come into files as if each had been sorted by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stores.histories import open_store
from wattscope.core.reading import Batch, concat_batches
from wattscope.core.time_grid import US_PER_DAY, US_PER_S
from wattscope.stores import stretches
from wattscope.stores.bulk_load import are_all_newer
from wattscope.stores.labels import Labels, _rank_all
from wattscope.stores.stretches import SpanRows, Stretches, cut_at_spans, find_stretches
from wattscope.stores.tail import Watermarks

WEEK_US = 7 * US_PER_DAY
T0 = 1_717_200_000 * US_PER_S
STEP_US = 6 * 3600 * US_PER_S
POWER, REGISTER = 1, 2


def make_stretch(series: int, first: int, n_rows: int, step: int = 1) -> Batch:
    t = T0 + (first + np.arange(n_rows) * step) * STEP_US
    value = np.round(t % 977 / 10 + series, 1)
    return Batch(np.full(n_rows, series, np.int32), t, value, np.zeros(n_rows, np.uint8))


def make_labels(n_series: int = 8) -> Labels:
    """Odd series come before even ones; of the last one nobody knows."""
    quantity = np.append(1 - np.arange(n_series - 1) % 2, -1)
    code = np.zeros(n_series, np.int64)
    return Labels(["s"], ["d"], ["a", "b"], code, code, quantity, _rank_all(quantity))


def rows_of(batch: Batch) -> list[tuple[int, int, float, int]]:
    columns = (batch.series_id, batch.measured_at_us, batch.value, batch.quality)
    return list(zip(*(one.tolist() for one in columns), strict=True))


def find_all(batch: Batch) -> Stretches:
    """The stretches, however short."""
    edges = np.concatenate(([0], stretches._find_breaks(batch), [len(batch)])).astype(np.int64)
    return Stretches.build(batch, edges[:-1], edges[1:])


PARTS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 80), st.integers(1, 70), st.sampled_from([1, 40])),
    min_size=1,
    max_size=12,
)


@given(PARTS, st.sampled_from([10, 1 << 17]))
def test_stretches_come_in_the_order_of_rows(
    parts: list[tuple[int, int, int, int]], block_rows: int
) -> None:
    batch = concat_batches(make_stretch(*part) for part in parts)
    labels = make_labels()
    seen = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "BLOCK_ROWS", block_rows)
        for start, part in cut_at_spans(batch, find_all(batch), WEEK_US).items():
            inside = batch.measured_at_us // WEEK_US * WEEK_US == start
            pieces = list(SpanRows(batch, part).in_order(labels))
            expected = rows_of(labels.order(batch.take(inside)))
            # Equal keys from two stretches stand beside each other in any order.
            assert sorted(expected) == sorted(rows_of(concat_batches(pieces)))
            found = [row[:2] for row in rows_of(concat_batches(pieces))]
            assert found == [row[:2] for row in expected]
            series = [set(piece.series_id.tolist()) for piece in pieces]
            assert sum(map(len, series)) == len(set().union(*series))
            assert len(SpanRows(batch, part)) == inside.sum()
            seen += int(inside.sum())
    assert seen == len(batch)


def test_short_stretches_are_not_worth_it() -> None:
    by_time = concat_batches(make_stretch(one, at, 1) for at in range(50) for one in range(3))
    assert find_stretches(by_time) is None
    assert find_stretches(make_stretch(1, 0, 0)) is None
    by_series = concat_batches(make_stretch(one, 0, 50) for one in range(3))
    found = find_stretches(by_series)
    assert found is not None
    assert found.starts.tolist() == [0, 50, 100]


@pytest.mark.parametrize(
    ("parts", "is_newer"),
    [
        ([(1, 0, 40), (2, 0, 40)], True),
        ([(2, 0, 40), (1, 0, 40)], True),
        # A series in two stretches: the second behind the first, at its end, before it.
        ([(1, 0, 40), (2, 0, 40), (1, 40, 40)], True),
        ([(1, 0, 40), (2, 0, 40), (1, 39, 40)], False),
        ([(1, 50, 40), (2, 0, 40), (1, 0, 40)], False),
        # The same, one right behind the other.
        ([(1, 0, 40), (1, 10, 40)], False),
        # Beside what is stored.
        ([(3, 6, 40)], True),
        ([(3, 5, 40)], False),
    ],
)
def test_stretches_tell_whether_rows_are_newer(
    parts: list[tuple[int, int, int]],
    is_newer: bool,  # noqa: FBT001  # a case
) -> None:
    batch = concat_batches(make_stretch(*part) for part in parts)
    found = find_stretches(batch)
    assert found is not None
    marks = make_marks()
    assert are_all_newer(batch, found, marks) == is_newer
    newest = max(part[1] + part[2] - 1 for part in parts if part[0] == parts[0][0])
    raised = int(marks.newest_of(np.array([parts[0][0]], np.int32))[0])
    assert (raised == T0 + newest * STEP_US) == is_newer
    # Row by row, less is seen; what is not seen to be newer is judged one by one.
    assert is_newer or not are_all_newer(batch, None, make_marks())


def make_marks() -> Watermarks:
    """Series 3 is stored up to step 5."""
    marks = Watermarks()
    marks.raise_to(np.array([3], np.int32), np.array([T0 + 5 * STEP_US]))
    return marks


def test_bulk_loads_are_read_back(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    first = [make_stretch(REGISTER, 0, 90), make_stretch(POWER, 3, 80)]
    second = [make_stretch(POWER, 83, 60), make_stretch(REGISTER, 60, 90)]
    assert store.load(concat_batches(first)).stored == 170
    receipt = store.load(concat_batches(second))
    assert (receipt.stored, receipt.duplicate) == (120, 30)
    for series, last in ((POWER, 143), (REGISTER, 150)):
        found = store.read_raw([series], 0, 2**61)
        begin = 3 if series == POWER else 0
        expected = make_stretch(series, begin, last - begin)
        assert found.measured_at_us.tolist() == expected.measured_at_us.tolist()
        assert found.value.tolist() == expected.value.tolist()
    store.close()
