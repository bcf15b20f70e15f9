"""Meters and registers on the command line, also beside a running program."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.invocation import Outcome, invoke
from wattscope.stores.folder import DataFolder

SEED_METERS = """\
host,port,slave_address,type,description
192.168.1.113,502,1,sdm630,example
remote_with_open_ports,8502,1,sdm630,example
"""


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def run(*words: str | Path) -> Outcome:
    """A command that must end well."""
    outcome = invoke(*words)
    assert outcome.status == 0, outcome.err
    return outcome


def names(*words: str | Path) -> list[str]:
    """Devices that are listed."""
    rows = json.loads(run("devices", *words, "--format", "json", "--data", "plant").out)
    return [row["device"] for row in rows]


def test_meter_is_added_listed_and_removed_while_a_program_runs() -> None:
    with DataFolder(Path("plant")):
        added = run(
            "devices", "add", "10.0.0.7", "--type", "sdm630", "--name", "Main", "--data", "plant"
        )
        assert "added main to " in added.out
        assert names("list") == names() == ["main", "test_energy_meter"]
        run("devices", "remove", "main", "--data", "plant")
        assert names() == ["test_energy_meter"]


def test_all_options_of_a_meter_reach_its_row() -> None:
    run(
        *("devices", "add", "/dev/ttyUSB0", "--type", "sdm630", "--unit", "3", "--id", "roof"),
        *("--poll", "1m", "--framing", "rtu", "--baud", "19200", "--parity", "E"),
        *("--stop-bits", "1", "--kind", "inverter", "--parent", "grid", "--rating-w", "5000"),
        *("--timeout-s", "0.5", "--production", "--data", "plant"),
    )
    with closing(sqlite3.connect("plant/meters.db")) as connection:
        row = connection.execute(
            "SELECT host, slave_address, device, poll, framing, baud, parity, stop_bits, kind, "
            "parent, rating_w, timeout_s, is_production FROM energy_meters WHERE id > 0"
        ).fetchone()
    assert row == (
        *("/dev/ttyUSB0", 3, "roof", "1m", "rtu", 19200, "E", 1, "inverter", "grid"),
        *(5000, 0.5, 1),
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("devices", "add", "h", "--type", "sdm63"), "did you mean sdm630?"),
        (("devices", "add", "h", "--type", "sdm630", "--port", "70000"), "port 70000"),
        (("devices", "remove", "cellar"), "meter 'cellar' does not exist"),
        (("devices", "import", "none.csv"), "file none.csv cannot be read"),
        (("devices", "export", "no/such/folder.csv"), "cannot be written"),
        (("registers", "remove", "sdm630"), "no row of 'sdm630'"),
        (("registers", "list", "sdm63"), "type 'sdm63' does not exist"),
        (("registers", "add", "own", "70000", "voltage"), "register_address 70000"),
    ],
)
def test_refusal_is_one_line_with_what_to_do(words: tuple[str, ...], said: str) -> None:
    outcome = invoke(*words, "--data", "plant")
    assert outcome.status not in {0, None}
    [line] = outcome.err.strip().splitlines()
    assert line.startswith("wattscope: ")
    assert said in line


def test_options_before_the_command_are_not_dropped_silently() -> None:
    outcome = invoke("devices", "--data", "plant", "add", "h", "--type", "sdm630")
    assert outcome.status == 78
    assert "write options behind the command" in outcome.err


def test_looking_at_types_makes_no_book() -> None:
    assert "sdm630" in run("registers", "--data", "plant").out
    assert "voltage_l1_v" in run("registers", "list", "sdm630", "--data", "plant").out
    assert not Path("plant").exists()


def test_csv_goes_in_and_out() -> None:
    Path("meters.csv").write_text(SEED_METERS, encoding="utf-8-sig")
    assert run("devices", "import", "meters.csv", "--data", "plant").out == (
        "2 added, 0 changed, 0 as they were\n"
    )
    assert "3 rows written to out.csv" in run("devices", "export", "out.csv", "--data", "plant").out
    assert run("devices", "export", "-", "--data", "plant").out == Path("out.csv").read_text()
    again = run("devices", "import", "out.csv", "--data", "plant")
    assert again.out == "0 added, 0 changed, 3 as they were\n"


def test_bad_rows_are_named_counted_and_change_the_status() -> None:
    Path("meters.csv").write_text(SEED_METERS + "h,abc,1,sdm630,x\n")
    outcome = invoke("devices", "import", "meters.csv", "--data", "plant")
    assert outcome.status == 1
    assert "meters.csv, line 4: port 'abc'" in outcome.err
    assert outcome.out == "2 added, 0 changed, 0 as they were; 1 rows left out\n"
    assert len(names()) == 3


def test_registers_are_added_exported_imported_and_removed() -> None:
    run(
        *("registers", "add", "own", "52", "activePower", "--unit", "kW", "--function", "4"),
        *("--value-type", "uint32", "--scale", "0.1", "--word-order", "1", "--data", "plant"),
    )
    listed = json.loads(run("registers", "list", "own", "--format", "json", "--data", "plant").out)
    assert listed == [
        {
            "quantity": "active_power_w",
            "unit": "W",
            "function": 4,
            "address": 52,
            "value_type": "uint32",
            "order": "CDAB",
            "factor": 100.0,
            "poll": None,
        }
    ]
    run("registers", "export", "own.csv", "--type", "own", "--data", "plant")
    run("registers", "import", "own.csv", "--data", "other")
    assert "removed 1 registers" in run("registers", "remove", "own", "--data", "other").out


def test_nonsense_row_is_said_beside_the_list() -> None:
    run("devices", "add", "h", "--type", "sdm630", "--data", "plant")
    with closing(sqlite3.connect("plant/meters.db")) as connection:
        connection.execute("UPDATE energy_meters SET port = 'abc' WHERE id > 0")
        connection.commit()
    outcome = run("devices", "--data", "plant")
    assert "port 'abc' is no integer" in outcome.err


def test_meters_of_the_settings_are_listed_too() -> None:
    Path("wattscope.toml").write_text(
        '[[meters]]\nid = "grid"\nhost = "10.0.0.1"\ntype = "sdm630"\n', encoding="utf-8"
    )
    assert "grid" in names()


def test_meter_book_comes_back_out_of_a_backup(tmp_path: Path) -> None:
    file = tmp_path / "shed.csv"
    file.write_text("measured_at,active_power_w@shed\n2026-05-01T00:00:00Z,230.5\n")
    run("import", file, "--data", "plant")
    run("devices", "add", "10.0.0.7", "--type", "sdm630", "--id", "main", "--data", "plant")
    run("backup", tmp_path / "backup", "--data", "plant")
    run("restore", tmp_path / "backup", "--data", "again")
    exported = [run("devices", "export", "-", "--data", one).out for one in ("plant", "again")]
    assert exported[0] == exported[1]
    assert "main" in exported[1]
