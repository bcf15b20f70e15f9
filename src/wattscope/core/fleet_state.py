"""How each panel or inverter of a fleet stands, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wattscope.core.incidents import Incident
from wattscope.core.topology import Device


class FleetState(Enum):
    """In one word; the first that fits counts."""

    STALE = "stale"
    """Its readings have stopped."""
    FAULT = "fault"
    """An incident says that it hardly produces, or must be looked at."""
    LOW = "low"
    """It produces less than expected."""
    NIGHT = "night"
    """The sun is too low to tell anything."""
    OK = "ok"
    UNKNOWN = "unknown"
    """It never said what it produces."""


@dataclass(frozen=True, slots=True)
class FleetMember:
    """A device of a fleet at one moment."""

    device: Device
    state: FleetState
    measured_at_us: int | None
    """Of its newest power [µs since 1970, UTC]; None before the first."""
    power_w: float
    """[W]; NaN where unknown."""
    expected_w: float
    """What the weather, its neighbours and its own past make expect [W]; NaN where unknown."""
    performance: float
    """Power by what is expected over the last hours of light, 0 to about 1; NaN where unknown."""
    incident: Incident | None
    """The one that costs most."""
    spark_w: tuple[float, ...]
    """Means of the last 24 hours, the oldest first [W]; NaN where unknown."""


@dataclass(frozen=True, slots=True)
class SolarFleet:
    """All panels, or where there are none all inverters, of a site."""

    site: str
    looked_at_us: int | None
    """When what is expected was computed [µs]; None before the first look."""
    is_day: bool
    members: tuple[FleetMember, ...]
