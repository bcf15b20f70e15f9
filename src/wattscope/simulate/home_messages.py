"""The simulated house in the words of its devices: topics, payloads and columns of the past.

The grid meter speaks like the Itron bridge (bare numbers as text, one topic a quantity), the
solar inverter is measured by a Shelly plug of the second generation (one JSON object).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from wattscope.core.reading import FloatColumn
from wattscope.core.time_grid import US_PER_DAY, US_PER_S
from wattscope.simulate.home import HomeState, state_at
from wattscope.simulate.home_settings import HomeSimulation, TopicForm
from wattscope.simulate.noise import smooth_noise
from wattscope.simulate.simulator import HistoryColumns

_VOLTAGE, _FREQUENCY = 21, 22


def messages_at(settings: HomeSimulation, instant_us: int) -> list[tuple[str, bytes]]:
    """What the house's devices publish at an instant, as (topic, payload).

    Args:
        settings: The house.
        instant_us: The instant [µs since 1970, UTC].

    Raises:
        QueryError: The instant is before the house's epoch.
    """
    state = state_at(settings, np.array([instant_us], np.int64))
    meter = {
        "Instantaneous_Demand": int(state.demand_w[0]),
        "Current_Summation_Received": int(_whole_wh(state.import_wh)[0]),
        "Current_Summation_Delivered": int(_whole_wh(state.export_wh)[0]),
    }
    return [
        *(
            (_itron_topic(settings, endpoint), str(value).encode())
            for endpoint, value in meter.items()
        ),
        (f"{settings.solar_key}/status/switch:0", _switch_status(settings, instant_us, state)),
    ]


def history_batches(
    settings: HomeSimulation, start_us: int, end_us: int, step_s: float
) -> Iterator[HistoryColumns]:
    """What the devices would have said in ``[start, end)``, a UTC day at a time in rising order.

    The values are those of ``messages_at`` at the same instants.

    Args:
        settings: The house.
        start_us: First instant [µs]; the first row is the next multiple of the step.
        end_us: First instant no longer wanted [µs].
        step_s: Distance of rows [s].

    Raises:
        QueryError: The start is before the house's epoch.
    """
    step_us = max(1, round(step_s * US_PER_S))
    day_start = start_us
    while day_start < end_us:
        day_end = min(end_us, (day_start // US_PER_DAY + 1) * US_PER_DAY)
        first = -(-day_start // step_us) * step_us
        state = state_at(settings, np.arange(first, day_end, step_us, dtype=np.int64))
        if len(state.measured_at_us):
            yield from _columns_of(settings, state)
        day_start = day_end


def _columns_of(settings: HomeSimulation, state: HomeState) -> Iterator[HistoryColumns]:
    """The five quantities that outlive a day, as the devices print them."""
    at = state.measured_at_us
    meter, solar = settings.meter_key, settings.solar_key
    yield HistoryColumns(meter, "active_power_w", at, state.demand_w.astype(np.float64))
    yield HistoryColumns(meter, "energy_import_wh", at, _whole_wh(state.import_wh))
    yield HistoryColumns(meter, "energy_export_wh", at, _whole_wh(state.export_wh))
    yield HistoryColumns(solar, "production_power_w", at, state.solar_w.astype(np.float64))
    yield HistoryColumns(solar, "energy_production_wh", at, _milli_wh(state.production_wh))


def _itron_topic(settings: HomeSimulation, endpoint: str) -> str:
    """Where either fork of the bridge publishes an endpoint of the meter."""
    if settings.topic_form is TopicForm.VALUE:
        return f"{settings.topic_prefix}/sensor/{endpoint}/value/state"
    return f"{settings.topic_prefix}/sensor/{settings.meter_key}/{endpoint}/state"


def _switch_status(settings: HomeSimulation, instant_us: int, state: HomeState) -> bytes:
    """The plug's status with the decimals that the device prints."""
    solar_w = float(state.solar_w[0])
    seconds = np.array([instant_us // US_PER_S], np.int64)
    sway = float(smooth_noise(settings.seed, _VOLTAGE, seconds, 120)[0]) - 0.5
    swing = float(smooth_noise(settings.seed, _FREQUENCY, seconds, 30)[0]) - 0.5
    # Feeding in lifts the voltage at the plug by up to one percent.
    lift = 0.01 * solar_w / settings.solar_peak_w if settings.solar_peak_w else 0.0
    voltage_v = round(settings.voltage_v * (1.0 + lift + 0.01 * sway), 1)
    return msgspec.json.encode(
        {
            "id": 0,
            "source": "init",
            "output": True,
            "apower": round(solar_w, 1),
            "voltage": voltage_v,
            "freq": round(settings.frequency_hz + 0.1 * swing, 1),
            "current": round(solar_w / voltage_v, 3),
            "aenergy": {"total": float(_milli_wh(state.production_wh)[0])},
            "temperature": {"tC": round(22.0 + 18.0 * lift / 0.01 + 2.0 * sway, 1)},
        }
    )


def _whole_wh(register_wh: FloatColumn) -> FloatColumn:
    """A register shows the watt-hours that are complete."""
    return np.floor(register_wh)


def _milli_wh(register_wh: FloatColumn) -> FloatColumn:
    """The plug counts to a thousandth of a watt-hour."""
    return np.floor(register_wh * 1000.0) / 1000.0
