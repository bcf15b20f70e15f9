"""A plant of 20 panels in four strings at two inverters, as the tests of its simulation ask it."""

from __future__ import annotations

from datetime import UTC, datetime

from wattscope.compute.panel_arrays import PanelArray, lay_out
from wattscope.core.time_grid import US_PER_HOUR, to_us
from wattscope.core.topology import Site
from wattscope.core.window import Matrix
from wattscope.simulate.panel_plant import Generated, PanelPlant
from wattscope.simulate.solar_faults import Fault
from wattscope.simulate.solar_settings import SolarSimulation

SITE = Site("roof", "Roof", "Europe/Berlin", "EUR", 48.1, 11.6)
DEVICES = lay_out(
    PanelArray(
        "roof",
        count=20,
        per_string=5,
        strings_per_inverter=2,
        rating_w=400.0,
        tilt_deg=30.0,
        azimuth_deg=180.0,
    )
)
JUNE_US = to_us(datetime(2026, 6, 8, tzinfo=UTC))
HOUR_US = US_PER_HOUR
MINUTE_US = US_PER_HOUR // 60


def make_plant(**changes: object) -> PanelPlant:
    settings = SolarSimulation(**{"time_zone": "Europe/Berlin", **changes})  # type: ignore[arg-type]  # the fields' types are msgspec's to check
    return PanelPlant(SITE, DEVICES, settings)


def generate(faults: list[Fault], days: float = 1.0, **changes: object) -> Generated:
    end_us = JUNE_US + int(days * 24 * HOUR_US)
    return make_plant(**changes).generate(JUNE_US, end_us, 5 * MINUTE_US, faults)


def power_of(generated: Generated) -> Matrix:
    return generated.panels.values["production_power_w"]
