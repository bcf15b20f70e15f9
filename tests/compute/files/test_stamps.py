"""Texts of time become one instant or none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.files.stamps import NO_INSTANT, StampReader
from wattscope.core.time_grid import load_zone, parse_instant, to_us

PARIS = load_zone("Europe/Paris")


@pytest.mark.parametrize(
    ("time_format", "text", "instant"),
    [
        ("iso", "2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"),
        ("iso", "2026-07-01T12:00:00+05:30", "2026-07-01T06:30:00Z"),
        ("iso", " 2026-07-01 12:00 ", "2026-07-01T10:00:00Z"),
        ("iso", "2026-01-01", "2025-12-31T23:00:00Z"),
        ("%d/%m/%Y %H:%M:%S", "1/7/2026 12:00:00", "2026-07-01T10:00:00Z"),
        ("%m/%d/%y %I:%M", "07/01/26 11:30", "2026-07-01T09:30:00Z"),
        ("%Y%m%d%H%M", "202607011200", "2026-07-01T10:00:00Z"),
        ("%Y-%m-%dT%H:%M:%S%z", "2026-07-01T12:00:00+0200", "2026-07-01T10:00:00Z"),
        ("%d %b %Y %H:%M", "01 Jul 2026 12:00", "2026-07-01T10:00:00Z"),
        ("unix_s", "1782900000", "2026-07-01T10:00:00Z"),
        ("unix_s", "1782900000.25", "2026-07-01T10:00:00.250000Z"),
        ("unix_ms", "1782900000250", "2026-07-01T10:00:00.250000Z"),
        ("unix_us", "1782900000250001", "2026-07-01T10:00:00.250001Z"),
    ],
)
def test_a_text_has_its_instant(time_format: str, text: str, instant: str) -> None:
    assert StampReader(time_format, PARIS).read([text]).tolist() == [parse_instant(instant)]


@pytest.mark.parametrize(
    ("time_format", "text"),
    [
        ("iso", "yesterday"),
        ("iso", "2026-02-29"),
        ("iso", "2026-03-29T02:30"),
        ("iso", "2026-10-25T02:30"),
        ("%d/%m/%Y %H:%M:%S", "31/4/2026 12:00:00"),
        ("%d/%m/%Y %H:%M:%S", "1/7/2026"),
        ("%d/%m/%Y %H:%M:%S", "1/7/2026 24:00:00"),
        ("%d/%m/%Y %H:%M:%S", "29/3/2026 02:30:00"),
        ("unix_s", "-5"),
        ("unix_s", "1e9"),
        ("unix_s", "1782900000000"),
        ("unix_ms", "\u0661"),
        ("iso", "0001-01-01T00:00:00+14:00"),
        ("iso", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_a_text_without_an_instant_is_told(time_format: str, text: str) -> None:
    assert StampReader(time_format, PARIS).read([text]).tolist() == [NO_INSTANT]


def test_a_time_of_the_repeated_hour_is_placed_by_its_offset() -> None:
    texts = ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T02:30:00"]
    first, second, third = StampReader("iso", PARIS).read(texts).tolist()
    assert second - first == 3_600_000_000
    assert third == NO_INSTANT


MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1))  # noqa: DTZ001 - hypothesis


@given(st.lists(MOMENTS, min_size=1, max_size=20), st.sampled_from([-5, 0, 1, 12]))
def test_all_formats_agree_in_a_fixed_zone(moments: list[datetime], offset_h: int) -> None:
    zone = load_zone(f"{'-' if offset_h < 0 else '+'}{abs(offset_h):02d}:00")
    moments = [moment.replace(microsecond=0) for moment in moments]
    expected = [to_us(moment.replace(tzinfo=UTC) - timedelta(hours=offset_h)) for moment in moments]
    for time_format in ("%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S"):
        texts = [moment.strftime(time_format) for moment in moments]
        assert StampReader(time_format, zone).read(texts).tolist() == expected
    texts = [moment.isoformat() for moment in moments]
    assert StampReader("iso", zone).read(texts).tolist() == expected


@pytest.mark.parametrize("time_format", ["%d/%m/%Y %H:%M", "%H:%M %d/%m/%Y"])
def test_midnight_may_end_the_day_whose_date_it_bears(time_format: str) -> None:
    walls = [datetime(2026, 3, 28, 23, 45), datetime(2026, 3, 28), datetime(2026, 3, 28, 0, 15)]  # noqa: DTZ001  # the zone places them
    texts = [f"{wall:{time_format}}" for wall in walls]
    as_printed = StampReader(time_format, PARIS).read(texts)
    ending = StampReader(time_format, PARIS, midnight_is_day_end=True).read(texts)
    # The night between was 28 to 29 March, before the clock went forward.
    assert ending.tolist() == [
        as_printed[0],
        parse_instant("2026-03-28T23:00:00Z"),
        as_printed[2],
    ]
    assert as_printed[1] == parse_instant("2026-03-27T23:00:00Z")
    unread = StampReader(time_format, PARIS, midnight_is_day_end=True).read(["nonsense"])
    assert unread.tolist() == [NO_INSTANT]
