"""``wattscope migrate`` is killed where it hurts, and the next run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assembly.installations import ask, assert_same, fresh_database, move, place
from tests.chaos.program import wait_until
from tests.cli.invocation import start_child
from tests.faults.workload import SETTINGS
from tests.stores.backup_cases import fill
from wattscope.assembly.moving_sides import open_target

pytestmark = pytest.mark.integration
_SLEEPS = """SELECT count(*) FROM pg_stat_activity
    WHERE wait_event = 'PgSleep' AND datname = current_database()"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as a killed process leaves it; only read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        return fill(tmp_path_factory.mktemp("written"))


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The URL of a database with the tables of an installation."""
    with fresh_database(postgres) as url:
        with open_target(SETTINGS, place(url)):
            pass
        yield url


@pytest.mark.parametrize(
    ("table", "share"),
    [
        pytest.param("wattscope_registry.series", 0.0, marks=pytest.mark.long),
        ("wattscope_registry.quarantine", 0.5),
        pytest.param("wattscope.raw_rows", 0.0, marks=pytest.mark.long),
        ("wattscope.raw_rows", 0.4),
        pytest.param("wattscope.raw_rows", 0.9, marks=pytest.mark.long),
        ("wattscope.bucket_15m", 0.5),
        pytest.param("wattscope.bucket_1d", 0.0, marks=pytest.mark.long),
    ],
)
def test_killed_while_it_writes_to_a_server(
    written: Path, database: str, table: str, share: float, tmp_path: Path
) -> None:
    """The server sleeps over a row of a table, and the program is killed meanwhile."""
    n_rows = {"raw_rows": 491, "series": 7, "quarantine": 15, "bucket_15m": 200, "bucket_1d": 12}
    ask(database, _sleep_at(table, int(share * n_rows[table.partition(".")[2]])))
    child = start_child(["migrate", "--data", written, "--to", database], tmp_path / "output.txt")
    try:
        wait_until(lambda: ask(database, _SLEEPS) == [(1,)] or child.poll() is not None, "sleep")
        assert child.poll() is None, (tmp_path / "output.txt").read_text()
    finally:
        _kill(child)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    ask(database, f"{end} AND datname = current_database()")
    wait_until(lambda: ask(database, _SLEEPS) == [(0,)], "the server has given up")
    ask(database, f"DROP TRIGGER slept ON {table}")
    again = move(written, database)
    assert again.is_final
    assert again.n_late == 0
    assert_same(written, database)


@pytest.mark.parametrize("n_files", [pytest.param(0, marks=pytest.mark.long), 2])
def test_killed_while_it_writes_to_a_folder(
    written: Path, database: str, n_files: int, tmp_path: Path
) -> None:
    move(written, database)
    back = tmp_path / "back"
    child = start_child(["migrate", "--data", back, "--from", database], tmp_path / "output.txt")

    def is_there() -> bool:
        is_begun = (back / "registry.sqlite").exists()
        return is_begun and len(list(back.glob("chunks/rows-*.parquet"))) >= n_files

    try:
        wait_until(lambda: is_there() or child.poll() is not None, "files")
    finally:
        _kill(child)
    assert move(database, back).n_late == 0
    assert_same(written, back)


def _kill(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()


def _sleep_at(table: str, n_rows: int) -> str:
    """SQL that has the server sleep over the next row when a table has so many."""
    return f"""
        CREATE SEQUENCE met_rows;
        CREATE FUNCTION sleep_at() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('public.met_rows') > {n_rows} THEN PERFORM pg_sleep(3600); END IF;
            RETURN NEW; END $$;
        CREATE TRIGGER slept BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION sleep_at()"""
