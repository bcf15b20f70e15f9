"""Encodings of Parquet columns, vectorised: Apache Parquet format, "Encodings".

All functions take and give whole pages: columns of numbers to bytes and back.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from wattscope.stores.parquet.thrift import varint, zigzag

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

PACKED = (256, 32)
"""Values of a block, which share one smallest difference, and of a group in it, which share one bit
width: a jump from one series to the next widens its group only."""
IN_BYTES = (8192, 256)
"""The same where differences get whole bytes and a compressor finds what they have in common."""
_JUMP = 16
"""A group whose deltas spread so many times wider than usual has a jump in it."""


# ── runs and bit packing (RLE / bit-packing hybrid) ──────────────────────────────────────────


def encode_runs(values: npt.NDArray[np.integer], bit_width: int) -> bytes:
    """Small numbers as runs where they repeat, else bit-packed as a whole.

    Args:
        values: Each from 0 to ``2 ** bit_width - 1``, shape ``(n,)``.
        bit_width: 1 to 32 bits.
    """
    if not len(values):
        return b""
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    n_bytes = (bit_width + 7) // 8
    if len(starts) * (n_bytes + 2) * 8 > len(values) * bit_width:
        return _pack_all(values, bit_width)
    lengths = np.diff(np.r_[starts, len(values)])
    return b"".join(
        varint(length << 1) + value.to_bytes(n_bytes, "little")
        for length, value in zip(lengths.tolist(), values[starts].tolist(), strict=True)
    )


def _pack_all(values: npt.NDArray[np.integer], bit_width: int) -> bytes:
    n_groups = -(-len(values) // 8)
    padded = np.zeros(n_groups * 8, np.uint64)
    padded[: len(values)] = values
    return varint((n_groups << 1) | 1) + _pack_bits(padded, bit_width)


def decode_runs(content: bytes, at: int, end: int, bit_width: int, count: int) -> Ints:
    """The ``count`` numbers of a hybrid of runs and bit-packed groups in ``content[at:end]``."""
    parts: list[Ints] = []
    n_bytes = (bit_width + 7) // 8
    found = 0
    while found < count and at < end:
        header, at = read_varint(content, at)
        if header & 1:
            size = (header >> 1) * bit_width
            part = unpack_bits(np.frombuffer(content, np.uint8, size, at), bit_width)
            at += size
        else:
            value = int.from_bytes(content[at : at + n_bytes], "little")
            part = np.full(header >> 1, value, np.int64)
            at += n_bytes
        parts.append(part)
        found += len(part)
    return np.concatenate(parts)[:count] if parts else np.empty(0, np.int64)


# ── delta binary packed ──────────────────────────────────────────────────────────────────────


def encode_deltas(values: Ints, *, in_bytes: bool = False) -> bytes:
    """Differences of neighbours, bit-packed: ``DELTA_BINARY_PACKED``.

    Args:
        values: Shape ``(n,)``.
        in_bytes: Give each difference whole bytes. Packed tightly, noise looks like chance to a
            compressor; in bytes its frequent differences get short codes.
    """
    first = int(values[0]) if len(values) else 0
    block_size, group_size = IN_BYTES if in_bytes else PACKED
    n_groups = block_size // group_size
    head = varint(block_size) + varint(n_groups) + varint(len(values)) + varint(zigzag(first))
    if len(values) < 2:
        return head
    deltas = np.diff(values)
    n_blocks = -(-len(deltas) // block_size)
    padded = np.full(n_blocks * block_size, deltas[-1], np.int64)
    padded[: len(deltas)] = deltas
    blocks = padded.reshape(n_blocks, block_size)
    smallest, is_jump = _find_smallest(blocks.reshape(n_blocks, n_groups, group_size))
    rest = (blocks - smallest[:, np.newaxis]).view(np.uint64).reshape(-1, group_size)
    widths = _bit_lengths(rest.max(axis=1))
    # Whole bytes: what is left of the small numbers beside a jump is zeros for the compressor.
    in_whole_bytes = np.ones(len(widths), np.bool_) if in_bytes else is_jump
    widths[in_whole_bytes] = (widths[in_whole_bytes] + 7) // 8 * 8
    # Groups that lie wholly behind the end are not written.
    n_used = -(-len(deltas) // group_size)
    packed = _pack_groups(rest[:n_used], widths[:n_used])
    widths[n_used:] = 0
    out = [head]
    for block in range(n_blocks):
        groups = slice(block * n_groups, (block + 1) * n_groups)
        out += (varint(zigzag(int(smallest[block]))), widths[groups].tobytes(), *packed[groups])
    return b"".join(out)


def _find_smallest(groups: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The smallest delta of each block, leaving out groups with a jump; and which have one.

    Where one series ends and the next begins, a delta is far from all others. Taken for the
    smallest it would widen the whole block; left out it wraps around (the format's arithmetic is
    that of 64-bit numbers) and widens its own group only.
    """
    low, high = groups.min(axis=2), groups.max(axis=2)
    spread = high - low
    half = spread.shape[1] // 2
    usual = np.partition(spread, half, axis=1)[:, half, np.newaxis]
    is_jump = spread > _JUMP * (usual + 1)
    smallest = np.where(is_jump, np.iinfo(np.int64).max, low).min(axis=1)
    return smallest, is_jump.ravel()


