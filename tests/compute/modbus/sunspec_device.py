"""A SunSpec device in memory: registers made of models, and what it answers to reads."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from wattscope.compute.modbus.frames import Fault, ReadRequest, Refusal
from wattscope.compute.modbus.image import Block
from wattscope.compute.modbus.sunspec import ModelChain, walk_chain
from wattscope.compute.modbus.sunspec_models import MODELS, Point, PointType

NO_ADDRESS = Refusal(Fault.EXCEPTION, "exception 2, illegal address", 2)
NOTHING = {
    PointType.INT16: 0x8000,
    PointType.UINT16: 0xFFFF,
    PointType.ENUM16: 0xFFFF,
    PointType.UINT32: 0xFFFFFFFF,
    PointType.BITFIELD32: 0xFFFFFFFF,
    PointType.ACC32: 0,
    PointType.UINT64: 0xFFFFFFFFFFFFFFFF,
    PointType.FLOAT32: 0x7FC00000,
}


def write_raw(point: Point, number: float) -> bytes:
    """A raw number as a device has it."""
    return struct.pack(f">{point.type.letter}", number)


def build_common(maker: str = "Sun Works", serial: str = "SN 7", length: int = 66) -> bytes:
    """Model 1 from its ID on."""
    texts = ((maker, 32), ("Model X", 32), ("", 16), ("1.2", 16), (serial, 32))
    body = b"".join(text.encode().ljust(size, b"\0") for text, size in texts)
    return struct.pack(">HH", 1, length) + body.ljust(2 * length, b"\0")[: 2 * length]


def build_model(
    model_id: int,
    raw: Mapping[str, float] = {},
    *,
    scales: Mapping[int, int] = {},
    modules: Sequence[Mapping[str, float]] = (),
    more: int = 0,
) -> bytes:
    """A model from its ID on; points that are not named have no value, scale factors are 0.

    Args:
        model_id: One of ``MODELS``.
        raw: Raw numbers by point.
        scales: Scale factors by offset.
        modules: Raw numbers of each module.
        more: Registers that the model is longer than the standard says.
    """
    model = MODELS[model_id]
    length = model.length + len(modules) * model.module_length + more
    body = bytearray(4 + 2 * length)
    struct.pack_into(">HH", body, 0, model_id, length)
    _fill(body, 0, model.points, raw)
    for number, one in enumerate(modules):
        start = 2 + model.length + number * model.module_length
        _fill(body, start, model.module_points, one)
    if model.module_length:
        struct.pack_into(">H", body, 2 * model.n_modules_at, len(modules))
    for at, scale in scales.items():
        struct.pack_into(">h", body, 2 * at, scale)
    return bytes(body)


def _fill(body: bytearray, start: int, points: Sequence[Point], raw: Mapping[str, float]) -> None:
    assert raw.keys() <= {point.name for point in points}
    for point in points:
        at = 2 * (start + point.offset)
        width = 2 * point.type.n_registers
        if point.name in raw:
            body[at : at + width] = write_raw(point, raw[point.name])
        else:
            body[at : at + width] = NOTHING[point.type].to_bytes(width, "big")


class Device:
    """Answers reads of holding registers; what is beyond its registers is refused."""

    def __init__(self, *models: bytes, base: int = 40_000, end: bytes = b"\xff\xff\0\0") -> None:
        self.base = base
        self.registers = b"SunS" + b"".join(models) + end
        self.asked: list[ReadRequest] = []

    def answer(self, request: ReadRequest) -> bytes | Refusal:
        self.asked.append(request)
        start = 2 * (request.address - self.base)
        found = self.registers[start : start + 2 * request.count] if start >= 0 else b""
        return found if len(found) == 2 * request.count else NO_ADDRESS

    def walk(self, unit: int = 1) -> ModelChain:
        return drive(self.answer, unit)

    def poll(self, requests: Sequence[ReadRequest]) -> list[Block]:
        blocks = []
        for request in requests:
            reply = self.answer(request)
            assert isinstance(reply, bytes), request
            blocks.append(Block(request.function, request.address, reply))
        return blocks


def drive(answer: Callable[[ReadRequest], bytes | Refusal], unit: int = 1) -> ModelChain:
    """Walk along what a function answers."""
    walk = walk_chain(unit)
    request = next(walk)
    for _ in range(1000):
        try:
            request = walk.send(answer(request))
        except StopIteration as stop:
            chain: ModelChain = stop.value
            return chain
    raise AssertionError("the walk does not end")
