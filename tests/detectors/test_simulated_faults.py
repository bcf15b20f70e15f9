"""A simulated plant of 100 panels over 30 days, with faults of seven kinds whose truth is known.

Findings go through the incidents, as in the program. A sensor that is stuck is found by another
detector; here it must only not be taken for anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

import pytest

from tests.detectors.solar_detectors import SOLAR_DETECTORS
from wattscope.compute.detection_score import CAUSES, Raised, Score, Truth, score_incidents
from wattscope.compute.panel_arrays import PanelArray, lay_out
from wattscope.compute.peers import PeerOptions
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE, to_us
from wattscope.core.topology import Device, Site
from wattscope.core.window import Window
from wattscope.detectors.outage import Outage
from wattscope.detectors.sensor_drift import DriftLimit, SensorDrift
from wattscope.detectors.shade import Shade
from wattscope.detectors.soiling import Soiling
from wattscope.incidents import merge_findings
from wattscope.ports import Detector
from wattscope.simulate.panel_plant import PanelPlant
from wattscope.simulate.solar_faults import Branches, Fault, FaultKind, draw_faults
from wattscope.simulate.solar_settings import SolarSimulation

SITE = Site("roof", "Roof", "Europe/Paris", latitude=47.2, longitude=-1.6)
OTHERS = frozenset({FaultKind.SENSOR_STUCK.value})
N_PANELS, N_DAYS, N_FAULTS = 100, 30, 28


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a plant with faults that its seed drew."""

    window: Window
    truths: tuple[Truth, ...]
    findings: tuple[Finding, ...]
    score: Score


@cache
def run_month(seed: int, month: int) -> Month:
    """A month, its findings and its score."""
    devices = lay_out(
        PanelArray(
            "roof",
            count=N_PANELS,
            per_string=10,
            strings_per_inverter=5,
            rating_w=400.0,
            tilt_deg=30.0,
            azimuth_deg=180.0,
            plant="plant",
        )
    )
    plant = PanelPlant(SITE, devices, SolarSimulation(time_zone=SITE.time_zone, seed=seed))
    start_us = to_us(datetime(2026, month, 1, tzinfo=UTC))
    end_us = start_us + N_DAYS * US_PER_DAY
    branches = Branches(devices, longitude=SITE.longitude or 0.0)
    faults = draw_faults(branches, start_us, end_us, seed=seed, count=N_FAULTS)
    made = plant.generate(start_us, end_us, 15 * US_PER_MINUTE, faults)
    window = replace(made.panels, above={device.id: device for device in devices})
    findings = tuple(one for detector in SOLAR_DETECTORS for one in detector.find(window))
    incidents = merge_findings(findings, [], devices, None, end_us)
    truths = tuple(_truth_of(fault, branches, devices) for fault in faults)
    raised = [Raised(one, one.start_us) for one in incidents]
    return Month(window, truths, findings, score_incidents(raised, truths, N_PANELS * N_DAYS))


def _truth_of(fault: Fault, branches: Branches, devices: Sequence[Device]) -> Truth:
    panels = {branches.panels[number].id for number in branches.hit(fault)}
    known = {device.id for device in devices}
    assert fault.device in known
    return Truth(fault.kind.value, frozenset(panels | {fault.device}), fault.start_us, fault.end_us)


# In winter the sun does not come to where half of the drawn shadows stand.
MONTHS = [(2, 3), (3, 5), (4, 7), (5, 9)]


@pytest.mark.parametrize(("seed", "month"), MONTHS)
def test_faults_are_detected_and_their_cause_is_named(seed: int, month: int) -> None:
    score = run_month(seed, month).score
    own = [one for one in score.kinds if one.kind not in OTHERS]
    assert {one.kind for one in own} == set(CAUSES) - OTHERS
    n_faults = sum(one.n_faults for one in own)
    n_detected = sum(one.n_detected for one in own)
    assert n_detected >= 0.9 * n_faults, own
    assert sum(one.n_named for one in own) >= 0.8 * n_detected, own


@pytest.mark.parametrize(("seed", "month"), MONTHS)
def test_false_alarms_are_rare(seed: int, month: int) -> None:
    score = run_month(seed, month).score
    assert score.false_per_100_device_days <= 1.0
    assert len(score.false_alarms) <= 2, score.false_alarms


def test_winter_costs_shadows_and_nothing_else() -> None:
    for one in run_month(1, 1).score.kinds:
        if one.kind not in {*OTHERS, "shade"}:
            assert one.n_detected == one.n_faults, one


@pytest.mark.parametrize(
    ("moved", "kind"),
    [
        (Soiling(min_fall=0.01), "soiling"),
        (Soiling(min_fall=0.04), "soiling"),
        (Soiling(recovery=0.01), "soiling"),
        (Soiling(recovery=0.04), "soiling"),
        (Shade(min_loss=0.04), "shade"),
        (Shade(min_loss=0.16), "shade"),
        (Shade(bin_deg=15.0), "shade"),
        (
            SensorDrift(limits=(DriftLimit("temperature_c", 1.5, is_ratio=False, unit=" °C"),)),
            "sensor_drift",
        ),
        (
            SensorDrift(limits=(DriftLimit("temperature_c", 6.0, is_ratio=False, unit=" °C"),)),
            "sensor_drift",
        ),
        (Outage(no_power_share=0.01), "string_out"),
        (Outage(no_power_share=0.04), "string_out"),
        (Outage(peers=PeerOptions(day_share=0.025)), "string_out"),
        (Outage(peers=PeerOptions(day_share=0.1)), "string_out"),
    ],
    ids=repr,
)
def test_no_fault_hangs_on_a_threshold(moved: Detector, kind: str) -> None:
    """Moved by a factor of two either way, all are still found, and nothing on sound devices."""
    month = run_month(4, 7)
    findings = [one for one in moved.find(month.window) if one.kind == kind]
    for truth in month.truths:
        if truth.kind == kind:
            assert any(_belongs(one, truth) for one in findings), truth
    sound = [one for one in findings if not any(_belongs(one, truth) for truth in month.truths)]
    assert sound == []


def _belongs(finding: Finding, truth: Truth) -> bool:
    return (
        finding.device in truth.devices
        and finding.start_us < truth.end_us + US_PER_DAY
        and finding.end_us > truth.start_us
    )


def test_findings_are_of_known_kinds_with_a_loss_and_a_sureness() -> None:
    findings = run_month(3, 5).findings
    names = {detector.name for detector in SOLAR_DETECTORS}
    for one in findings:
        assert one.detector in names
        assert one.start_us < one.end_us
        assert 0.0 < one.confidence <= 1.0
        assert one.lost_wh >= 0.0
        assert all(isinstance(value, float) for value in one.evidence.values()), one
        assert type(one.start_us) is int
        assert type(one.lost_wh) is float
