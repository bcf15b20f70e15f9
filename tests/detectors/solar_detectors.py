"""The detectors of solar plants, as they come."""

from __future__ import annotations

from wattscope.detectors.clipping import Clipping
from wattscope.detectors.counter_trust import CounterTrust
from wattscope.detectors.expected_power import ExpectedPower
from wattscope.detectors.incomplete_day import IncompleteDay
from wattscope.detectors.outage import Outage
from wattscope.detectors.peer_comparison import PeerComparison
from wattscope.detectors.sensor_drift import SensorDrift
from wattscope.detectors.shade import Shade
from wattscope.detectors.soiling import Soiling
from wattscope.detectors.string_out import StringOut
from wattscope.detectors.unit_slip import UnitSlip
from wattscope.ports import Detector

SOLAR_DETECTORS: tuple[Detector, ...] = (
    Clipping(),
    CounterTrust(),
    ExpectedPower(),
    IncompleteDay(),
    Outage(),
    PeerComparison(),
    SensorDrift(),
    Shade(),
    Soiling(),
    StringOut(),
    UnitSlip(),
)
