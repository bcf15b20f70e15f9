"""The simulated grid as a simulator: its past in columns, and its meters' messages to a broker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

import msgspec
import numpy as np

from wattscope.core.errors import SettingsError
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S, format_utc
from wattscope.core.topology import Device
from wattscope.simulate.grid_model import GridModel, Told
from wattscope.simulate.grid_settings import EnergyForm, GridSimulation
from wattscope.simulate.publish import publish_to
from wattscope.simulate.simulation_table import read_simulation
from wattscope.simulate.simulator import FleetColumns, HistoryColumns, Plan, Surroundings

_TOPIC: Final = "energy/meters/"
_SLOT_S: Final = 1.0
"""Staggered meters have a whole second of their own."""
_KEPT_US: Final = US_PER_HOUR
"""What meters keep while they cannot send [µs]."""
_WH_PER_KWH: Final = 1000.0
_GAUGES: Final = ("active_power_w", "voltage_v", "current_a", "frequency_hz")
_ENERGIES: Final = {
    EnergyForm.COUNTER: "energy_import_wh",
    EnergyForm.INTERVAL: "energy_import_delta_wh",
}


class _MeterMessage(msgspec.Struct, gc=False):
    """What a meter publishes, with the seed's keys."""

    meter_id: str
    timestamp: str
    power: float
    voltage: float
    current: float
    frequency: float
    energy: float
    """The register, or what the interval that ends took [kWh]."""


_encode = msgspec.json.Encoder().encode


