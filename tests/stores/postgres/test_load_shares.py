"""Very many rows are shared out by their series: nothing is lost, and nothing changes its place."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stores.opened import Opener
from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch, build_batch, concat_batches
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE, US_PER_S
from wattscope.ports import Quarantined, StoreReceipt
from wattscope.stores.postgres import load_shares
from wattscope.stores.postgres.columns import Connection
from wattscope.stores.postgres.intake import take_in
from wattscope.stores.postgres.load_shares import add_receipts, split_by_series

T0 = 1_717_200_000 * US_PER_S  # 2024-06-01 00:00 UTC
MIN, H = US_PER_MINUTE, US_PER_HOUR
POWER, IMPORT, VOLTAGE = 1, 2, 7


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


@pytest.mark.integration
def test_very_many_rows_go_over_several_connections(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_shares, "SHARED_ROWS", 100)
    rows = [
        (series, T0 + n * MIN, 10.0 * n, 0)
        for n in range(100)
        for series in (POWER, IMPORT, VOLTAGE)
    ]
    store = opener.open()
    used = set()

    def spy(connection: Connection, batch: Batch) -> StoreReceipt:
        used.add(connection.info.backend_pid)
        return take_in(connection, batch)

    monkeypatch.setattr(load_shares, "take_in", spy)
    assert store.load(build_batch(rows)).stored == 300
    assert len(used) == 2
    again = [*rows, (POWER, T0, 77.0, 0), (VOLTAGE, T0, 78.0, 0)]
    receipt = store.load(build_batch(again))
    assert (receipt.stored, receipt.duplicate) == (0, 300)
    assert sorted(one.topic for one in receipt.conflicts) == ["series/1", "series/7"]
    assert store.roll_up([IMPORT], "1h", T0, T0 + H).increase.tolist() == pytest.approx([600.0])
    store.close()


@pytest.mark.integration
def test_part_that_is_lost_costs_the_call_and_nothing_else(
    plain: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_shares, "SHARED_ROWS", 100)
    rows = [(series, T0 + n * MIN, 10.0 * n, 0) for n in range(100) for series in (POWER, VOLTAGE)]
    store = plain.open()
    is_lost = True

    def lose(connection: Connection, batch: Batch) -> StoreReceipt:
        if is_lost and VOLTAGE in batch.series_id:
            connection.close()
        return take_in(connection, batch)

    monkeypatch.setattr(load_shares, "take_in", lose)
    with pytest.raises(TransientError):
        store.load(build_batch(rows))
    is_lost = False
    receipt = store.load(build_batch(rows))
    assert receipt.stored + receipt.duplicate == 200
    assert receipt.stored == 100
    assert store.query("SELECT count(*) FROM readings").rows == [(200,)]
    store.close()
