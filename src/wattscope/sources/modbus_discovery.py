"""Asking a SunSpec device for its chain of models, before it can be polled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from wattscope.compute.modbus.frames import Answer, Fault, ReadRequest, Refusal
from wattscope.compute.modbus.sunspec import ModelChain, plan_models, walk_chain

Ask = Callable[[ReadRequest], Awaitable[Answer]]


async def discover_models(ask: Ask, unit: int) -> ModelChain | Refusal:
    """The chain of models of a unit.

    Args:
        ask: Sends one request; tries again by itself where that may help.
        unit: Unit identifier.

    Returns:
        The chain, with words where none was found; or why the unit gave no answer.
    """
    steps = walk_chain(unit)
    try:
        request = next(steps)
        while True:
            answer = await ask(request)
            if isinstance(answer, Refusal) and answer.fault is not Fault.EXCEPTION:
                return answer
            request = steps.send(answer)
    except StopIteration as end:
        chain: ModelChain = end.value
        return chain


async def plan_discovered(
    ask: Ask, unit: int, max_block: int
) -> tuple[ReadRequest, ...] | Refusal | str:
    """The requests that read a device's models.

    Returns:
        The requests; why the unit gave no answer; or in words why there is nothing to read.
    """
    found = await discover_models(ask, unit)
    if isinstance(found, Refusal):
        return found
    requests = plan_models(found, unit, max_block)
    return requests or (found.fault or "it has none of the models that are read here")
