"""Measured plants of one inverter, without a sensor: years in which nobody named a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.detectors.quality_sets import STEP_US, read_power
from wattscope.core.time_grid import US_PER_DAY
from wattscope.detectors.clipping import Clipping
from wattscope.detectors.expected_power import ExpectedPower
from wattscope.detectors.outage import Outage
from wattscope.detectors.peer_comparison import PeerComparison
from wattscope.detectors.shade import Shade
from wattscope.detectors.soiling import Soiling
from wattscope.detectors.string_out import StringOut
from wattscope.ports import Detector

DETECTORS: tuple[Detector, ...] = (
    Clipping(),
    ExpectedPower(),
    Outage(),
    PeerComparison(),
    Shade(),
    Soiling(),
    StringOut(),
)
SPAN_US = 30 * US_PER_DAY


@pytest.mark.parametrize(
    "name", ["serf_east_15min_ac_power.csv.gz", "system_50_ac_power_2_full_DST.csv.gz"]
)
def test_lone_inverter_raises_no_alarm_in_any_month(shared_data: Path, name: str) -> None:
    """Three and 32 months, by the shape of clear days alone; nights are below zero there."""
    window = read_power(shared_data / "pv-quality" / name, STEP_US)
    first = int(window.slot_us[0])
    findings = [
        one
        for start in range(first, window.end_us, SPAN_US)
        for detector in DETECTORS
        for one in detector.find(window.cut(start, start + SPAN_US))
    ]
    assert findings == []
