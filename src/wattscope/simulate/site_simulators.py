"""The simulators whose devices are Modbus meters: the plant, the heat pump, and any profile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_S
from wattscope.simulate.any_meter import EPOCH_S, ID, AnyMeter
from wattscope.simulate.heat_pump import HeatPump, HeatPumpSimulation
from wattscope.simulate.modbus_bank import ValuesAt
from wattscope.simulate.modbus_site import (
    ServeOptions,
    build_gateways,
    serve_gateways,
    tell_history,
    wait_for,
)
from wattscope.simulate.plant import Plant, PlantSimulation
from wattscope.simulate.simulation_table import read_simulation
from wattscope.simulate.simulator import HistoryColumns, Plan, ServedMeter, Surroundings
from wattscope.simulate.site_values import SiteModel, SiteValues
from wattscope.simulate.three_phase import Table

_INTERVAL_S: Final = 1.0
_HISTORY_S: Final = 60.0


@dataclass(slots=True)
class ModbusSimulator:
    """Meters on Modbus ports, with what a model says of each."""

    meters: Sequence[ServedMeter]
    model: SiteModel
    values_of: Callable[[str], ValuesAt]
    epoch: date
    history_s: float = _HISTORY_S
    """Distance of the readings of the past [s]."""
    interval_s: float = _INTERVAL_S
    options: ServeOptions = field(default_factory=ServeOptions)
    """May be replaced before it runs."""

    def history(self, start_us: int, end_us: int) -> Iterator[HistoryColumns]:
        """As a reader would have stored it."""
        return tell_history(self.model, self.meters, start_us, end_us, self.history_s)

    async def run(self, around: Surroundings) -> str:
        """Serve the meters."""
        now_us = int(datetime.now(UTC).timestamp()) * US_PER_S
        await asyncio.to_thread(self.look_back, now_us)
        gateways = build_gateways(self.meters, self.values_of, self.options)
        async with serve_gateways(gateways, self.options.serve_serial):
            for endpoint, gateway in gateways.items():
                behind = ", ".join(map(str, gateway.units))
                around.say(f"{endpoint.address} ({gateway.framing.value}): unit {behind}")
            await wait_for(around.count, self.interval_s)
        units = [unit for gateway in gateways.values() for unit in gateway.units.values()]
        served = sum(unit.n_requests for unit in units)
        return f"{served} requests answered; meters: {len(self.meters)}"

    def look_back(self, now_us: int) -> None:
        """The first question may sum months of counters; it must not make the first poll late."""
        for meter in self.meters[:1]:
            self.values_of(meter.device)(now_us)


def simulate_plant(plan: Plan) -> ModbusSimulator:
    """The meters of a plant, and the seed's virtual meter.

    Raises:
        SettingsError: The table is wrong.
    """
    settings = read_simulation(PlantSimulation, plan.table, time_zone=plan.time_zone)
    return _site(plan, Plant(settings), settings.epoch, settings.history_s)


def simulate_heat_pump(plan: Plan) -> ModbusSimulator:
    """The meter of a heat pump.

    Raises:
        SettingsError: The table is wrong.
    """
    settings = read_simulation(HeatPumpSimulation, plan.table, time_zone=plan.time_zone)
    return _site(plan, HeatPump(settings), settings.epoch, settings.history_s)


def simulate_profiles(meters: Sequence[ServedMeter], *, seed: int) -> ModbusSimulator:
    """Meters of any type, each with a load of its own."""
    models = {
        meter.device: AnyMeter(meter.map, seed=seed + number) for number, meter in enumerate(meters)
    }
    values = {
        device: SiteValues(model, shift_s=number % 60).values_of(ID)
        for number, (device, model) in enumerate(models.items())
    }
    epoch = datetime.fromtimestamp(EPOCH_S, UTC).date()
    return ModbusSimulator(meters, _Park(models), values.__getitem__, epoch)


class _Park:
    """Meters that have nothing to do with each other."""

    def __init__(self, models: dict[str, AnyMeter]) -> None:
        self._models = models

    def tables_at(self, instants_us: Int64Column) -> dict[str, Table]:
        return {device: model.tables_at(instants_us)[ID] for device, model in self._models.items()}


def _site(plan: Plan, model: SiteModel, epoch: date, history_s: float) -> ModbusSimulator:
    return ModbusSimulator(
        plan.meters,
        model,
        SiteValues(model).values_of,
        epoch,
        history_s,
        plan.interval_s or _INTERVAL_S,
    )
