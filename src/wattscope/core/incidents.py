"""What is wrong with a device, why, what it costs and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wattscope.core.findings import Finding, Severity
from wattscope.core.time_grid import US_PER_DAY


class IncidentState(Enum):
    """How far a person has come with it."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    """Somebody knows."""
    SILENCED = "silenced"
    """Nobody wants to hear of it until an instant."""
    CLEARED = "cleared"
    """It is over."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What may be behind an incident."""

    name: str
    """A key of ``FINDING_KINDS``."""
    share: float
    """Its share of the evidence, 0 to 1; those of an incident add up to 1."""


def per_day(amount: float, start_us: int, end_us: int) -> float:
    """An amount of a span as one of a day; less than a day is a day."""
    return amount * US_PER_DAY / max(US_PER_DAY, end_us - start_us)


@dataclass(frozen=True, slots=True)
class Incident:
    """Overlapping findings of one device as one matter."""

    id: str
    """Made of device, first kind and start; the same findings give the same id again."""
    site: str
    device: str
    start_us: int
    """First instant concerned [µs since 1970, UTC]."""
    end_us: int
    """First instant no longer concerned, as far as it is known [µs]."""
    is_over: bool
    """Whether its end has been seen."""
    severity: Severity
    causes: tuple[Cause, ...]
    """The likeliest first; at least one."""
    findings: tuple[Finding, ...]
    """By start."""
    recommendation: str
    """What a person should do, as one sentence or two."""
    lost_wh: float = 0.0
    """Energy that was not produced [Wh]."""
    lost_money: float | None = None
    """The same in the site's currency; None without a price."""

    @property
    def lost_wh_per_day(self) -> float:
        """What it costs a day [Wh]; of one that is shorter than a day, all that it cost."""
        return per_day(self.lost_wh, self.start_us, self.end_us)

    @property
    def lost_money_per_day(self) -> float | None:
        """The same in the site's currency; None without a price."""
        money = self.lost_money
        return None if money is None else per_day(money, self.start_us, self.end_us)


@dataclass(frozen=True, slots=True)
class BookedIncident:
    """An incident with how far a person has come with it."""

    incident: Incident
    state: IncidentState
    changed_at_us: int
    """When its state changed last [µs since 1970, UTC]."""
    silenced_until_us: int = 0
    """While it is silenced [µs]."""
