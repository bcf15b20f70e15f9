"""The units start what there is, and may do no more than they need."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.deploy.command_lines import find_command_fault
from tests.servers import find_program

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
SERVICES = ("wattscope.service", "wattscope@.service", "wattscope-backup.service")
PROGRAM = "/opt/wattscope/bin/wattscope"
WIDEST = 30
"""Exposure that systemd may find in the unit of one process, of 100."""


def read_service(name: str) -> dict[str, str]:
    """The section [Service]; of a word that is there several times, the last counts."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keeps capitals
    parser.read(UNITS / name)
    return dict(parser["Service"])


def find_start_fault(line: str, role: str = "store") -> str:
    """What the program would not understand of an ExecStart."""
    line = line.replace("${PORT}", "8001").replace("%i", role)
    words = shlex.split(line)
    if words[:2] == ["/bin/sh", "-c"]:
        script = words[2].replace("%%", "%")
        words = shlex.split(script.removeprefix("exec ").replace("$(date -u +%F)", "2026-01-01"))
    if words[0] != PROGRAM:
        return f"{words[0]} is not {PROGRAM}"
    return find_command_fault(words[1:])


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_unit_starts_is_understood(name: str) -> None:
    start = read_service(name)["ExecStart"]
    assert find_start_fault(start) == ""
    assert find_start_fault(start.replace("--data", "--date")) != ""
    assert find_start_fault(start.replace("bin/wattscope", "bin/wattscop")) != ""


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_runs_as_the_user_that_is_made_for_it(name: str) -> None:
    users = (UNITS / "wattscope.sysusers").read_text(encoding="utf-8")
    assert re.search(r"^u wattscope ", users, re.MULTILINE)
    service = read_service(name)
    assert service["User"] == service["Group"] == "wattscope"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"


def test_serial_adapters_can_be_read() -> None:
    for name in ("wattscope.service", "wattscope@.service"):
        text = (UNITS / name).read_text(encoding="utf-8")
        assert "SupplementaryGroups=dialout\n" in text
        assert "DeviceAllow=char-ttyUSB rw\n" in text
        # It would hide the adapters.
        assert "PrivateDevices" not in text


def test_data_lie_where_the_program_may_write() -> None:
    service = read_service("wattscope.service")
    assert f"--data /var/lib/{service['StateDirectory']}" in service["ExecStart"]
    template = read_service("wattscope@.service")
    assert f"--data /var/lib/{template['StateDirectory']} " in template["ExecStart"]
    backup = read_service("wattscope-backup.service")
    assert backup["ReadWritePaths"].split()[0] in backup["ExecStart"]
    made = (UNITS / "wattscope.tmpfiles").read_text(encoding="utf-8")
    assert f"d {backup['ReadWritePaths'].split()[0]} 0700 wattscope wattscope" in made


def copy_units(folder: Path, said: str = "", instead: str = "") -> list[Path]:
    """The units with a program that is installed here, and a change of the first."""
    copies = []
    for name in (*SERVICES, "wattscope-backup.timer"):
        text = (UNITS / name).read_text(encoding="utf-8").replace(PROGRAM, sys.executable)
        copies.append(folder / name.replace("@.", "@store."))
        copies[-1].write_text(text if copies[1:] else text.replace(said, instead), "utf-8")
    return copies


def verify(paths: list[Path]) -> str:
    """What systemd has to say of units, about them; nothing when all is well."""
    analyze = find_program("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed (apt install systemd)")
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    return "\n".join(line for line in lines if "wattscope" in line)


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    assert verify(copy_units(tmp_path)) == ""


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("ProtectSystem=strict", "ProtectSystem=strictly"),
        ("Restart=on-failure", "Restrat=on-failure"),
        (f"ExecStart={sys.executable}", "ExecStart=/opt/nothing/bin/wattscope"),
    ],
)
def test_systemd_finds_what_is_wrong(said: str, instead: str, tmp_path: Path) -> None:
    assert verify(copy_units(tmp_path, said, instead)) != ""


def expose(path: Path) -> int:
    """How systemd judges what a unit may do, 0 to 100."""
    analyze = find_program("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed (apt install systemd)")
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    match = re.search(r"Overall exposure level for \S+: (\d+)\.(\d)", done.stdout)
    assert match is not None, done.stderr
    return 10 * int(match[1]) + int(match[2])


def test_a_process_may_do_little(tmp_path: Path) -> None:
    units = copy_units(tmp_path)
    assert expose(units[0]) <= WIDEST
    assert expose(units[1]) <= WIDEST
    wider = copy_units(tmp_path, "SystemCallFilter=", "# SystemCallFilter=")
    assert expose(wider[0]) > WIDEST
