"""``verify`` and ``repair`` from the outside: what they print, how they end, what stays."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.cli.invocation import ask, invoke
from wattscope.assembly.background import build_rules, build_upkeep, scrub_once
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.errors import SettingsError
from wattscope.core.reading import build_batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_S
from wattscope.core.topology import Device, DeviceKind
from wattscope.settings import Settings, parse_settings

pytestmark = pytest.mark.usefixtures("no_fsync")

T0 = 1_717_200_000 * US_PER_S
N_DAYS, PER_DAY = 3, 1_440
DAYS = parse_settings('[storage]\nchunk = "1d"')
"""A file for each day."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three days of one meter, by way of the log."""
    folder = tmp_path / "data"
    with open_storage(DAYS, folder) as storage:
        write_days(storage)
    return folder


def write_days(storage: Storage) -> None:
    storage.registry.put_device(Device("meter", "home", "Meter", DeviceKind.METER))
    series = storage.registry.ensure_series("meter", "voltage_v")
    for day in range(N_DAYS):
        rows = [
            (series, T0 + day * US_PER_DAY + n * 60 * US_PER_S, 230.0 + n % 7, 0)
            for n in range(PER_DAY)
        ]
        storage.persist.append(build_batch(rows))
    storage.persist.drain()


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    content[half : half + 8] = bytes(8)
    path.write_bytes(content)


def a_file(data: Path) -> Path:
    return max((data / "chunks").glob("rows-*.parquet"))


def test_sound_folder(data: Path) -> None:
    outcome = invoke("verify", "--data", data)
    assert (outcome.status, outcome.out) == (0, "sound; 0 notes\n"), outcome.err
    assert invoke("repair", "--data", data).out == "nothing to mend\n"


def test_damage_is_told_in_a_line_with_what_to_do(data: Path) -> None:
    spoil(a_file(data))
    outcome = invoke("verify", "--full", "--data", data)
    assert outcome.status == 1
    finding, summary = outcome.out.splitlines()
    assert finding.startswith(f"damage: {a_file(data).name}: is damaged: ")
    assert finding.endswith("run wattscope repair, with --from BACKUP if there is one")
    assert summary.startswith("1 damages with ")


def test_findings_as_json(data: Path) -> None:
    a_file(data).unlink()
    outcome = invoke("verify", "--format", "json", "--data", data)
    assert outcome.status == 1
    said = json.loads(outcome.out)
    [finding] = said["findings"]
    assert not said["is_sound"]
    assert (finding["severity"], finding["what"], finding["rows"]) == (
        *("damage", "is missing"),
        PER_DAY,
    )


def test_registry_and_log_are_checked_too(data: Path) -> None:
    [segment] = (data / "log").glob("*.log")
    spoil(segment)
    outcome = invoke("verify", "--data", data)
    assert outcome.status == 1
    assert f"damage: log/{segment.name} byte" in outcome.out
    assert "the store holds what was there" in outcome.out
    (data / "registry.sqlite").write_bytes(b"nothing of the kind")
    outcome = invoke("verify", "--data", data)
    assert outcome.status == 1
    assert "damage: registry.sqlite: cannot be read" in outcome.out


def test_verify_looks_while_a_program_runs_and_repair_does_not(data: Path) -> None:
    with open_storage(Settings(), data):
        assert invoke("verify", "--data", data).status == 0
        outcome = invoke("repair", "--data", data)
        assert outcome.status == 1
        assert "in use by another wattscope" in outcome.last_line()


def test_repair_brings_the_rows_back_from_the_log(data: Path) -> None:
    before = ask(data, "SELECT * FROM readings ORDER BY ALL")
    assert len(before) == N_DAYS * PER_DAY
    spoil(a_file(data))
    said = invoke("repair", "--dry-run", "--data", data)
    assert (said.status, invoke("verify", "--data", data).status) == (0, 1)
    done = invoke("repair", "--data", data)
    assert done.status == 0
    assert "brought back from the log" in done.out
    assert done.out.splitlines()[-1].endswith("0 rows lost")
    assert said.out.splitlines()[:-1] == [
        line for line in done.out.splitlines()[:-1] if "put in place" not in line
    ]
    assert invoke("verify", "--full", "--data", data).status == 0
    assert ask(data, "SELECT * FROM readings ORDER BY ALL") == before


