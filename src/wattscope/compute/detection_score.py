"""How well what was found agrees with what is known to be wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from wattscope.core.findings import Severity
from wattscope.core.incidents import Incident
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR

CAUSES: Mapping[str, tuple[str, ...]] = {
    "inverter_trip": ("outage",),
    "sensor_stuck": ("stale", "flatline"),
    "soiling": ("soiling",),
    "shade": ("shade",),
    "string_out": ("string_out",),
    "sensor_drift": ("sensor_drift",),
    "clipping": ("clipping",),
}
"""Kinds of faults to the causes that name them rightly."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A fault that is known to have been there."""

    kind: str
    """A key of ``CAUSES``, or the name of a cause itself."""
    devices: frozenset[str]
    """All that had it: of a fault of a string, the string and its panels."""
    start_us: int
    """[µs since 1970, UTC]"""
    end_us: int
    """[µs]"""


@dataclass(frozen=True, slots=True)
class Raised:
    """An incident, and when it was first told."""

    incident: Incident
    told_at_us: int
    """[µs]"""


@dataclass(frozen=True, slots=True)
class KindScore:
    """How it went with the faults of one kind."""

    kind: str
    n_faults: int
    n_detected: int
    n_named: int
    """Of those detected, how many with the right cause at the top."""
    hours_to_detect: float
    """Median [h]; NaN where none was detected."""


@dataclass(frozen=True, slots=True)
class Score:
    """How it went altogether."""

    kinds: tuple[KindScore, ...]
    false_alarms: tuple[Raised, ...]
    """Warnings and worse on devices with which nothing was wrong at the time."""
    device_days: float

    @property
    def detected(self) -> float:
        """Share of the faults that were detected, 0 to 1; NaN without faults."""
        n_faults = sum(one.n_faults for one in self.kinds)
        return sum(one.n_detected for one in self.kinds) / n_faults if n_faults else float("nan")

    @property
    def named(self) -> float:
        """Share of the detected faults whose cause was named rightly; NaN without any."""
        n_detected = sum(one.n_detected for one in self.kinds)
        return sum(one.n_named for one in self.kinds) / n_detected if n_detected else float("nan")

    @property
    def false_per_100_device_days(self) -> float:
        """False alarms per 100 days of a device."""
        return 100.0 * len(self.false_alarms) / self.device_days


def score_incidents(
    raised: Sequence[Raised],
    truths: Sequence[Truth],
    device_days: float,
    grace_us: int = US_PER_DAY,
) -> Score:
    """Compare incidents with the truth.

    Args:
        raised: All that was told, of any severity.
        truths: What was wrong.
        device_days: Days that devices were looked at, added up [d].
        grace_us: An incident that begins so long after a fault still belongs to it [µs].
    """
    kinds = sorted({one.kind for one in truths})
    scores = tuple(_score_kind(kind, raised, truths, grace_us) for kind in kinds)
    false_alarms = tuple(
        one
        for one in raised
        if one.incident.severity is not Severity.INFO
        and not any(_belongs(one, truth, grace_us) for truth in truths)
    )
    return Score(scores, false_alarms, device_days)


def _score_kind(
    kind: str,
    raised: Sequence[Raised],
    truths: Sequence[Truth],
    grace_us: int,
) -> KindScore:
    members = [one for one in truths if one.kind == kind]
    n_named = 0
    hours: list[float] = []
    for truth in members:
        found = [one for one in raised if _belongs(one, truth, grace_us)]
        if not found:
            continue
        wanted = CAUSES.get(kind, (kind,))
        named = [one for one in found if one.incident.causes[0].name in wanted]
        n_named += bool(named)
        told_us = min(one.told_at_us for one in found)
        hours.append(max(0.0, (told_us - truth.start_us) / US_PER_HOUR))
    return KindScore(
        kind, len(members), len(hours), n_named, median(hours) if hours else float("nan")
    )


def _belongs(one: Raised, truth: Truth, grace_us: int) -> bool:
    incident = one.incident
    return (
        incident.device in truth.devices
        and incident.start_us < truth.end_us + grace_us
        and incident.end_us > truth.start_us
    )
