"""Encodings of Parquet columns, vectorised: Apache Parquet format, "Encodings".

All functions take and give whole pages: columns of numbers to bytes and back.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from wattscope.stores.parquet.packing import (
    Bytes,
    bit_lengths,
    pack_bits,
    put_pieces,
    put_varints,
    unpack_bits,
    varint_sizes,
)
from wattscope.stores.parquet.runs import Runs
from wattscope.stores.parquet.thrift import varint, zigzag

Ints = npt.NDArray[np.int64]

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
    return encode_run_list(Runs.of(values), bit_width)


def encode_run_list(runs: Runs, bit_width: int) -> bytes:
    """The same of a column that is known by its runs."""
    if not len(runs):
        return b""
    n_bytes = (bit_width + 7) // 8
    if len(runs.starts) * (n_bytes + 2) * 8 > len(runs) * bit_width:
        return _pack_all(runs.expand(), bit_width)
    return b"".join(
        varint(length << 1) + value.to_bytes(n_bytes, "little")
        for length, value in zip(runs.lengths.tolist(), runs.values.tolist(), strict=True)
    )


def _pack_all(values: npt.NDArray[np.integer], bit_width: int) -> bytes:
    n_groups = -(-len(values) // 8)
    head = varint((n_groups << 1) | 1)
    if bit_width == 8:
        return head + values.astype(np.uint8).tobytes() + bytes(n_groups * 8 - len(values))
    padded = np.zeros(n_groups * 8, np.uint64)
    padded[: len(values)] = values
    return head + pack_bits(padded, bit_width).tobytes()


def decode_runs(content: bytes, at: int, end: int, bit_width: int, count: int) -> Ints:
    """The ``count`` numbers of a hybrid of runs and bit-packed groups in ``content[at:end]``."""
    parts: list[Ints] = []
    n_bytes = (bit_width + 7) // 8
    # Runs that follow each other are laid out together: a page may have thousands of short ones.
    values: list[int] = []
    lengths: list[int] = []
    found = 0
    while found < count and at < end:
        header = content[at]
        at += 1
        if header >= 0x80:
            header, at = read_varint(content, at - 1)
        if header & 1:
            size = (header >> 1) * bit_width
            part = unpack_bits(np.frombuffer(content, np.uint8, size, at), bit_width)
            parts += [_expand(values, lengths), part]
            values, lengths = [], []
            at += size
            found += len(part)
        else:
            values.append(int.from_bytes(content[at : at + n_bytes], "little"))
            lengths.append(header >> 1)
            at += n_bytes
            found += header >> 1
    return np.concatenate([*parts, _expand(values, lengths)])[:count]


def _expand(values: list[int], lengths: list[int]) -> Ints:
    return np.repeat(np.array(values, np.int64), np.array(lengths, np.int64))


# ── delta binary packed ──────────────────────────────────────────────────────────────────────


def encode_deltas(values: Ints, *, in_bytes: bool = False) -> bytes:
    """Differences of neighbours, bit-packed: ``DELTA_BINARY_PACKED``.

    Args:
        values: Shape ``(n,)``.
        in_bytes: Give each difference whole bytes. Packed tightly, noise looks like chance to a
            compressor; in bytes its frequent differences get short codes.
    """
    return encode_delta_pages(values[np.newaxis], in_bytes=in_bytes)[0]


def encode_delta_pages(pages: Ints, *, in_bytes: bool = False) -> list[bytes]:
    """Pages of equal length, each as ``encode_deltas`` gives it.

    All at once, for a page is so short that calling costs more than computing, and threads wait
    for one another between calls.

    Args:
        pages: Shape ``(n_pages, n_values)``.
        in_bytes: See ``encode_deltas``.
    """
    block_size, group_size = IN_BYTES if in_bytes else PACKED
    n_groups = block_size // group_size
    n_pages, n_values = pages.shape
    shape = varint(block_size) + varint(n_groups) + varint(n_values)
    firsts = pages[:, 0].tolist() if n_values else [0] * n_pages
    heads = [shape + varint(zigzag(first)) for first in firsts]
    n_deltas = n_values - 1
    if n_deltas < 1:
        return heads
    n_blocks = -(-n_deltas // block_size)
    deltas = np.empty((n_pages, n_blocks * block_size), np.int64)
    np.subtract(pages[:, 1:], pages[:, :-1], out=deltas[:, :n_deltas])
    deltas[:, n_deltas:] = deltas[:, n_deltas - 1 : n_deltas]
    groups = deltas.reshape(-1, n_groups, group_size)
    smallest, widths = _measure(groups, in_bytes=in_bytes)
    # Groups that lie wholly behind the end are not written.
    n_used = -(-n_deltas // group_size)
    widths.reshape(n_pages, -1)[:, n_used:] = 0
    content, ends = _join_blocks(groups, smallest, widths)
    stops = ends[n_blocks - 1 :: n_blocks].tolist()
    return [
        head + content[start:stop].tobytes()
        for head, start, stop in zip(heads, [0, *stops[:-1]], stops, strict=True)
    ]


def _measure(groups: Ints, *, in_bytes: bool) -> tuple[Ints, Bytes]:
    """The smallest delta of each block, leaving out groups with a jump; and the groups' widths.

    Where one series ends and the next begins, a delta is far from all others. Taken for the
    smallest it would widen the whole block; left out it wraps around (the format's arithmetic is
    that of 64-bit numbers) and widens its own group only.

    Args:
        groups: Deltas, shape ``(n_blocks, n_groups, group_size)``.
        in_bytes: Whether every width is of whole bytes.
    """
    low, high = groups.min(axis=2), groups.max(axis=2)
    spread = high - low
    half = spread.shape[1] // 2
    usual = np.partition(spread, half, axis=1)[:, half, np.newaxis]
    is_jump = spread > _JUMP * (usual + 1)
    smallest = np.where(is_jump, np.iinfo(np.int64).max, low).min(axis=1)
    widest = (high - smallest[:, np.newaxis]).view(np.uint64)
    # What wraps around is the largest of all, and only a look at each tells how large.
    wrapped = np.nonzero(low < smallest[:, np.newaxis])
    rest = groups[wrapped] - smallest[wrapped[0], np.newaxis]
    widest[wrapped] = rest.view(np.uint64).max(axis=1)
    widths = bit_lengths(widest.ravel())
    # Whole bytes: what is left of the small numbers beside a jump is zeros for the compressor.
    in_whole_bytes = np.ones(len(widths), np.bool_) if in_bytes else is_jump.ravel()
    widths[in_whole_bytes] = (widths[in_whole_bytes] + 7) // 8 * 8
    return smallest, widths


def _join_blocks(groups: Ints, smallest: Ints, widths: Bytes) -> tuple[Bytes, Ints]:
    """The bytes of all blocks one behind the other, and where each ends.

    ::

        smallest delta │ width of each group │ group │ group │ ...      above the smallest
    """
    n_blocks, n_groups, group_size = groups.shape
    lows = ((smallest << 1) ^ (smallest >> 63)).view(np.uint64)
    low_sizes = varint_sizes(lows)
    sizes = (widths.astype(np.int64) * (group_size // 8)).reshape(n_blocks, n_groups)
    ends = np.cumsum(sizes.sum(axis=1) + low_sizes + n_groups)
    begins: Ints = np.append(0, ends[:-1]).astype(np.int64)
    out = np.empty(int(ends[-1]), np.uint8)
    put_varints(out, begins, lows, low_sizes)
    put_pieces(out, begins + low_sizes, widths.reshape(n_blocks, n_groups))
    at = (begins + low_sizes + n_groups)[:, np.newaxis] + np.cumsum(sizes, axis=1) - sizes
    for width in np.flatnonzero(np.bincount(widths)).tolist():
        if width:
            rows = np.flatnonzero(widths == width)
            above = smallest[rows // n_groups, np.newaxis]
            rest = groups.reshape(-1, group_size)[rows] - above
            packed = pack_bits(rest.view(np.uint64).ravel(), width)
            put_pieces(out, at.ravel()[rows], packed.reshape(len(rows), -1))
    return out, ends


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
    return encode_level_runs(Runs.of(is_value.view(np.uint8)))


def encode_level_runs(levels: Runs) -> bytes:
    """The same of a column that is known by its runs."""
    content = encode_run_list(levels, 1)
    return struct.pack("<I", len(content)) + content
