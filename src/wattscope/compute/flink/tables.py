"""The first file of the Flink job: its settings, and its topics as tables.

Facts about Flink are from its documentation, version 2.2: "CREATE Statements" (watermarks),
"Apache Kafka SQL Connector", "JSON Format", "Configuration".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wattscope.compute.flink.job import Delivery, FlinkJob, Start, quote_text
from wattscope.core.time_grid import US_PER_MINUTE, US_PER_S

_MS_PER_S: Final = 1000
_TRANSACTION_MS: Final = 900_000
"""Longest transaction that a Kafka broker allows as delivered (transaction.max.timeout.ms)."""
_STARTS: Final = {Start.EARLIEST: "earliest-offset", Start.LATEST: "latest-offset"}

_HEAD = """\
-- Written by 'wattscope flink-sql': change its options, not this file. See docs/flink.md.
-- What differs between installations: settings of the job, and its topics as tables.
"""

_READINGS = """
-- A message that is no JSON, or whose fields have other types, is passed over here: the job must
-- not end on it. The store role reads the same topic and puts it into quarantine.
CREATE TEMPORARY TABLE `sensor_readings` (
  `v` INT,
  `site` STRING,
  `device` STRING,
  `measured_at_us` BIGINT,
  `received_at_us` BIGINT,
  `values` MAP<STRING, DOUBLE>,
  `quality` MAP<STRING, INT>,
  `measured_at` AS TO_TIMESTAMP_LTZ(COALESCE(`measured_at_us`, 0) / 1000, 3),
  -- The end of the minute, and until when its readings may come to us.
  `minute_end_us` AS (`measured_at_us` / {minute_us} + 1) * {minute_us},
  `awaited_until_us` AS (`measured_at_us` / {minute_us} + 1) * {minute_us} + {lateness_us},
  -- A device whose clock is ahead does not make the readings of all others late: time goes on by
  -- our own clock at most.
  WATERMARK FOR `measured_at` AS TO_TIMESTAMP_LTZ(
    LEAST(COALESCE(`measured_at_us`, 0), COALESCE(`received_at_us`, `measured_at_us`, 0)) / 1000
    - {lateness_us} / 1000, 3)
) WITH (
{options}
);
"""

_AGGREGATES = """
CREATE TEMPORARY TABLE `aggregates` (
  `v` INT,
  `level` STRING,
  `site` STRING,
  `device` STRING,
  `quantity` STRING,
  `bucket_start_us` BIGINT,
  `count` BIGINT,
  `sum` DOUBLE,
  `min` DOUBLE,
  `max` DOUBLE,
  `mean` DOUBLE,
  `first` DOUBLE,
  `last` DOUBLE
) WITH (
{options}
);
"""

_LATE = """
-- Readings whose minute was over: the same message as in the topic of readings.
CREATE TEMPORARY TABLE `late_readings` (
  `v` INT,
  `site` STRING,
  `device` STRING,
  `measured_at_us` BIGINT,
  `received_at_us` BIGINT,
  `values` MAP<STRING, DOUBLE>,
  `quality` MAP<STRING, INT>
) WITH (
{options}
);
"""


def write_tables(job: FlinkJob) -> str:
    """Everything that the queries expect to be there."""
    return "".join(
        (
            _HEAD,
            "\n",
            *(f"SET {quote_text(k)} = {quote_text(v)};\n" for k, v in _settings(job).items()),
            _READINGS.format(
                minute_us=US_PER_MINUTE,
                lateness_us=round(job.lateness_s * US_PER_S),
                options=_list(_source(job)),
            ),
            _AGGREGATES.format(options=_list(_sink(job, job.aggregates_topic))),
            _LATE.format(options=_list(_sink(job, job.late_topic))),
        )
    )


def _settings(job: FlinkJob) -> dict[str, str]:
    """Settings of the job as a whole; all else is left to the cluster."""
    settings = {
        "pipeline.name": job.group,
        "execution.runtime-mode": "streaming",
        # Buckets begin at whole minutes and quarter hours of UTC.
        "table.local-time-zone": "UTC",
        "execution.checkpointing.interval": _duration(job.checkpoint_s),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    }
    if job.checkpoints is not None:
        settings["execution.checkpointing.dir"] = job.checkpoints
    return settings


def _source(job: FlinkJob) -> dict[str, str]:
    return {
        **_reach(job, job.readings_topic),
        "properties.group.id": job.group,
        # A transaction of the ingest role is read when it is complete.
        "properties.isolation.level": "read_committed",
        "scan.startup.mode": _STARTS[job.start],
        "scan.watermark.idle-timeout": _duration(job.idle_s),
        "format": "json",
        "json.ignore-parse-errors": "true",
    }


def _sink(job: FlinkJob, topic: str) -> dict[str, str]:
    options = {
        **_reach(job, topic),
        "key.format": "raw",
        "key.fields": "device",
        "value.format": "json",
        "value.json.encode.ignore-null-fields": "true",
        "properties.acks": "all",
        "sink.delivery-guarantee": job.delivery.value,
    }
    if job.delivery is Delivery.EXACTLY_ONCE:
        options["sink.transactional-id-prefix"] = f"{job.group}-{topic}"
        options["properties.transaction.timeout.ms"] = str(_TRANSACTION_MS)
    return options


def _reach(job: FlinkJob, topic: str) -> dict[str, str]:
    return {
        "connector": "kafka",
        "topic": topic,
        "properties.bootstrap.servers": job.bootstrap,
        **{f"properties.{name}": text for name, text in job.kafka_options},
    }


def _duration(time_s: float) -> str:
    return f"{round(time_s * _MS_PER_S)} ms"


def _list(options: Mapping[str, str]) -> str:
    return ",\n".join(
        f"  {quote_text(name)} = {quote_text(text)}" for name, text in options.items()
    )
