"""Very many rows are shared out by their series: nothing is lost, and nothing changes its place."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.core.reading import build_batch, concat_batches
from wattscope.ports import Quarantined, StoreReceipt
from wattscope.stores.postgres.load_shares import add_receipts, split_by_series


@given(series=st.lists(st.integers(1, 9), min_size=1, max_size=60), most=st.integers(1, 4))
def test_every_row_is_in_one_part_and_a_series_whole(series: list[int], most: int) -> None:
    batch = build_batch([(one, n, float(n), 0) for n, one in enumerate(series)])
    parts = split_by_series(batch, most)
    assert 1 <= len(parts) <= most
    together = concat_batches(parts)
    assert sorted(together.measured_at_us.tolist()) == list(range(len(series)))
    for part in parts:
        assert len(part)
        # The order in which they came.
        assert (np.diff(part.measured_at_us) > 0).all()
    members = [set(part.series_id.tolist()) for part in parts]
    assert sum(map(len, members)) == len(set(series))
    # Rising, so that those who load them lock them in one order.
    assert all(max(one) < min(other) for one, other in pairwise(members))


def test_parts_are_of_about_one_size() -> None:
    batch = build_batch([(n % 100, n, 1.0, 0) for n in range(10_000)])
    assert [len(part) for part in split_by_series(batch, 4)] == pytest.approx([2500] * 4, abs=100)


def test_receipts_are_added_with_what_was_kept_aside() -> None:
    aside = Quarantined("store", "series/1", b"1.0", 0, "conflict", "")
    total = add_receipts([StoreReceipt(3, 1), StoreReceipt(2, 0, (aside,))])
    assert total == StoreReceipt(5, 1, (aside,))
