from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.decode.clock import (
    EARLIEST_US,
    LATEST_US,
    TimeUnit,
    read_instant,
    read_optional_instant,
)
from wattscope.compute.decode.json_path import ABSENT
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.time_grid import format_utc, load_zone, to_us

BERLIN = load_zone("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-06-28T14:12:34Z", "2024-06-28T14:12:34Z"),
        ("2024-06-28t14:12:34z", "2024-06-28T14:12:34Z"),
        ("2024-06-28T14:12:34+02:00", "2024-06-28T12:12:34Z"),
        ("2024-06-28 14:12:34-07:30", "2024-06-28T21:42:34Z"),
        ("2024-06-28T14:12:34.123456Z", "2024-06-28T14:12:34.123456Z"),
        ("2024-06-28T14:12:34", "2024-06-28T12:12:34Z"),
        ("2024-12-28T14:12:34", "2024-12-28T13:12:34Z"),
        # The hour that comes twice: the first of the two, still summer time.
        ("2024-10-27T02:30:00", "2024-10-27T00:30:00Z"),
        # The hour that does not exist: as if the clock had not been put forward yet.
        ("2024-03-31T02:30:00", "2024-03-31T01:30:00Z"),
    ],
)
def test_text_is_placed(text: str, utc: str) -> None:
    placed = read_instant(text, TimeUnit.SECONDS, BERLIN)
    assert isinstance(placed, int)
    assert format_utc(placed) == utc


@pytest.mark.parametrize(
    ("count", "unit"),
    [
        (1_747_561_101, TimeUnit.SECONDS),
        (1_747_561_101.0, TimeUnit.SECONDS),
        (1_747_561_101_000, TimeUnit.MILLISECONDS),
        (1_747_561_101_000_000, TimeUnit.MICROSECONDS),
        (1_747_561_101_000_000_999, TimeUnit.NANOSECONDS),
    ],
)
def test_number_counts_what_the_profile_says(count: float, unit: TimeUnit) -> None:
    assert read_instant(count, unit, UTC) == 1_747_561_101_000_000


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (1_747_561_101_000, TimeUnit.SECONDS),
        (1_747_561_101, TimeUnit.MILLISECONDS),
        (0, TimeUnit.SECONDS),
        (946_684_800, TimeUnit.SECONDS),
        (-1, TimeUnit.SECONDS),
        (1e300, TimeUnit.SECONDS),
        (float("nan"), TimeUnit.SECONDS),
        (10**300, TimeUnit.SECONDS),
        (1_747_561_101, TimeUnit.RFC3339),
        (1_747_561_101, TimeUnit.LOCAL),
        (True, TimeUnit.SECONDS),
        (None, TimeUnit.SECONDS),
        ([], TimeUnit.SECONDS),
        ("1747561101", TimeUnit.SECONDS),
        ("", TimeUnit.SECONDS),
        ("2024-06-28", TimeUnit.SECONDS),
        ("14:12:34", TimeUnit.SECONDS),
        ("2024-02-30T00:00:00Z", TimeUnit.SECONDS),
        ("2024-06-28T24:00:00Z", TimeUnit.SECONDS),
        ("1970-01-01T00:00:10", TimeUnit.SECONDS),
        ("2000-12-31T23:59:59Z", TimeUnit.SECONDS),
        ("2100-01-01T00:00:00Z", TimeUnit.SECONDS),
        ("0001-01-01T00:00:00", TimeUnit.SECONDS),
        ("0001-01-01T00:00:00+14:00", TimeUnit.SECONDS),
        ("9999-12-31T23:59:59", TimeUnit.SECONDS),
        ("9999-12-31T23:59:59-14:00", TimeUnit.SECONDS),
        ("２０２４-06-28T14:12:34Z", TimeUnit.SECONDS),  # noqa: RUF001 - digits that are not ASCII
    ],
)
def test_time_that_no_working_device_states_is_refused(value: object, unit: TimeUnit) -> None:
    refused = read_instant(value, unit, BERLIN)
    assert isinstance(refused, Rejection)
    assert refused.code is ReasonCode.BAD_TIME


def test_no_time_is_not_a_bad_time() -> None:
    assert read_optional_instant(None, TimeUnit.SECONDS, UTC) is None
    assert read_optional_instant(ABSENT, TimeUnit.SECONDS, UTC) is None


@given(st.datetimes(datetime(2001, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis takes naive bounds
def test_text_of_any_instant_comes_back_exactly(instant: datetime) -> None:
    assert read_instant(instant.isoformat(), TimeUnit.RFC3339, BERLIN) == to_us(instant)


@given(
    st.text() | st.integers() | st.floats() | st.none() | st.booleans(), st.sampled_from(TimeUnit)
)
def test_any_value_gives_an_instant_in_range_or_a_refusal(value: object, unit: TimeUnit) -> None:
    answer = read_instant(value, unit, BERLIN)
    assert isinstance(answer, Rejection) or EARLIEST_US <= answer < LATEST_US
