"""Looking for meters at an address: which units answer, in which framing, and what they may be.

::

    for each port, framing and unit:   does anything answer?
        SunSpec                        the device tells itself what it is
        else each known type           its voltages, frequency and powers: do they make sense?

Nothing but reading is ever sent, one request at a time, with a pause between units as RS-485
gateways need it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from wattscope.compute.decode.registers import make_register_decoder
from wattscope.compute.modbus.blocks import plan_blocks
from wattscope.compute.modbus.frames import (
    PATH_EXCEPTIONS,
    READ_HOLDING,
    READ_INPUT,
    Answer,
    Fault,
    ReadRequest,
    Refusal,
)
from wattscope.compute.modbus.image import Block, write_image
from wattscope.compute.modbus.sunspec import Identity, plan_models
from wattscope.core.fleet import Endpoint, Framing
from wattscope.core.registers import Register, RegisterMap
from wattscope.ports import RawMessage
from wattscope.sources.modbus_discovery import discover_models
from wattscope.sources.modbus_link import ModbusLink, OpenWire

DEFAULT_UNITS: Final = (*range(1, 17), 126, 247, 255, 0)
"""Units that meters are usually set to; SunSpec inverters are often 126."""
DEFAULT_PORTS: Final = (502, 8899, 23, 4196)
"""Modbus TCP, then what RS-485 gateways listen on out of the box."""
_PAUSE_S: Final = 0.04
_TELLING: Final = ("voltage", "frequency", "power_factor", "active_power")
"""How quantities begin by which a type is recognised."""
_PHASE_VOLTAGES: Final = ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v")
_LEAST_SCORE: Final = 0.5
_DEAD_PHASE_SHARE: Final = 0.5
"""Of the score of a type that sees phases without voltage."""
_MAX_OTHERS: Final = 3
_ODD_UNIT: Final = 213
"""Hardly any meter is set to it: what answers to it answers to everything."""

_SECOND_TRIES: Final = 3
"""Requests that a unit gets again after it was late, for all that is asked of it.

One late reply must not hide what a meter is; some meters are silent where they have nothing, and
would cost two time-outs each time.
"""

Judge = Callable[[RegisterMap, Mapping[str, float]], float]
"""How well values fit a type, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A type that a unit may be."""

    map: RegisterMap
    score: float
    """0 to 1."""
    values: Mapping[str, float]
    """Quantity to value [base unit]; NaN where the unit has none."""


@dataclass(frozen=True, slots=True)
class FoundUnit:
    """A unit that answers."""

    endpoint: Endpoint
    unit: int
    best: Guess | None = None
    """None where no known type makes sense."""
    others: tuple[Guess, ...] = ()
    """Types that may be meant too, the likeliest first."""
    identity: Identity | None = None
    """What a SunSpec device says of itself."""
    answers_to_all: bool = False
    """Whether the device answers whatever unit it is asked for."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A step of a scan: a place was looked at."""

    endpoint: Endpoint
    unit: int
    words: str


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """Where to look, and for what."""

    host: str
    ports: tuple[int, ...] = DEFAULT_PORTS
    framings: tuple[Framing, ...] = (Framing.TCP, Framing.RTU_OVER_TCP)
    units: tuple[int, ...] = DEFAULT_UNITS
    maps: tuple[RegisterMap, ...] = ()
    """Types to try; a SunSpec device tells its own."""
    sunspec: RegisterMap | None = None
    """The type of devices that tell their registers; None: do not ask for them."""
    timeout_s: float = 0.5


@dataclass(slots=True)
class _Asker:
    """One unit's answers, each asked for once."""

    link: ModbusLink
    unit: int
    timeout_s: float
    known: dict[ReadRequest, Answer] = field(default_factory=dict)
    has_answered: bool = False
    tries_left: int = _SECOND_TRIES

    async def ask(self, request: ReadRequest) -> Answer:
        if request not in self.known:
            answer = await self.link.exchange(request, self.timeout_s)
            if self.has_answered and self.tries_left > 0 and _is_late(answer):
                self.tries_left -= 1
                answer = await self.link.exchange(request, self.timeout_s)
            self.has_answered = self.has_answered or not _is_late(answer)
            self.known[request] = answer
        return self.known[request]

    async def read(self, requests: Iterable[ReadRequest]) -> list[Block]:
        blocks = []
        for request in requests:
            answer = await self.ask(request)
            if isinstance(answer, bytes):
                blocks.append(Block(request.function, request.address, answer))
        return blocks


def _is_late(answer: Answer) -> bool:
    return not isinstance(answer, bytes) and answer.fault is Fault.TIMEOUT


async def scan(
    plan: ScanPlan, judge: Judge, open_wire: OpenWire
) -> AsyncIterator[FoundUnit | Looked]:
    """Look at every place of a plan; yields each step, and each unit as it is found."""
    for port in plan.ports:
        for framing in plan.framings:
            n_found = 0
            endpoint = Endpoint(plan.host, port, framing)
            async for step in _scan_endpoint(plan, endpoint, judge, open_wire):
                n_found += isinstance(step, FoundUnit)
                yield step
                if isinstance(step, Looked) and step.words == Fault.UNREACHABLE.value:
                    break
            if n_found:
                break


