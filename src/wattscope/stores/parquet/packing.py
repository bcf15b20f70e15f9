"""Packing of numbers into bits, lowest bit first, as Parquet's encodings have it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]


def carrier(bit_width: int) -> np.dtype[np.unsignedinteger]:
    """The smallest type that holds so many bits, lowest byte first."""
    n_bytes = next(size for size in (1, 2, 4, 8) if bit_width <= 8 * size)
    return np.dtype(f"<u{n_bytes}")


def pack_bits(values: Words, bit_width: int) -> Bytes:
    """Numbers of equal width one after the other, lowest bit first.

    Args:
        values: Each from 0 to ``2 ** bit_width - 1``; their number is a multiple of 8.
        bit_width: 1 to 64 bits.
    """
    if bit_width % 8 == 0:
        return _pack_bytes(values, bit_width // 8)
    if bit_width < 16:
        return _fold(values.reshape(-1, 8), bit_width)
    planes = values.astype(carrier(bit_width)).view(np.uint8).reshape(len(values), -1)
    bits = np.unpackbits(planes, axis=1, count=bit_width, bitorder="little")
    return np.packbits(bits.ravel(), bitorder="little")


def _pack_bytes(values: Words, n_bytes: int) -> Bytes:
    if n_bytes in {1, 2, 4, 8}:
        return values.astype(carrier(8 * n_bytes)).view(np.uint8)
    planes = values.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    return planes[:, :n_bytes].ravel()


def _fold(octets: Words, width: int) -> Bytes:
    """Eight numbers fill as many bytes as each has bits; they are put together pair by pair.

    Whole words instead of single bits: several times faster than ``packbits``, and almost every
    page of numbers has such widths only.
    """
    pairs = octets[:, 0::2] | (octets[:, 1::2] << np.uint64(width))
    fours = pairs[:, 0::2] | (pairs[:, 1::2] << np.uint64(2 * width))
    low, high = fours[:, 0], fours[:, 1]
    words = np.empty((len(octets), 1 if width < 8 else 2), "<u8")
    words[:, 0] = low | (high << np.uint64(4 * width))
    if width > 8:
        words[:, 1] = high >> np.uint64(64 - 4 * width)
    return words.view(np.uint8)[:, :width].ravel()


def unpack_bits(content: Bytes, bit_width: int) -> npt.NDArray[np.int64]:
    """Numbers of equal width, as many as the bytes hold."""
    if bit_width in {8, 16, 32, 64}:
        return content.view(carrier(bit_width)).astype(np.int64)
    bits = np.unpackbits(content, bitorder="little")
    rows = bits[: len(bits) // bit_width * bit_width].reshape(-1, bit_width)
    wide = np.zeros((len(rows), carrier(bit_width).itemsize * 8), np.uint8)
    wide[:, :bit_width] = rows
    packed = np.packbits(wide, axis=1, bitorder="little")
    return packed.view(carrier(bit_width)).ravel().astype(np.int64)


_POWERS_OF_TWO = np.uint64(1) << np.arange(64, dtype=np.uint64)


def bit_lengths(values: Words) -> Bytes:
    """Bits that each number needs."""
    return np.searchsorted(_POWERS_OF_TWO, values, side="right").astype(np.uint8)


def put_varints(
    out: Bytes, at: npt.NDArray[np.int64], numbers: Words, sizes: npt.NDArray[np.int64]
) -> None:
    """Write unsigned numbers in groups of seven bits, each at its position.

    Args:
        out: Where to.
        at: Position of each, shape ``(n,)``.
        numbers: Shape ``(n,)``.
        sizes: Bytes of each, as ``varint_sizes`` has them.
    """
    for place in range(int(sizes.max(initial=0))):
        rows = np.flatnonzero(sizes > place)
        part = (numbers[rows] >> np.uint64(7 * place)).astype(np.uint8) & 0x7F
        out[at[rows] + place] = part | np.where(sizes[rows] > place + 1, 0x80, 0).astype(np.uint8)


def varint_sizes(numbers: Words) -> npt.NDArray[np.int64]:
    """Bytes of each number in groups of seven bits."""
    return (np.maximum(bit_lengths(numbers), 1).astype(np.int64) + 6) // 7


def put_pieces(out: Bytes, at: npt.NDArray[np.int64], pieces: Bytes) -> None:
    """Write pieces of equal size, each at its position.

    Args:
        out: Where to.
        at: Position of each piece; they do not overlap.
        pieces: Shape ``(n_pieces, size)``, contiguous.
    """
    size = pieces.shape[1]
    # An item for every position, one as long as a piece: each is copied whole, not byte by byte.
    items = np.ndarray((len(out) - size + 1,), f"V{size}", out, strides=(1,))
    items[at] = pieces.view(f"V{size}").ravel()
