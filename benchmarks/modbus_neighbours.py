"""What a misbehaving meter costs its neighbours: how late their polls are, before and beside it."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.modbus_servers import read_map
from benchmarks.rates import WrongAnswerError
from tests.chaos.modbus_site import Reader, VirtualSite, read_site, run_site
from tests.chaos.test_modbus_chaos import mix_of
from wattscope.core.fleet import Framing
from wattscope.sources.modbus_unit import UnitState

_LAYOUT = {Framing.TCP: ((1, 2), (1,)), Framing.RTU_OVER_TCP: ((1, 2),)}
_SEED = 7
_SETTLED_S = 3.0
_POLL_S = 0.5
"""Longer than any poll takes here: what is late is known by its place between two instants."""
_QUANTITY = "voltage_v"


@dataclass(frozen=True, slots=True)
class NeighbourFigures:
    """p99 from the instant at which a poll was due to its reply [ms]."""

    other_before: float
    """A meter at another gateway, while all is well."""
    other_beside: float
    """The same while the sick ones misbehave in every way."""
    same_before: float
    """Meters behind the same gateways as the sick ones."""
    same_beside: float
    n_lies: int
    """Values stored that no meter ever showed."""
    n_faults: int


def measure_neighbours(length_s: float) -> NeighbourFigures:
    """Half of the time without faults, half with three spoilt requests in ten."""
    figures: list[NeighbourFigures] = []
    with run_site(read_map("sdm120"), _LAYOUT) as site, tempfile.TemporaryDirectory() as name:
        sick = [port for port, one in site.gateways.items() if len(one.units) == 2]
        other = next(port for port, one in site.gateways.items() if len(one.units) == 1)

        async def act(reader: Reader) -> None:
            units = reader.source.list_units
            await reader.until(
                lambda: len(units()) == 6 and all(one.state is UnitState.ONLINE for one in units()),
                "all meters online",
            )
            await asyncio.sleep(_SETTLED_S)
            began_us = time.time_ns() // 1000
            await asyncio.sleep(length_s / 2)
            n_before = len(reader.stored())
            spoil(site, sick)
            await asyncio.sleep(length_s / 2)
            names = [f"{site.gateways[port].framing.value}-{port}-1" for port in sick]
            late = {one: _late_ms(reader, one, began_us) for one in (*names, f"tcp-{other}-1")}
            if len(reader.stored()) <= n_before:
                raise WrongAnswerError("nothing was stored beside the faults")
            halves = {one: np.array_split(rows, 2) for one, rows in late.items()}

            def p99(group: list[str], half: int) -> float:
                rows = np.concatenate([halves[one][half] for one in group])
                return float(np.percentile(rows, 99))

            others = [f"tcp-{other}-1"]
            n_faults = sum(one.counts.faults.total() for one in units())
            figures.append(
                NeighbourFigures(
                    other_before=p99(others, 0),
                    other_beside=p99(others, 1),
                    same_before=p99(names, 0),
                    same_beside=p99(names, 1),
                    n_lies=len(reader.find_lies(site)),
                    n_faults=n_faults,
                )
            )

        asyncio.run(read_site(site, Path(name), act, poll_s=_POLL_S))
    return figures[0]


def spoil(site: VirtualSite, ports: list[int]) -> None:
    """Have unit 2 of each port misbehave in every way."""
    draw = random.Random(_SEED)
    for port in ports:
        site.set_fault(port, 2, mix_of(site.gateways[port].framing, draw), _SEED)


def _late_ms(
    reader: Reader, device: str, began_us: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How long after its instant each poll of a device was answered [ms], in order of time."""
    wanted = (device, _QUANTITY)
    rows = [row[2] for row in reader.stored() if row[:2] == wanted and row[2] >= began_us]
    instants = np.array(sorted(rows), np.float64)
    return (instants % (_POLL_S * 1e6)) / 1000
