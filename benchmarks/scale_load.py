"""Loading a PostgreSQL store by COPY, in the sizes in which it happens."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import psycopg

from benchmarks.rates import WrongAnswerError
from benchmarks.scale_servers import Database
from benchmarks.store_sets import MeasuredSet
from benchmarks.store_wattscope import build_batch, register
from wattscope.core.reading import Batch
from wattscope.registry.access import open_database
from wattscope.registry.postgres_link import PostgresOptions
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.stores.postgres.options import PostgresStoreOptions
from wattscope.stores.postgres.store import PostgresStore


@dataclass(frozen=True, slots=True)
class Loading:
    """One load of one set."""

    values_per_s: float
    """Until the last commit has returned."""
    settled_values_per_s: float
    """Until the rollups are kept too."""


def measure_load(database: Database, measured: MeasuredSet, batch_rows: int) -> Loading:
    """Load a set in order of time, and hold what SQL answers against it.

    Args:
        database: An empty one.
        measured: What is loaded; ordered before the clock starts.
        batch_rows: Values of one transaction.

    Raises:
        WrongAnswerError: Not all is there, or something else is.
    """
    batch = order_by_time(build_batch(measured))
    opened = open_database(PostgresOptions(database.url))
    try:
        registry = SqlRegistry(opened)
        register(registry, measured)
        store = PostgresStore(registry, PostgresStoreOptions(database.url))
        try:
            store.open()
            # The first question copies the names, which is no part of a load.
            store.time_range()
            started_s = time.perf_counter()
            for first in range(0, len(batch), batch_rows):
                store.load(batch.take(slice(first, first + batch_rows)))
            loaded_s = time.perf_counter() - started_s
            store.flush()
            settled_s = time.perf_counter() - started_s
        finally:
            store.close()
    finally:
        opened.close()
    _check(database.url, measured)
    return Loading(len(batch) / loaded_s, len(batch) / settled_s)


def order_by_time(batch: Batch) -> Batch:
    """The rows as they would arrive."""
    return batch.take(np.argsort(batch.measured_at_us, kind="stable"))


def _check(url: str, measured: MeasuredSet) -> None:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT quantity, count(*), sum(value), min(value), max(value) "
            "FROM wattscope.readings GROUP BY quantity"
        ).fetchall()
    found = {str(row[0]): row[1:] for row in rows}
    for column in measured.columns:
        values = column.values
        right = (len(values), values.sum(), values.min(), values.max())
        answer = found.get(column.quantity, (0, 0.0, 0.0, 0.0))
        if not np.allclose(np.array(answer, np.float64), right, rtol=1e-9):
            raise WrongAnswerError(f"{column.quantity}: SQL says {answer}, right is {right}")