class GridSimulator:
    """Many meters over MQTT, each with readings at its own instants."""

    def __init__(self, plan: Plan) -> None:
        """Raises SettingsError where the table is wrong."""
        settings = read_simulation(GridSimulation, plan.table, time_zone=plan.time_zone)
        if plan.interval_s is not None:
            past_s = max(plan.interval_s, 1.0)
            settings = msgspec.structs.replace(
                settings, interval_s=plan.interval_s, history_s=past_s
            )
        if plan.site is None:
            raise SettingsError(["a grid needs a site"])
        self.settings = settings
        self.model = GridModel(settings, is_south=(plan.site.latitude or 0.0) < 0.0)
        self.devices: list[Device] = self.model.meters.list_devices(
            plan.site.id, max(settings.interval_s, settings.history_s)
        )
        """All meters, by number."""
        self.quantities: tuple[str, ...] = (*_GAUGES, _ENERGIES[settings.energy])
        """What each of them measures."""
        self._epoch_us = (settings.epoch - date(1970, 1, 1)).days * US_PER_DAY
        self._sent_us = -1
        """Up to here everything was published; -1: nothing yet."""

    @property
    def epoch(self) -> date:
        """First day that has values."""
        return self.settings.epoch

    def history(self, start_us: int, end_us: int) -> Iterator[HistoryColumns]:
        """At the distance that the settings tell, a UTC day at a time, one meter after another."""
        for columns in self.fleet_history(start_us, end_us):
            rows = np.flatnonzero(np.diff(columns.device, prepend=-1))
            for low, high in zip(rows, [*rows[1:], len(columns.device)], strict=True):
                yield HistoryColumns(
                    self.devices[int(columns.device[low])].id,
                    columns.quantity,
                    columns.measured_at_us[low:high],
                    columns.value[low:high],
                )

    def fleet_history(self, start_us: int, end_us: int) -> Iterator[FleetColumns]:
        """The same with all meters in one, a quantity at a time.

        The energy of an interval stands at its beginning, which may be before ``start_us``.
        """
        step_us = round(self.settings.history_s * US_PER_S)
        while start_us < end_us:
            day_end = min(end_us, (start_us // US_PER_DAY + 1) * US_PER_DAY)
            row, instant_us = self._list_due(start_us, day_end, step_us)
            if len(row):
                yield from self._tell_columns(row, instant_us, step_us)
            start_us = day_end

    def count_readings(self, start_us: int, end_us: int) -> int:
        """How many readings the past of ``[start, end)`` has."""
        step_us = round(self.settings.history_s * US_PER_S)
        offset_us = self._offsets(step_us)
        first, last = (-((offset_us - edge) // step_us) for edge in (start_us, end_us))
        return int((last - first).sum())

    async def run(self, around: Surroundings) -> str:
        """Publish each meter's newest reading at once, then every reading when it is due."""
        interval_s = self.settings.interval_s
        slot_s = min(interval_s, _SLOT_S) if self.settings.is_staggered else interval_s
        count = None if around.count is None else around.count * round(interval_s / slot_s)
        sent = await publish_to(
            self.messages_at,
            around.broker_url,
            interval_s=slot_s,
            count=count,
            on_sent=self._note_sent,
        )
        return f"{sent} readings published to {around.broker_url.rpartition('@')[2]}"

    def messages_at(self, instant_us: int) -> list[tuple[str, bytes]]:
        """What is due at an instant [µs], as (topic, payload): all that was not sent before it.

        At first that is the newest reading of each meter; after a time without a broker, what
        meters kept.
        """
        step_us = round(self.settings.interval_s * US_PER_S)
        since_us = instant_us - step_us
        if self._sent_us >= 0:
            since_us = max(self._sent_us, instant_us - max(step_us, _KEPT_US))
        return self.messages_between(since_us + 1, instant_us + 1)

    def messages_between(self, start_us: int, end_us: int) -> list[tuple[str, bytes]]:
        """What meters publish for their readings in ``[start, end)``, by time."""
        step_us = round(self.settings.interval_s * US_PER_S)
        row, instant_us = self._list_due(start_us, end_us, step_us)
        order = np.lexsort((row, instant_us))
        row, instant_us = row[order], instant_us[order]
        told = self.model.read(row, instant_us)
        energy = self._energy(row, instant_us, step_us, told) / _WH_PER_KWH
        columns = (told.power_w, told.voltage_v, told.current_a, told.frequency_hz, energy)
        ids = self.model.meters.ids
        return [
            (
                _TOPIC + ids[meter],
                _encode(_MeterMessage(ids[meter], format_utc(at_us), *values)),
            )
            for meter, at_us, *values in zip(
                row.tolist(), instant_us.tolist(), *(one.tolist() for one in columns), strict=True
            )
        ]

    def _note_sent(self, instant_us: int) -> None:
        self._sent_us = instant_us

    def _tell_columns(
        self, row: Int64Column, instant_us: Int64Column, step_us: int
    ) -> Iterator[FleetColumns]:
        told = self.model.read(row, instant_us)
        for quantity, value in zip(_GAUGES, told, strict=False):
            yield FleetColumns(quantity, row, instant_us, value)
        begins_us = instant_us
        if self.settings.energy is EnergyForm.INTERVAL:
            begins_us = self._begin_of(instant_us, step_us)
        energy = self._energy(row, instant_us, step_us, told)
        yield FleetColumns(_ENERGIES[self.settings.energy], row, begins_us, energy)

    def _energy(
        self, row: Int64Column, instant_us: Int64Column, step_us: int, told: Told
    ) -> FloatColumn:
        """The register, or what it gained since the reading before [Wh]."""
        if self.settings.energy is EnergyForm.COUNTER:
            return told.register_wh
        begins_us = self._begin_of(instant_us, step_us)
        return told.register_wh - self.model.read_registers(row, begins_us)

    def _begin_of(self, instant_us: Int64Column, step_us: int) -> Int64Column:
        """Where the intervals begin that end at some instants: nothing was before the epoch."""
        return np.maximum(instant_us - step_us, self._epoch_us)

    def _list_due(
        self, start_us: int, end_us: int, step_us: int
    ) -> tuple[Int64Column, Int64Column]:
        """Meters and instants of the readings in ``[start, end)``, meter after meter."""
        offset_us = self._offsets(step_us)
        first = offset_us + -((offset_us - start_us) // step_us) * step_us
        n_most = -(-(end_us - start_us) // step_us)
        instants = first[:, None] + step_us * np.arange(n_most, dtype=np.int64)
        row, column = np.nonzero(instants < end_us)
        return row.astype(np.int64), instants[row, column]

    def _offsets(self, step_us: int) -> Int64Column:
        """How far behind the full interval each meter reads [µs], in whole seconds."""
        seconds = step_us / US_PER_S if self.settings.is_staggered else 0.0
        whole = np.floor(self.model.meters.second * max(seconds, 1.0)).astype(np.int64)
        return whole * US_PER_S
