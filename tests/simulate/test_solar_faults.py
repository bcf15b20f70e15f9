"""Faults are read from words, drawn without two at one panel, and told as the truth."""

from __future__ import annotations

import csv
import io
from itertools import combinations

import pytest

from tests.simulate.panel_plants import DEVICES, HOUR_US, JUNE_US
from wattscope.core.errors import SettingsError
from wattscope.core.time_grid import format_utc, load_zone
from wattscope.simulate.solar_faults import (
    ALWAYS,
    NEVER,
    Branches,
    Fault,
    FaultKind,
    draw_faults,
    draw_monthly,
    list_truths,
    parse_fault,
    write_truths,
)

BERLIN = load_zone("Europe/Berlin")
BRANCHES = Branches(DEVICES, longitude=11.6)
MONTH_US = 30 * 24 * HOUR_US


@pytest.mark.parametrize(
    ("words", "device", "start", "end"),
    [
        ("soiling:Panel-003", "Panel-003", None, None),
        ("soiling:Panel-003:2026-06-01", "Panel-003", "2026-05-31T22:00:00Z", None),
        (
            "soiling:Panel-003:2026-06-01T12:00:2026-06-02T08:30Z",
            "Panel-003",
            "2026-06-01T10:00:00Z",
            "2026-06-02T08:30:00Z",
        ),
        (
            "soiling:roof:3:2026-06-01T12:00:05+00:00",
            "roof:3",
            "2026-06-01T12:00:05Z",
            None,
        ),
    ],
)
def test_words_of_a_fault_are_understood(
    words: str, device: str, start: str | None, end: str | None
) -> None:
    found = parse_fault(words, BERLIN)
    assert (found.kind, found.device) == (FaultKind.SOILING, device)
    assert (None if found.start_us == ALWAYS else format_utc(found.start_us)) == start
    assert (None if found.end_us == NEVER else format_utc(found.end_us)) == end


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("dirt:Panel-003", "kinds: soiling, shade"),
        ("soiling", "is not KIND:PANEL"),
        ("soiling:Panel-003:2026-02-30", "RFC 3339"),
        ("soiling:Panel-003:2026-03-29T02:30", "add an offset"),
        ("soiling:Panel-003:2026-06-02:2026-06-01", "ends before it starts"),
    ],
)
def test_words_that_are_no_fault_are_refused_with_what_to_write(words: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        parse_fault(words, BERLIN)


def test_drawn_faults_are_of_all_kinds_and_never_two_at_one_panel() -> None:
    faults = draw_faults(BRANCHES, JUNE_US, JUNE_US + MONTH_US, seed=5, count=21)
    assert {one.kind for one in faults} == set(FaultKind)
    for one, other in combinations(faults, 2):
        if one.start_us < other.end_us and other.start_us < one.end_us:
            assert not set(BRANCHES.hit(one)) & set(BRANCHES.hit(other))
    for one in faults:
        assert JUNE_US + MONTH_US // 10 - 24 * HOUR_US <= one.start_us < one.end_us
        assert one.end_us <= JUNE_US + MONTH_US


def test_drawn_faults_are_those_of_the_seed() -> None:
    drawn = [draw_faults(BRANCHES, 0, MONTH_US, seed=seed, count=7) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_faults_of_a_month_are_the_same_whenever_they_are_asked() -> None:
    whole = draw_monthly(BRANCHES, JUNE_US, JUNE_US + 2 * MONTH_US, seed=1, per_month=5)
    parts = {
        fault
        for day in range(60)
        for fault in draw_monthly(
            BRANCHES,
            JUNE_US + day * 24 * HOUR_US,
            JUNE_US + (day + 1) * 24 * HOUR_US,
            seed=1,
            per_month=5,
        )
    }
    assert parts == set(whole)
    assert not draw_monthly(BRANCHES, JUNE_US, JUNE_US + MONTH_US, seed=1, per_month=0)


def test_truth_has_a_row_for_each_panel_and_is_cut_to_the_span() -> None:
    faults = [
        Fault(FaultKind.STRING_OUT, "String-2", JUNE_US - HOUR_US, JUNE_US + 3 * HOUR_US),
        Fault(FaultKind.SHADE, "Panel-001", JUNE_US + 90 * HOUR_US),
    ]
    truths = list_truths(BRANCHES, faults, JUNE_US, JUNE_US + 24 * HOUR_US)
    rows = list(csv.DictReader(io.StringIO(write_truths(truths))))
    assert [row["device"] for row in rows] == [f"Panel-0{n:02}" for n in range(6, 11)]
    assert {row["kind"] for row in rows} == {"string_out"}
    assert {row["start"] for row in rows} == {format_utc(JUNE_US)}
    assert {row["end"] for row in rows} == {format_utc(JUNE_US + 3 * HOUR_US)}
