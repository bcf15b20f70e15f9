"""Simulated meters: the command ``simulate``, and the simulator as a process beside the demo.

The simulator is a process of its own, as a meter is: what it needs of memory and time is not the
server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from wattscope.assembly.history import fill_history, register_meters
from wattscope.assembly.simulation import build_simulator, change_panels, move_meter_ports
from wattscope.assembly.storage import Storage, now_us, open_storage
from wattscope.cli.options import (
    DEFAULT_DATA,
    DataOption,
    configure_logging,
    parse_interval,
    parse_length,
    read_recipe,
)
from wattscope.cli.virtual import (
    BaudOption,
    CopiesOption,
    FaultOption,
    FramingOption,
    GapsOption,
    MeterHostOption,
    MeterPortOption,
    ParityOption,
    ProfileOption,
    SerialOption,
    TurnAroundOption,
    UnitOption,
    VirtualChoice,
)
from wattscope.core.errors import SettingsError
from wattscope.core.time_grid import US_PER_S
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings
from wattscope.simulate.grid_settings import EnergyForm
from wattscope.simulate.modbus_bank import Gaps
from wattscope.simulate.simulator import Simulator, Surroundings
from wattscope.simulate.site_simulators import ModbusSimulator
from wattscope.simulate.solar_simulator import SolarSimulator

TRUTH_FILE = "simulated-faults.csv"
"""What was wrong in a simulated past, within its data folder."""
_TRUTH_AHEAD_S = 30 * 86_400
"""For how long the faults to come are written [s]."""
_MOVED = re.compile(r"(\d{1,5})=(\d{1,5})")


def add_commands(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command()(simulate)


def simulate(
    recipe: Annotated[str, typer.Argument(help="home, solar, modbus, grid or heatpump")] = "home",
    url: Annotated[
        str, typer.Option(help="home, solar, grid: broker to publish to.")
    ] = "mqtt://127.0.0.1:1883",
    count: Annotated[
        int | None,
        typer.Option(min=1, help="grid: how many meters. Others: the same as --instants."),
    ] = None,
    instants: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many instants.")
    ] = None,
    interval: Annotated[
        str | None, typer.Option(help="Time between instants, such as 5m, 10s or 0.5.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Another number, another site.")] = None,
    history: Annotated[
        str | None, typer.Option(help="Fill --data with a past, such as 14d, instead.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Likewise: --days 14 is --history 14d.")
    ] = None,
    data: DataOption = Path(DEFAULT_DATA),
    energy: Annotated[
        EnergyForm | None, typer.Option(help="grid: what the meters' energy is.")
    ] = None,
    panels: Annotated[int | None, typer.Option(help="solar: how many panels.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="solar: file for the simulated faults, as CSV.")
    ] = None,
    profile: ProfileOption = None,
    host: MeterHostOption = "127.0.0.1",
    port: MeterPortOption = 5020,
    unit: UnitOption = 1,
    copies: CopiesOption = 1,
    framing: FramingOption = "tcp",
    serial: SerialOption = None,
    fault: FaultOption = None,
    gaps: GapsOption = Gaps.ZERO,
    baud: BaudOption = None,
    parity: ParityOption = "N",
    turn_around: TurnAroundOption = "0ms",
    moved: Annotated[
        list[str] | None, typer.Option("--use-port", help="OLD=NEW port of a meter.", hidden=True)
    ] = None,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when the starting process ends.", hidden=True)
    ] = False,
) -> None:
    """Play a recipe's devices: publish what they would, or serve them as Modbus meters."""
    configure_logging()
    settings = move_meter_ports(read_recipe(recipe), parse_moves(moved or ()))
    if panels is not None:
        settings = change_panels(settings, panels)
    choice = VirtualChoice(
        tuple(profile or ()),
        host,
        port,
        unit,
        copies,
        framing,
        serial,
        tuple(fault or ()),
        gaps,
        baud,
        parity,
        turn_around,
        1 if seed is None else seed,
    )
    interval_s = None if interval is None else parse_interval(interval)
    changes: dict[str, object] = {} if seed is None else {"seed": seed}
    if recipe == "grid":
        changes |= choose_meters(count, energy)
    elif energy is not None:
        raise SettingsError(["--energy is for the recipe grid"])
    else:
        instants = instants or count
    simulator = _build(recipe, settings, choice, interval_s, changes)
    if history is not None or days is not None:
        history_s = read_past(history, days)
        if choice.profiles:
            raise SettingsError(["a past is that of a recipe; leave out --profile or --history"])
        with open_storage(settings, data) as storage:
            register_meters(storage, settings, data, ProfileLibrary())
            n_values = _fill(storage, simulator, history_s)
        if isinstance(simulator, SolarSimulator):
            _write_truth(simulator, truth or data / TRUTH_FILE, -history_s)
        typer.echo(f"{n_values} values written to {data}")
        return
    if truth is not None and isinstance(simulator, SolarSimulator):
        _write_truth(simulator, truth, _TRUTH_AHEAD_S)
    playing = simulator.run(Surroundings(url, typer.echo, instants))
    words = asyncio.run(_with_parent(playing) if with_parent else playing)
    typer.echo(words)


