from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import available_timezones

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattscope.core.errors import QueryError
from wattscope.core.time_grid import (
    US_PER_DAY,
    US_PER_HOUR,
    day_start_us,
    format_utc,
    from_us,
    load_zone,
    local_date,
    local_day_edges,
    local_to_us,
    month_range,
    parse_instant,
    to_us,
)

ZONES = st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"}))
INSTANTS = st.integers(
    to_us(datetime(2001, 1, 1, tzinfo=UTC)), to_us(datetime(2099, 1, 1, tzinfo=UTC))
)


def utc(text: str) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Paris", date(2024, 3, 31), 23),
        ("Europe/Paris", date(2024, 10, 27), 25),
        ("Europe/Paris", date(2024, 6, 1), 24),
        ("Australia/Sydney", date(2024, 10, 6), 23),
        ("Australia/Sydney", date(2024, 4, 7), 25),
        ("America/Denver", date(2024, 3, 10), 23),
        ("America/Denver", date(2024, 11, 3), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("America/Sao_Paulo", date(2018, 2, 17), 25),
        ("Asia/Beirut", date(2024, 3, 31), 23),
        ("Asia/Beirut", date(2024, 10, 26), 25),
        ("America/Havana", date(2024, 3, 10), 23),
        ("America/Havana", date(2024, 11, 3), 25),
        ("Australia/Lord_Howe", date(2024, 10, 6), 23.5),
        ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
        ("Asia/Kathmandu", date(2024, 1, 1), 24),
        ("UTC", date(2024, 3, 31), 24),
        ("+05:30", date(2024, 3, 31), 24),
    ],
)
def test_local_day_has_its_hours(zone: str, day: date, hours: float) -> None:
    place = load_zone(zone)
    start, end = day_start_us(day, place), day_start_us(day + timedelta(days=1), place)
    assert (end - start) / US_PER_HOUR == hours
    assert local_date(start, place) == day
    assert local_date(start - 1, place) == day - timedelta(days=1)


def test_day_whose_midnight_does_not_exist_begins_at_the_change() -> None:
    assert day_start_us(date(2018, 11, 4), load_zone("America/Sao_Paulo")) == utc(
        "2018-11-04T03:00"
    )
    assert day_start_us(date(2024, 3, 31), load_zone("Asia/Beirut")) == utc("2024-03-30T22:00")


def test_day_whose_midnight_comes_twice_begins_at_the_first() -> None:
    assert day_start_us(date(2024, 11, 3), load_zone("America/Havana")) == utc("2024-11-03T04:00")


def test_day_that_never_was_is_no_day() -> None:
    samoa = load_zone("Pacific/Apia")
    edges = local_day_edges(utc("2011-12-29T12:00"), utc("2012-01-01T00:00"), samoa)
    assert [local_date(int(edge), samoa).day for edge in edges] == [29, 31, 1, 2]
    assert (np.diff(edges) > 0).all()


def test_edges_of_nothing_are_those_of_its_day() -> None:
    edges = local_day_edges(utc("2024-06-01T12:00"), utc("2024-06-01T12:00"), UTC)
    assert edges.tolist() == [utc("2024-06-01T00:00"), utc("2024-06-02T00:00")]


def test_end_on_an_edge_touches_no_further_day() -> None:
    edges = local_day_edges(utc("2024-06-01T00:00"), utc("2024-06-02T00:00"), UTC)
    assert len(edges) == 2


@given(zone=ZONES, start=INSTANTS, length_us=st.integers(0, 40 * US_PER_DAY))
@settings(deadline=None)
def test_days_of_any_zone_part_the_line(zone: str, start: int, length_us: int) -> None:
    place = load_zone(zone)
    edges = local_day_edges(start, start + length_us, place).tolist()
    assert edges == sorted(set(edges))
    assert edges[0] <= start
    assert start + length_us <= edges[-1]
    for a, b in pairwise(edges):
        assert local_date(a, place) == local_date(b - 1, place)
        assert local_date(b, place) > local_date(b - 1, place)


@given(INSTANTS)
def test_instant_comes_back_from_a_datetime_and_from_text(instant: int) -> None:
    assert to_us(from_us(instant)) == instant
    assert parse_instant(format_utc(instant)) == instant


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-05-01T12:00:00Z", None, "2026-05-01T12:00"),
        ("2026-05-01T12:00:00+02:00", "America/Denver", "2026-05-01T10:00"),
        ("2026-05-01T12:00:00", "Europe/Paris", "2026-05-01T10:00"),
        ("2026-05-01", "Europe/Paris", "2026-04-30T22:00"),
        ("2026-05-01", None, "2026-05-01T00:00"),
        # With its offset, each of two equal wall times is one instant.
        ("2024-10-27T02:30:00+02:00", "Europe/Paris", "2024-10-27T00:30"),
        ("2024-10-27T02:30:00+01:00", "Europe/Paris", "2024-10-27T01:30"),
    ],
)
def test_text_names_an_instant(text: str, zone: str | None, expected: str) -> None:
    assert parse_instant(text, None if zone is None else load_zone(zone)) == utc(expected)


@pytest.mark.parametrize(
    ("text", "zone", "why"),
    [
        ("2024-10-27T02:30:00", "Europe/Paris", "ambiguous or skipped"),
        ("2024-03-31T02:30:00", "Europe/Paris", "ambiguous or skipped"),
        ("2018-11-04T00:30:00", "America/Sao_Paulo", "ambiguous or skipped"),
        ("2024-05-01T12:00:00", None, "no offset"),
        ("yesterday", "Europe/Paris", "RFC 3339"),
        ("", "Europe/Paris", "RFC 3339"),
        ("2024-02-30", "Europe/Paris", "RFC 3339"),
        ("2024-W01-1", "Europe/Paris", "RFC 3339"),
        ("0001-01-01", "Europe/Paris", "RFC 3339"),
        ("1714564800", "Europe/Paris", "RFC 3339"),
    ],
)
def test_text_that_names_none_or_two_is_refused(text: str, zone: str | None, why: str) -> None:
    with pytest.raises(QueryError, match=why):
        parse_instant(text, None if zone is None else load_zone(zone))


def test_second_of_two_equal_wall_times_is_an_hour_later() -> None:
    paris = load_zone("Europe/Paris")
    naive = datetime(2024, 10, 27, 2, 30)  # noqa: DTZ001  # a wall time
    assert local_to_us(naive, paris, fold=1) - local_to_us(naive, paris) == US_PER_HOUR


@pytest.mark.parametrize(
    "name",
    [
        "Mars/Base",
        "../../etc/passwd",
        "/etc/localtime",
        "",
        "europe/paris",
        "+24:00",
        "+01:60",
        "-99:99",
        "+\u0661\u0662:\u0660\u0660",
    ],
)
def test_unknown_zone_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(QueryError, match="Europe/Paris"):
        load_zone(name)


def test_fixed_offset_is_a_zone() -> None:
    assert load_zone("-03:30").utcoffset(None) == -timedelta(hours=3, minutes=30)
    assert load_zone("UTC") is UTC


def test_month_ends_where_the_next_begins() -> None:
    assert month_range(2024, 2) == (date(2024, 2, 1), date(2024, 3, 1))
    assert month_range(2024, 12) == (date(2024, 12, 1), date(2025, 1, 1))
