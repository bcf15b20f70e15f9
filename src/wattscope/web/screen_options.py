"""What pages look like and judge by, as the settings say."""

from __future__ import annotations

from dataclasses import dataclass

from wattscope.compute.bands import Bands
from wattscope.compute.running_states import StateLimits


@dataclass(frozen=True, slots=True)
class HeatPumpOptions:
    """By what the page of a heat pump judges."""

    device: str | None
    """None: the first heat pump, else the first meter at the top of the tree."""
    limits: StateLimits
    power: Bands
    """[W]"""
    frequency: Bands
    """[Hz]"""
    power_factor: Bands


@dataclass(frozen=True, slots=True)
class ScreenOptions:
    """How pages are drawn."""

    phase_colours: str
    """seed (red, yellow, blue), iec (brown, black, grey) or grey."""
    heat_pump: HeatPumpOptions
