"""Rows of two stores beside each other, and which stretches both are asked for."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from wattscope.core.reading import Batch, Quality, build_batch
from wattscope.stores.upkeep.row_match import describe_first, match_rows
from wattscope.stores.upkeep.shared_stretches import plan_shared_reads

LATE = int(Quality.LATE)
Row = tuple[int, int, float, int]

rows = st.dictionaries(
    st.tuples(st.integers(1, 3), st.integers(0, 6)),
    st.tuples(st.sampled_from([0.0, -0.0, 1.5, float("nan")]), st.sampled_from([0, 1, 4, 5])),
    max_size=12,
)


def batch(*wanted: Row) -> Batch:
    return build_batch(sorted(wanted, key=lambda row: row[:2]))


def keys(found: Batch) -> list[tuple[int, int]]:
    return list(zip(found.series_id.tolist(), found.measured_at_us.tolist(), strict=True))


@given(wanted=rows, present=rows)
def test_every_row_is_judged_once(
    wanted: dict[tuple[int, int], tuple[float, int]],
    present: dict[tuple[int, int], tuple[float, int]],
) -> None:
    found = match_rows(
        batch(*((*key, *row) for key, row in wanted.items())),
        batch(*((*key, *row) for key, row in present.items())),
    )
    assert keys(found.missing) == sorted(wanted.keys() - present.keys())
    assert keys(found.beyond) == sorted(present.keys() - wanted.keys())
    same = {key for key in wanted.keys() & present.keys() if is_same(wanted[key], present[key])}
    assert keys(found.same) == sorted(same)
    assert keys(found.differing) == sorted((wanted.keys() & present.keys()) - same)
    assert found.n_late == sum(wanted[key][1] != present[key][1] for key in same)
    assert found.is_whole == (same == wanted.keys())


def is_same(one: tuple[float, int], other: tuple[float, int]) -> bool:
    return repr(one[0]) == repr(other[0]) and other[1] in {one[1], one[1] | LATE}


def test_rows_that_are_the_same_but_for_the_mark_of_coming_late() -> None:
    wanted, present = batch((1, 5, 2.0, 0), (1, 6, 2.0, 4)), batch((1, 5, 2.0, 4), (1, 6, 2.0, 0))
    found = match_rows(wanted, present)
    assert (keys(found.same), keys(found.differing)) == ([(1, 5)], [(1, 6)])
    # As they are wanted, so that both sides come to one checksum.
    assert found.same.quality.tolist() == [0]


def test_first_row_of_each_series_is_told() -> None:
    told = describe_first(batch((1, 5_000_000, 2.5, 0), (1, 6, 2.0, 4), (7, 0, 1.0, 0)))
    assert told == {
        1: "the row of 1970-01-01T00:00:00.000006Z (2, quality 4) (and 1 more)",
        7: "the row of 1970-01-01T00:00:00Z (1, quality 0)",
    }


@dataclass
class Counted:
    """A store that has rows of one series in some spans."""

    chunk_us: int
    spans: dict[int, int]

    def count_span_rows(self) -> dict[int, int]:
        return self.spans


spans = st.builds(
    lambda chunk_us, starts: Counted(chunk_us, {chunk_us * one: 10 for one in starts}),
    st.integers(1, 5),
    st.sets(st.integers(-5, 5), max_size=6),
)


@given(stores=st.lists(spans, min_size=1, max_size=3))
def test_all_time_of_all_stores_is_read_once(stores: list[Counted]) -> None:
    wanted = {
        t for one in stores for start in one.spans for t in range(start, start + one.chunk_us)
    }
    found = [t for one in plan_shared_reads(stores, [1]) for t in range(one.start_us, one.end_us)]
    assert found == sorted(wanted)


def test_series_are_read_in_groups_of_bounded_size() -> None:
    store = Counted(1000, {0: 3_000_000, 1000: 1000})
    found = [(one.start_us, one.series) for one in plan_shared_reads([store], range(6))]
    assert found == [(0, (0, 1)), (0, (2, 3)), (0, (4, 5)), (1000, (0, 1, 2, 3, 4, 5))]
