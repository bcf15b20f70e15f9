"""Every command from the outside: what it prints, how it ends, and one line for an error."""

from __future__ import annotations

import csv
import io
import json
import re
import socket
from pathlib import Path

import pytest

from tests.cli.invocation import Outcome, invoke
from wattscope import __version__
from wattscope.settings import Settings
from wattscope.stores.folder import DataFolder

OPTIONS = {
    "demo": ["--data", "--host", "--port", "--mqtt-port", "--history", "--no-browser"],
    "run": ["--settings", "--data", "--host", "--port", "--mqtt-port", "--expose-without-login"],
    "simulate": [
        *("--url", "--count", "--interval", "--seed", "--history", "--data"),
        *("--profile", "--port", "--unit", "--copies", "--framing", "--serial", "--fault"),
        *("--gaps", "--baud", "--parity", "--turn-around"),
    ],
    "subscribe": ["--url", "--profile", "--topic", "--count", "--settings"],
    "import": ["--profile", "--map", "--data", "--settings"],
    "replay": ["--code", "--data", "--settings"],
    "sql": ["--format", "--data", "--settings"],
    "report": ["daily"],
    "explain": ["--interval", "--start", "--end", "--format", "--data", "--settings"],
    "devices": ["--format", "--data", "--settings", "list", "add", "remove", "import", "export"],
    "registers": ["--format", "--data", "--settings", "list", "add", "remove", "import", "export"],
    "backup": ["--data", "--settings"],
    "restore": ["--check", "--data", "--settings"],
    "export": ["--from", "--to", "--device", "--quantity", "--level", "--format", "--data"],
    "verify": ["--full", "--format", "--data"],
    "repair": ["--from", "--dry-run", "--full", "--format", "--data", "--settings"],
    "check": ["SETTINGS_FILE"],
    "doctor": ["--data", "--settings"],
}
BROKEN_SETTINGS = """\
[site]
time_zone = "Mars/Olympus"

[server]
port = 99999

[[sources]]
profiles = ["tasmota"]
qos = 3
"""
MISSPELT_SETTINGS = """\
pagse = ["home"]

[site]
timezone = "UTC"
"""


@pytest.fixture(autouse=True)
def wide_screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Help as on a wide terminal without colours, in an empty folder."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.chdir(tmp_path)


def assert_refused(outcome: Outcome, status: int, said: str) -> None:
    """One line on standard error, no trace, and a status that a script can act on."""
    assert outcome.status == status, outcome.err
    lines = outcome.err.strip().splitlines()
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("wattscope: ")
    assert said in lines[0]
    assert "Traceback" not in outcome.out + outcome.err


# ── help ─────────────────────────────────────────────────────────────────────────────────────


def test_help_lists_every_command() -> None:
    outcome = invoke("--help")
    assert outcome.status == 0
    for name in OPTIONS:
        assert re.search(rf"^\W*{name}\b", outcome.out, re.MULTILINE), name


@pytest.mark.parametrize("name", OPTIONS)
def test_help_of_a_command_names_its_options(name: str) -> None:
    outcome = invoke(name, "--help")
    assert outcome.status == 0
    for option in OPTIONS[name]:
        assert option.lower() in outcome.out.lower(), option


def test_version() -> None:
    assert invoke("--version").out.strip() == f"wattscope {__version__}"


def test_no_word_at_all_shows_the_help() -> None:
    outcome = invoke()
    assert "Usage" in outcome.out + outcome.err


@pytest.mark.parametrize("words", [["fly"], ["sql"], ["sql", "SELECT 1", "--format", "xml"]])
def test_wrong_words_end_with_usage_not_with_a_trace(words: list[str]) -> None:
    outcome = invoke(*words)
    assert outcome.status == 2
    assert "Usage" in outcome.err
    assert "Traceback" not in outcome.err


# ── what is refused at the start ─────────────────────────────────────────────────────────────


@pytest.mark.integration
@pytest.mark.parametrize("command", ["demo", "run"])
@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "meter.example"])
def test_other_host_than_loopback_is_refused(tmp_path: Path, command: str, host: str) -> None:
    outcome = invoke(command, "--host", host, "--data", tmp_path / "data")
    assert_refused(outcome, 78, "--expose-without-login")
    assert host in outcome.err
    assert not (tmp_path / "data").exists()