def test_repair_from_a_backup(data: Path, tmp_path: Path) -> None:
    backup = Path(shutil.copytree(data, tmp_path / "backup"))
    shutil.rmtree(data / "log")
    spoil(a_file(data))
    outcome = invoke("repair", "--from", backup, "--data", data, "--format", "json")
    said = json.loads(outcome.out)
    assert said["lost_rows"] == 0
    assert said["deeds"][0]["what"] == "copied from the backup, to the last bit"
    assert a_file(data).read_bytes() == a_file(backup).read_bytes()


def test_loss_without_log_and_backup_is_counted(data: Path) -> None:
    shutil.rmtree(data / "log")
    a_file(data).unlink()
    outcome = invoke("repair", "--data", data)
    assert outcome.out.splitlines()[-1].endswith(f"{PER_DAY} rows lost")
    outcome = invoke("verify", "--data", data)
    assert outcome.status == 0
    assert outcome.out.splitlines()[-1] == "sound; 1 notes"
    with open_storage(Settings(), data, is_read_only=True) as storage:
        assert storage.store.describe()["lost_rows"] == PER_DAY


def test_manifest_is_made_anew_and_the_program_starts_again(data: Path) -> None:
    before = ask(data, "SELECT * FROM rollup_1h ORDER BY ALL")
    for path in (data / "chunks").glob("manifest*"):
        path.unlink()
    assert invoke("sql", "SELECT 1", "--data", data).status == 1
    assert invoke("verify", "--data", data).status == 1
    assert invoke("repair", "--data", data).status == 0
    assert invoke("verify", "--full", "--data", data).status == 0
    with open_storage(Settings(), data):
        pass
    assert ask(data, "SELECT * FROM rollup_1h ORDER BY ALL") == before


def test_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    for command in ("verify", "repair"):
        outcome = invoke(command, "--data", tmp_path / "nowhere")
        assert outcome.status == 78
        assert "does not exist" in outcome.last_line()


# ── in the background ────────────────────────────────────────────────────────────────────────


def test_scrub_finds_what_nobody_asked_for(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    with open_storage(Settings(), data) as storage:
        spoil(a_file(data))
        monkeypatch.setattr(asyncio, "sleep", rest)
        with capture_logs() as said:
            assert asyncio.run(scrub_once(storage)) == 1
        assert storage.store.describe()["damaged_files"] == 1
        assert [one.file for one in storage.store.damages] == [a_file(data).name]
        # Known damage is no news.
        assert asyncio.run(scrub_once(storage)) == 0
    assert len(rests) > N_DAYS
    assert min(rests) > 0
    assert [one["event"] for one in said] == ["file damaged"]


RETENTION = """
[[storage.retention]]
quantity = "voltage_*"
raw_days = 90
level_1m_days = 365

[[storage.retention]]
quantity = "*"
"""


def test_retention_settings_become_rules(data: Path) -> None:
    settings = parse_settings(RETENTION)
    first, second = build_rules(settings.storage.retention)
    assert (first.quantity, first.raw_us) == ("voltage_*", 90 * US_PER_DAY)
    assert dict(first.levels_us)["1m"] == 365 * US_PER_DAY
    assert dict(first.levels_us)["1h"] == second.raw_us == 0
    with open_storage(settings, data) as storage:
        work = build_upkeep(settings, storage)
        assert len(work) == 2
        for one in work:
            one.close()


def test_old_values_go_and_their_hours_stay(data: Path) -> None:
    settings = parse_settings(RETENTION)
    before = ask(data, "SELECT * FROM rollup_1h ORDER BY ALL")
    with open_storage(settings, data) as storage:
        rules = build_rules(settings.storage.retention)
        done = storage.store.retain(rules, T0 + 92 * US_PER_DAY)
        assert sum(one.rows for one in done) == 2 * PER_DAY
    assert ask(data, "SELECT count(*) AS n FROM readings") == [{"n": PER_DAY}]
    assert ask(data, "SELECT * FROM rollup_1h ORDER BY ALL") == before
    assert invoke("verify", "--full", "--data", data).status == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('quantity = "voltge_v"\nraw_days = 1', "did you mean voltage_v?"),
        ('quantity = "*"\nraw_days = -1', "must be 0 (never) to"),
        ('quantity = "*"\nlevel_1m_days = 5', "set raw_days"),
        ("raw_days = 5", "quantity: is missing"),
        ('quantity = "*"\nraw_day = 5', "did you mean raw_days?"),
    ],
)
def test_wrong_retention_is_said(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as fault:
        parse_settings(f"[[storage.retention]]\n{text}\n")
    assert said in str(fault.value)