def choose_meters(count: int | None, energy: EnergyForm | None) -> dict[str, object]:
    """Keys of ``[simulate]`` that the options of a grid change."""
    changes: dict[str, object] = {}
    if count is not None:
        changes["meters"] = count
    if energy is not None:
        changes["energy"] = energy.value
    return changes


def read_past(history: str | None, days: int | None) -> int:
    """How far back a past goes [s].

    Raises:
        SettingsError: It is told twice, or is no length.

    >>> read_past("2h", None), read_past(None, 2)
    (7200, 172800)
    """
    if history is not None and days is not None:
        raise SettingsError(["--history and --days are the same; leave out one of them"])
    return parse_length(f"{days}d" if history is None else history)


def _fill(storage: Storage, simulator: Simulator, history_s: int) -> int:
    """Write a past, with a bar for one that takes a while."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("readings", total=None)
        return fill_history(
            storage,
            simulator,
            history_s,
            lambda done, all_: progress.update(bar, completed=done, total=all_),
        )


def _build(
    recipe: str,
    settings: Settings,
    choice: VirtualChoice,
    interval_s: float | None,
    changes: dict[str, object],
) -> Simulator:
    """The simulator of a recipe, or of the profiles that were named."""
    if choice.profiles and recipe == "modbus":
        simulator: Simulator = choice.build(ProfileLibrary())
    else:
        if choice.faults and settings.arrays:
            faults = [*settings.simulate.get("faults", ()), *choice.faults]
            changes = {**changes, "faults": faults}
        simulator = build_simulator(
            recipe, settings, ProfileLibrary(), changes=changes, interval_s=interval_s
        )
    if isinstance(simulator, ModbusSimulator):
        simulator.options = choice.options()
        simulator.interval_s = interval_s or simulator.interval_s
        if choice.profiles and recipe != "modbus":
            raise SettingsError([f"recipe {recipe} has its own meters; --profile is for modbus"])
    elif choice.is_told or (choice.faults and not isinstance(simulator, SolarSimulator)):
        raise SettingsError(
            [f"recipe {recipe} publishes over MQTT; options of meters are for modbus and heatpump"]
        )
    return simulator


def _write_truth(simulator: SolarSimulator, path: Path, length_s: int) -> None:
    """Write what is wrong from now on for so many seconds; a negative length is the past.

    Raises:
        SettingsError: The file cannot be written.
    """
    around_us = now_us()
    start_us, end_us = sorted((around_us, around_us + length_s * US_PER_S))
    try:
        path.write_text(simulator.tell_truth(start_us, end_us), encoding="utf-8")
    except OSError as fault:
        raise SettingsError(
            [f"--truth: {path} cannot be written ({fault.strerror}); name another file"]
        ) from fault


async def _with_parent(playing: Coroutine[None, None, str]) -> str:
    """Play until the process that started this one is gone, even if it was killed."""
    parent = os.getppid()
    task = asyncio.create_task(playing)
    while os.getppid() == parent and not task.done():
        await asyncio.wait({task}, timeout=1.0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        return await task
    return "ended with the process that started it"


def parse_moves(words: Sequence[str]) -> dict[int, int]:
    """Ports of meters and what they are instead.

    Raises:
        SettingsError: Not two ports.

    >>> parse_moves(["5020=41000"])
    {5020: 41000}
    """
    moves = {}
    for word in words:
        match = _MOVED.fullmatch(word)
        if match is None:
            raise SettingsError([f"port {word!r} is not understood; write 5020=41000"])
        moves[int(match[1])] = int(match[2])
    return moves
