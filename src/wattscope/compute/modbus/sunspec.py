"""SunSpec devices: which models a device has, what is read of them, and what that says.

::

    base     "SunS" │ 1, length, common │ 103, length, inverter │ … │ 0xFFFF, 0
    run              └ blocks of one poll that join, from the ID of a model on

Nobody reads a model at a fixed address: a walk along the chain finds it. What is read of a model
begins at its ID, so that a poll tells by itself what it holds, and its scale factors, which may
change at any time, come with it. Source: SunSpec Information Model Specification 1.9.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from wattscope.compute.modbus.blocks import DEFAULT_GAP
from wattscope.compute.modbus.frames import (
    PATH_EXCEPTIONS,
    READ_HOLDING,
    Fault,
    ReadRequest,
    Refusal,
)
from wattscope.compute.modbus.image import Block
from wattscope.compute.modbus.sunspec_models import COMMON_ID, END_ID, HEADER, MODELS, Family
from wattscope.compute.modbus.sunspec_points import PlacedPoint, find_layout, read_point
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.quantities import QuantityKind
from wattscope.core.registers import MAX_ADDRESS, MAX_BLOCK

MARKER: Final = b"SunS"
BASES: Final = (40_000, 0, 50_000)
"""Where a chain may begin."""
MAX_MODELS: Final = 100
"""A longer chain does not end."""
_HEADER: Final = struct.Struct(">HH")
_TEXTS: Final = {"manufacturer": (2, 16), "model": (18, 16), "version": (42, 8)} | {
    "serial": (50, 16)
}
"""Texts of model 1: offset and registers."""
_MAKER_END: Final = 18
_LONGEST_VALUE: Final = 4
"""Registers of the longest value; a shorter block could not hold it."""
_NEGATIVE_MAKER: Final = "KOSTAL"
"""Its accumulators count down from zero in some firmware (mbmd, pull request 97)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What model 1 says of a device; texts are the device's own and may be anything printable."""

    manufacturer: str
    model: str
    version: str
    serial: str

    @property
    def is_negative(self) -> bool:
        """Whether its accumulators may come as negative numbers."""
        return self.manufacturer.upper().startswith(_NEGATIVE_MAKER)


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Where a model lies."""

    id: int
    address: int
    """Of its ID."""
    length: int
    """Registers after ID and length."""

    @property
    def end(self) -> int:
        """First address after the model."""
        return self.address + HEADER + self.length


@dataclass(frozen=True, slots=True)
class ModelChain:
    """What a walk has found."""

    base: int | None
    """Where "SunS" stands; None: nowhere, it is no SunSpec device."""
    models: tuple[ModelPlace, ...] = ()
    """In the order of their addresses."""
    identity: Identity | None = None
    """None when model 1 could not be read."""
    fault: str = ""
    """Why the walk ended before the chain did, or found none; empty when all is well."""


Walk = Generator[ReadRequest, bytes | Refusal, ModelChain]


def walk_chain(unit: int, bases: Sequence[int] = BASES) -> Walk:
    """Find a device's models: yields reads, is sent the registers or why there are none.

    Always: it ends, after at most ``MAX_MODELS`` reads beyond those of the bases.
    Never: it raises because of what is sent; a fault stands in the chain, with what was found.
    """
    for base in bases:
        reply = yield ReadRequest(unit, READ_HOLDING, base, HEADER)
        if isinstance(reply, Refusal):
            if _is_unreachable(reply):
                return ModelChain(None, fault=f"no answer at {base}: {_describe(reply)}")
            continue
        if reply == MARKER:
            return (yield from _walk_models(unit, base))
    tried = ", ".join(str(base) for base in bases)
    return ModelChain(None, fault=f"is no SunSpec device: no marker SunS at {tried}")


def _walk_models(unit: int, base: int) -> Walk:
    """The models behind a marker."""
    models: list[ModelPlace] = []
    identity: Identity | None = None
    address = base + HEADER
    fault = f"the chain has more than {MAX_MODELS} models; what is there was not meant so"
    while len(models) < MAX_MODELS:
        reply = yield ReadRequest(unit, READ_HOLDING, address, HEADER)
        if isinstance(reply, Refusal) or len(reply) != _HEADER.size:
            said = _describe(reply) if isinstance(reply, Refusal) else f"{len(reply)} bytes"
            fault = f"the chain breaks at {address}: {said}"
            break
        model_id, length = _HEADER.unpack(reply)
        place = ModelPlace(model_id, address, length)
        if place.id == END_ID:
            return ModelChain(base, tuple(models), identity)
        if place.id == 0 or place.length == 0 or place.end + HEADER > MAX_ADDRESS + 1:
            fault = f"model {place.id} at {address} cannot have the length {place.length}"
            break
        models.append(place)
        address = place.end
        if place.id == COMMON_ID and identity is None:
            size = min(HEADER + place.length, MAX_BLOCK)
            common = yield ReadRequest(unit, READ_HOLDING, place.address, size)
            if not isinstance(common, Refusal):
                identity = read_identity([Block(READ_HOLDING, place.address, common)])
    return ModelChain(base, tuple(models), identity, fault)


def _is_unreachable(refusal: Refusal) -> bool:
    """Whether asking at another address is in vain."""
    if refusal.fault is Fault.EXCEPTION:
        return refusal.code in PATH_EXCEPTIONS
    return refusal.fault in {Fault.UNREACHABLE, Fault.DISCONNECTED}


def _describe(refusal: Refusal) -> str:
    return refusal.detail or refusal.fault.value


def plan_models(
    chain: ModelChain, unit: int, max_block: int = MAX_BLOCK, *, max_gap: int = DEFAULT_GAP
) -> tuple[ReadRequest, ...]:
    """The requests that read every model of interest, in the order of addresses.

    Always: what is read of a model begins at its ID, ends after the last point that is used, and
    no value is split between two requests, which follow each other without a gap.

    Args:
        chain: What a walk has found.
        unit: Unit identifier, 0 to 255.
        max_block: Registers in one reply at most, 4 to 125.
        max_gap: Registers between two models that are read along.
    """
    seen: set[int] = set()
    spans: list[list[int]] = []
    for place in chain.models:
        end = _find_wanted_end(place, chain.identity)
        if end is None or place.id in seen:
            continue
        seen.add(place.id)
        cuts = _list_cuts(place, end, max(max_block, _LONGEST_VALUE))
        is_whole = len(cuts) == 2
        for start, stop in pairwise(cuts):
            is_near = bool(spans) and start - spans[-1][1] <= max_gap
            if is_whole and is_near and stop - spans[-1][0] <= max_block:
                spans[-1][1] = stop
            else:
                spans.append([start, stop])
    return tuple(ReadRequest(unit, READ_HOLDING, start, stop - start) for start, stop in spans)


def _find_wanted_end(place: ModelPlace, identity: Identity | None) -> int | None:
    """Up to where a model is read; None when nothing of it is wanted."""
    if place.id == COMMON_ID:
        is_needed = identity is not None and identity.is_negative
        return place.address + _MAKER_END if is_needed else None
    layout = find_layout(place.id, place.length)
    return place.address + layout.size if layout is not None and layout.points else None


def _list_cuts(place: ModelPlace, end: int, max_block: int) -> list[int]:
    """Where the requests for one model begin, and where the last one ends."""
    layout = find_layout(place.id, place.length)
    inside = layout.torn_at if layout is not None else frozenset()
    cuts = [place.address]
    while end - cuts[-1] > max_block:
        cut = cuts[-1] + max_block
        while cut - place.address in inside:
            cut -= 1
        cuts.append(cut)
    return [*cuts, end]


def decode_models(
    blocks: Sequence[Block],
) -> tuple[tuple[str, ...], tuple[float, ...]] | Rejection:
    """What the models in one poll say; values that the device does not have are left out.

    Several models of an inverter, or of a meter, stand in for each other: of those in ``MODELS``
    the first counts. Gauges that it lacks come from the next one, counters do not, for two
    counters are never alike to the last digit. A model that comes twice counts once.

    Returns:
        Quantities and one value each, in base units, or why there is nothing to be believed.
    """
    found: dict[int, bytes] = {}
    is_negative = False
    for run in _join(blocks):
        for place, raw in _split(run):
            if place.id == COMMON_ID:
                identity = _read_common(raw)
                is_negative |= identity is not None and identity.is_negative
            elif place.id in MODELS:
                found.setdefault(place.id, raw)
    if not found:
        places = ", ".join(f"{run.address} to {_end_of(run) - 1}" for run in _join(blocks))
        detail = f"no SunSpec model that is known begins in the registers {places or 'none'}"
        return Rejection(ReasonCode.UNKNOWN_FORMAT, detail[:200])
    values = _take_values(found, is_negative=is_negative)
    if not values:
        models = ", ".join(str(one) for one in found)
        return Rejection(ReasonCode.NO_VALUE, f"SunSpec models {models} have no value at all")
    return tuple(values), tuple(values.values())


def _take_values(found: dict[int, bytes], *, is_negative: bool) -> dict[str, float]:
    """One value a quantity, from the model that counts."""
    values: dict[str, float] = {}
    owners: dict[str, Family] = {}
    closed: set[str] = set()
    for model_id, model in MODELS.items():
        raw = found.get(model_id)
        layout = find_layout(model_id, _HEADER.unpack_from(raw)[1]) if raw is not None else None
        if raw is None or layout is None:
            continue
        for placed in _list_present(layout.points, layout.count_modules(raw)):
            name = placed.quantity
            if name in values or name in closed:
                continue
            if owners.setdefault(name, model.family) is not model.family:
                continue
            value = read_point(raw, placed, is_negative=is_negative)
            if value == value:  # noqa: PLR0124  # not NaN
                values[name] = value
            elif placed.kind is QuantityKind.COUNTER:
                closed.add(name)
    return values


def _list_present(points: Iterable[PlacedPoint], n_modules: int) -> Iterable[PlacedPoint]:
    return (placed for placed in points if placed.module <= n_modules)


def read_identity(blocks: Sequence[Block]) -> Identity | None:
    """Who a device says it is; None when model 1 is not in the blocks."""
    for run in _join(blocks):
        for place, raw in _split(run):
            if place.id == COMMON_ID:
                return _read_common(raw)
    return None


def _read_common(raw: bytes) -> Identity | None:
    """Model 1, or the beginning of it."""
    if len(raw) < 2 * _MAKER_END:
        return None
    texts = {
        name: _clean(raw[2 * offset : 2 * (offset + count)])
        for name, (offset, count) in _TEXTS.items()
    }
    return Identity(**texts)


def _clean(raw: bytes) -> str:
    """A text of a device: up to its first NUL, without what cannot be printed."""
    text = raw.partition(b"\0")[0].decode("utf-8", "replace")
    return "".join(letter for letter in text if letter.isprintable()).strip()


def _join(blocks: Sequence[Block]) -> list[Block]:
    """Holding registers, with blocks that follow each other as one."""
    runs: list[Block] = []
    for block in sorted(blocks, key=lambda one: one.address):
        if block.function != READ_HOLDING:
            continue
        if runs and block.address == _end_of(runs[-1]):
            runs[-1] = Block(READ_HOLDING, runs[-1].address, runs[-1].data + block.data)
        else:
            runs.append(block)
    return runs


def _end_of(run: Block) -> int:
    return run.address + run.n_registers


def _split(run: Block) -> Iterable[tuple[ModelPlace, bytes]]:
    """The models of a run with their registers from the ID on; the last one may be cut short.

    It ends where something is no model. A run begins with a model that is read, so anything else
    there, or a length that the model cannot have, says that it begins within a model, as when the
    first of two requests has failed.
    """
    at = start = len(MARKER) if run.data.startswith(MARKER) else 0
    while at + _HEADER.size <= len(run.data):
        model_id, length = _HEADER.unpack_from(run.data, at)
        place = ModelPlace(model_id, run.address + at // 2, length)
        if model_id in {0, END_ID} or not length:
            return
        end = at + 2 * (HEADER + length)
        raw = run.data[at:end]
        if model_id in MODELS:
            layout = find_layout(model_id, length)
            if layout is None or len(raw) < 2 * layout.size:
                return
        elif at == start and model_id != COMMON_ID:
            return
        yield place, raw
        at = end
