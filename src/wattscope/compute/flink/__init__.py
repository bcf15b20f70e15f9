"""The Flink job: its options, and the SQL that is written from them and from the rollups."""

from __future__ import annotations

from typing import Final

from wattscope.compute.flink.job import FlinkJob
from wattscope.compute.flink.queries import write_queries
from wattscope.compute.flink.tables import write_tables

TABLES_FILE: Final = "tables.sql"
"""Where things are: settings of the job and its three topics."""
QUERIES_FILE: Final = "aggregates.sql"
"""What is computed: the same for every installation."""


def write_job(job: FlinkJob) -> dict[str, str]:
    """The files of a job: name to text, in the order in which Flink reads them."""
    return {TABLES_FILE: write_tables(job), QUERIES_FILE: write_queries()}