@pytest.mark.integration
@pytest.mark.parametrize("command", ["demo", "run"])
def test_taken_port_is_named_with_the_option_that_moves_it(tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = invoke(command, "--port", str(port), "--data", tmp_path / "data")
    lines = [line for line in outcome.err.splitlines() if line.startswith("wattscope: ")]
    assert outcome.status == 78
    assert len(lines) == 1
    assert str(port) in lines[0]
    assert "--port" in lines[0]


@pytest.mark.integration
def test_taken_broker_port_is_named_with_the_option_that_moves_it(
    tmp_path: Path, free_port: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = invoke(
            "run", "--port", str(free_port), "--mqtt-port", str(port), "--data", tmp_path / "data"
        )
    assert outcome.status in {1, 78}
    assert str(port) in outcome.last_line()
    assert "--mqtt-port" in outcome.last_line()
    assert "Traceback" not in outcome.err


def test_second_process_on_a_data_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("measured_at,voltage_v\n2026-05-01T00:00:00Z,230\n")
    with DataFolder(tmp_path / "data"):
        outcome = invoke("import", tmp_path / "rows.csv", "--data", tmp_path / "data")
    assert_refused(outcome, 1, "data")
    assert invoke("import", tmp_path / "rows.csv", "--data", tmp_path / "data").status == 0


def test_recipe_that_does_not_exist_is_named_with_those_that_do(tmp_path: Path) -> None:
    outcome = invoke("demo", "castle", "--data", tmp_path / "data")
    assert_refused(outcome, 78, "home")


def test_length_of_a_past_that_is_none_is_refused(tmp_path: Path) -> None:
    outcome = invoke("simulate", "--history", "two weeks", "--data", tmp_path / "data")
    assert_refused(outcome, 78, "14d")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", ["sql", "devices"])
def test_nothing_to_look_at_is_said(tmp_path: Path, command: str) -> None:
    words = ["SELECT 1"] if command == "sql" else []
    outcome = invoke(command, *words, "--data", tmp_path / "nothing")
    assert_refused(outcome, 78, "there is no data")
    assert not (tmp_path / "nothing").exists()


def test_missing_settings_file_is_named(tmp_path: Path) -> None:
    outcome = invoke("check", tmp_path / "no.toml")
    assert_refused(outcome, 78, "no.toml")


# ── settings ─────────────────────────────────────────────────────────────────────────────────


def test_check_lists_all_faults_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "wattscope.toml"
    file.write_text(BROKEN_SETTINGS, encoding="utf-8")
    outcome = invoke("check", file)
    assert outcome.status == 78
    lines = outcome.err.strip().splitlines()
    assert all(line.startswith("wattscope: ") for line in lines)
    for said in ("Mars/Olympus", "server.port", "qos"):
        assert said in outcome.err, said


def test_check_names_the_nearest_of_every_misspelt_key(tmp_path: Path) -> None:
    file = tmp_path / "wattscope.toml"
    file.write_text(MISSPELT_SETTINGS, encoding="utf-8")
    outcome = invoke("check", file)
    assert outcome.status == 78
    assert "did you mean pages?" in outcome.err
    assert "did you mean time_zone?" in outcome.err


def test_check_names_a_profile_that_does_not_exist(tmp_path: Path) -> None:
    file = tmp_path / "wattscope.toml"
    file.write_text('[[sources]]\nprofiles = ["tasmotta"]\n', encoding="utf-8")
    assert_refused(invoke("check", file), 78, "tasmota")


def test_check_of_every_recipe_that_comes_along() -> None:
    folder = Path(__file__).parents[2] / "src" / "wattscope" / "recipes"
    for recipe in sorted(folder.glob("*.toml")):
        outcome = invoke("check", recipe)
        assert outcome.status == 0, outcome.err
        assert "well formed" in outcome.out


@pytest.mark.integration
def test_doctor_says_what_to_do(tmp_path: Path, free_port: int) -> None:
    file = tmp_path / "wattscope.toml"
    file.write_text(
        f'[broker]\nport = {free_port}\n[[sources]]\nprofiles = ["tasmota"]\n', encoding="utf-8"
    )
    outcome = invoke("doctor", "-c", file, "--data", tmp_path / "data")
    assert outcome.status == 1
    lines = outcome.out.splitlines()
    assert all(line[:4] in {"ok  ", "LOOK"} for line in lines)
    assert any(f"nothing answers at mqtt://127.0.0.1:{free_port}" in line for line in lines)
    assert not (tmp_path / "data").exists()


@pytest.mark.integration
def test_doctor_looks_at_the_data_and_a_broken_file_is_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("measured_at,voltage_v\n2026-05-01T00:00:00Z,230\nx,1\n")
    assert invoke("import", tmp_path / "rows.csv", "--data", tmp_path / "data").status == 0
    outcome = invoke("doctor", "--data", tmp_path / "data")
    assert outcome.status == 1
    assert "newest reading is" in outcome.out
    assert "1 items in quarantine" in outcome.out
    (tmp_path / "broken.toml").write_text(BROKEN_SETTINGS, encoding="utf-8")
    broken = invoke("doctor", "-c", tmp_path / "broken.toml", "--data", tmp_path / "data")
    assert broken.status == 1
    assert broken.out.splitlines()[0].startswith("LOOK")


# ── answers ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    (folder / "rows.csv").write_text(
        "measured_at,active_power_w@shed\n2026-05-01T00:00:00Z,\n2026-05-01T00:01:00Z,0.1\n"
    )
    assert invoke("import", folder / "rows.csv", "--data", folder / "data").status == 0
    return folder / "data"


QUESTION = "SELECT measured_at, value, device FROM readings ORDER BY measured_at"


def test_sql_as_json_keeps_null(filled: Path) -> None:
    outcome = invoke("sql", QUESTION, "--format", "json", "--data", filled)
    assert json.loads(outcome.out) == [
        {"measured_at": "2026-05-01T00:00:00Z", "value": None, "device": "shed"},
        {"measured_at": "2026-05-01T00:01:00Z", "value": 0.1, "device": "shed"},
    ]


def test_sql_as_csv_keeps_empty_cells(filled: Path) -> None:
    outcome = invoke("sql", QUESTION, "--format", "csv", "--data", filled)
    assert list(csv.reader(io.StringIO(outcome.out))) == [
        ["measured_at", "value", "device"],
        ["2026-05-01T00:00:00Z", "", "shed"],
        ["2026-05-01T00:01:00Z", "0.1", "shed"],
    ]


def test_sql_as_table_shows_all_columns(filled: Path) -> None:
    outcome = invoke("sql", QUESTION, "--data", filled)
    assert outcome.status == 0
    for word in ("measured_at", "value", "device", "2026-05-01T00:00:00Z", "0.1", "shed"):
        assert word in outcome.out


@pytest.mark.parametrize(
    "question",
    [
        "SELEC 1",
        "SELECT 1; SELECT 2",
        "DROP TABLE series_names",
        "COPY (SELECT 1) TO 'out.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
    ],
)
def test_wrong_sql_ends_with_status_one_and_no_trace(
    filled: Path, tmp_path: Path, question: str
) -> None:
    outcome = invoke("sql", question, "--data", filled)
    assert outcome.status == 1
    assert outcome.err.startswith("wattscope: ")
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "out.csv").exists()


