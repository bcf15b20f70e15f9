"""A simulated site as its Modbus meters: a past as they would have told it, and ports to read now.

It promises that the past is what a reader would have stored: each value has the resolution of its
register, so that nothing jumps, and no counter falls, where the past meets the present.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from wattscope.core.errors import SettingsError
from wattscope.core.fleet import Endpoint, Framing, Line
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_S
from wattscope.simulate.modbus_bank import Bank, Gaps, RegisterBank, ValuesAt
from wattscope.simulate.modbus_faults import parse_faults
from wattscope.simulate.modbus_gateway import LATE_S, VirtualGateway, VirtualUnit
from wattscope.simulate.modbus_line import LineClock, LineTiming
from wattscope.simulate.modbus_server import VirtualServer
from wattscope.simulate.modbus_sunspec import INVERTER, METER, SunSpecBank, points_of
from wattscope.simulate.simulator import HistoryColumns, ServedMeter
from wattscope.simulate.site_values import SiteModel
from wattscope.simulate.three_phase import Table
from wattscope.simulate.told_columns import as_read, as_read_point

ServeSerial = Callable[[VirtualGateway, str, Line], AbstractAsyncContextManager[None]]
"""Answers on a serial port; comes with the extra ``serial``."""

_RTU: Final = frozenset({Framing.RTU, Framing.RTU_OVER_TCP})


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How virtual meters are served."""

    gaps: Gaps = Gaps.ZERO
    faults: tuple[str, ...] = ()
    """Misbehaviour of every unit, such as ``bad_crc:0.1``."""
    seed: int = 1
    """Of the misbehaviour."""
    timing: LineTiming | None = None
    """The RS-485 line behind each port that speaks RTU; None answers at once."""
    late_s: float = LATE_S
    serve_serial: ServeSerial | None = None
    """None where no serial port is served."""


def build_gateways(
    meters: Sequence[ServedMeter],
    values_of: Callable[[str], ValuesAt],
    options: ServeOptions,
) -> dict[Endpoint, VirtualGateway]:
    """The ports with the units behind each.

    Raises:
        SettingsError: Two meters share a unit, or a port has two framings.
    """
    by_place: dict[tuple[str, int], list[ServedMeter]] = {}
    for meter in meters:
        by_place.setdefault((meter.endpoint.host, meter.endpoint.port), []).append(meter)
    gateways = {}
    for here in by_place.values():
        endpoint = _settle_framing([meter.endpoint for meter in here])
        units: dict[int, VirtualUnit] = {}
        for meter in here:
            if meter.unit in units:
                raise SettingsError(f"unit {meter.unit} at {endpoint.address} is there twice")
            mix = parse_faults(options.faults, endpoint.framing, seed=options.seed + meter.unit)
            bank = _build_bank(meter, values_of(meter.device), options.gaps)
            units[meter.unit] = VirtualUnit(bank, mix)
        line = None
        if options.timing is not None and endpoint.framing in _RTU:
            line = LineClock(options.timing)
        gateways[endpoint] = VirtualGateway(units, endpoint.framing, line, options.late_s)
    return gateways


@asynccontextmanager
async def serve_gateways(
    gateways: Mapping[Endpoint, VirtualGateway], serve_serial: ServeSerial | None = None
) -> AsyncIterator[None]:
    """Listen on all ports for as long as the context lasts.

    Raises:
        SettingsError: A port cannot be had.
    """
    async with contextlib.AsyncExitStack() as stack:
        for endpoint, gateway in gateways.items():
            if endpoint.line is None:
                server = VirtualServer(gateway, endpoint.host, endpoint.port)
                await stack.enter_async_context(server)
            elif serve_serial is None:
                raise SettingsError(f"{endpoint.address}: serial ports are not served here")
            else:
                serving = serve_serial(gateway, endpoint.host, endpoint.line)
                await stack.enter_async_context(serving)
        yield


async def wait_for(count: int | None, interval_s: float) -> None:
    """So many intervals, or until cancelled."""
    if count is None:
        await asyncio.get_running_loop().create_future()
    else:
        await asyncio.sleep(count * interval_s)


def tell_history(
    model: SiteModel, meters: Sequence[ServedMeter], start_us: int, end_us: int, step_s: float
) -> Iterator[HistoryColumns]:
    """What a reader would have stored of ``[start, end)``, a UTC day at a time in rising order."""
    step_us = max(1, round(step_s * US_PER_S))
    day_start = start_us
    while day_start < end_us:
        day_end = min(end_us, (day_start // US_PER_DAY + 1) * US_PER_DAY)
        first = -(-day_start // step_us) * step_us
        instants = np.arange(first, day_end, step_us, dtype=np.int64)
        if len(instants):
            tables = model.tables_at(instants)
            for meter in meters:
                yield from _columns_of(meter, instants, tables.get(meter.device, {}))
        day_start = day_end


def _columns_of(
    meter: ServedMeter, instants: Int64Column, table: Table
) -> Iterator[HistoryColumns]:
    if meter.map.is_sunspec:
        for quantity, point in points_of(_models_of(meter)).items():
            if quantity in table:
                told = as_read_point(table[quantity], point)
                yield HistoryColumns(meter.device, quantity, instants, told)
        return
    for register in meter.map.registers:
        if register.quantity in table:
            told = as_read(table[register.quantity], register)
            yield HistoryColumns(meter.device, register.quantity, instants, told)


def _build_bank(meter: ServedMeter, values_at: ValuesAt, gaps: Gaps) -> Bank:
    if meter.map.is_sunspec:
        return SunSpecBank(_models_of(meter), values_at, serial=meter.device)
    return RegisterBank(meter.map, values_at, gaps=gaps)


def _models_of(meter: ServedMeter) -> tuple[int, ...]:
    return INVERTER if meter.map.is_production else METER


def _settle_framing(endpoints: Sequence[Endpoint]) -> Endpoint:
    """The endpoint that all of them mean; who leaves the framing open takes Modbus TCP."""
    first = endpoints[0]
    told = {one.framing for one in endpoints if one.framing is not Framing.AUTO}
    if len(told) > 1:
        raise SettingsError(f"{first.address} is told two framings; choose one")
    usual = Framing.RTU if first.is_serial else Framing.TCP
    return replace(first, framing=told.pop() if told else usual)
