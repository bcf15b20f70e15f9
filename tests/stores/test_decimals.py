"""Values stay what they were measured as, whatever file they lie in."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stores.histories import open_store, record
from wattscope.core.time_grid import US_PER_S

T0 = 1_717_200_000 * US_PER_S
POWER, REGISTER = 1, 2


AWKWARD = [0.1, -0.0, 230.1, -17.25, 1e11 + 0.125, 12345678.901, 1e15, 1 / 3, 5e-324, 1e-7, 2.0**53]


@given(
    st.lists(
        st.one_of(
            st.sampled_from(AWKWARD),
            st.floats(allow_nan=False, allow_infinity=False),
            st.decimals(-(10**9), 10**9, places=3, allow_nan=False).map(float),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_values_come_back_from_files_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    store = open_store(tmp_path_factory.mktemp("bits"))
    rows = [(POWER, T0 + n, value, 0) for n, value in enumerate(values)]
    store.write(record(0, *rows, (REGISTER, T0, float("nan"), 1)))
    store.flush()
    found = store.read_raw([POWER], 0, 2**61).value.tolist()
    assert [repr(one) for one in found] == [repr(one) for one in values]
    assert np.isnan(store.read_raw([REGISTER], 0, 2**61).value).tolist() == [True]
    store.close()


def test_decimals_are_kept_as_decimals(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write(record(0, (POWER, T0, 230.1, 0), (REGISTER, T0, 1 / 3, 0)))
    store.flush()
    kept = {part.scale for span in store._manifest.spans for part in span.parts}
    assert kept == {1, None}
    (file,) = tmp_path.glob("rows-*-1.parquet")
    query = f"SELECT typeof(value), value::VARCHAR FROM '{file}'"
    found = duckdb.connect().execute(query).fetchall()
    assert found == [("DECIMAL(18,1)", "230.1")]
    store.close()
