"""Both stores are asked the same about the same past, and say the same.

Pasts with gaps, late rows, repeats, conflicts, resets of counters, and days on which clocks change,
in three zones of both hemispheres; written and flushed in different groups.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.compute.slow_rollups import COLUMNS, assert_same_buckets
from tests.stores.histories import NAMES, Past, instant, make_past, open_store
from tests.stores.opened import AnyStore, drop_schema, in_schema
from wattscope.core.reading import Batch, concat_batches
from wattscope.core.time_grid import US_PER_HOUR
from wattscope.ports import Rollup
from wattscope.stores.postgres import states
from wattscope.stores.postgres.pieces import Pieces
from wattscope.stores.postgres.store import PostgresStore
from wattscope.stores.rollup_plan import LEVELS

pytestmark = pytest.mark.integration
# A history takes seconds: what differs is printed whole, not made small for minutes.
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)

SERIES = range(1, len(NAMES) + 1)
# Around changes of the clocks: Berlin in autumn and spring, Sao Paulo at midnight in both, none.
STARTS = (
    "2018-10-27T20:00:00+00:00",
    "2024-03-30T18:00:00+00:00",
    "2018-11-03T20:00:00+00:00",
    "2018-02-17T12:00:00+00:00",
    "2024-06-01T00:00:00+00:00",
)
VIEW_SQL = (
    """SELECT device, quantity, count(*) AS n, min(value) AS low, max(value) AS high FROM readings
    WHERE quality <> 'missing' GROUP BY device, quantity ORDER BY device, quantity""",
    """SELECT device, quantity, unit, measured_at, value, quality FROM readings
    ORDER BY measured_at, device, quantity LIMIT 50""",
    *(
        f"""SELECT device, quantity, unit, bucket_start, {", ".join(COLUMNS)}, mean
        FROM rollup_{level} WHERE count > 0 ORDER BY device, quantity, bucket_start"""
        for level in LEVELS
    ),
    "SELECT site, sum(count) AS n, max(max) AS high FROM rollup_1d GROUP BY site ORDER BY site",
)
N_QUESTIONS = 5


@dataclass(frozen=True)
class Question:
    """One question of the port."""

    kind: str
    series: tuple[int, ...]
    level: str
    start: float
    """Share of the past at which it begins; likewise its length."""
    length: float
    number: int


questions = st.builds(
    Question,
    kind=st.sampled_from(["roll_up", "roll_up", "roll_up", "read_raw", "chart", "sql", "rest"]),
    series=st.lists(st.sampled_from(SERIES), min_size=1, max_size=4).map(tuple),
    level=st.sampled_from(LEVELS),
    start=st.floats(-0.2, 1.1),
    length=st.floats(0.0, 1.3),
    number=st.integers(0, 1000),
)
scenes = st.tuples(
    st.randoms(use_true_random=False),
    st.sampled_from(STARTS),
    st.lists(questions, min_size=N_QUESTIONS, max_size=N_QUESTIONS),
)


@contextmanager
def both_stores(url: str, schema: str) -> Iterator[tuple[AnyStore, PostgresStore]]:
    """Two empty stores."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_store(Path(folder) / "chunks")) as embedded,
        closing(in_schema(url, schema).open()) as served,
    ):
        served.open()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"TRUNCATE {', '.join(f'{schema}.{name}' for name in _TABLES)}")
        yield embedded, served


_TABLES = (
    *("raw_rows", "row_ends", "series_states", "late_spans", "log_offsets"),
    *("bucket_15m", "bucket_1h", "bucket_1d"),
)


def compare(
    url: str,
    schema: str,
    scene: tuple[random.Random, str, list[Question]],
    *,
    n_records: int | None = None,
    flush_share: float = 0.3,
) -> None:
    draw, start, asked = scene
    past = make_past(draw, n_records or draw.randrange(5, 30), instant(start))
    with both_stores(url, schema) as (embedded, served):
        at = 0
        while at < len(past.records):
            group = past.records[at : at + draw.randrange(1, 6)]
            at += len(group)
            receipts = [embedded.write(one) for one in group]
            if draw.random() < 0.5:
                others = [served.write(one) for one in group]
                assert others == receipts
            else:
                receipt = served.load(concat_batches([one.batch for one in group]))
                assert receipt.stored == sum(one.stored for one in receipts)
                assert receipt.duplicate == sum(one.duplicate for one in receipts)
            if draw.random() < flush_share:
                embedded.flush()
            if draw.random() < flush_share:
                draw.choice((served.flush, served.keep_up, served.keep_up))()
            if draw.random() < 0.3:
                ask_both(embedded, served, past, asked[draw.randrange(len(asked))])
        for one in asked:
            ask_both(embedded, served, past, one)


