"""Keeps the stages running: a stage that fails is reported and started again, ever more slowly.

The one place in the program that catches everything.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from wattscope.core.errors import PermanentError

_log = structlog.get_logger()
FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0


async def keep_running(
    name: str,
    stage: Callable[[], Awaitable[None]],
    *,
    draw: Callable[[], float] = random.random,
) -> None:
    """Run a stage until it returns or cannot be helped; start it again when it fails.

    Args:
        name: For the log.
        stage: Started anew after each failure.
        draw: Gives numbers in [0, 1) for the jitter of the delay.

    Raises:
        PermanentError: The stage said that trying again cannot help.
    """
    delay_s = FIRST_DELAY_S
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await stage()
        except PermanentError:
            raise
        except Exception:  # noqa: BLE001  # the supervisor is the one place that may
            _log.exception("stage failed", stage=name, retry_s=round(delay_s, 1))
        else:
            return
        if asyncio.get_running_loop().time() - started > LONGEST_DELAY_S:
            delay_s = FIRST_DELAY_S
        await asyncio.sleep(delay_s * (0.5 + draw()))
        delay_s = min(2 * delay_s, LONGEST_DELAY_S)


async def flush_regularly(
    is_due: Callable[[], bool], flush: Callable[[], None], *, every_s: float, look_s: float = 1.0
) -> None:
    """Flush when it is due, and at least every ``every_s`` seconds."""
    waited_s = 0.0
    while True:
        await asyncio.sleep(look_s)
        waited_s += look_s
        if is_due() or waited_s >= every_s:
            waited_s = 0.0
            await asyncio.to_thread(flush)
