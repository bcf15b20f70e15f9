"""What pages look like and judge by, from the settings."""

from __future__ import annotations

from wattscope.compute.bands import Bands
from wattscope.compute.running_states import StateLimits
from wattscope.core.time_grid import US_PER_S
from wattscope.settings import HeatPumpSettings, Settings
from wattscope.web.screen_options import HeatPumpOptions, ScreenOptions


def build_screen(settings: Settings) -> ScreenOptions:
    """The options of all pages."""
    return ScreenOptions(settings.screen.phase_colours, _build_heat_pump(settings.heat_pump))


def _build_heat_pump(wanted: HeatPumpSettings) -> HeatPumpOptions:
    return HeatPumpOptions(
        device=wanted.device,
        limits=StateLimits(
            wanted.standby_below_w,
            wanted.high_from_w,
            wanted.hysteresis,
            int(wanted.min_state_s * US_PER_S),
        ),
        power=Bands(green_high=wanted.power_green_w, red_high=wanted.power_red_w),
        frequency=Bands.around(
            wanted.frequency_hz, wanted.frequency_green_hz, wanted.frequency_red_hz
        ),
        power_factor=Bands(green_low=wanted.power_factor_green, red_low=wanted.power_factor_red),
    )
