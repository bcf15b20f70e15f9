"""Folders that older versions of the program wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.compute.slow_rollups import Row
from tests.stores.histories import Past, assert_store_holds, open_store, record
from wattscope.core.time_grid import US_PER_DAY
from wattscope.stores.manifest import FORMAT

FORMAT_2 = Path(__file__).parents[1] / "cases" / "store_format_2"
"""Written by version 0.2: files by DuckDB, without checksums."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FORMAT_2, tmp_path / "chunks"))


def past_of_format_2() -> Past:
    kept = {}
    for series, t, value, quality in json.loads((FORMAT_2 / "rows.json").read_text()):
        kept[(series, t)] = Row(t, float("nan") if value is None else value, quality)
    return Past([], {key: Row(row.t, row.value, row.quality & ~4) for key, row in kept.items()})


def test_folder_of_the_format_before_is_read_and_goes_on(folder: Path) -> None:
    past = past_of_format_2()
    store = open_store(folder)
    assert_store_holds(store, past)
    newest = max(t for _, t in past.kept) + US_PER_DAY
    store.write(record(store.covered_offset, (1, newest, 5.0, 0)))
    past.kept[(1, newest)] = Row(newest, 5.0, 0)
    assert_store_holds(store, past)
    store.close()
    table = json.loads((folder / "manifest.json").read_text())
    assert table["format"] == FORMAT
    parts = [part for span in table["spans"] for part in span["parts"]]
    assert all(part["note"]["crc"] for part in parts)
    again = open_store(folder)
    assert_store_holds(again, past)
    again.close()


def test_reader_of_the_format_before_changes_nothing(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    store = open_store(folder, is_read_only=True)
    assert_store_holds(store, past_of_format_2())
    store.close()
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert found == before
