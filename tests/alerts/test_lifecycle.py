"""An alert is acknowledged, silenced, wakes and ends; rules are judged before they are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wattscope.alerts import acknowledge, clear, find_rule_faults, raise_alert, silence, wake
from wattscope.core.alerting import Alert, AlertRule, AlertState, RuleKind, Schedule
from wattscope.core.errors import QueryError
from wattscope.core.findings import Severity

BLANK = Alert(0, 1, "panel", "", AlertState.CLEARED, Severity.WARNING, 0, 0, "Hot", "61 °C")
RAISED = raise_alert(BLANK, None, 100)


def test_alert_is_born_raised() -> None:
    assert (RAISED.state, RAISED.raised_at_us, RAISED.changed_at_us) == (
        AlertState.RAISED,
        100,
        100,
    )


def test_silence_ends_at_its_instant_and_the_alert_is_raised_again() -> None:
    silent = silence(RAISED, 500, 200)
    assert wake(silent, 499) is None
    again = wake(silent, 500)
    assert again is not None
    assert (again.state, again.silenced_until_us) == (AlertState.RAISED, 0)
    assert wake(again, 900) is None


def test_silence_outlives_the_end_of_the_alert() -> None:
    ended = clear(silence(RAISED, 500, 200), 300)
    assert raise_alert(BLANK, ended, 400).state is AlertState.SILENCED
    assert raise_alert(BLANK, ended, 500).state is AlertState.RAISED
    assert raise_alert(BLANK, clear(RAISED, 300), 400).state is AlertState.RAISED


def test_acknowledged_alert_stays_so_until_it_ends() -> None:
    known = acknowledge(RAISED, 200)
    assert known.state is AlertState.ACKNOWLEDGED
    assert wake(known, 10_000) is None
    assert clear(known, 300).state is AlertState.CLEARED


def test_alert_that_is_over_cannot_be_changed() -> None:
    ended = clear(RAISED, 300)
    with pytest.raises(QueryError):
        acknowledge(ended, 400)
    with pytest.raises(QueryError):
        silence(ended, 900, 400)
    with pytest.raises(QueryError):
        clear(ended, 400)


def test_silence_into_the_past_is_refused() -> None:
    with pytest.raises(QueryError, match="later"):
        silence(RAISED, 200, 200)


RULE = AlertRule(0, "Hot", RuleKind.ABOVE, quantity="temperature_c", threshold=60.0)


def test_good_rule_has_no_faults() -> None:
    assert find_rule_faults(RULE) == []
    assert find_rule_faults(AlertRule(0, "x", RuleKind.NO_DATA, for_s=60.0)) == []
    assert find_rule_faults(AlertRule(0, "x", RuleKind.INCIDENT, kinds=("outage",))) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": " "}, "name"),
        ({"quantity": "warmth"}, "quantity"),
        ({"threshold": float("nan")}, "threshold"),
        ({"hysteresis": -1.0}, "hysteresis"),
        ({"for_s": 1e9}, "for_s"),
        ({"kind": RuleKind.NO_DATA}, "for_s"),
        ({"kind": RuleKind.RISES, "per_s": 0.0}, "per_s"),
        ({"kind": RuleKind.FALLS, "threshold": 0.0}, "threshold"),
        ({"kinds": ("rust",)}, "kinds"),
        ({"devices": ("panel-99",)}, "devices"),
        ({"channels": ("pager",)}, "channels"),
        ({"schedule": Schedule(weekdays=())}, "weekdays"),
        ({"schedule": Schedule(weekdays=(7,))}, "weekdays"),
        ({"schedule": Schedule(start_minute=60, end_minute=60)}, "same"),
        ({"schedule": Schedule(end_minute=1441)}, "24:00"),
    ],
)
def test_each_fault_of_a_rule_is_named(change: dict[str, object], word: str) -> None:
    [fault] = find_rule_faults(replace(RULE, **change), devices={"panel-1"}, channels=["mail"])  # type: ignore[arg-type]  # fields by name
    assert word in fault


def test_all_faults_are_listed_at_once() -> None:
    assert len(find_rule_faults(replace(RULE, name="", hysteresis=-1.0, for_s=-1.0))) == 3