def test_sql_while_the_program_runs(filled: Path) -> None:
    with DataFolder(filled):
        assert invoke("sql", "SELECT 1 AS one", "--data", filled).status == 0


def test_devices_are_listed_with_their_newest_value(filled: Path) -> None:
    outcome = invoke("devices", "--format", "json", "--data", filled)
    newest = {row["device"]: row["newest"] for row in json.loads(outcome.out)}
    assert newest["shed"] == "2026-05-01T00:01:00Z"


def test_replay_of_an_empty_quarantine_changes_nothing(tmp_path: Path) -> None:
    outcome = invoke("replay", "--data", tmp_path / "data")
    assert outcome.status == 0
    assert outcome.out.startswith("0 items replayed: 0 values stored")


def test_simulated_past_is_written_once(tmp_path: Path) -> None:
    words = ("simulate", "home", "--history", "1h", "--data", tmp_path / "data")
    first = invoke(*words)
    assert first.status == 0, first.err
    written = int(first.out.split()[0])
    assert written > 1000
    second = invoke(*words)
    assert int(second.out.split()[0]) < written / 10


def test_defaults_stay_on_loopback_without_a_password() -> None:
    settings = Settings()
    assert settings.server.host == settings.broker.host == "127.0.0.1"
    assert all(source.password is None for source in settings.sources)
