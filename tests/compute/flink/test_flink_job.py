"""The files of the Flink job are what the program writes, and say what the rollups are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.decode.aggregate_json import LEVEL_US, Aggregate
from wattscope.compute.flink import write_job
from wattscope.compute.flink.job import Delivery, FlinkJob, Start, quote_text
from wattscope.compute.flink.queries import COLUMNS, UNUSABLE
from wattscope.compute.flink.tables import write_tables
from wattscope.compute.rollups import ROLLUP_COLUMNS
from wattscope.core.errors import SettingsError
from wattscope.core.reading import build_batch
from wattscope.stores import rollup_plan

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "flink"
NEIGHBOURS = {"increase", "energy_wh", "coverage"}
"""Columns of a rollup that follow from more than the values of their bucket."""
LITERAL = re.compile(r"'((?:[^']|'')*)'")


def read_options(sql: str) -> list[tuple[str, str]]:
    """All pairs of text literals with a sign of equality between them, as SQL reads them."""
    pairs = re.findall(rf"{LITERAL.pattern} = {LITERAL.pattern}", sql)
    return [(name.replace("''", "'"), text.replace("''", "'")) for name, text in pairs]


def test_committed_files_are_what_the_program_writes() -> None:
    written = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.sql")}
    assert written == write_job(FlinkJob()), "run ./run wattscope flink-sql --out deploy/flink"


def test_job_computes_each_column_of_a_rollup_that_needs_no_neighbours() -> None:
    computed = {one.name for one in COLUMNS}
    assert computed == set(ROLLUP_COLUMNS) - NEIGHBOURS - {"series_id", "bucket_start_us"}
    assert computed < set(Aggregate.__struct_fields__)


def test_levels_are_as_long_as_those_of_the_stores() -> None:
    assert {name: rollup_plan.LEVEL_US[name] for name in LEVEL_US} == LEVEL_US


def test_remainder_tells_usable_values_as_a_batch_does() -> None:
    flags = range(256)
    batch = build_batch([(1, at, 0.0, flag) for at, flag in enumerate(flags)])
    assert batch.is_usable.tolist() == [flag % (int(UNUSABLE) + 1) == 0 for flag in flags]
    assert f"MOD(`flags`, {int(UNUSABLE) + 1}) = 0" in write_job(FlinkJob())["aggregates.sql"]


def test_columns_of_the_table_are_the_fields_that_we_read() -> None:
    table = write_tables(FlinkJob()).partition("TABLE `aggregates` (")[2].partition(")")[0]
    assert set(re.findall(r"^  `(\w+)`", table, re.MULTILINE)) == set(Aggregate.__struct_fields__)


def test_options_stand_in_the_tables() -> None:
    job = FlinkJob(
        bootstrap="kafka-1:9092,kafka-2:9092",
        topic_prefix="north.",
        group="north",
        lateness_s=2.5,
        idle_s=7,
        checkpoint_s=3,
        checkpoints="s3://bucket/north",
        delivery=Delivery.EXACTLY_ONCE,
        start=Start.LATEST,
        kafka_options=(("security.protocol", "SSL"),),
    )
    sql = write_tables(job)
    options = read_options(sql)
    topics = [text for name, text in options if name == "topic"]
    assert topics == ["north.sensor-readings", "north.aggregates", "north.late-readings"]
    assert options.count(("properties.bootstrap.servers", "kafka-1:9092,kafka-2:9092")) == 3
    assert options.count(("properties.security.protocol", "SSL")) == 3
    assert options.count(("sink.delivery-guarantee", "exactly-once")) == 2
    prefixes = [text for name, text in options if name == "sink.transactional-id-prefix"]
    assert len(set(prefixes)) == 2, "two sinks must not share their transactions"
    assert dict(options) | {
        "scan.startup.mode": "latest-offset",
        "properties.group.id": "north",
        "scan.watermark.idle-timeout": "7000 ms",
        "execution.checkpointing.interval": "3000 ms",
        "execution.checkpointing.dir": "s3://bucket/north",
    } == dict(options)
    assert sql.count("+ 2500000,") == 1
    assert sql.count("- 2500000 / 1000, 3)") == 1


def test_checkpoints_are_left_to_the_cluster_when_not_told() -> None:
    assert "execution.checkpointing.dir" not in write_tables(FlinkJob())


@given(st.text())
def test_quoted_text_is_one_literal_that_reads_back(text: str) -> None:
    match = LITERAL.fullmatch(quote_text(text))
    assert match is not None
    assert match[1].replace("''", "'") == text


def test_text_from_outside_stays_within_its_literal() -> None:
    hostile = "x'); DROP TABLE `aggregates`; --"
    job = FlinkJob(bootstrap=hostile, group=hostile, checkpoints=hostile)
    options = read_options(write_tables(job))
    assert options.count(("properties.bootstrap.servers", hostile)) == 3
    assert ("pipeline.name", hostile) in options
    assert ("execution.checkpointing.dir", hostile) in options


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"bootstrap": ""}, "address of Kafka is empty"),
        ({"bootstrap": "kafka:9092\n"}, "not printable"),
        ({"group": ""}, "name of the group"),
        ({"checkpoints": ""}, "folder of checkpoints"),
        ({"topic_prefix": "north/"}, "topic prefix 'north/'"),
        ({"topic_prefix": "it's"}, "topic prefix"),
        ({"lateness_s": -1.0}, "lateness of -1.0 s"),
        ({"lateness_s": float("nan")}, "lateness of nan s"),
        ({"idle_s": 0.0}, "idle time of 0.0 s"),
        ({"checkpoint_s": 1e9}, "time between checkpoints"),
        ({"kafka_options": (("group.id", "x"),)}, "sets itself"),
        ({"kafka_options": (("Group id", "x"),)}, "is none"),
        ({"kafka_options": (("sasl.jaas.config", "x"),)}, "a secret"),
        ({"kafka_options": (("ssl.key.password", "x"),)}, "a secret"),
        ({"kafka_options": (("security.protocol", ""),)}, "'security.protocol' is empty"),
    ],
)
def test_wrong_options_are_refused(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(SettingsError, match=fault):
        replace(FlinkJob(), **changes)  # type: ignore[arg-type]  # wrong ones are the point


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as refusal:
        FlinkJob(bootstrap="", lateness_s=-1, topic_prefix="a b")
    assert len(refusal.value.faults) == 3
