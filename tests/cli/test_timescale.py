"""``wattscope timescale``: what the smart grid project did by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.cli.invocation import invoke
from tests.stores.opened import find_opener
from wattscope.core.reading import build_batch
from wattscope.core.time_grid import US_PER_MINUTE, US_PER_S
from wattscope.stores.postgres.store import PostgresStore

pytestmark = pytest.mark.integration

T0 = 1_717_200_000 * US_PER_S  # 2024-06-01 00:00 UTC
POWER, IMPORT = 1, 2
N_ROWS = 2 * 8 * 24 * 12


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[PostgresStore]:
    """Eight days of two series, every five minutes; chunks of three hours."""
    kind = getattr(request, "param", "timescale")
    with closing(find_opener(request, kind).open()) as opened:
        rows = [
            (series, T0 + n * 5 * US_PER_MINUTE, float(n % 288 if series == POWER else 10 * n), 0)
            for n in range(N_ROWS // 2)
            for series in (POWER, IMPORT)
        ]
        opened.load(build_batch(rows))
        opened.flush()
        yield opened


def run(store: PostgresStore, *words: str) -> list[dict[str, Any]]:
    options = store._options
    place = ("--url", options.url, "--schema", options.schema, "--format", "json")
    outcome = invoke("timescale", *words, *place)
    assert outcome.status == 0, outcome.err
    rows: list[dict[str, Any]] = json.loads(outcome.out)
    return rows


def test_variants_hold_the_same_rows_in_other_chunks(store: PostgresStore) -> None:
    assert run(store, "variants") == [
        {"variant": "3h", "rows": N_ROWS},
        {"variant": "week", "rows": N_ROWS},
    ]
    # And again: a copy is made anew.
    assert run(store, "variants", "--interval", "week") == [{"variant": "week", "rows": N_ROWS}]
    sizes = {row["variant"]: row for row in run(store, "sizes")}
    assert {name: row["chunk_hours"] for name, row in sizes.items()} == {
        "raw_rows": 3.0,
        "3h": 3.0,
        "week": 168.0,
    }
    assert sizes["3h"]["chunks"] == 64
    assert sizes["week"]["chunks"] in {2, 3}


def test_compression_is_shown_before_and_after(store: PostgresStore) -> None:
    run(store, "variants", "--interval", "week")
    for _ in range(2):
        sizes = {row["variant"]: row for row in run(store, "compress")}
        for row in sizes.values():
            assert row["compressed"] == row["chunks"] > 0
        assert sizes["week"]["before_mb"] > 2 * sizes["week"]["now_mb"]
    assert store.query("SELECT count(*) FROM readings").rows == [(N_ROWS,)]


def test_questions_are_timed_on_every_variant_and_on_rollups(store: PostgresStore) -> None:
    run(store, "variants", "--interval", "week")
    rows = run(store, "queries", "--times", "1")
    assert len(rows) == 4
    for row in rows:
        assert set(row) == {"question", "raw_rows [ms]", "week [ms]", "rollups [ms]"}
        assert all(value > 0 for name, value in row.items() if name != "question")


def test_questions_over_rows_and_over_rollups_agree(store: PostgresStore) -> None:
    from wattscope.stores.postgres import variants  # noqa: PLC0415  # its questions are asked here

    with store._connections.connection() as connection:
        for words, text in variants.ON_ROWS.items():
            over_rows = connection.execute(text.format(table="raw_rows")).fetchall()
            over_buckets = connection.execute(variants.ON_BUCKETS[words]).fetchall()
            assert len(over_rows) == len(over_buckets), words
            if words != "monthly energy by meter":
                flat = [float(one) for row in over_rows for one in row if not hasattr(one, "year")]
                other = [
                    float(one) for row in over_buckets for one in row if not hasattr(one, "year")
                ]
                assert other == pytest.approx(flat), words
            else:
                assert float(over_buckets[0][2]) == pytest.approx(float(over_rows[0][2]))


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_plain_server_is_told_apart(store: PostgresStore) -> None:
    options = store._options
    outcome = invoke("timescale", "sizes", "--url", options.url, "--schema", options.schema)
    assert outcome.status == 78
    assert "no hypertable" in outcome.last_line()


@pytest.mark.parametrize("store", ["timescale_apache"], indirect=True)
def test_apache_edition_has_variants_and_no_compression(store: PostgresStore) -> None:
    assert run(store, "variants", "--interval", "week") == [{"variant": "week", "rows": N_ROWS}]
    options = store._options
    outcome = invoke("timescale", "compress", "--url", options.url, "--schema", options.schema)
    assert outcome.status == 78
    assert "licence" in outcome.last_line()


def test_schema_without_a_store_is_named(postgres: str) -> None:
    outcome = invoke("timescale", "sizes", "--url", postgres, "--schema", "nothing_here")
    assert outcome.status == 78
    assert "nothing_here" in outcome.last_line()


def test_unknown_interval_names_the_valid_ones(store: PostgresStore) -> None:
    options = store._options
    place = ("--url", options.url, "--schema", options.schema)
    outcome = invoke("timescale", "variants", "--interval", "2h", *place)
    assert outcome.status == 78
    assert "3h, 1d, week" in outcome.last_line()
