"""Commands that write, on a disk that is nearly full: one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.invocation import ask, invoke
from wattscope.assembly import storage
from wattscope.pipeline.space import DiskRoom

COUNT = "SELECT count(*) AS n FROM readings"


def test_import_on_a_full_disk_says_so_in_one_line_and_works_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, data = tmp_path / "rows.csv", tmp_path / "data"
    rows.write_text("measured_at,voltage_v\n2026-05-01T00:00:00Z,230\n")
    with monkeypatch.context() as patch:
        patch.setattr(storage, "measure_room", lambda _: DiskRoom(10**9, 10**7))
        outcome = invoke("import", rows, "--data", data)
    assert outcome.status == 1
    assert "Traceback" not in outcome.err
    assert outcome.last_line().startswith("wattscope: the disk of the data folder is nearly full")
    assert "storage.min_free_mb is 50" in outcome.last_line()
    assert ask(data, COUNT) == [{"n": 0}]
    assert invoke("import", rows, "--data", data).status == 0
    assert ask(data, COUNT) == [{"n": 1}]
    assert not (data / "reserve").exists()