async def _scan_endpoint(
    plan: ScanPlan, endpoint: Endpoint, judge: Judge, open_wire: OpenWire
) -> AsyncIterator[FoundUnit | Looked]:
    link = ModbusLink(endpoint, open_wire)
    try:
        for unit in plan.units:
            asker = _Asker(link, unit, plan.timeout_s)
            words = await _look(asker)
            yield Looked(endpoint, unit, words)
            if words == Fault.UNREACHABLE.value:
                return
            if not words:
                answers_to_all = not await _look(_Asker(link, _ODD_UNIT, plan.timeout_s))
                found = await identify(asker, plan.maps, plan.sunspec, judge)
                yield FoundUnit(
                    endpoint,
                    unit,
                    found.best,
                    found.others,
                    found.identity,
                    answers_to_all=answers_to_all,
                )
                if answers_to_all:
                    return
            await asyncio.sleep(_PAUSE_S)
    finally:
        link.close()


async def _look(asker: _Asker) -> str:
    """Empty when the unit answers anything at all, else why it does not."""
    why = ""
    for function in (READ_HOLDING, READ_INPUT):
        answer = await asker.ask(ReadRequest(asker.unit, function, 0, 1))
        if isinstance(answer, bytes):
            return ""
        if answer.fault is Fault.EXCEPTION:
            return answer.detail if answer.code in PATH_EXCEPTIONS else ""
        why = answer.fault.value
        if answer.fault is not Fault.TIMEOUT or asker.unit != 1:
            break
    return why


@dataclass(frozen=True, slots=True)
class Identified:
    """What a unit may be."""

    best: Guess | None
    others: tuple[Guess, ...] = ()
    identity: Identity | None = None


async def identify(
    asker: _Asker, maps: Sequence[RegisterMap], sunspec: RegisterMap | None, judge: Judge
) -> Identified:
    """The likeliest types of a unit, with its values of this moment."""
    if sunspec is not None:
        chain = await discover_models(asker.ask, asker.unit)
        if not isinstance(chain, Refusal) and chain.base is not None:
            blocks = await asker.read(plan_models(chain, asker.unit, sunspec.max_block))
            guess = Guess(sunspec, 1.0, decode_blocks(sunspec, blocks))
            return Identified(guess, (), chain.identity)
    guesses = []
    for one in maps:
        telling = replace(one, registers=_pick_telling(one))
        if judge(telling, await _read_as(asker, telling)) < _LEAST_SCORE:
            continue
        values = await _read_as(asker, one)
        score = judge(one, values) * (_DEAD_PHASE_SHARE if _has_dead_phase(values) else 1.0)
        if score >= _LEAST_SCORE * _DEAD_PHASE_SHARE:
            guesses.append(Guess(one, round(score, 3), values))
    # Of types that fit alike, the one that tells the most: its registers are all there.
    guesses.sort(key=lambda guess: (guess.score, len(guess.values)), reverse=True)
    best = guesses[0] if guesses else None
    return Identified(best, tuple(guesses[1 : 1 + _MAX_OTHERS]))


def _pick_telling(found: RegisterMap) -> tuple[Register, ...]:
    """The registers by which a type is recognised; all of them where it has none of those."""
    telling = tuple(r for r in found.registers if r.quantity.startswith(_TELLING))
    return telling or found.registers


async def _read_as(asker: _Asker, found: RegisterMap) -> dict[str, float]:
    requests = plan_blocks(found.registers, asker.unit, max_block=found.max_block)
    return decode_blocks(found, await asker.read(requests))


def _has_dead_phase(values: Mapping[str, float]) -> bool:
    """Whether some phases have a voltage and others none: as where a type has too many phases."""
    voltages = [values[name] for name in _PHASE_VOLTAGES if name in values]
    return any(one == 0 for one in voltages) and any(one > 0 for one in voltages)


async def read_once(
    endpoint: Endpoint,
    unit: int,
    found: RegisterMap,
    open_wire: OpenWire,
    *,
    timeout_s: float = 1.0,
) -> tuple[list[Block], list[Refusal]]:
    """Read a unit once by a type, whatever it refuses.

    Returns:
        What was read, and why the rest was not.
    """
    link = ModbusLink(endpoint, open_wire)
    asker = _Asker(link, unit, timeout_s, has_answered=True)
    try:
        if found.is_sunspec:
            chain = await discover_models(asker.ask, unit)
            if isinstance(chain, Refusal):
                return [], [chain]
            if chain.base is None:
                return [], [Refusal(Fault.EXCEPTION, chain.fault)]
            requests = plan_models(chain, unit, found.max_block)
        else:
            requests = plan_blocks(found.registers, unit, max_block=found.max_block)
        blocks = await asker.read(requests)
    finally:
        link.close()
    refused = [asker.known[one] for one in requests if isinstance(asker.known[one], Refusal)]
    return blocks, [one for one in refused if isinstance(one, Refusal)]


async def read_words(
    endpoint: Endpoint, request: ReadRequest, open_wire: OpenWire, *, timeout_s: float = 1.0
) -> Answer:
    """The raw registers of one request."""
    link = ModbusLink(endpoint, open_wire)
    try:
        return await link.exchange(request, timeout_s)
    finally:
        link.close()


def decode_blocks(found: RegisterMap, blocks: Sequence[Block]) -> dict[str, float]:
    """Quantity to value of what was read; empty where nothing was."""
    if not blocks:
        return {}
    decode = make_register_decoder("scan", found)
    decoded = decode(RawMessage("modbus/scan", write_image(blocks), 0))
    if not isinstance(decoded, tuple):
        return {}
    return dict(zip(decoded[0].quantities, decoded[0].values, strict=True))
