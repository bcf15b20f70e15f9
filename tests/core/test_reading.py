from __future__ import annotations

import numpy as np

from wattscope.core.reading import Batch, build_batch, concat_batches, empty_batch

ROWS = [(1, 10, 1.5, 0), (2, 20, float("nan"), 1), (1, 30, -2.5, 6)]


def rows_of(batch: Batch) -> list[tuple[int, int, str, int]]:
    return [
        (s, t, repr(v), q)
        for s, t, v, q in zip(*(getattr(batch, n).tolist() for n in Batch.__slots__), strict=True)
    ]


def test_rows_become_columns_of_fixed_types() -> None:
    batch = build_batch(ROWS)
    types = [getattr(batch, name).dtype for name in Batch.__slots__]
    assert types == [np.int32, np.int64, np.float64, np.uint8]
    assert len(batch) == 3
    assert [getattr(empty_batch(), name).dtype for name in Batch.__slots__] == types
    assert len(build_batch([])) == 0


def test_rows_are_taken_by_mask_and_by_number() -> None:
    batch = build_batch(ROWS)
    mask = batch.take(np.array([True, False, True]))
    assert rows_of(mask) == rows_of(batch.take(np.array([0, 2])))


def test_batches_are_joined_in_order() -> None:
    batch = build_batch(ROWS)
    joined = concat_batches(
        [batch.take(np.array([0])), empty_batch(), batch.take(np.array([1, 2]))]
    )
    assert rows_of(joined) == rows_of(batch)
    assert len(concat_batches([])) == 0
