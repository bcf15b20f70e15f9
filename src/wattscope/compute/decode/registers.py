"""Register images of Modbus polls, read by the register map of their device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wattscope.compute.decode.route import Decoded
from wattscope.compute.modbus.image import Block, read_image
from wattscope.compute.modbus.sunspec import decode_models
from wattscope.compute.modbus.values import BlockReader, make_block_reader
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.reading import Reading
from wattscope.core.registers import RegisterMap
from wattscope.ports import RawMessage

_MAX_LAYOUTS: Final = 64
"""Read plans of one device that are remembered; it has one a poll group, and those it had."""

_Layout = tuple[tuple[int, int, int], ...]


def make_register_decoder(device: str, found: RegisterMap) -> Callable[[RawMessage], Decoded]:
    """A decoder of one device's polls.

    Args:
        device: Id of the device.
        found: What its registers mean.

    Returns:
        A function that never raises; the instant of its readings is that of receipt.
    """
    if found.is_sunspec:
        return _make_sunspec_decoder(device)
    readers: dict[_Layout, tuple[tuple[BlockReader, ...], tuple[str, ...]]] = {}

    def decode(message: RawMessage) -> Decoded:
        try:
            blocks = read_image(message.payload)
        except ValueError as fault:
            return Rejection(ReasonCode.SYNTAX, f"register image {fault}")
        layout = tuple((one.function, one.address, one.n_registers) for one in blocks)
        known = readers.get(layout)
        if known is None:
            known = _make_readers(found, blocks)
            if len(readers) < _MAX_LAYOUTS:
                readers[layout] = known
        values: tuple[float, ...] = ()
        for reader, block in zip(known[0], blocks, strict=True):
            values += reader.read(block.data)
        if not values:
            return Rejection(
                ReasonCode.NO_VALUE, f"type {found.name!r} has no register among those read"
            )
        return (Reading(device, None, known[1], values),)

    return decode


def _make_sunspec_decoder(device: str) -> Callable[[RawMessage], Decoded]:
    def decode(message: RawMessage) -> Decoded:
        try:
            blocks = read_image(message.payload)
        except ValueError as fault:
            return Rejection(ReasonCode.SYNTAX, f"register image {fault}")
        found = decode_models(blocks)
        if isinstance(found, Rejection):
            return found
        quantities, values = found
        return (Reading(device, None, quantities, values),)

    return decode


def _make_readers(
    found: RegisterMap, blocks: tuple[Block, ...]
) -> tuple[tuple[BlockReader, ...], tuple[str, ...]]:
    """Readers of an image's blocks, each quantity by the first block that has it."""
    taken: set[str] = set()
    made = []
    for block in blocks:
        open_registers = [one for one in found.registers if one.quantity not in taken]
        reader = make_block_reader(open_registers, block.function, block.address, block.n_registers)
        taken.update(reader.quantities)
        made.append(reader)
    return tuple(made), tuple(name for reader in made for name in reader.quantities)
