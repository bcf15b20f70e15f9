from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.poll_schedule import Schedule, parse_schedule
from wattscope.core.errors import SettingsError
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, load_zone, to_us

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
SYDNEY = ZoneInfo("Australia/Sydney")
CHANGES = [
    # zone, night in which the clock goes forward, night in which it goes back, skipped hour,
    # hour that comes twice
    (BERLIN, "2026-03-29", "2026-10-25", 2, 2),
    (NEW_YORK, "2026-03-08", "2026-11-01", 2, 1),
    (SYDNEY, "2026-10-04", "2026-04-05", 2, 2),
]

OCTOBER_US = to_us(datetime(2026, 10, 24, 22, tzinfo=UTC))
"""Midnight in Berlin before the clock goes back."""


def _runs(text: str, zone: tzinfo, day: str, hours: int = 6) -> list[str]:
    """The local times, with their offset, at which a schedule runs from midnight of a day."""
    schedule = parse_schedule(text, zone)
    start = datetime.fromisoformat(day).replace(tzinfo=zone)
    end_us = to_us(start.astimezone(UTC) + timedelta(hours=hours))
    before_us, found = to_us(start) - 1, []
    while (now_us := schedule.next_after(before_us)) < end_us:
        assert now_us > before_us
        before_us = now_us
        local = datetime.fromtimestamp(now_us // US_PER_S, UTC).astimezone(zone)
        found.append(f"{local:%d %H:%M:%S%z}")
    return found


@pytest.mark.parametrize(
    ("text", "interval_us"),
    [
        ("10s", 10_000_000),
        ("10 s", 10_000_000),
        (" 10 ", 10_000_000),
        ("0.5", 500_000),
        ("500ms", 500_000),
        ("100ms", 100_000),
        ("1m", 60_000_000),
        ("1min", 60_000_000),
        ("1.5m", 90_000_000),
        ("1h", 3_600_000_000),
        ("1d", US_PER_DAY),
        ("24h", US_PER_DAY),
    ],
)
def test_interval_is_read_in_any_unit(text: str, interval_us: int) -> None:
    assert parse_schedule(text, UTC) == Schedule(text.strip(), interval_us, UTC)


@given(st.integers(100_000, US_PER_DAY), st.integers(-(10**15), 4 * 10**15))
def test_intervals_have_one_phase_for_all_and_for_ever(interval_us: int, now_us: int) -> None:
    after = Schedule("x", interval_us, UTC).next_after(now_us)
    assert now_us < after <= now_us + interval_us
    assert after % interval_us == 0


def test_interval_is_counted_from_1970_whatever_the_clock_on_the_wall_says() -> None:
    schedule = parse_schedule("15m", BERLIN)
    change = to_us(datetime(2026, 10, 25, 1, 0, tzinfo=UTC))
    assert [schedule.next_after(change + n) - change for n in (-1, 0, 899_999_999)] == [
        0,
        900_000_000,
        900_000_000,
    ]


def test_cron_of_six_fields_has_seconds_first() -> None:
    assert _runs("*/20 * * * * *", BERLIN, "2026-06-01", 1)[:4] == [
        "01 00:00:00+0200",
        "01 00:00:20+0200",
        "01 00:00:40+0200",
        "01 00:01:00+0200",
    ]
    assert len(_runs("*/10 * * * * *", BERLIN, "2026-06-01", 1)) == 360
    assert _runs("30 5 6 * * *", SYDNEY, "2026-06-01", 24) == ["01 06:05:30+1000"]


def test_cron_of_five_fields_is_on_the_minute_of_the_sites_clock() -> None:
    assert _runs("0 6 * * *", NEW_YORK, "2026-06-01", 48) == [
        "01 06:00:00-0400",
        "02 06:00:00-0400",
    ]
    assert _runs("*/15 8 * * 1", BERLIN, "2026-06-01", 24) == [
        f"01 08:{minute:02}:00+0200" for minute in (0, 15, 30, 45)
    ]
    assert _runs("0 0 29 2 *", UTC, "2026-01-01", 24 * 1000) == ["29 00:00:00+0000"]


@pytest.mark.parametrize(("zone", "forward", "back", "skipped", "doubled"), CHANGES)
def test_time_that_the_clock_skips_runs_once_when_it_has_moved_on(
    zone: ZoneInfo, forward: str, back: str, skipped: int, doubled: int
) -> None:
    assert back
    assert doubled
    runs = _runs(f"30 {skipped} * * *", zone, forward)
    assert [run[3:8] for run in runs] == ["03:00"]
    seconds = _runs(f"15 30 {skipped} * * *", zone, forward)
    assert [run[3:11] for run in seconds] == ["03:00:15"]
    offset = datetime.fromisoformat(f"{forward}T12:00").replace(tzinfo=zone).strftime("%z")
    assert runs[0].endswith(offset)


@pytest.mark.parametrize(("zone", "forward", "back", "skipped", "doubled"), CHANGES)
def test_time_that_comes_twice_runs_once(
    zone: ZoneInfo, forward: str, back: str, skipped: int, doubled: int
) -> None:
    assert forward
    assert skipped
    assert [run[3:8] for run in _runs(f"30 {doubled} * * *", zone, back)] == [f"{doubled:02}:30"]
    seconds = _runs(f"15 30 {doubled} * * *", zone, back)
    assert [run[3:11] for run in seconds] == [f"{doubled:02}:30:15"]


@pytest.mark.parametrize("text", ["30 2 * * *", "0 30 2 * * *", "20 0,30 2 * * *"])
def test_hour_that_comes_again_gives_no_instant_of_its_first_time(text: str) -> None:
    schedule = parse_schedule(text, BERLIN)
    for minute in range(360):
        now_us = OCTOBER_US + minute * 60 * US_PER_S
        assert schedule.next_after(now_us) > now_us


@pytest.mark.parametrize(("zone", "forward", "back", "skipped", "doubled"), CHANGES)
@pytest.mark.parametrize(("text", "per_hour"), [("*/15 * * * *", 4), ("0 */5 * * * *", 12)])
def test_what_runs_all_the_time_goes_on_through_both_changes(
    text: str,
    per_hour: int,
    zone: ZoneInfo,
    forward: str,
    back: str,
    skipped: int,
    doubled: int,
) -> None:
    """Hours of the clock that pass twice, or not at all, are read as the hours that they are."""
    assert skipped
    assert doubled
    for day in (forward, back):
        assert len(_runs(text, zone, day, 6)) == 6 * per_hour


@pytest.mark.parametrize(("zone", "forward", "back", "skipped", "doubled"), CHANGES)
def test_day_of_a_change_has_its_runs_of_the_day(
    zone: ZoneInfo, forward: str, back: str, skipped: int, doubled: int
) -> None:
    assert skipped
    assert doubled
    for day, hours in ((forward, 23), (back, 25)):
        assert [run[3:8] for run in _runs("0 0,6,12,18 * * *", zone, day, hours)] == [
            "00:00",
            "06:00",
            "12:00",
            "18:00",
        ]


@pytest.mark.parametrize(
    "text",
    [
        "*/15 * * * *",
        "*/10 * * * * *",
        "30 2 * * *",
        "7,8 30 2 * * *",
        "0 0 1 * *",
        "59 59 23 * * *",
        "0 6 * * 1-5",
    ],
)
@given(
    now_us=st.integers(0, 4 * 10**15)
    | st.integers(0, 6 * 3600 * US_PER_S).map(lambda us: us + OCTOBER_US),
    zone=st.sampled_from([BERLIN, NEW_YORK, SYDNEY, UTC]),
)
def test_next_instant_is_always_later_and_on_a_second(text: str, now_us: int, zone: tzinfo) -> None:
    after = parse_schedule(text, zone).next_after(now_us)
    assert after > now_us
    assert after % US_PER_S == 0
    assert after - now_us <= 32 * US_PER_DAY


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0s", "is not between 0.1 s and one day"),
        ("0", "is not between 0.1 s and one day"),
        ("50ms", "is not between 0.1 s and one day"),
        ("25h", "is not between 0.1 s and one day"),
        ("2d", "is not between 0.1 s and one day"),
        ("", "is neither an interval such as 10s nor a cron expression"),
        ("-10s", "is neither an interval such as 10s nor a cron expression"),
        ("10 seconds", "is neither an interval such as 10s nor a cron expression"),
        ("nan", "is neither an interval such as 10s nor a cron expression"),
        ("1e3", "is neither an interval such as 10s nor a cron expression"),
        ("* * * *", "is neither an interval such as 10s nor a cron expression"),
        ("* * * * * * *", "is neither an interval such as 10s nor a cron expression"),
        ("60 * * * *", "is neither an interval such as 10s nor a cron expression"),
        ("*/0 * * * *", "is neither an interval such as 10s nor a cron expression"),
        ("0 0 31 2 *", "is neither an interval such as 10s nor a cron expression"),
        ("@hourly", "is neither an interval such as 10s nor a cron expression"),
    ],
)
def test_text_that_is_no_schedule_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_schedule(text, load_zone("Europe/Berlin"))
    assert reason in str(raised.value)
    assert repr(text) in str(raised.value)


@given(st.text(max_size=20) | st.text(st.sampled_from("0123456789*/,- smhLW#"), max_size=20))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    try:
        schedule = parse_schedule(text, BERLIN)
    except SettingsError as refused:
        assert refused.faults  # noqa: PT017 - both ends are right
    else:
        assert schedule.next_after(0) > 0
