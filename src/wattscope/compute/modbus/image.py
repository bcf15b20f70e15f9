"""What one poll of a device brought, as the bytes of a message.

An image tells by itself which registers it holds, so that what is set aside can be decoded again
later, with another map::

    ┌─ once ──────────┬─ for each block ─────────────────────────────────────────┐
    │ "M1" (2 bytes)  │ function u8 │ address u16 │ count u16 │ count × 2 bytes  │  big endian
    └─────────────────┴──────────────────────────────────────────────────────────┘
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

_HEAD: Final = b"M1"
_BLOCK: Final = struct.Struct(">BHH")


class Block(NamedTuple):
    """Registers that were read in one request."""

    function: int
    """3: holding registers, 4: input registers."""
    address: int
    """First register, from 0."""
    data: bytes
    """Two bytes a register, as they came."""

    @property
    def n_registers(self) -> int:
        """Number of registers."""
        return len(self.data) // 2


def write_image(blocks: Sequence[Block]) -> bytes:
    """The bytes of a poll, block after block in their order."""
    parts = [_HEAD]
    for block in blocks:
        parts += (_BLOCK.pack(block.function, block.address, block.n_registers), block.data)
    return b"".join(parts)


def read_image(image: bytes) -> tuple[Block, ...]:
    """The blocks of a poll.

    Raises:
        ValueError: It is no image, or cut short.
    """
    if image[:2] != _HEAD:
        raise ValueError("does not begin as a register image")
    blocks, at = [], len(_HEAD)
    while at < len(image):
        if at + _BLOCK.size > len(image):
            raise ValueError(f"block at byte {at} is cut short")
        function, address, count = _BLOCK.unpack_from(image, at)
        at += _BLOCK.size
        if at + 2 * count > len(image):
            raise ValueError(f"block at byte {at} holds fewer than its {count} registers")
        blocks.append(Block(function, address, image[at : at + 2 * count]))
        at += 2 * count
    return tuple(blocks)
