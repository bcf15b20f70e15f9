"""Values stay what they were measured as, whatever file they lie in."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stores.histories import SPAN_US, open_store, record
from wattscope.core.time_grid import US_PER_S
from wattscope.stores import chunk_files

T0 = 1_717_200_000 * US_PER_S
POWER, REGISTER = 1, 2


def test_folder_of_the_format_before_is_read_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Format 1 had floats only, and no word of decimals in its manifest."""
    with monkeypatch.context() as patch:
        patch.setattr(chunk_files, "_SCALE_SQL", "NULL::INTEGER")
        store = open_store(tmp_path)
        store.write(record(0, (POWER, T0, 1.5, 0), (POWER, T0 + SPAN_US, 2.5, 0)))
        store.close()
    manifest = tmp_path / "manifest.json"
    text = re.sub(r',\s*"scale": null', "", manifest.read_text())
    manifest.write_text(text.replace('"format": 2', '"format": 1'))
    again = open_store(tmp_path)
    assert again.read_raw([POWER], 0, 2**61).value.tolist() == [1.5, 2.5]
    again.write(record(1, (POWER, T0 + 1, 1.25, 0)))
    again.flush()
    assert again.read_raw([POWER], 0, 2**61).value.tolist() == [1.5, 1.25, 2.5]
    assert '"format": 2' in manifest.read_text()
    again.close()


AWKWARD = [0.1, 230.1, -17.25, 1e11 + 0.125, 12345678.901, 1e15, 1 / 3, 5e-324, 1e-7, 2.0**53]


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
    assert store.read_raw([POWER], 0, 2**61).value.tolist() == values
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
