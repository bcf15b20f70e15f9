"""What every store promises. A further one joins ``STORES`` in ``tests.stores.opened``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from tests.stores.histories import NAMES, SPAN_US, FakeNames, record
from tests.stores.opened import STORES, AnyStore, Opener, find_opener
from wattscope.core.errors import QueryError
from wattscope.core.reading import Quality, build_batch
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE, US_PER_S
from wattscope.ports import Store

T0 = 1_717_200_000 * US_PER_S  # 2024-06-01 00:00 UTC
S, MIN, H = US_PER_S, US_PER_MINUTE, US_PER_HOUR
POWER, IMPORT, VOLTAGE = 1, 2, 7
LATE = int(Quality.LATE)


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest) -> Opener:
    return find_opener(request)


@pytest.fixture
def reopen(opener: Opener) -> Callable[[], AnyStore]:
    return opener.open


@pytest.fixture
def store(reopen: Callable[[], AnyStore]) -> Iterator[AnyStore]:
    opened = reopen()
    yield opened
    opened.close()


def raw(store: Store) -> list[tuple[int, int, float, int]]:
    found = store.read_raw(range(1, len(NAMES) + 1), 0, 2**61)
    columns = (found.series_id, found.measured_at_us - T0, found.value, found.quality)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_written_row_is_seen_by_the_next_question(store: AnyStore) -> None:
    receipt = store.write(record(0, (POWER, T0, 5.0, 0)))
    assert (receipt.stored, receipt.duplicate, receipt.conflicts) == (1, 0, ())
    assert raw(store) == [(POWER, 0, 5.0, 0)]
    answer = store.query("SELECT device, quantity, unit, value, quality FROM readings")
    assert answer.columns == ("device", "quantity", "unit", "value", "quality")
    assert answer.rows == [("meter", "active_power_w", "W", 5.0, "good")]
    assert store.roll_up([POWER], "1m", T0, T0 + MIN).count.tolist() == [1]


def test_same_row_again_changes_nothing(store: AnyStore) -> None:
    store.write(record(0, (POWER, T0, 5.0, 0), (POWER, T0 + S, 6.0, 0)))
    receipt = store.write(record(1, (POWER, T0, 5.0, 0), (POWER, T0, 5.0, 0)))
    assert (receipt.stored, receipt.duplicate, receipt.conflicts) == (0, 2, ())
    assert len(raw(store)) == 2


def test_same_missing_row_again_is_a_duplicate(store: AnyStore) -> None:
    missing = (POWER, T0, float("nan"), 1)
    store.write(record(0, missing))
    assert store.write(record(1, missing)).duplicate == 1
    assert len(raw(store)) == 1


def test_same_record_again_changes_nothing(store: AnyStore) -> None:
    one = record(0, (POWER, T0, 5.0, 0), (VOLTAGE, T0, 230.0, 0))
    store.write(one)
    receipt = store.write(one)
    assert (receipt.stored, receipt.duplicate) == (0, 2)
    assert len(raw(store)) == 2


@pytest.mark.parametrize("is_flushed", [False, True])
def test_other_value_of_a_key_is_kept_aside(store: AnyStore, is_flushed: bool) -> None:  # noqa: FBT001  # a case of the table
    store.write(record(0, (POWER, T0, 5.0, 0)))
    if is_flushed:
        store.flush()
    receipt = store.write(record(1, (POWER, T0, 7.5, 0)))
    [conflict] = receipt.conflicts
    assert (receipt.stored, receipt.duplicate) == (0, 0)
    assert (conflict.code, conflict.payload) == ("conflict", b"7.5")
    assert "already has 5.0" in conflict.detail
    assert raw(store) == [(POWER, 0, 5.0, 0)]


def test_within_one_record_the_first_value_stays(store: AnyStore) -> None:
    rows = [(POWER, T0, 1.0, 0), (POWER, T0, 2.0, 0), (POWER, T0, 1.0, 0)]
    receipt = store.write(record(0, *rows))
    assert (receipt.stored, receipt.duplicate, len(receipt.conflicts)) == (1, 1, 1)
    assert raw(store) == [(POWER, 0, 1.0, 0)]


def test_repeat_in_one_record_is_judged_by_what_is_stored(store: AnyStore) -> None:
    store.write(record(0, (POWER, T0, 1.0, 0), (POWER, T0 + S, 1.0, 0)))
    receipt = store.write(record(1, (POWER, T0, 2.0, 0), (POWER, T0, 1.0, 0)))
    assert (receipt.stored, receipt.duplicate, len(receipt.conflicts)) == (0, 1, 1)


@pytest.mark.parametrize("is_flushed", [False, True])
def test_late_row_is_flagged_and_merged(store: AnyStore, is_flushed: bool) -> None:  # noqa: FBT001  # a case of the table
    store.write(record(0, (POWER, T0, 600.0, 0), (POWER, T0 + 40 * MIN, 600.0, 0)))
    if is_flushed:
        store.flush()
    assert store.roll_up([POWER], "1h", T0, T0 + H).coverage.tolist() == [0.0]
    receipt = store.write(
        record(
            1,
            (POWER, T0 + 20 * MIN, 600.0, 0),
            *((POWER, T0 + m * MIN, 600.0, 0) for m in (10, 30)),
        )
    )
    assert receipt.stored == 3
    assert [row[3] for row in raw(store)] == [0, LATE, LATE, LATE, 0]
    found = store.roll_up([POWER], "1h", T0, T0 + H)
    assert found.energy_wh.tolist() == [pytest.approx(400.0)]
    answer = store.query("SELECT count(*) FROM readings WHERE quality = 'late'")
    assert answer.rows == [(3,)]


def test_row_30_days_late_changes_its_own_buckets(store: AnyStore) -> None:
    day = 24 * H
    for n in range(4):
        store.write(record(n, (IMPORT, T0 + n * 10 * day, 100.0 * n, 0)))
        store.flush()
    store.write(record(4, (IMPORT, T0 + day, 90.0, 0)))
    for _ in range(2):
        found = store.roll_up([IMPORT], "1h", T0, T0 + 31 * day)
        assert found.increase[~(found.increase != found.increase)].sum() == pytest.approx(300.0)
        first_day = found.increase[found.bucket_start_us < T0 + day]
        assert first_day.sum() == pytest.approx(90.0)
        store.flush()


def test_everything_survives_closing(reopen: Callable[[], AnyStore]) -> None:
    store = reopen()
    store.write(record(0, (POWER, T0, 5.0, 0), (VOLTAGE, T0 + 9 * H, float("nan"), 1)))
    before = repr(raw(store))
    store.close()
    again = reopen()
    assert repr(raw(again)) == before
    assert again.covered_offset == 1
    assert again.write(record(1, (POWER, T0, 5.0, 0))).duplicate == 1
    assert again.write(record(2, (VOLTAGE, T0 + 9 * H, float("nan"), 1))).duplicate == 1
    again.close()


def test_records_below_the_covered_offset_are_durable(opener: Opener) -> None:
    store = opener.open()
    store.write(record(0, (POWER, T0, 5.0, 0)))
    store.write(record(1, (POWER, T0 + S, 6.0, 0)))
    # A store may be durable sooner than at a flush.
    assert store.covered_offset in {0, 2}
    assert store.flush() == store.covered_offset == 2
    store.write(record(2, (POWER, T0 + 2 * S, 7.0, 0)))
    opener.crash(store)
    again = opener.open()
    n_covered = again.covered_offset
    assert n_covered in {2, 3}
    assert len(raw(again)) == n_covered
    assert again.write(record(1, (POWER, T0 + S, 6.0, 0))).stored == 0
    assert again.write(record(2, (POWER, T0 + 2 * S, 7.0, 0))).stored == 3 - n_covered
    assert len(raw(again)) == 3
    again.close()


def test_loaded_rows_are_durable_at_once(opener: Opener) -> None:
    store = opener.open()
    rows = [(POWER, T0, 5.0, 0), (VOLTAGE, T0, 230.0, 0)]
    assert store.load(build_batch(rows)).stored == 2
    opener.crash(store)
    again = opener.open()
    assert len(raw(again)) == 2
    receipt = again.load(build_batch([*rows, (POWER, T0, 6.0, 0), (POWER, T0 - S, 4.0, 0)]))
    assert (receipt.stored, receipt.duplicate, len(receipt.conflicts)) == (1, 2, 1)
    assert [row[3] for row in raw(again)] == [LATE, 0, 0]
    again.close()


def test_newest_rows_and_the_range_of_time_are_told(store: AnyStore) -> None:
    assert store.time_range() is None
    assert len(store.last_rows()) == 0
    store.write(record(0, (POWER, T0, 5.0, 0), (POWER, T0 + S, float("nan"), 1)))
    store.write(record(1, (VOLTAGE, T0 - H, 230.0, 0), (POWER, T0 - MIN, 4.0, 0)))
    assert store.time_range() == (T0 - H, T0 + S)
    newest = store.last_rows()
    assert newest.series_id.tolist() == [POWER, VOLTAGE]
    assert newest.measured_at_us.tolist() == [T0 + S, T0 - H]
    assert repr(newest.value.tolist()) == "[nan, 230.0]"


@pytest.mark.parametrize("is_flushed", [False, True])
def test_chart_has_the_true_extremes(store: AnyStore, is_flushed: bool) -> None:  # noqa: FBT001  # a case of the table
    values = [float(n * 37 % 101) for n in range(600)]
    rows = [(POWER, T0 + n * MIN, value, 0) for n, value in enumerate(values)]
    store.write(record(0, *rows))
    if is_flushed:
        store.flush()
    for n_pixels in (5, 10, 600):
        chart = store.chart(POWER, T0, T0 + 10 * H, n_pixels)
        size = 600 // n_pixels
        parts = [values[at : at + size] for at in range(0, 600, size)]
        assert chart.min.tolist() == [min(part) for part in parts]
        assert chart.max.tolist() == [max(part) for part in parts]
        assert chart.count.tolist() == [size] * n_pixels
        assert chart.mean.tolist() == pytest.approx([sum(part) / size for part in parts])


def test_rule_that_changed_makes_its_buckets_anew(opener: Opener) -> None:
    names = FakeNames()
    store = opener.open(names)
    store.write(record(0, *((POWER, T0 + n * 15 * MIN, 600.0, 0) for n in range(5))))
    store.flush()
    assert store.roll_up([POWER], "1h", T0, T0 + H).coverage.tolist() == [1.0]
    # A meter of every five minutes: a quarter of an hour is its longest pause that is no gap.
    names.devices[0] = replace(names.devices[0], interval_s=60)
    store.reopen(POWER, T0)
    for _ in range(2):
        found = store.roll_up([POWER], "1h", T0, T0 + H)
        assert found.coverage.tolist() == [0.0]
        store.flush()
    store.close()


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM readings",
        "SELECT 1; SELECT 2",
        "WITH gone AS (DELETE FROM readings RETURNING *) SELECT * FROM gone",
        "SELECT * FROM nowhere",
        "SELECT",
        "COPY readings TO 'out.csv'",
    ],
)
def test_question_that_is_more_than_one_is_refused(store: AnyStore, sql: str) -> None:
    store.write(record(0, (POWER, T0, 5.0, 0)))
    with pytest.raises(QueryError):
        store.query(sql)
    assert store.query("SELECT count(*) FROM readings").rows == [(1,)]


def test_question_takes_parameters_and_gives_instants_of_utc(store: AnyStore) -> None:
    store.write(record(0, (POWER, T0, 5.0, 0), (VOLTAGE, T0, 230.0, 0)))
    answer = store.query(
        "SELECT measured_at, value FROM readings WHERE quantity = ? AND value > ?",
        ["active_power_w", 1],
    )
    assert answer.rows == [(datetime(2024, 6, 1), 5.0)]  # noqa: DTZ001  # as the store gives it


def test_offset_left_out_is_no_matter(store: AnyStore) -> None:
    store.write(record(3, (POWER, T0, 5.0, 0)))
    store.write(record(9, (POWER, T0 + S, 5.0, 0)))
    assert store.flush() == 10


def test_buckets_of_a_range_begin_within_it(store: AnyStore) -> None:
    store.write(record(0, *((POWER, T0 + m * MIN, 600.0, 0) for m in range(0, 180, 5))))
    for level, size in (("1m", MIN), ("15m", 15 * MIN), ("1h", H)):
        found = store.roll_up([POWER], level, T0 + 30 * MIN, T0 + 90 * MIN)
        starts = found.bucket_start_us.tolist()
        assert starts == [s for s in starts if T0 + 30 * MIN <= s < T0 + 90 * MIN and s % size == 0]
        assert starts


@pytest.mark.parametrize("level", ["1m", "15m", "1h", "1d"])
def test_range_that_holds_no_bucket_gives_none(store: AnyStore, level: str) -> None:
    store.write(record(0, *((POWER, T0 + m * MIN, 600.0, 0) for m in range(0, 180, 5))))
    for start, end in ((T0 + 1, T0 + 30 * S), (T0, T0), (T0 + H, T0)):
        assert len(store.roll_up([POWER], level, start, end).count) == 0
    assert len(store.roll_up([], level, T0, T0 + H).count) == 0


def test_days_are_local_days_of_the_site(store: AnyStore) -> None:
    # Berlin is two hours ahead of UTC in June: its first of June begins at 22:00 of 31 May.
    store.write(record(0, (POWER, T0 - 2 * H, 1.0, 0), (POWER, T0 + 21 * H, 1.0, 0)))
    found = store.roll_up([POWER], "1d", T0 - 26 * H, T0 + 46 * H)
    assert found.bucket_start_us.tolist() == [T0 - 2 * H]
    assert found.count.tolist() == [2]


def test_buckets_come_by_series_then_time(store: AnyStore) -> None:
    store.write(
        record(0, *((one, T0 + h * H, 1.0, 0) for h in (0, 30, 60) for one in (7, 3, 1, 5)))
    )
    found = store.roll_up([7, 5, 3, 1], "1d", T0 - 48 * H, T0 + 96 * H)
    keys = list(zip(found.series_id.tolist(), found.bucket_start_us.tolist(), strict=True))
    assert keys == sorted(keys)
    assert {series for series, _ in keys} == {1, 3, 5, 7}


def test_series_nobody_knows_has_no_buckets(store: AnyStore) -> None:
    for level in ("1m", "1d"):
        assert len(store.roll_up([4711], level, T0, T0 + 48 * H).count) == 0


@pytest.mark.parametrize("level", ["2m", "", "1D", "day"])
def test_unknown_level_is_refused_with_the_valid_ones(store: AnyStore, level: str) -> None:
    with pytest.raises(QueryError, match="1m, 15m, 1h, 1d"):
        store.roll_up([POWER], level, T0, T0 + H)


def test_too_many_buckets_are_refused(store: AnyStore) -> None:
    with pytest.raises(QueryError, match="too many"):
        store.roll_up([POWER], "1m", 0, 200 * 365 * 24 * H)


def test_series_that_was_added_later_is_known_at_once(opener: Opener) -> None:
    names = FakeNames()
    store = opener.open(names)
    assert store.query("SELECT count(*) FROM readings").rows == [(0,)]
    names.names.append(("meter", "frequency_hz"))
    store.write(record(0, (8, T0, 50.0, 0)))
    assert store.query("SELECT quantity FROM readings").rows == [("frequency_hz",)]
    assert store.roll_up([8], "1m", T0, T0 + MIN).count.tolist() == [1]
    store.close()


def test_row_on_the_edge_of_a_span_belongs_to_the_later_one(store: AnyStore) -> None:
    edge = T0 // SPAN_US * SPAN_US + SPAN_US
    store.write(record(0, (POWER, edge - 1, 1.0, 0), (POWER, edge, 2.0, 0)))
    store.flush()
    found = store.read_raw([POWER], edge, edge + 1)
    assert found.value.tolist() == [2.0]
    assert store.read_raw([POWER], 0, edge).value.tolist() == [1.0]


def test_series_that_is_asked_for_twice_is_told_once(store: AnyStore) -> None:
    edge = T0 // SPAN_US * SPAN_US + SPAN_US
    store.write(record(0, (POWER, edge, 1.0, 0), (POWER, edge + 1, 2.0, 0)))
    store.flush()
    # Not the whole of the file: its rows have to be looked through.
    assert store.read_raw([POWER, POWER], edge, edge + 1).value.tolist() == [1.0]
    assert store.roll_up([POWER, POWER], "1h", edge, edge + H).count.tolist() == [2]


def test_empty_record_moves_the_offset_only(store: AnyStore) -> None:
    receipt = store.write(record(4))
    assert (receipt.stored, receipt.duplicate) == (0, 0)
    assert store.flush() == 5
    assert raw(store) == []
