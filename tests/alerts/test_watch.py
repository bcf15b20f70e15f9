"""Rules raise and end alerts: thresholds, silence of devices, changes, durations, hysteresis."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.alerts.watches import START_US, make_rule, make_watch, tell, walk, words
from wattscope.alerts import is_within, make_state, pack_state, preview, step, unpack_state
from wattscope.alerts.watch import NEVER
from wattscope.core.alerting import RuleKind, Schedule
from wattscope.core.time_grid import US_PER_S, load_zone, to_us


def test_value_above_raises_once_and_clears_when_it_was_back_for_a_minute() -> None:
    assert tell(make_rule(), [10.0, 11.0, 12.0, *[9.0] * 70]) == [(1, "raised"), (63, "cleared")]


def test_value_below_raises() -> None:
    said = tell(make_rule(RuleKind.BELOW), [10.0, 9.0, *[10.0] * 70])
    assert said == [(1, "raised"), (62, "cleared")]


def test_rule_that_must_hold_waits_and_begins_anew_after_a_dip() -> None:
    values = [11.0] * 5 + [9.0] + [11.0] * 20
    assert tell(make_rule(for_s=10.0), values) == [(16, "raised")]


def test_alert_ends_only_behind_the_hysteresis() -> None:
    rule = make_rule(hysteresis=2.0)
    assert words(tell(rule, [11.0, *[8.5] * 300])) == ["raised"]
    assert words(tell(rule, [11.0, *[8.0] * 300])) == ["raised", "cleared"]


def test_old_value_neither_raises_nor_clears() -> None:
    way = walk(make_rule(for_s=60.0), stale_s=30.0)
    assert [way.look(0, 11.0), way.look(29), way.look(61), way.look(3600)] == [""] * 4
    assert way.look(3601, 11.0) == ""
    assert way.look(3631, 11.0) == ""
    assert way.look(3661, 11.0) == "raised"
    assert [way.look(second) for second in (4000, 9000)] == ["", ""]


def test_value_that_was_back_and_falls_silent_ends_its_alert() -> None:
    way = walk(make_rule())
    assert way.look(0, 11.0) == "raised"
    assert way.look(1, 5.0) == ""
    assert way.look(61) == "cleared"


def test_silence_of_a_device_raises_and_its_return_clears() -> None:
    way = walk(make_rule(RuleKind.NO_DATA, for_s=20.0))
    assert [way.look(second, 1.0) for second in range(10)] == [""] * 10
    assert way.look(29) == ""
    assert way.look(29.5) == "raised"
    assert [way.look(second, 1.0) for second in (40, 70, 99)] == ["", "", ""]
    assert way.look(100, 1.0) == "cleared"


def test_device_that_was_never_heard_raises_after_the_same_time() -> None:
    way = walk(make_rule(RuleKind.NO_DATA, for_s=20.0))
    assert [way.look(0), way.look(20), way.look(21)] == ["", "", "raised"]


def test_rise_within_a_time_raises_and_a_slow_one_does_not() -> None:
    rule = make_rule(RuleKind.RISES, 5.0, per_s=60.0)
    assert words(tell(rule, [second / 60 * 4.9 for second in range(600)])) == []
    assert words(tell(rule, [second / 60 * 5.5 for second in range(600)])) == ["raised"]
    said = tell(rule, [0.0] * 100 + [6.0] * 200)
    assert words(said) == ["raised", "cleared"]
    # A minute until the rise is past, to within a thirtieth, and a minute of calm.
    assert said[0][0] == 100
    assert abs(said[1][0] - 220) <= 2


def test_fall_within_a_time_raises() -> None:
    rule = make_rule(RuleKind.FALLS, 5.0, per_s=60.0)
    assert words(tell(rule, [100.0] * 50 + [94.0] * 10)) == ["raised"]
    assert words(tell(rule, [0.0] * 50 + [94.0] * 10)) == []


def test_swinging_value_raises_few_alerts() -> None:
    fast = [11.0, 9.0] * 600
    assert words(tell(make_rule(), fast)) == ["raised"]
    # Just long enough to end, again and again: the time that is needed doubles.
    slow = ([11.0] * 5 + [9.0] * 70) * 30
    assert words(tell(make_rule(), slow)).count("raised") == 2
    # What comes once an hour is news each time.
    rare = ([11.0] + [9.0] * 3700) * 2
    assert words(tell(make_rule(), rare)).count("raised") == 2


def test_rule_with_a_schedule_looks_only_then_but_ends_at_any_time() -> None:
    # 1,700,000,000 is a Tuesday, 22:13:20 UTC.
    evening = Schedule((1,), 22 * 60 + 14, 22 * 60 + 15)
    rule = make_rule(schedule=evening)
    assert tell(rule, [11.0] * 60)[0] == (40, "raised")
    assert tell(rule, [9.0] * 100 + [11.0] * 60) == []
    assert words(tell(rule, [11.0] * 90 + [9.0] * 200)) == ["raised", "cleared"]
    assert tell(make_rule(schedule=replace(evening, weekdays=(2,))), [11.0] * 90) == []


@pytest.mark.parametrize(
    ("local", "inside"),
    [
        ("2024-03-30T21:59", False),
        ("2024-03-30T22:00", True),
        ("2024-03-31T01:59", True),
        ("2024-03-31T03:00", True),
        ("2024-03-31T06:00", False),
        ("2024-03-31T22:00", False),
        # The hour that autumn has twice belongs to the night of Saturday both times.
        ("2024-10-27T02:30", True),
        ("2024-10-27T05:59", True),
    ],
)
@pytest.mark.parametrize("fold", [0, 1])
def test_hours_over_midnight_belong_to_the_evening_on_days_that_change_the_clock(
    local: str, fold: int, *, inside: bool
) -> None:
    paris = load_zone("Europe/Paris")
    nights = Schedule((5,), 22 * 60, 6 * 60)
    instant = datetime.fromisoformat(local).replace(tzinfo=paris, fold=fold).astimezone(UTC)
    assert is_within(nights, to_us(instant), paris) is inside


def test_day_of_23_hours_has_two_hours_less_and_none_is_looked_at_twice() -> None:
    paris = load_zone("Europe/Paris")
    hours = [to_us(datetime(2024, 3, 31, tzinfo=paris)) + n * 3600 * US_PER_S for n in range(23)]
    gone = Schedule(start_minute=120, end_minute=180)
    assert not any(is_within(gone, one, paris) for one in hours)
    autumn = [to_us(datetime(2024, 10, 27, tzinfo=paris)) + n * 3600 * US_PER_S for n in range(25)]
    assert sum(is_within(gone, one, paris) for one in autumn) == 2


def test_schedule_follows_the_zone_of_each_site() -> None:
    rule = make_rule(schedule=Schedule(start_minute=8 * 60, end_minute=9 * 60))
    watch = replace(make_watch(rule, 2), zones=("UTC", "Asia/Tokyo"), zone_of=np.array([0, 1]))
    for hour, place in ((8, 0), (23, 1)):
        now_us = to_us(datetime(2026, 6, 1, hour, 30, tzinfo=UTC))
        made = step(watch, make_state(watch), np.full(2, now_us), np.full(2, 99.0), now_us)
        assert made.raised.tolist() == [place]


def test_thousand_devices_are_looked_at_in_a_few_milliseconds() -> None:
    for kind in RuleKind:
        watch = make_watch(make_rule(kind, for_s=10.0), 1000)
        state = make_state(watch)
        value = np.linspace(0.0, 20.0, 1000)
        began = time.perf_counter()
        for second in range(50):
            now_us = START_US + second * US_PER_S
            state = step(watch, state, np.full(1000, now_us), value + second, now_us).state
        # Some 0.2 ms a look; the limit only notices a loop over devices.
        assert (time.perf_counter() - began) / 50 < 0.05


def test_preview_is_the_same_steps() -> None:
    watch = make_watch(make_rule(), 2)
    looks = [START_US + second * US_PER_S for second in range(100)]
    value = np.full((2, 100), 9.0)
    value[1, 3] = 12.0
    [fired] = preview(watch, looks, np.array([looks, looks]), value)
    assert (fired.place, fired.raised_at_us, fired.cleared_at_us) == (1, looks[3], looks[64])
    assert fired.value == 12.0


# ── properties ───────────────────────────────────────────────────────────────────────────────────

RULES = st.builds(
    make_rule,
    st.sampled_from([one for one in RuleKind if one is not RuleKind.INCIDENT]),
    st.floats(-5, 5),
    hysteresis=st.floats(0, 3),
    for_s=st.sampled_from([0.0, 1.0, 30.0, 90.0]),
    per_s=st.sampled_from([1.0, 10.0, 600.0]),
    schedule=st.sampled_from([Schedule(), Schedule(start_minute=22 * 60 + 20, end_minute=10)]),
)
LOOKS = st.lists(
    st.tuples(st.integers(1, 120), st.none() | st.floats(-10, 10, width=32)),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60)
@given(RULES, LOOKS)
def test_alert_is_never_raised_twice_without_an_end_between(
    rule: object, looks: list[tuple[int, float | None]]
) -> None:
    way = walk(rule)  # type: ignore[arg-type]  # built by the strategy
    second = 0
    said = []
    for wait, value in looks:
        second += wait
        said.append(way.look(second, value))
    happened = [word for word in said if word]
    assert happened == (["raised", "cleared"] * len(happened))[: len(happened)]


@settings(max_examples=60)
@given(RULES, LOOKS, st.integers(0, 60))
def test_saving_and_loading_at_any_point_changes_nothing(
    rule: object, looks: list[tuple[int, float | None]], when: int
) -> None:
    straight, restarted = walk(rule), walk(rule)  # type: ignore[arg-type]  # as above
    second = 0
    for number, (wait, value) in enumerate(looks):
        second += wait
        if number == when:
            text = msgspec.json.encode(pack_state(restarted.watch, restarted.state))
            restarted.state = unpack_state(restarted.watch, msgspec.json.decode(text))
        assert straight.look(second, value) == restarted.look(second, value)


@given(st.lists(st.floats(-0.99, 0.99), max_size=200), st.floats(1.0, 5.0))
def test_value_within_the_hysteresis_never_ends_or_repeats_an_alert(
    noise: list[float], hysteresis: float
) -> None:
    rule = make_rule(threshold=10.0, hysteresis=2 * hysteresis)
    values = [10.0 - hysteresis + one * hysteresis for one in noise]
    assert words(tell(rule, [11.0, *values])) == ["raised"]


@settings(max_examples=60)
@given(RULES, st.lists(st.lists(st.floats(-10, 10), min_size=3, max_size=3), max_size=30))
def test_places_do_not_disturb_each_other(rule: object, rows: list[list[float]]) -> None:
    watch = make_watch(rule, 3)  # type: ignore[arg-type]  # as above
    state = make_state(watch)
    alone = [walk(rule) for _ in range(3)]  # type: ignore[arg-type]  # as above
    for number, row in enumerate(rows):
        now_us = START_US + number * 20 * US_PER_S
        made = step(watch, state, np.full(3, now_us), np.array(row), now_us)
        state = made.state
        single = [way.look(number * 20, value) for way, value in zip(alone, row, strict=True)]
        assert made.raised.tolist() == [n for n, word in enumerate(single) if word == "raised"]
        assert made.cleared.tolist() == [n for n, word in enumerate(single) if word == "cleared"]


def test_state_of_other_places_and_kinds_begins_anew() -> None:
    way = walk(make_rule())
    way.look(0, 11.0)
    packed = pack_state(way.watch, way.state)
    more = make_watch(make_rule(), 3)
    assert unpack_state(more, packed).is_raised.tolist() == [True, False, False]
    rises = make_watch(make_rule(RuleKind.RISES), 2)
    assert unpack_state(rises, packed).past_part.shape == (2, 32)
    assert (unpack_state(rises, {}).since_us == NEVER).all()
