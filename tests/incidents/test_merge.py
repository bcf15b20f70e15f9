"""Findings become incidents: one for each matter, with cause, loss, advice, and the same id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattscope.core.findings import FINDING_KINDS, Finding, Severity
from wattscope.core.incidents import Incident
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.topology import Device, DeviceKind
from wattscope.incidents import merge_findings, sum_losses
from wattscope.incidents.losses import union_loss
from wattscope.incidents.seed_advice import HOT, LOW_POWER, LOW_VOLTAGE, OTHER, UNUSUAL
from wattscope.incidents.traits import TRAITS

DAY_US = 20_000 * US_PER_DAY
"""A midnight."""
LATER_US = DAY_US + 40 * US_PER_DAY
PLANT = Device("plant", "farm", "Plant", DeviceKind.METER)
INVERTER = Device("inverter", "farm", "Inverter", DeviceKind.INVERTER, "plant", rating_w=20_000.0)
PANELS = [
    Device(f"panel-{n:02}", "farm", f"Panel {n}", DeviceKind.PANEL, "inverter", rating_w=400.0)
    for n in range(50)
]
FARM = [PLANT, INVERTER, *PANELS]


def at(hour: float) -> int:
    return DAY_US + round(hour * US_PER_HOUR)


def find(
    kind: str, start: float, end: float, device: str = "panel-00", *, wh: float = 0.0
) -> Finding:
    return Finding(kind, device, at(start), at(end), f"{kind} seen", lost_wh=wh)


def merge(
    findings: Sequence[Finding], known: Sequence[Incident] = (), *, now: float = 960.0
) -> list[Incident]:
    return merge_findings(findings, known, FARM, 0.3, at(now))


def test_overlapping_findings_of_a_device_are_one_incident_with_the_likelier_cause_first() -> None:
    [one] = merge([find("underperformance", 9, 15, wh=600.0), find("string_out", 10, 15, wh=500.0)])
    assert (one.site, one.device, one.start_us, one.end_us) == ("farm", "panel-00", at(9), at(15))
    assert [cause.name for cause in one.causes] == ["string_out", "underperformance"]
    assert sum(cause.share for cause in one.causes) == pytest.approx(1.0)
    # 100 W for six hours; the other finding is a view of the same loss.
    assert one.lost_wh == pytest.approx(600.0)
    assert one.lost_money == pytest.approx(0.18)
    assert one.recommendation == TRAITS["string_out"].advice


def test_findings_far_apart_are_two_incidents() -> None:
    found = merge([find("missing_data", 1, 2), find("missing_data", 9, 10)])
    assert [one.start_us for one in found] == [at(1), at(9)]
    assert found[0].id != found[1].id


def test_loss_of_power_goes_on_over_the_night_as_one_incident() -> None:
    days = [find("outage", 24 * day + 8, 24 * day + 17, wh=1000.0) for day in range(3)]
    [one] = merge(days, now=66)
    assert (one.start_us, one.end_us, one.is_over) == (at(8), at(65), False)
    assert one.lost_wh == pytest.approx(3000.0)


def test_with_daylight_known_two_hours_of_sun_without_a_finding_end_an_incident() -> None:
    def daylight(start_us: int, end_us: int) -> int:
        hours = range(start_us // US_PER_HOUR, end_us // US_PER_HOUR)
        return sum(US_PER_HOUR for hour in hours if 6 <= hour % 24 < 18)

    trip = [find("outage", 8, 10)]
    ended = [
        merge_findings(trip, (), FARM, None, at(hour), daylight=daylight)[0].is_over
        for hour in (11, 12.5, 13)
    ]
    assert ended == [False, False, True]
    [evening] = merge_findings([find("outage", 8, 18)], (), FARM, None, at(30), daylight=daylight)
    assert not evening.is_over


def test_next_look_extends_the_incident_and_keeps_its_id() -> None:
    [first] = merge([find("outage", 8, 10, wh=200.0)], now=10)
    # The window has moved on: the finding begins later than it did.
    [second] = merge([find("outage", 9, 12, wh=300.0)], [first], now=12)
    assert second.id == first.id
    assert (second.start_us, second.end_us, second.is_over) == (at(8), at(12), False)
    assert second.lost_wh == pytest.approx(400.0)
    [third] = merge([], [second], now=40)
    assert third == replace(second, is_over=True)


def test_loss_does_not_grow_with_the_number_of_looks() -> None:
    """100 W for ten hours, then nothing; each minute a look back over two hours."""
    known: list[Incident] = []
    for minute in range(60, 15 * 60, 10):
        start, end = max(0.0, minute / 60 - 2), min(minute / 60, 10.0)
        found = [find("outage", start, end, wh=100.0 * (end - start))] if start < end else []
        known = merge(found, known, now=minute / 60)
    [one] = known
    assert one.lost_wh == pytest.approx(1000.0)
    assert len(one.findings) <= 2


def test_same_findings_again_change_nothing() -> None:
    findings = [find("outage", 8, 10, wh=200.0), find("soiling", 0, 400, "panel-01", wh=900.0)]
    once = merge(findings, now=12)
    assert merge(findings, once, now=12) == once


def test_incident_of_a_device_that_was_not_looked_at_stays_open() -> None:
    [known] = merge([find("outage", 8, 10)], now=10)
    [other] = merge_findings([], [known], FARM, None, at(400), looked={"panel-01"})
    assert not other.is_over
    [own] = merge_findings([], [known], FARM, None, at(400), looked={"panel-00"})
    assert own.is_over


def test_trip_of_an_inverter_is_one_incident_and_not_fifty() -> None:
    trip = find("outage", 10, 12, "inverter", wh=10_000.0)
    panels = [find("outage", 10, 12, panel.id, wh=200.0) for panel in PANELS]
    [one] = merge([trip, *panels])
    assert one.device == "inverter"
    assert one.lost_wh == pytest.approx(10_000.0)


def test_trip_that_only_the_panels_show_is_one_incident_of_the_inverter() -> None:
    panels = [find("outage", 10, 12, panel.id, wh=200.0) for panel in PANELS[:45]]
    [one] = merge(panels)
    assert (one.device, one.causes[0].name) == ("inverter", "outage")
    assert one.lost_wh == pytest.approx(45 * 200.0)
    assert "45 of 50" in one.findings[0].detail


def test_few_panels_are_incidents_of_their_own() -> None:
    panels = [find("outage", 10, 12, panel.id) for panel in PANELS[:20]]
    assert {one.device for one in merge(panels)} == {panel.id for panel in PANELS[:20]}


def test_one_bad_panel_is_named_though_its_inverter_gives_less_too() -> None:
    found = merge(
        [
            find("underperformance", 9, 15, "inverter", wh=500.0),
            find("underperformance", 9, 15, "panel-07", wh=400.0),
        ]
    )
    assert {one.device for one in found} == {"inverter", "panel-07"}
    losses = sum_losses(found, {one.id: one for one in FARM})
    assert losses.lost_wh_per_day == pytest.approx(500.0)
    assert losses.lost_money_per_day == pytest.approx(0.15)


def test_panels_whose_incidents_came_first_are_taken_over_by_the_inverter() -> None:
    few = merge([find("outage", 10, 11, panel.id, wh=9.0) for panel in PANELS[:5]], now=11)
    later = merge([find("outage", 10, 12, "inverter", wh=99.0)], few, now=12)
    open_ones = [one for one in later if not one.is_over]
    assert [one.device for one in open_ones] == ["inverter"]
    assert sum(one.lost_wh for one in later) == pytest.approx(99.0)


@pytest.mark.parametrize("reason", ["snow", "curtailment"])
@pytest.mark.parametrize("where", ["panel-00", "inverter", "plant"])
def test_less_power_with_an_excuse_is_no_incident(reason: str, where: str) -> None:
    less = find("underperformance", 9, 15, wh=600.0)
    assert merge([find(reason, 8, 16, where), less]) == []
    assert len(merge([find(reason, 8, 11, where), less])) == 1


def test_data_faults_have_no_excuse() -> None:
    [one] = merge([find("snow", 0, 24), find("missing_data", 9, 15)])
    assert one.causes[0].name == "missing_data"


def test_silent_weather_sensor_is_no_incident() -> None:
    sensor = Device("sensor", "farm", "Sensor", DeviceKind.SENSOR)
    gap = find("missing_data", 9, 15, "sensor")
    assert merge_findings([gap], (), [sensor], None, LATER_US) == []
    assert len(merge_findings([gap], (), [replace(sensor, kind=DeviceKind.METER)], None, 0)) == 1


def test_trip_during_months_of_soiling_is_an_incident_of_its_own() -> None:
    soiling = find("soiling", -2000, 900, wh=5000.0)
    weak = find("underperformance", 800, 900, wh=300.0)
    both = merge([soiling, weak, find("outage", 100, 105, wh=2000.0)])
    assert [[cause.name for cause in one.causes] for one in both] == [
        ["soiling", "underperformance"],
        ["outage"],
    ]


def test_severity_follows_loss_and_kind() -> None:
    cases = {
        "outage": [(10.0, Severity.CRITICAL)],
        # Of 400 W: 5 % and a quarter of a good day.
        "underperformance": [
            (19.0, Severity.INFO),
            (21.0, Severity.WARNING),
            (401.0, Severity.CRITICAL),
            (0.0, Severity.WARNING),
        ],
        "spike": [(0.0, Severity.INFO)],
    }
    for kind, pairs in cases.items():
        for wh, severity in pairs:
            assert merge([find(kind, 9, 15, wh=wh)])[0].severity is severity, (kind, wh)


@pytest.mark.parametrize(
    ("evidence", "advice"),
    [
        ({"temperature_c": 61.0, "active_power_w": 50.0, "dc_voltage_v": 30.0}, HOT),
        ({"temperature_c": 60.0, "active_power_w": 99.0, "dc_voltage_v": 30.0}, LOW_POWER),
        ({"temperature_c": 20.0, "active_power_w": 100.0, "dc_voltage_v": 39.9}, LOW_VOLTAGE),
        ({"temperature_c": 20.0, "active_power_w": 100.0, "dc_voltage_v": 40.0}, OTHER),
        ({}, OTHER),
    ],
)
def test_anomaly_is_given_the_four_texts_in_their_order(
    evidence: dict[str, float], advice: str
) -> None:
    [one] = merge([replace(find("anomaly", 9, 10), evidence=evidence)])
    assert one.recommendation == advice


@pytest.mark.parametrize(
    ("device", "advice"),
    [
        (Device("x", "farm", "X", DeviceKind.METER), UNUSUAL),
        (Device("x", "farm", "X", DeviceKind.HEAT_PUMP), UNUSUAL),
        (Device("x", "farm", "X", DeviceKind.METER, is_production=True), HOT),
        (Device("x", "farm", "X", DeviceKind.INVERTER), HOT),
    ],
)
def test_only_what_makes_power_is_given_the_advice_for_panels(device: Device, advice: str) -> None:
    anomaly = replace(find("anomaly", 9, 10, "x"), evidence={"temperature_c": 61.0})
    [one] = merge_findings([anomaly], (), [device], None, at(960.0))
    assert one.recommendation == advice


def test_every_kind_has_traits_and_advice() -> None:
    assert TRAITS.keys() == FINDING_KINDS.keys()
    assert [kind for kind, one in TRAITS.items() if not one.advice] == ["anomaly"]
    assert all(one.weight > 0 for one in TRAITS.values())


def test_tree_with_a_circle_ends() -> None:
    ring = [
        Device("a", "farm", "A", DeviceKind.PANEL, "b"),
        Device("b", "farm", "B", DeviceKind.PANEL, "a"),
    ]
    found = merge_findings([find("outage", 1, 2, "a")], (), ring, None, LATER_US)
    assert [one.device for one in found] == ["a"]


KINDS = st.sampled_from(sorted(FINDING_KINDS))
FINDINGS = st.lists(
    st.builds(
        find,
        KINDS,
        st.integers(0, 300),
        st.integers(301, 600),
        st.sampled_from(["panel-00", "panel-01", "inverter", "plant", "stranger"]),
        wh=st.integers(0, 1_000_000).map(float),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(FINDINGS, FINDINGS)
def test_incidents_never_cost_more_than_their_findings_and_are_never_doubled(
    first: list[Finding], second: list[Finding]
) -> None:
    once = merge(first, now=600)
    assert sum(one.lost_wh for one in once) <= sum(one.lost_wh for one in first) + 1e-3
    both = merge(second, once, now=600)
    assert len({one.id for one in both}) == len(both)
    assert {one.id for one in once} <= {one.id for one in both}
    for one in both:
        assert sum(cause.share for cause in one.causes) == pytest.approx(1.0)
        assert one.start_us <= one.end_us
    again = merge(second, both, now=600)
    assert [(one.id, one.start_us, one.end_us) for one in again] == [
        (one.id, one.start_us, one.end_us) for one in both
    ]


@given(FINDINGS)
def test_union_of_losses_lies_between_the_greatest_and_the_sum(findings: list[Finding]) -> None:
    own = [one for one in findings if one.device == "panel-00"]
    lost = union_loss(own)
    assert lost <= sum(one.lost_wh for one in own) * (1 + 1e-9)
    assert lost >= max((one.lost_wh for one in own), default=0.0) * (1 - 1e-9)


TWINS = [Device(f"twin-{n}", "roof", f"Twin {n}", DeviceKind.INVERTER) for n in range(4)]
WEATHER = Device("weather", "roof", "Weather", DeviceKind.SENSOR)


def merge_roof(findings: Sequence[Finding]) -> list[Incident]:
    return merge_findings(findings, (), [*TWINS, WEATHER], None, at(960.0))


def test_a_wrong_unit_of_always_hides_no_outage_of_hours() -> None:
    slip = find("unit_slip", 0, 700, device="twin-0")
    outages = [find("outage", hour, hour + 3, device="twin-0", wh=900.0) for hour in (200, 400)]
    found = merge_roof([slip, *outages])
    assert [(one.causes[0].name, one.start_us, one.end_us) for one in found] == [
        ("unit_slip", at(0), at(700)),
        ("outage", at(200), at(203)),
        ("outage", at(400), at(403)),
    ]


def test_a_symptom_of_weeks_hides_no_outage_of_hours_within_it() -> None:
    weak = find("underperformance", 0, 700, device="twin-0", wh=9000.0)
    found = merge_roof([weak, find("outage", 200, 203, device="twin-0", wh=900.0)])
    assert [(one.causes[0].name, one.end_us) for one in found] == [
        ("underperformance", at(700)),
        ("outage", at(203)),
    ]


def test_what_all_of_a_site_show_at_once_is_one_matter_of_the_site() -> None:
    silent = [find("missing_data", 10, 12, device=one.id) for one in TWINS]
    [one] = merge_roof(silent)
    assert (one.site, one.device, one.causes[0].name) == ("roof", "roof", "missing_data")
    alone = merge_roof(silent[:2])
    assert {one.device for one in alone} == {"twin-0", "twin-1"}
