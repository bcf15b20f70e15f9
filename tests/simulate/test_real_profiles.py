"""What the simulated house publishes is decoded by the profiles of the real devices."""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np
import pytest

from tests.compute.decode.routes import decode
from wattscope.core.reading import Reading
from wattscope.core.time_grid import US_PER_HOUR, day_start_us, load_zone
from wattscope.simulate.home import state_at
from wattscope.simulate.home_messages import messages_at
from wattscope.simulate.home_settings import HomeSimulation, TopicForm

ZONE = "America/Denver"
NOON_US = day_start_us(date(2026, 6, 21), load_zone(ZONE)) + 12 * US_PER_HOUR


@pytest.mark.parametrize("form", TopicForm)
def test_the_profiles_of_the_real_devices_read_the_simulated_house(form: TopicForm) -> None:
    house = msgspec.structs.replace(HomeSimulation(time_zone=ZONE), topic_form=form)
    read: dict[tuple[str, str], float] = {}
    for topic, payload in messages_at(house, NOON_US):
        profile = "shelly-gen2" if "switch" in topic else "xcel-itron"
        decoded = decode(profile, topic, payload)
        assert isinstance(decoded, list | tuple)
        for reading in decoded:
            assert isinstance(reading, Reading)
            assert reading.measured_at_us is None
            names = [(reading.device, quantity) for quantity in reading.quantities]
            read |= dict(zip(names, reading.values, strict=True))
    state = state_at(house, np.array([NOON_US]))
    assert read["xcel_itron_5", "active_power_w"] == state.demand_w[0]
    assert read["xcel_itron_5", "energy_import_wh"] == np.floor(state.import_wh[0])
    assert read["xcel_itron_5", "energy_export_wh"] == np.floor(state.export_wh[0])
    assert read["shelly-solar", "active_power_w"] == state.solar_w[0]
    total_wh = read["shelly-solar", "energy_import_wh"]
    assert total_wh == pytest.approx(state.production_wh[0], abs=0.001)
    assert {"voltage_v", "current_a", "frequency_hz", "temperature_c"} <= {
        quantity for device, quantity in read if device == "shelly-solar"
    }
