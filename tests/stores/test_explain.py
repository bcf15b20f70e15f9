"""What the store says about the places from which it takes an answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.histories import SPAN_US, open_store, record
from wattscope.core.errors import QueryError
from wattscope.core.explanation import ROWS, TAIL, Explanation, Step
from wattscope.core.time_grid import US_PER_MINUTE, US_PER_S
from wattscope.stores.duckdb_store import DuckdbStore

START_US = 1_717_200_000 * US_PER_S // SPAN_US * SPAN_US
POWER, VOLTAGE, ELSEWHERE = 1, 7, 3
N_SPANS = 4
END_US = START_US + N_SPANS * SPAN_US


def values(series: int, start_us: int, end_us: int) -> list[tuple[int, int, float, int]]:
    """A value every ten seconds: enough to keep quarters of an hour."""
    return [(series, t, float(t % 7), 0) for t in range(start_us, end_us, 10 * US_PER_S)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckdbStore]:
    """Four spans in files, of two series; nothing in the tail."""
    opened = open_store(tmp_path)
    rows = [row for one in (POWER, VOLTAGE) for row in values(one, START_US, END_US)]
    opened.write(record(0, *rows))
    opened.flush()
    yield opened
    opened.close()


def explain(store: DuckdbStore, *series: int, level: str = "1h") -> Explanation:
    return store.explain(series, level, START_US, END_US + SPAN_US)


def origins(explanation: Explanation) -> list[str]:
    return [step.origin for step in explanation.steps]


def test_spans_of_files_are_one_step(store: DuckdbStore) -> None:
    [step] = explain(store, POWER).steps
    assert step.origin in {"1m", "15m", "1h"}
    assert step == Step(step.origin, START_US, END_US, N_SPANS, 1)


def test_series_of_one_answer_are_counted(store: DuckdbStore) -> None:
    [step] = explain(store, POWER, VOLTAGE).steps
    assert (step.n_spans, step.n_series) == (N_SPANS, 2)


def test_newer_rows_are_the_tail(store: DuckdbStore) -> None:
    store.write(record(1, *values(POWER, END_US, END_US + US_PER_MINUTE)))
    explanation = explain(store, POWER, VOLTAGE)
    assert explanation.steps[-1] == Step(TAIL, END_US, END_US + SPAN_US, 1, 1)
    assert ROWS not in origins(explanation)
    assert TAIL not in origins(explain(store, VOLTAGE))


def test_late_row_makes_rows_of_all_from_its_span_on(store: DuckdbStore) -> None:
    late_us = START_US + 2 * SPAN_US + 5 * US_PER_S
    store.write(record(1, (POWER, late_us, 1.0, 0)))
    kept, rows, tail = explain(store, POWER).steps
    assert (kept.n_spans, kept.end_us) == (2, START_US + 2 * SPAN_US)
    assert rows == Step(ROWS, START_US + 2 * SPAN_US, END_US, 2, 1)
    assert (tail.origin, tail.start_us) == (TAIL, late_us)


def test_readings_are_rows_of_the_spans_that_they_are_in(store: DuckdbStore) -> None:
    edge_us = START_US + SPAN_US
    explanation = store.explain([POWER], "raw", edge_us - US_PER_MINUTE, edge_us + US_PER_MINUTE)
    assert explanation.steps == (Step(ROWS, START_US, START_US + 2 * SPAN_US, 2, 1),)


def test_series_without_rows_comes_from_nothing_that_is_kept(store: DuckdbStore) -> None:
    assert set(origins(explain(store, ELSEWHERE))) <= {ROWS}


def test_unknown_level_is_refused(store: DuckdbStore) -> None:
    with pytest.raises(QueryError, match="7h"):
        explain(store, POWER, level="7h")