def ask_both(embedded: AnyStore, served: AnyStore, past: Past, question: Question) -> None:
    times = [t for _, t in past.kept]
    low, width = min(times), max(times) - min(times) + US_PER_HOUR
    start = low + int(question.start * width)
    end = start + int(question.length * width) + 1
    series = question.series
    if question.kind == "roll_up":
        ours = embedded.roll_up(series, question.level, start, end)
        assert_same_rollups(served.roll_up(series, question.level, start, end), ours)
    elif question.kind == "read_raw":
        assert_same_rows(served.read_raw(series, start, end), embedded.read_raw(series, start, end))
    elif question.kind == "chart":
        compare_charts(embedded, served, series[0], (start, end), question.number)
    elif question.kind == "sql":
        compare_tables(embedded, served, VIEW_SQL[question.number % len(VIEW_SQL)])
    else:
        assert served.time_range() == embedded.time_range()
        assert_same_rows(served.last_rows(), embedded.last_rows())


def assert_same_rows(found: Batch, expected: Batch) -> None:
    for name in ("series_id", "measured_at_us", "value", "quality"):
        assert repr(getattr(found, name).tolist()) == repr(getattr(expected, name).tolist()), name


def assert_same_rollups(found: Rollup, expected: Rollup) -> None:
    for series in {*found.series_id.tolist(), *expected.series_id.tolist()}:
        rows = np.flatnonzero(expected.series_id == series).tolist()
        buckets = {
            int(expected.bucket_start_us[row]): {
                name: float(getattr(expected, name)[row]) for name in COLUMNS
            }
            for row in rows
        }
        assert_same_buckets(found, series, buckets)


def compare_charts(
    embedded: AnyStore, served: AnyStore, series: int, edges: tuple[int, int], number: int
) -> None:
    ours = embedded.chart(series, *edges, number % 50 + 1)
    theirs = served.chart(series, *edges, number % 50 + 1)
    if ours.level == theirs.level == "raw":
        assert theirs.t_us.tolist() == ours.t_us.tolist()
        for name in ("count", "min", "max", "first", "last"):
            assert getattr(theirs, name).tolist() == getattr(ours, name).tolist()
        assert theirs.mean.tolist() == pytest.approx(ours.mean.tolist())


def compare_tables(embedded: AnyStore, served: AnyStore, sql: str) -> None:
    ours, theirs = embedded.query(sql), served.query(sql)
    assert theirs.columns == ours.columns
    assert len(theirs.rows) == len(ours.rows)
    for mine, other in zip(ours.rows, theirs.rows, strict=True):
        for one, two in zip(mine, other, strict=True):
            if isinstance(one, float) and two is not None:
                assert two == pytest.approx(one, rel=1e-9, abs=1e-6)
            elif one is None or two is None:
                # What was taken back again leaves 0 where a single call has nothing.
                assert (one or 0.0, two or 0.0) == (0.0, 0.0)
            else:
                assert two == one


@pytest.fixture(scope="module", autouse=True)
def _no_fsync() -> Iterator[None]:
    """Thousands of files are written, and no machine crashes here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="module")
def url(postgres: str) -> str:
    """The server; commits do not wait for its disk."""
    return f"{postgres}?options=-csynchronous_commit%3Doff"


@pytest.fixture(scope="module")
def schema(postgres: str) -> Iterator[str]:
    name = "same_answers"
    drop_schema(postgres, name)
    yield name
    drop_schema(postgres, name)


@given(scene=scenes)
@settings(
    max_examples=4, suppress_health_check=list(HealthCheck), derandomize=True, phases=UNSHRUNK
)
def test_both_stores_say_the_same(
    url: str, schema: str, scene: tuple[random.Random, str, list[Question]]
) -> None:
    compare(url, schema, scene)


@pytest.mark.long
@given(scene=scenes)
@settings(
    max_examples=1000 // N_QUESTIONS, suppress_health_check=list(HealthCheck), phases=UNSHRUNK
)
def test_both_stores_say_the_same_to_a_thousand_questions(
    url: str, schema: str, scene: tuple[random.Random, str, list[Question]]
) -> None:
    compare(url, schema, scene)


def test_buckets_that_are_outdated_are_noticed(
    url: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check: where late rows outdate nothing, the same pasts differ."""
    monkeypatch.setattr(states, "mark_outdated", lambda _connection, _pieces: None)
    with pytest.raises(AssertionError):
        compare_kept_buckets(url, schema)


def test_neighbours_are_far_enough(url: str, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Likewise where only the touched quarters themselves are made anew."""

    def narrow(
        _connection: object, pieces: Pieces, _before: int, _behind: int
    ) -> tuple[object, object]:
        return pieces.start_us, pieces.end_us

    monkeypatch.setattr(states, "find_neighbours", narrow)
    with pytest.raises(AssertionError):
        compare_kept_buckets(url, schema)


def test_pasts_of_the_checks_are_told_alike(url: str, schema: str) -> None:
    """With both safeguards on, what the checks of the check compare is equal."""
    compare_kept_buckets(url, schema)


def compare_kept_buckets(url: str, schema: str) -> None:
    """Pasts whose buckets are kept after every write, so that late rows always find some.

    They are long: what newer rows make anew must not reach back to all that is late.
    """
    asked = [Question("roll_up", tuple(SERIES), level, -0.1, 1.2, 0) for level in LEVELS[1:]]
    for seed in range(2):
        scene = (random.Random(seed), STARTS[seed % len(STARTS)], asked)
        compare(url, schema, scene, n_records=60, flush_share=1.0)
