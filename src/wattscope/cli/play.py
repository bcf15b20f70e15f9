"""Simulated meters: the command ``simulate``, and the simulator as a process beside the demo.

The simulator is a process of its own, as a meter is: what it needs of memory and time is not the
server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from wattscope.assembly.history import fill_history
from wattscope.assembly.storage import open_storage
from wattscope.cli.options import DEFAULT_DATA, DataOption, configure_logging, read_recipe
from wattscope.core.errors import SettingsError, TransientError
from wattscope.plugins import load_plugin
from wattscope.simulate.home_messages import messages_at
from wattscope.simulate.home_settings import parse_home_simulation

_LENGTH = re.compile(r"(\d+)([dhm])")
_SECONDS = {"d": 86_400, "h": 3600, "m": 60}
_PROGRAM = (sys.executable, "-m", "wattscope")


def add_commands(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command()(simulate)


def simulate(
    recipe: Annotated[str, typer.Argument(help="home")] = "home",
    url: Annotated[str, typer.Option(help="Broker to publish to.")] = "mqtt://127.0.0.1:1883",
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many instants.")] = None,
    interval: Annotated[float | None, typer.Option(help="Seconds between instants.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another number, another house.")] = None,
    history: Annotated[
        str | None, typer.Option(help="Fill --data with a past, such as 14d, instead.")
    ] = None,
    data: DataOption = Path(DEFAULT_DATA),
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when the starting process ends.", hidden=True)
    ] = False,
) -> None:
    """Publish what a simulated household's devices would, in their own topics."""
    configure_logging()
    settings = read_recipe(recipe)
    changes = {"seed": seed, "interval_s": interval}
    table = settings.simulate | {name: one for name, one in changes.items() if one is not None}
    house = parse_home_simulation(table, time_zone=settings.site.time_zone)
    if history is not None:
        history_s = parse_length(history)
        with open_storage(settings, data) as storage:
            n_values = fill_history(storage, house, history_s)
        typer.echo(f"{n_values} values written to {data}")
        return
    publishing = load_plugin("publisher", "mqtt")(
        partial(messages_at, house), url, interval_s=house.interval_s, count=count
    )
    sent = asyncio.run(_with_parent(publishing) if with_parent else publishing)
    typer.echo(f"{sent} messages published to {url.rpartition('@')[2]}")


async def _with_parent(publishing: Coroutine[None, None, int]) -> int:
    """Publish until the process that started this one is gone, even if it was killed."""
    parent = os.getppid()
    task = asyncio.create_task(publishing)
    while os.getppid() == parent and not task.done():
        await asyncio.wait({task}, timeout=1.0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        return await task
    return 0


def simulate_past(recipe: str, data: Path, history: str) -> None:
    """Fill the data folder with a past that it does not have yet.

    Raises:
        SettingsError: It failed; it has said why.
    """
    words = ("simulate", recipe, "--history", history, "--data", str(data))
    done = subprocess.run([*_PROGRAM, *words], check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise SettingsError("the simulated past could not be written; see above")


async def run_simulator(recipe: str, url: str) -> None:
    """Publish a recipe's messages from a child process until cancelled.

    Raises:
        TransientError: It ended by itself; it has said why.
    """
    words = ("simulate", recipe, "--url", url, "--with-parent")
    process = await asyncio.create_subprocess_exec(
        *_PROGRAM, *words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    raise TransientError(f"the simulator ended with status {code}; see above")


def parse_length(text: str) -> int:
    """Seconds of a length such as ``14d``, ``6h`` or ``30m``.

    Raises:
        SettingsError: Not such a length.

    >>> parse_length("2h")
    7200
    """
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise SettingsError([f"length {text!r} is not understood; write 14d, 6h or 30m"])
    return int(match[1]) * _SECONDS[match[2]]
