"""``wattscope migrate`` on the command line: what it says, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assembly.installations import ask, fresh_database
from tests.cli.invocation import invoke
from wattscope.cli.main import EXIT_FAILED, EXIT_SETTINGS

ROWS = """\
measured_at,site,device,quantity,value,unit,quality
2024-03-30T10:00:00Z,home,meter,energy_import_wh,100,Wh,good
2024-03-30T11:00:00Z,home,meter,energy_import_wh,250.5,Wh,good
2024-03-30T11:00:00Z,home,meter,voltage_v,230.1,V,good
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with three rows."""
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    words = ["import", "--profile", "wattscope-csv", "--data"]
    assert invoke(*words, tmp_path / "data", tmp_path / "rows.csv").status == 0
    return tmp_path / "data"


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The URL of an empty database."""
    with fresh_database(postgres) as url:
        yield url


@pytest.mark.integration
def test_sums_and_what_is_left_to_do_are_told(data: Path, database: str, tmp_path: Path) -> None:
    up = invoke("migrate", "--to", database, "--data", data)
    assert up.status == 0, up.err
    assert "meter energy_import_wh: 2 rows, sum 350.5, 2024-03-30T10:00:00Z to " in up.out
    assert "quality good: 3 rows: equal" in up.out
    end = "3 rows of 2 series up to 2024-03-30T11:00:00Z, 3 of them new there; nobody wrote to it "
    assert end in up.out
    down = invoke("migrate", "--from", database, "--data", tmp_path / "back")
    assert down.status == 0, down.err
    assert "3 of them new there; it may be in use" in down.out
    other = invoke("migrate", "--from", database, "--to", tmp_path / "back")
    assert "0 of them new there" in other.out


@pytest.mark.integration
def test_settings_name_the_server(data: Path, database: str, tmp_path: Path) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(f'[storage]\nurl = "{database}"\n', encoding="utf-8")
    assert invoke("migrate", "-c", file, "--data", data).status == 0
    assert ask(database, "SELECT count(*) FROM wattscope.raw_rows") == [(3,)]


@pytest.mark.integration
def test_mismatch_is_an_error_that_names_the_series(data: Path, database: str) -> None:
    assert invoke("migrate", "--to", database, "--data", data).status == 0
    ask(database, "UPDATE wattscope.raw_rows SET value = value + 1 WHERE series_id = 2")
    outcome = invoke("migrate", "--to", database, "--data", data)
    assert outcome.status == EXIT_FAILED
    assert "has another value or quality there" in outcome.last_line()
    assert "of meter: the row of 2024-03-30T1" in outcome.last_line()


def test_nowhere_is_an_error(data: Path) -> None:
    outcome = invoke("migrate", "--data", data)
    assert outcome.status == EXIT_SETTINGS
    assert "give --to postgresql://" in outcome.last_line()


def test_folder_to_folder_is_an_error(data: Path, tmp_path: Path) -> None:
    outcome = invoke("migrate", "--to", tmp_path / "other", "--data", data)
    assert outcome.status == EXIT_SETTINGS
    assert "are of one kind" in outcome.last_line()


@pytest.mark.parametrize("url", ["mysql://host/database", "postgresql://host:nowhere/x"])
def test_url_that_cannot_be_meant_is_an_error(data: Path, url: str) -> None:
    outcome = invoke("migrate", "--to", url, "--data", data)
    assert outcome.status == EXIT_SETTINGS
    assert outcome.last_line().endswith("--to: write it as postgresql://user@host:5432/database")


def test_password_file_that_is_not_there_is_an_error(data: Path) -> None:
    words = ["--to", "postgresql://me@127.0.0.1:1/x", "--password-file", "/nowhere/at/all"]
    outcome = invoke("migrate", *words, "--data", data)
    assert outcome.status == EXIT_SETTINGS
    assert "--password-file: /nowhere/at/all cannot be read" in outcome.last_line()
