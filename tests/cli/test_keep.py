"""``backup``, ``restore`` and ``export`` as a person uses them, and files that come back."""

from __future__ import annotations

import csv
import shutil
import time
from pathlib import Path

import pytest

from tests.cli.invocation import ask, end_child, invoke, start_child
from wattscope.stores.folder import DataFolder

ROWS = """\
measured_at,active_power_w@shed,energy_import_wh@shed
2026-05-01T00:00:00Z,230.5,1000
2026-05-01T00:01:00.250Z,0.1,1000.3
2026-05-01T00:02:00Z,-7,1000.4
"""
MINUTES = "household_minute_2006-12-16_2007-01-19.csv.gz"
ALL_ROWS = "SELECT device, quantity, measured_at, value FROM readings ORDER BY ALL"


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A data folder with a shed in it."""
    file = tmp_path / "shed.csv"
    file.write_text(ROWS, encoding="utf-8")
    outcome = invoke("import", file, "--data", tmp_path / "data")
    assert outcome.status == 0, outcome.err
    return tmp_path / "data"


OPTIONS = {
    "backup": ["DEST", "--data", "--settings"],
    "restore": ["SRC", "--data", "--check", "--settings"],
    "export": ["FILE", "--from", "--to", "--device", "--quantity", "--level", "--format"],
}


@pytest.mark.parametrize("name", OPTIONS)
def test_help_names_the_options(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    outcome = invoke(name, "--help")
    assert outcome.status == 0
    for option in OPTIONS[name]:
        assert option in outcome.out, option


def test_backup_says_what_it_holds(filled: Path, tmp_path: Path) -> None:
    outcome = invoke("backup", tmp_path / "backup", "--data", filled)
    assert outcome.status == 0, outcome.err
    assert "6 rows of 2 series" in outcome.out
    assert "log offset 1" in outcome.out


def test_restore_prints_counts_sums_and_rate(filled: Path, tmp_path: Path) -> None:
    invoke("backup", tmp_path / "backup", "--data", filled)
    outcome = invoke("restore", tmp_path / "backup", "--data", tmp_path / "again")
    assert outcome.status == 0, outcome.err
    assert "shed active_power_w: 3 rows, sum 223.6: equal" in outcome.out
    assert "shed energy_import_wh: 3 rows, sum 3000.7: equal" in outcome.out
    assert "MB/s" in outcome.out
    assert ask(tmp_path / "again", ALL_ROWS) == ask(filled, ALL_ROWS)


def test_check_keeps_nothing(filled: Path, tmp_path: Path) -> None:
    invoke("backup", tmp_path / "backup", "--data", filled)
    outcome = invoke("restore", tmp_path / "backup", "--check", "--data", filled)
    assert outcome.status == 0, outcome.err
    assert "is sound, nothing was kept" in outcome.out
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"backup", "data", "shed.csv"}


@pytest.mark.integration
def test_backup_while_another_process_writes(filled: Path, tmp_path: Path) -> None:
    words = ("simulate", "home", "--history", "10d", "--data", filled)
    before = _log_bytes(filled)
    child = start_child(words, tmp_path / "child.log")
    try:
        deadline = time.monotonic() + 60
        while _log_bytes(filled) == before:
            assert child.poll() in {None, 0}, (tmp_path / "child.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        outcome = invoke("backup", tmp_path / "backup", "--data", filled)
    finally:
        end_child(child, 60)
    assert outcome.status == 0, outcome.err
    assert invoke("restore", tmp_path / "backup", "--data", tmp_path / "again").status == 0
    shed = "SELECT count(*) AS n FROM readings WHERE device = 'shed'"
    assert ask(tmp_path / "again", shed) == [{"n": 6}]


def _log_bytes(data: Path) -> int:
    return sum(path.stat().st_size for path in (data / "log").iterdir())


def assert_refused(*words: str | Path, said: str, status: int = 1) -> None:
    outcome = invoke(*words)
    assert outcome.status == status, outcome.err
    lines = outcome.err.strip().splitlines()
    assert len(lines) == 1, outcome.err
    assert said in lines[0]
    assert "Traceback" not in outcome.err


def test_refusals_are_one_line_each(filled: Path, tmp_path: Path) -> None:
    backup, again = tmp_path / "backup", tmp_path / "again"
    invoke("backup", backup, "--data", filled)
    assert_refused("backup", backup, "--data", filled, said="not empty")
    assert_refused("restore", backup, "--data", filled, said="not empty")
    assert_refused("restore", filled, "--data", again, said="plain copy")
    assert_refused("backup", again, "--data", tmp_path / "none", said="no data", status=78)
    (backup / "registry.sqlite").write_bytes(b"")
    assert_refused("restore", backup, "--data", again, said="registry.sqlite")
    assert not again.exists()


# ── export ───────────────────────────────────────────────────────────────────────────────────


def test_export_writes_what_was_measured(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    outcome = invoke("export", file, "--data", filled)
    assert outcome.status == 0, outcome.err
    assert "6 rows of 2 series" in outcome.out
    lines = file.read_bytes().decode().split("\r\n")
    assert lines[0] == "measured_at,site,device,quantity,value,unit,quality"
    assert "2026-05-01T00:00:00Z,home,shed,active_power_w,230.5,W,good" in lines
    assert "2026-05-01T00:01:00.250000Z,home,shed,energy_import_wh,1000.3,Wh,good" in lines


def test_export_takes_device_quantity_span_and_level(filled: Path, tmp_path: Path) -> None:
    words = ("--data", filled, "--device", "shed", "--quantity", "active_power_w")
    span = ("--from", "2026-05-01T00:00:30Z", "--to", "2026-05-01T00:02:00Z")
    assert "1 rows of 1 series" in invoke("export", tmp_path / "a.csv", *words, *span).out
    outcome = invoke("export", tmp_path / "b.csv", *words, "--level", "1m")
    assert outcome.status == 0, outcome.err
    with (tmp_path / "b.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["sum"] for row in rows if row["count"] == "1"] == ["230.5", "0.1", "-7"]


def test_export_chooses_parquet_by_the_name(filled: Path, tmp_path: Path) -> None:
    for name, words in (("a.parquet", ()), ("b.bin", ("--format", "parquet"))):
        outcome = invoke("export", tmp_path / name, "--data", filled, *words)
        assert outcome.status == 0, outcome.err
        assert (tmp_path / name).read_bytes()[:4] == b"PAR1"


def test_export_while_the_program_runs(filled: Path, tmp_path: Path) -> None:
    with DataFolder(filled):
        assert invoke("export", tmp_path / "out.csv", "--data", filled).status == 0


def test_export_refuses_in_one_line(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    assert_refused("export", file, "--data", tmp_path / "none", said="no data", status=78)
    assert_refused("export", file, "--device", "attic", "--data", filled, said="attic")
    assert_refused("export", file, "--from", "yesterday", "--data", filled, said="yesterday")
    assert not file.exists()


def test_household_comes_back_equal_out_of_its_export(shared_data: Path, tmp_path: Path) -> None:
    """Real data: imported, exported, imported again, one quantity a file."""
    source = shared_data / "household-uci" / MINUTES
    first, second = tmp_path / "first", tmp_path / "second"
    assert invoke("import", source, "--profile", "uci-household", "--data", first).status == 0
    quantities = [row["q"] for row in ask(first, "SELECT DISTINCT quantity AS q FROM readings")]
    assert len(quantities) > 1
    for quantity in quantities:
        file = tmp_path / f"{quantity}.csv"
        assert invoke("export", file, "--quantity", quantity, "--data", first).status == 0
        columns = f"time=measured_at,device_column=device,{quantity}=value"
        outcome = invoke("import", file, "--map", columns, "--data", second)
        assert outcome.status == 0, outcome.err
        assert "0 rows set aside" in outcome.out
    before = ask(first, ALL_ROWS)
    assert len(before) == 335_720
    assert ask(second, ALL_ROWS) == before


def test_whole_household_comes_back_out_of_one_file(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "household-uci" / MINUTES
    first, second = tmp_path / "first", tmp_path / "second"
    assert invoke("import", source, "--profile", "uci-household", "--data", first).status == 0
    file = tmp_path / "all.csv"
    assert invoke("export", file, "--data", first).status == 0
    outcome = invoke("import", file, "--profile", "wattscope-csv", "--data", second)
    assert outcome.status == 0, outcome.err
    assert "335720 stored, 0 known already, 35 marked missing; 0 rows set aside" in outcome.out
    assert ask(second, ALL_ROWS) == ask(first, ALL_ROWS)


def test_names_and_marks_of_rows_that_are_wrong_are_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "some.csv"
    file.write_text(
        "measured_at,site,device,quantity,value,unit,quality\r\n"
        "2026-05-01T00:00:00Z,home,shed,active_power_w,1.5,W,late estimated\r\n"
        "2026-05-01T00:00:00Z,home,shed,voltage_v,230,V,good\r\n"
        "2026-05-01T00:01:00Z,home,shed,wishes,1,,good\r\n"
        "2026-05-01T00:01:00Z,home,<b>,voltage_v,1,V,good\r\n",
        encoding="utf-8",
    )
    outcome = invoke("import", file, "--profile", "wattscope-csv", "--data", tmp_path / "data")
    assert "2 stored" in outcome.out
    assert "bad_name: 2" in outcome.out
    rows = ask(tmp_path / "data", "SELECT quantity, value, quality FROM readings ORDER BY ALL")
    assert rows == [
        {"quantity": "active_power_w", "value": 1.5, "quality": "estimated"},
        {"quantity": "voltage_v", "value": 230.0, "quality": "good"},
    ]


def test_backup_of_the_household_is_restored_equal(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "household-uci" / MINUTES
    data = tmp_path / "data"
    assert invoke("import", source, "--profile", "uci-household", "--data", data).status == 0
    before = ask(data, ALL_ROWS)
    assert invoke("backup", tmp_path / "backup", "--data", data).status == 0
    shutil.rmtree(data)
    assert invoke("restore", tmp_path / "backup", "--data", data).status == 0
    assert ask(data, ALL_ROWS) == before
