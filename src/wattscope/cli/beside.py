"""The simulator as a process beside the demo, as a meter is: what it needs is not the server's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from wattscope.core.errors import SettingsError, TransientError

_PROGRAM = (sys.executable, "-m", "wattscope")


def simulate_past(recipe: str, data: Path, history: str) -> None:
    """Fill the data folder with a past that it does not have yet.

    Raises:
        SettingsError: It failed; it has said why.
    """
    words = ("simulate", recipe, "--history", history, "--data", str(data))
    done = subprocess.run([*_PROGRAM, *words], check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise SettingsError("the simulated past could not be written; see above")


async def run_simulator(recipe: str, words: Sequence[str]) -> None:
    """Play a recipe's devices in a child process until cancelled.

    Args:
        recipe: Its name.
        words: Options of ``simulate``, such as where the broker is.

    Raises:
        TransientError: It ended by itself; it has said why.
    """
    process = await asyncio.create_subprocess_exec(
        *_PROGRAM,
        "simulate",
        recipe,
        *words,
        "--with-parent",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    raise TransientError(f"the simulator ended with status {code}; see above")