def _pack_groups(groups: npt.NDArray[np.uint64], widths: Bytes) -> list[bytes]:
    """Each row of numbers in its own bit width."""
    packed = [b""] * len(groups)
    for width in np.flatnonzero(np.bincount(widths)).tolist():
        if width:
            rows = np.flatnonzero(widths == width)
            content = _pack_bits(groups[rows].ravel(), width)
            size = groups.shape[1] * width // 8
            for at, row in enumerate(rows.tolist()):
                packed[row] = content[at * size : (at + 1) * size]
    return packed


def _bit_lengths(values: npt.NDArray[np.uint64]) -> Bytes:
    """Bits that each number needs."""
    lengths = np.zeros(len(values), np.uint8)
    rest = values.copy()
    for step in (32, 16, 8, 4, 2, 1):
        is_long = rest >> np.uint64(step) != 0
        lengths[is_long] += np.uint8(step)
        rest[is_long] >>= np.uint64(step)
    lengths += rest != 0
    return lengths


def _carrier(bit_width: int) -> type[np.unsignedinteger]:
    """The smallest type that holds so many bits."""
    if bit_width <= 8:
        return np.uint8
    if bit_width <= 16:
        return np.uint16
    return np.uint32 if bit_width <= 32 else np.uint64


def _pack_bits(values: npt.NDArray[np.uint64], bit_width: int) -> bytes:
    """Numbers of equal width one after the other, lowest bit first."""
    carrier = np.dtype(_carrier(bit_width)).newbyteorder("<")
    planes = values.astype(carrier).view(np.uint8).reshape(len(values), -1)
    bits = np.unpackbits(planes, axis=1, count=bit_width, bitorder="little")
    return np.packbits(bits.ravel(), bitorder="little").tobytes()


def unpack_bits(content: Bytes, bit_width: int) -> Ints:
    """Numbers of equal width that lie one after the other, lowest bit first."""
    if bit_width in {8, 16, 32, 64}:
        return content.view(np.dtype(_carrier(bit_width)).newbyteorder("<")).astype(np.int64)
    bits = np.unpackbits(content, bitorder="little")
    rows = bits[: len(bits) // bit_width * bit_width].reshape(-1, bit_width)
    carrier = np.dtype(_carrier(bit_width)).newbyteorder("<")
    wide = np.zeros((len(rows), carrier.itemsize * 8), np.uint8)
    wide[:, :bit_width] = rows
    return np.packbits(wide, axis=1, bitorder="little").view(carrier).ravel().astype(np.int64)


# ── byte stream split ────────────────────────────────────────────────────────────────────────


def encode_split(values: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> bytes:
    """All lowest bytes, then all second ones, and so on: ``BYTE_STREAM_SPLIT``."""
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return little.view(np.uint8).reshape(-1, 8).T.tobytes()


def decode_split(content: bytes, at: int, count: int) -> Bytes:
    """The values of ``BYTE_STREAM_SPLIT`` bytes that begin at a position, eight bytes each."""
    planes = np.frombuffer(content, np.uint8, count * 8, at).reshape(8, count)
    return np.ascontiguousarray(planes.T).ravel()


# ── numbers ──────────────────────────────────────────────────────────────────────────────────


def read_varint(content: bytes, at: int) -> tuple[int, int]:
    """An unsigned number and the position behind it."""
    number = shift = 0
    while True:
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def read_levels(content: bytes, count: int) -> tuple[npt.NDArray[np.bool_] | None, int]:
    """Which rows of an optional column have a value, None when all have; and where those begin."""
    (length,) = struct.unpack_from("<I", content)
    end = 4 + length
    header, at = read_varint(content, 4)
    if not header & 1 and header >> 1 >= count and content[at] == 1:
        # One run over the whole page, as in nearly every one.
        return None, end
    levels = decode_runs(content, 4, end, 1, count)
    return levels == 1, end


def encode_levels(is_value: npt.NDArray[np.bool_]) -> bytes:
    """Definition levels of an optional column, with their length."""
    content = encode_runs(is_value.astype(np.int64), 1)
    return struct.pack("<I", len(content)) + content
