"""The steps of a counter that are not plain growth, and what a person decides about them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class StepKind(Enum):
    """What happened to a counter between its last good reading and a reading."""

    NORMAL = "normal"
    """It counted on."""
    RESET = "reset"
    """It began again at zero: what it shows is the growth since then."""
    ROLLOVER = "rollover"
    """It passed the largest number it can show, and began again at zero."""
    SWAP = "swap"
    """It goes on from a lower level that neither of these explains; the growth is unknown."""
    JUMP = "jump"
    """It goes on from a level too high to be reached in the time; the growth is unknown."""
    GLITCH = "glitch"
    """The reading is wrong; those behind it go on from before it."""


@dataclass(frozen=True, slots=True)
class CounterStep:
    """One step of a counter that is not plain growth."""

    series_id: int
    before_at_us: int
    """Instant of the last good reading [µs since 1970, UTC]."""
    at_us: int
    """Instant of the reading that the step ends at."""
    before: float
    """Last good reading [unit of the quantity]."""
    after: float
    kind: StepKind
    """While held: what it will be if the next readings confirm it."""
    growth: float
    """What is counted for the step; nothing while held."""
    is_held: bool
    """Whether it waits for the readings that confirm or refute it."""
    is_decided: bool = False
    """Whether a person said what it is."""


@dataclass(frozen=True, slots=True)
class CounterDecision:
    """A person's word on the step that ends at one reading; the reading itself stays as it is."""

    series_id: int
    at_us: int
    """Instant of the reading [µs since 1970, UTC]."""
    kind: StepKind
    growth: float | None = None
    """What the counter grew by [unit of the quantity]; None takes it from the kind."""
    decided_at_us: int = 0
    """When the person said so."""
