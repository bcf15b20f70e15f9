"""What is known of each kind of finding beforehand: how much it says, how bad it is, what to do.

Weights are by what a kind says of the cause. A kind that names one (``string_out``) weighs more
than one that names a symptom (``underperformance``, ``anomaly``), and a fault of the data weighs
most: where a value is wrong, everything that was concluded from it is wrong too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wattscope.core.findings import Finding, Severity


class Family(Enum):
    """What kinds have in common."""

    POWER = "power"
    """Less power, now; can be seen by day only."""
    SLOW = "slow"
    """What takes weeks to show; can be seen on some days only."""
    DATA = "data"
    """The values are wrong or missing; can be seen at any time."""
    EXCUSE = "excuse"
    """Less power for a reason that is no fault."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of a kind."""

    family: Family
    weight: float
    """How much a finding of this kind says of the cause, beside others."""
    severity: Severity
    """Where the loss says nothing."""
    advice: str
    """What a person should do; empty where the seed's texts are asked."""
    is_symptom: bool = False
    """Whether it says that something is wrong, but not what."""


_POWER, _SLOW, _DATA, _EXCUSE = Family.POWER, Family.SLOW, Family.DATA, Family.EXCUSE
_INFO, _WARNING, _CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL

TRAITS: dict[str, Traits] = {
    "outage": Traits(
        *(_POWER, 4.0, _CRITICAL),
        "It gives no power. Look at its display and breakers; switch it on again, or have it "
        "repaired.",
    ),
    "underperformance": Traits(
        *(_POWER, 1.0, _WARNING),
        "Compare it with its neighbours on the chart, then look for dirt, shade and damage.",
        is_symptom=True,
    ),
    "string_out": Traits(
        *(_POWER, 4.0, _WARNING),
        "A string gives nothing. Check its fuse, its plugs and the DC switch.",
    ),
    "shade": Traits(
        *(_SLOW, 3.0, _INFO),
        "See at these hours what throws the shadow; cut it back, or move the panel.",
    ),
    "soiling": Traits(
        *(_SLOW, 3.0, _WARNING),
        "Clean the panels when that costs less than what is lost until the next rain.",
    ),
    "degradation": Traits(
        *(_SLOW, 2.0, _INFO),
        "Compare the loss from year to year with the maker's warranty, and claim it if it is more.",
    ),
    "clipping": Traits(
        *(_POWER, 2.0, _INFO),
        "The inverter is at its limit. Nothing is broken; check the limit that is set in it.",
    ),
    "curtailment": Traits(
        *(_EXCUSE, 3.0, _INFO), "Power is held down from outside. There is nothing to repair."
    ),
    "snow": Traits(
        *(_EXCUSE, 3.0, _INFO),
        "Snow covers the panels. Wait until it melts; do not climb the roof.",
    ),
    "sensor_drift": Traits(
        *(_SLOW, 3.0, _WARNING), "Clean and calibrate the sensor, or replace it."
    ),
    "stale": Traits(
        *(_DATA, 4.0, _WARNING),
        "The meter repeats its last value. Restart it or its gateway, and check the connection.",
    ),
    "flatline": Traits(
        *(_DATA, 3.0, _WARNING), "Check the sensor and its cable; restart the device that reads it."
    ),
    "spike": Traits(
        *(_DATA, 2.0, _INFO), "Single values are wrong. If they come again, check cable and earth."
    ),
    "level_shift": Traits(
        *(_DATA, 2.0, _WARNING),
        "Ask what was changed at that time: a setting, a sensor, a scale, or a device behind it.",
    ),
    "missing_data": Traits(
        *(_DATA, 3.0, _WARNING), "Check its power supply, its network and the gateway between."
    ),
    "incomplete_day": Traits(
        *(_DATA, 1.0, _INFO), "Do not count on the sums of this day; check the connection."
    ),
    "copied_day": Traits(
        *(_DATA, 3.0, _WARNING), "Somebody filled a gap with the day before. Ask for the true day."
    ),
    "unit_slip": Traits(
        *(_DATA, 5.0, _WARNING), "Correct the unit or the scale in the profile of the device."
    ),
    "counter_unusable": Traits(
        *(_DATA, 3.0, _WARNING), "Do not count with this register; use another, or power over time."
    ),
    "clock_shift": Traits(
        *(_DATA, 3.0, _WARNING), "Set the clock of the device, or its time zone."
    ),
    # Its advice is the seed's: see ``seed_advice``.
    "anomaly": Traits(*(_POWER, 0.5, _WARNING), "", is_symptom=True),
    "forecast": Traits(
        *(_SLOW, 1.0, _INFO), "Plan the work before the day on which the limit is crossed."
    ),
}
"""Kind to what is known of it; the same kinds as ``FINDING_KINDS``."""

UNKNOWN = Traits(_DATA, 0.5, _INFO, "Look at the chart of the device.")
"""For a kind of a newer program."""


def traits_of(finding: Finding) -> Traits:
    """What is known of the kind of a finding."""
    return TRAITS.get(finding.kind, UNKNOWN)
