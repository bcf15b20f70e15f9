"""Scores of detectors: what was found, how soon, how rightly, and what was not there."""

from __future__ import annotations

import math

from wattscope.compute.detection_score import Raised, Truth, score_incidents
from wattscope.core.findings import Finding, Severity
from wattscope.core.incidents import Cause, Incident
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR


def _raise(
    device: str, cause: str, start_h: int, end_h: int, severity: Severity = Severity.WARNING
) -> Raised:
    start_us, end_us = start_h * US_PER_HOUR, end_h * US_PER_HOUR
    finding = Finding(cause, device, start_us, end_us, "")
    incident = Incident(
        f"{device}-{start_h}",
        "site",
        device,
        start_us,
        end_us,
        is_over=True,
        severity=severity,
        causes=(Cause(cause, 1.0),),
        findings=(finding,),
        recommendation="",
    )
    return Raised(incident, end_us)


def _truth(kind: str, devices: set[str], start_h: int, end_h: int) -> Truth:
    return Truth(kind, frozenset(devices), start_h * US_PER_HOUR, end_h * US_PER_HOUR)


def test_found_named_late_and_false() -> None:
    truths = [
        _truth("inverter_trip", {"inv", "p1", "p2"}, 10, 14),
        _truth("shade", {"p3"}, 0, 100),
        _truth("shade", {"p4"}, 0, 100),
    ]
    raised = [
        _raise("inv", "outage", 11, 13),
        _raise("p3", "soiling", 50, 60),
        _raise("p9", "spike", 50, 51),
        _raise("p9", "clipping", 50, 51, Severity.INFO),
    ]
    score = score_incidents(raised, truths, device_days=200.0)
    by_kind = {one.kind: one for one in score.kinds}
    assert (by_kind["inverter_trip"].n_detected, by_kind["inverter_trip"].n_named) == (1, 1)
    assert by_kind["inverter_trip"].hours_to_detect == 3.0
    assert (by_kind["shade"].n_faults, by_kind["shade"].n_detected) == (2, 1)
    assert by_kind["shade"].n_named == 0
    assert math.isclose(score.detected, 2 / 3)
    assert score.named == 0.5
    assert [one.incident.device for one in score.false_alarms] == ["p9"]
    assert score.false_per_100_device_days == 0.5


def test_an_incident_long_after_a_fault_is_not_of_it() -> None:
    truths = [_truth("shade", {"p"}, 0, 10)]
    late = _raise("p", "shade", 10 + 25, 40)
    score = score_incidents([late], truths, device_days=1.0, grace_us=US_PER_DAY)
    assert score.kinds[0].n_detected == 0
    assert len(score.false_alarms) == 1
