"""The examples of ``docs/chunk-files.md`` do what the page says, on files of every kind."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from tests.stores.histories import open_store, record
from wattscope.core.time_grid import US_PER_DAY, US_PER_S

PAGE = Path(__file__).parents[2] / "docs" / "chunk-files.md"
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
T0 = 1_717_200_000 * US_PER_S
POWER, REGISTER, VOLTAGE = 1, 2, 7
ROWS = [
    (POWER, T0, 512.5, 0),
    (POWER, T0 + US_PER_DAY, 1 / 3, 0),
    (REGISTER, T0, 12.345, 0),
    (REGISTER, T0 + US_PER_DAY, float("nan"), 1),
    (VOLTAGE, T0, 230.0, 4),
]


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the first block of the page makes of a data folder with rows in it."""
    store = open_store(tmp_path / "wattscope-data" / "chunks")
    store.write(record(0, *ROWS))
    store.close()
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(BLOCKS[0], found)  # the page's own example
    assert len(found["files"]) == 5
    return found


def test_duckdb(names: dict[str, Any]) -> None:
    exec(BLOCKS[1], names)  # the page's own example
    values = sorted(value for _, _, value in names["power"].fetchall())
    assert values == pytest.approx([1 / 3, 512.5])


def test_polars(names: dict[str, Any]) -> None:
    exec(BLOCKS[2], names)  # the page's own example
    table = names["readings"].collect()
    found = sorted(table.select("series_id", "value").rows(), key=str)
    wanted = sorted(
        ((one, None if math.isnan(value) else value) for one, _, value, _ in ROWS), key=str
    )  # NaN
    assert found == wanted


def test_pandas(names: dict[str, Any]) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    exec(BLOCKS[3], names)  # the page's own example
    table = names["readings"]
    assert sorted(table["series_id"]) == sorted(one for one, *_ in ROWS)
    power = table[table["quantity"] == "active_power_w"]
    assert sorted(float(value) for value in power["value"]) == pytest.approx([1 / 3, 512.5])
