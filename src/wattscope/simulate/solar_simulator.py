"""The simulated solar plant as a simulator: its past, and its sensors' messages to a broker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Final, NamedTuple

import msgspec
import numpy as np

from wattscope.core.errors import SettingsError
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, format_utc
from wattscope.core.topology import Device, DeviceKind
from wattscope.simulate.panel_plant import QUANTITIES, WEATHER, PanelPlant
from wattscope.simulate.publish import publish_to
from wattscope.simulate.simulation_table import read_simulation
from wattscope.simulate.simulator import HistoryColumns, Plan, Surroundings
from wattscope.simulate.solar_faults import write_truths
from wattscope.simulate.solar_settings import SolarSimulation

_AHEAD: Final = 30
"""Instants that are computed at once."""


class _PanelMessage(msgspec.Struct, gc=False):
    """What a panel's sensor publishes, with the seed's keys."""

    panel_id: str
    timestamp: str
    temperature_celsius: float
    voltage_volts: float
    current_amperes: float
    power_output_watts: float
    location: tuple[float, float]


class _WeatherMessage(msgspec.Struct, gc=False):
    """What the weather sensor publishes."""

    sensor_id: str
    timestamp: str
    irradiance_watts_per_m2: float
    air_temperature_celsius: float
    module_temperature_celsius: float


_encode = msgspec.json.Encoder().encode


class _Rows(NamedTuple):
    """What is published at one instant."""

    panels: list[tuple[float, float, float, float]]
    """Values of each panel, in the order of ``QUANTITIES``."""
    weather: tuple[float, float, float]


class SolarSimulator:
    """Panels with a sensor each, and a weather sensor, over MQTT."""

    def __init__(self, plan: Plan) -> None:
        """Raises SettingsError where the table, or what it needs of the site, is wrong."""
        settings = read_simulation(SolarSimulation, plan.table, time_zone=plan.time_zone)
        if plan.interval_s is not None:
            settings = msgspec.structs.replace(settings, interval_s=plan.interval_s)
        if plan.site is None:
            raise SettingsError(["a solar plant needs a site"])
        self.settings = settings
        self.plant = PanelPlant(plan.site, plan.devices, settings)
        if not self.plant.panels:
            raise SettingsError(
                ["there are no panels; tell [[arrays]], or [[devices]] of kind panel"]
            )
        self._sensor = next((one for one in plan.devices if one.kind is DeviceKind.SENSOR), None)
        place = plan.site.latitude or 0.0, plan.site.longitude or 0.0
        self._places = [_place_of(one, place) for one in self.plant.panels]
        self._step_us = round(settings.interval_s * US_PER_S)
        self._first_us = -1
        self._block: list[_Rows] = []

    @property
    def epoch(self) -> date:
        """First day that has values."""
        return self.settings.epoch

    def history(self, start_us: int, end_us: int) -> Iterator[HistoryColumns]:
        """At the distance that the settings tell, a UTC day at a time."""
        step_us = round(self.settings.history_s * US_PER_S)
        while start_us < end_us:
            day_end = min(end_us, (start_us // US_PER_DAY + 1) * US_PER_DAY)
            first = -(-start_us // step_us) * step_us
            instants = np.arange(first, day_end, step_us, dtype=np.int64)
            if len(instants):
                yield from self._tell_day(instants)
            start_us = day_end

    def tell_truth(self, start_us: int, end_us: int) -> str:
        """What is wrong with which panel in ``[start, end)``, as CSV."""
        return write_truths(self.plant.list_truths(start_us, end_us))

    async def run(self, around: Surroundings) -> str:
        """Publish the readings of every slot, and print them."""
        sent = await publish_to(
            self.messages_at,
            around.broker_url,
            interval_s=self.settings.interval_s,
            count=around.count,
            on_sent=partial(self._print, around),
        )
        return f"{sent} messages published to {around.broker_url.rpartition('@')[2]}"

    def messages_at(self, instant_us: int) -> list[tuple[str, bytes]]:
        """What the sensors publish at an instant [µs], as (topic, payload)."""
        rows, stamp = self._rows_at(instant_us), format_utc(instant_us)
        messages = [
            (
                f"sensors/{panel.id}/readings",
                _encode(_PanelMessage(panel.id, stamp, *values, place)),
            )
            for panel, values, place in zip(
                self.plant.panels, rows.panels, self._places, strict=True
            )
        ]
        if self._sensor is not None:
            told = _WeatherMessage(self._sensor.id, stamp, *rows.weather)
            messages.append((f"sensors/{self._sensor.id}/weather", _encode(told)))
        return messages

    def lines_at(self, instant_us: int) -> list[str]:
        """The readings of an instant for a person, as the seed prints them."""
        return [
            f"{panel.id}: {warmth:.1f}°C, {volt:.1f}V, {ampere:.2f}A, {watt:.1f}W"
            for panel, (warmth, volt, ampere, watt) in zip(
                self.plant.panels, self._rows_at(instant_us).panels, strict=True
            )
        ]

    def _print(self, around: Surroundings, instant_us: int) -> None:
        around.say("\n".join(self.lines_at(instant_us)))

    def _rows_at(self, instant_us: int) -> _Rows:
        """Readings of one instant; a whole block of them is computed at once."""
        number, off = divmod(instant_us - self._first_us, self._step_us)
        if self._first_us < 0 or off or not 0 <= number < len(self._block):
            self._compute(instant_us)
            number = 0
        return self._block[number]

    def _compute(self, first_us: int) -> None:
        instants = first_us + self._step_us * np.arange(_AHEAD, dtype=np.int64)
        # Panel and instant first: each row becomes one message.
        told = np.stack(self.plant.read(instants)).transpose(2, 1, 0).tolist()
        weather = zip(*(one.tolist() for one in self._read_weather(instants)), strict=True)
        self._block = [_Rows(panels, above) for panels, above in zip(told, weather, strict=True)]
        self._first_us = first_us

    def _tell_day(self, instants: Int64Column) -> Iterator[HistoryColumns]:
        for quantity, matrix in zip(QUANTITIES, self.plant.read(instants), strict=True):
            for panel, values in zip(self.plant.panels, matrix, strict=True):
                yield HistoryColumns(panel.id, quantity, instants, values)
        if self._sensor is not None:
            for quantity, values in zip(WEATHER, self._read_weather(instants), strict=True):
                yield HistoryColumns(self._sensor.id, quantity, instants, values)

    def _read_weather(self, instants: Int64Column) -> list[FloatColumn]:
        told = self.plant.read_weather(instants)
        return [told[name] for name in WEATHER]


def _place_of(panel: Device, site: tuple[float, float]) -> tuple[float, float]:
    """Latitude and longitude of a panel: its own, else the site's."""
    if panel.latitude is None or panel.longitude is None:
        return site
    return panel.latitude, panel.longitude
