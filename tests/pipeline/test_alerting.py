"""Alerts are raised once, told once, and live through restarts, changed rules and lost devices."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.alarmed import HOT, Alarmed, at
from wattscope.core.alerting import (
    Alert,
    AlertEvent,
    AlertRule,
    AlertState,
    DeliveryState,
    RuleKind,
    Schedule,
)
from wattscope.core.errors import QueryError, TransientError, UnknownNameError
from wattscope.core.findings import Finding, Severity
from wattscope.core.incidents import Cause, Incident, IncidentState
from wattscope.pipeline.alert_rows import Change
from wattscope.registry.alert_book import AlertBook

TRIP = Incident(
    "f00d",
    "farm",
    "inverter",
    at(0),
    at(600),
    is_over=False,
    severity=Severity.CRITICAL,
    causes=(Cause("outage", 1.0),),
    findings=(Finding("outage", "inverter", at(0), at(600), "0 W of 5,000 W", lost_wh=3000.0),),
    recommendation="Switch it on again.",
    lost_wh=3000.0,
)
TELL = AlertRule(0, "Incidents", RuleKind.INCIDENT)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Alarmed]:
    with contextlib.closing(Alarmed(tmp_path / "registry.sqlite")) as made:
        yield made


def test_alert_is_raised_with_one_message_for_each_channel(farm: Alarmed) -> None:
    farm.alerting.put_rule(HOT, at(0))
    farm.hear(1, "p1", 61.5)
    farm.hear(1, "p2", 60.0)
    assert farm.look(1) == ["p1 raised"]
    assert farm.look(2) == ["p1 raised"]
    [alert] = farm.raised()
    assert (alert.title, alert.detail) == (
        "Too hot: Panel 1",
        "Temperature 61.5 °C is above 60 °C",
    )
    assert sorted(one.channel for one in farm.messages()) == ["hook", "mail"]
    notice = farm.messages()[0].notice
    assert (notice.alert, notice.device_name, notice.site, notice.time_zone) == (
        alert.id,
        "Panel 1",
        "Farm",
        "Europe/Paris",
    )
    assert len({one.notice.id for one in farm.messages()}) == 2
    assert farm.n_news == 1


def test_end_of_an_alert_is_told_only_where_it_is_wanted(farm: Alarmed) -> None:
    farm.alerting.put_rule(HOT, at(0))
    farm.hear(1, "p1", 61.0)
    farm.look(1)
    farm.hear(2, "p1", 20.0)
    assert farm.look(2) == ["p1 raised"]
    assert farm.look(62) == []
    told = [(one.channel, one.notice.event) for one in farm.messages()]
    assert sorted(told, key=str) == sorted(
        [
            ("mail", AlertEvent.RAISED),
            ("hook", AlertEvent.RAISED),
            ("hook", AlertEvent.CLEARED),
        ],
        key=str,
    )


def test_rule_tells_only_the_channels_that_it_names(farm: Alarmed) -> None:
    farm.alerting.put_rule(replace(HOT, channels=("mail",)), at(0))
    farm.hear(1, "p1", 61.0)
    farm.look(1)
    assert [one.channel for one in farm.messages()] == ["mail"]


@pytest.mark.parametrize("is_killed", [False, True])
def test_restart_raises_nothing_again(farm: Alarmed, is_killed: bool) -> None:  # noqa: FBT001  # a case
    farm.alerting.put_rule(HOT, at(0))
    # What rules remember has just been kept: the alert comes before it is kept again.
    farm.look(0)
    for second in range(1, 8):
        farm.hear(second, "p1", 61.0)
        assert farm.look(second) == ["p1 raised"]
        farm.restart(is_killed=is_killed)
    assert len(farm.raised()) == 1
    assert len(farm.messages()) == 2


def test_what_is_about_to_be_raised_outlives_a_clean_restart(farm: Alarmed) -> None:
    farm.alerting.put_rule(replace(HOT, for_s=30.0), at(0))
    for second in range(1, 31):
        farm.hear(second, "p1", 61.0)
        assert farm.look(second) == []
        if second % 7 == 0:
            farm.restart(is_killed=False)
    farm.hear(31, "p1", 61.0)
    assert farm.look(31) == ["p1 raised"]


def test_where_the_disk_refuses_the_next_look_raises_it(
    farm: Alarmed, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.alerting.put_rule(HOT, at(0))
    farm.hear(1, "p1", 61.0)

    def refuse(_: AlertBook, __: Sequence[Change], ___: Mapping[int, Alert]) -> list[Alert]:
        raise TransientError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(AlertBook, "write", refuse)
        with pytest.raises(TransientError):
            farm.alerting.observe(at(1))
    assert farm.raised() == []
    assert farm.look(2) == ["p1 raised"]
    assert len(farm.messages()) == 2


def test_acknowledged_and_silenced_alerts_stay_and_end(farm: Alarmed) -> None:
    farm.alerting.put_rule(HOT, at(0))
    for panel in ("p1", "p2"):
        farm.hear(1, panel, 61.0)
    farm.look(1)
    first, second = (one.id for one in farm.book.list_open())
    farm.alerting.acknowledge(first, at(2))
    farm.alerting.silence(second, at(100), at(2))
    assert farm.look(3) == ["p1 acknowledged", "p2 silenced"]
    assert farm.look(99) == ["p1 acknowledged", "p2 silenced"]
    n_before = len(farm.messages())
    assert farm.look(100) == ["p1 acknowledged", "p2 raised"]
    assert [one.notice.event for one in farm.messages()][n_before:] == [AlertEvent.REMINDED] * 2
    with pytest.raises(UnknownNameError):
        farm.alerting.acknowledge(99, at(101))


def test_silence_lasts_when_the_alert_ends_and_comes_again_over_a_restart(farm: Alarmed) -> None:
    farm.alerting.put_rule(HOT, at(0))
    farm.hear(1, "p1", 61.0)
    farm.look(1)
    farm.alerting.silence(farm.book.list_open()[0].id, at(5000), at(2))
    farm.hear(3, "p1", 20.0)
    farm.look(3)
    assert farm.look(63) == []
    farm.restart(is_killed=True)
    farm.hear(200, "p1", 61.0)
    assert farm.look(200) == ["p1 silenced"]
    assert len(farm.messages()) == 2


def test_changed_and_dropped_rules_end_the_alerts_that_they_would_not_raise(
    farm: Alarmed,
) -> None:
    rule = farm.alerting.put_rule(HOT, at(0))
    for panel in ("p1", "p2"):
        farm.hear(1, panel, 61.0)
    assert farm.look(1) == ["p1 raised", "p2 raised"]
    rule = farm.alerting.put_rule(replace(rule, devices=("p2",)), at(2))
    assert farm.look(2) == ["p2 raised"]
    farm.alerting.put_rule(replace(rule, is_enabled=False), at(3))
    assert farm.look(3) == []
    farm.alerting.put_rule(rule, at(4))
    assert farm.look(4) == ["p2 raised"]
    farm.alerting.drop_rule(rule.id, at(5))
    assert farm.look(5) == []
    with pytest.raises(UnknownNameError):
        farm.alerting.drop_rule(rule.id, at(6))


def test_wrong_rule_is_refused_with_all_its_faults(farm: Alarmed) -> None:
    with pytest.raises(QueryError, match=r"hysteresis.*channels"):
        farm.alerting.put_rule(replace(HOT, hysteresis=-1.0, channels=("pager",)), at(0))
    assert farm.alerting.list_rules() == []


def test_new_device_is_watched_at_once(farm: Alarmed) -> None:
    farm.alerting.put_rule(HOT, at(0))
    farm.look(1)
    farm.names.put_device(replace(farm.names.list_devices()[1], id="p9"), ["temperature_c"])
    farm.hear(2, "p9", 70.0)
    assert farm.look(2) == ["p9 raised"]


def test_silent_device_is_told_whatever_quantity_it_sends(farm: Alarmed) -> None:
    farm.alerting.put_rule(AlertRule(0, "Silent", RuleKind.NO_DATA, for_s=60.0), at(0))
    farm.hear(0, "p1", 20.0)
    farm.look(0)
    for second in range(0, 100, 10):
        farm.hear(second, "p2", 20.0)
        farm.look(second)
    # The third panel never said anything.
    assert farm.look(99) == ["p1 raised", "p3 raised"]
    assert farm.raised()[-1].detail == "no reading for 70 s"


# ── incidents ────────────────────────────────────────────────────────────────────────────────────


def test_incident_raises_one_alert_that_ends_with_it(farm: Alarmed) -> None:
    farm.alerting.put_rule(TELL, at(0))
    farm.look(1)
    assert farm.take(700, TRIP) == ["f00d raised"]
    assert farm.take(760, replace(TRIP, end_us=at(660), lost_wh=4000.0)) == ["f00d raised"]
    [alert] = farm.raised()
    assert (alert.severity, alert.detail) == (Severity.CRITICAL, "0 W of 5,000 W")
    assert farm.messages()[0].notice.recommendation == "Switch it on again."
    assert len(farm.messages()) == 2
    assert farm.take(9000, replace(TRIP, is_over=True)) == []
    assert farm.incidents.find("f00d").state is IncidentState.CLEARED


@pytest.mark.parametrize("is_killed", [False, True])
def test_incident_of_before_a_restart_is_not_told_again(
    farm: Alarmed,
    is_killed: bool,  # noqa: FBT001  # a case
) -> None:
    farm.alerting.put_rule(TELL, at(0))
    farm.take(700, TRIP)
    farm.restart(is_killed=is_killed)
    # Nobody has looked yet: the alert stays.
    assert farm.look(701) == ["inverter raised"]
    assert farm.take(710, TRIP) == ["f00d raised"]
    assert len(farm.messages()) == 2


@pytest.mark.parametrize(
    ("change", "is_told"),
    [
        ({}, True),
        ({"severity": Severity.CRITICAL}, True),
        ({"kinds": ("outage",)}, True),
        ({"kinds": ("soiling",)}, False),
        ({"devices": ("p1",)}, False),
        ({"threshold": 2.9}, True),
        ({"threshold": 3.1}, False),
        ({"for_s": 690.0}, True),
        ({"for_s": 710.0}, False),
        ({"is_enabled": False}, False),
        # 1,700,000,700 is a Tuesday, 23:25 in Paris.
        ({"schedule": Schedule((1,), 23 * 60, 1440)}, True),
        ({"schedule": Schedule((2,), 0, 1440)}, False),
    ],
)
def test_rule_chooses_the_incidents_that_it_tells_of(
    farm: Alarmed,
    change: dict[str, Any],
    is_told: bool,  # noqa: FBT001  # a case
) -> None:
    farm.alerting.put_rule(replace(TELL, **change), at(0))
    farm.look(1)
    assert bool(farm.take(700, TRIP)) is is_told


def test_incident_that_is_no_more_than_news_is_not_told(farm: Alarmed) -> None:
    farm.alerting.put_rule(TELL, at(0))
    assert farm.take(700, replace(TRIP, severity=Severity.INFO)) == []


def test_state_of_an_incident_and_of_its_alert_go_together(farm: Alarmed) -> None:
    farm.alerting.put_rule(TELL, at(0))
    farm.take(700, TRIP)
    put = farm.alerting.put_incident_state
    put("f00d", IncidentState.ACKNOWLEDGED, at(701))
    assert farm.look(702) == ["inverter acknowledged"]
    put("f00d", IncidentState.OPEN, at(703))
    assert farm.look(704) == ["inverter raised"]
    farm.alerting.silence(farm.book.list_open()[0].id, at(900), at(705))
    assert farm.incidents.find("f00d").state is IncidentState.SILENCED
    assert farm.look(899) == ["inverter silenced"]
    assert farm.look(900) == ["inverter raised"]
    assert farm.incidents.find("f00d").state is IncidentState.OPEN
    farm.take(9000, replace(TRIP, is_over=True))
    with pytest.raises(QueryError, match="over"):
        put("f00d", IncidentState.OPEN, at(9001))


def test_incident_that_begins_again_after_its_end_is_told_again(farm: Alarmed) -> None:
    farm.alerting.put_rule(TELL, at(0))
    farm.take(700, TRIP)
    farm.alerting.put_incident_state("f00d", IncidentState.ACKNOWLEDGED, at(701))
    assert farm.take(9000, replace(TRIP, is_over=True)) == []
    assert farm.take(9100, TRIP) == ["f00d raised"]
    assert farm.incidents.find("f00d").state is IncidentState.OPEN


def test_incident_that_was_acknowledged_before_any_rule_is_not_told(farm: Alarmed) -> None:
    farm.take(700, TRIP)
    farm.alerting.put_incident_state("f00d", IncidentState.ACKNOWLEDGED, at(701))
    farm.alerting.put_rule(TELL, at(702))
    assert farm.look(703) == []
    farm.restart(is_killed=True)
    assert farm.take(704, TRIP) == []


def test_messages_wait_in_the_outbox_as_they_were_made(farm: Alarmed) -> None:
    farm.alerting.put_rule(TELL, at(0))
    farm.take(700, TRIP)
    assert {one.state for one in farm.messages()} == {DeliveryState.WAITING}
    assert farm.raised()[0].state is AlertState.RAISED
