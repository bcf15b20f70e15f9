from __future__ import annotations

import re
from pathlib import Path

import typer.main

from tests.cli.invocation import invoke
from wattscope.cli.main import build_app
from wattscope.compute.flink import write_job
from wattscope.compute.flink.job import Delivery, FlinkJob

PAGE = Path(__file__).resolve().parents[2] / "docs" / "flink.md"


def test_page_lists_the_options_and_no_other() -> None:
    command = typer.main.get_group(build_app(["flink-sql"])).commands["flink-sql"]
    options = {word for one in command.params for word in one.opts} - {"--help"}
    rows = re.findall(r"^\| `(--[a-z-]+)[^|]*\|.*\|.*\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert set(rows) == options


def test_files_of_the_job_are_written(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "job"
    outcome = invoke("flink-sql", "--out", out)
    assert outcome.status == 0, outcome.err
    assert {path.name: path.read_text("utf-8") for path in out.iterdir()} == write_job(FlinkJob())
    assert f"-i {out / 'tables.sql'} -f {out / 'aggregates.sql'}" in outcome.out


def test_options_reach_the_files(tmp_path: Path) -> None:
    words = ("--bootstrap", "broker:9093", "--prefix", "north.", "--lateness", "2.5", "--idle", "7")
    more = ("--delivery", "exactly-once", "--kafka-option", "security.protocol=SSL")
    outcome = invoke("flink-sql", "--out", tmp_path, *words, *more)
    assert outcome.status == 0, outcome.err
    wanted = FlinkJob(
        bootstrap="broker:9093",
        topic_prefix="north.",
        lateness_s=2.5,
        idle_s=7.0,
        delivery=Delivery.EXACTLY_ONCE,
        kafka_options=(("security.protocol", "SSL"),),
    )
    assert (tmp_path / "tables.sql").read_text("utf-8") == write_job(wanted)["tables.sql"]


def test_wrong_option_is_one_line_and_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "job"
    for words in (["--lateness", "-1"], ["--kafka-option", "security.protocol"]):
        outcome = invoke("flink-sql", "--out", out, *words)
        assert outcome.status == 78
        assert outcome.err.startswith("wattscope: ")
        assert len(outcome.err.splitlines()) == 1
        assert not out.exists()


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = invoke("flink-sql", "--out", tmp_path / "file" / "job")
    assert outcome.status == 1
    assert "name another folder with --out" in outcome.last_line()
