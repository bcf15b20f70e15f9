"""Trying again until it is taken, for stages that must not skip anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

import structlog

from wattscope.core.errors import TransientError

_log = structlog.get_logger()
OutcomeT = TypeVar("OutcomeT")


class Waiting(Protocol):
    """The state of a stage, as far as it may have to wait."""

    fault: str
    """What is away, in words; empty while everything is there."""


async def insist(
    attempt: Callable[[], OutcomeT], what: str, state: Waiting, *, stage: str, retry_s: float
) -> OutcomeT:
    """What an attempt gives in the end; a change for the worse or the better is said once.

    Args:
        attempt: Runs beside the event loop; may raise ``TransientError``.
        what: Names what it asks.
        state: Is told what is away.
        stage: For the log.
        retry_s: Between two attempts [s].
    """
    while True:
        try:
            outcome = await asyncio.to_thread(attempt)
        except TransientError as fault:
            if not state.fault:
                _log.error("stage waits", stage=stage, what=what, reason=str(fault))
            state.fault = f"{what}: {fault}"
            await asyncio.sleep(retry_s)
            continue
        if state.fault:
            _log.info("stage goes on", stage=stage, what=what)
            state.fault = ""
        return outcome
