"""Reading ``DELTA_BINARY_PACKED``: Apache Parquet format, "Encodings".

A value is the sum of all differences before it, so whoever wants some rows from the middle of a
page has to add up all that lie before them. A map of the page, made when it is first read, tells
the value at which each block begins; from then on only the blocks that are wanted are unpacked.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.stores.parquet.encodings import Ints, read_varint
from wattscope.stores.parquet.packing import Bytes, unpack_bits

ROOM_FOR_MAPS = 2 << 20
"""Memory for maps of pages [bytes]: some 700 pages of 8,192 rows."""
_FEW = 3
"""Groups that are unpacked one by one."""
_OVERHEAD = 700
"""About what Python takes for a map beside its numbers [bytes]."""


class DeltaMap(NamedTuple):
    """Where the blocks of a page are and what they begin with."""

    block_size: int
    """Values of a block."""
    group_size: int
    """Values of a group in it, which share one bit width."""
    smallest: Ints
    """Smallest difference of each block, shape ``(n_blocks,)``."""
    starts: npt.NDArray[np.int32]
    """Byte at which each group begins, shape ``(n_groups,)``."""
    widths: Bytes
    """Bit width of each group."""
    reached: Ints
    """The value before the first difference of each block."""

    @property
    def n_bytes(self) -> int:
        """Memory that it takes [bytes]."""
        arrays = (self.smallest, self.starts, self.widths, self.reached)
        return sum(one.nbytes for one in arrays) + _OVERHEAD


class PageMaps:
    """Maps of the pages that were read last, as many as there is room for. Thread-safe.

    Each belongs to bytes of a known CRC, so that it never meets other bytes than those from which
    it was made: they are checked at every read.
    """

    def __init__(self, room: int = ROOM_FOR_MAPS) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._maps: OrderedDict[tuple[str, int, int], DeltaMap] = OrderedDict()
        self._n_bytes = 0

    def find(self, page: tuple[str, int, int]) -> DeltaMap | None:
        """The map of a page by its file, position and CRC; None when there is none."""
        with self._lock:
            found = self._maps.get(page)
            if found is not None:
                self._maps.move_to_end(page)
            return found

    def keep(self, page: tuple[str, int, int], made: DeltaMap) -> None:
        """Keep a map; those that were not used for longest make room for it."""
        with self._lock:
            if page in self._maps:
                return
            self._maps[page] = made
            self._n_bytes += made.n_bytes
            while self._n_bytes > self._room:
                _, gone = self._maps.popitem(last=False)
                self._n_bytes -= gone.n_bytes


def decode_deltas(content: bytes, at: int) -> Ints:
    """All values of the bytes that begin at a position."""
    return decode_and_map(content, at)[0]


def decode_and_map(content: bytes, at: int) -> tuple[Ints, DeltaMap]:
    """All values of the bytes that begin at a position, and the map by which parts are found."""
    block_size, at = read_varint(content, at)
    n_groups, at = read_varint(content, at)
    count, at = read_varint(content, at)
    first, at = read_varint(content, at)
    size = block_size // n_groups
    n_blocks = -(-max(count - 1, 0) // block_size)
    heads = _read_heads(content, at, (n_blocks, n_groups, size // 8))
    values = np.empty(count, np.int64)
    if not count:
        return values, DeltaMap(block_size, size, *heads, values)
    values[0] = (first >> 1) ^ -(first & 1)
    unread = DeltaMap(block_size, size, *heads, values[:1])
    values[1:] = _unpack_deltas(content, unread, 0, n_blocks)[: count - 1]
    values.cumsum(out=values)
    return values, unread._replace(reached=values[::block_size].copy())


def decode_part(content: bytes, page: DeltaMap, start: int, stop: int) -> Ints:
    """The values from ``start`` to behind ``stop`` of a page that was mapped before."""
    size = page.block_size
    low, high = start // size, -(-(stop - 1) // size)
    origin = low * size
    values = np.empty(stop - origin, np.int64)
    values[0] = page.reached[low]
    values[1:] = _unpack_deltas(content, page, low, high)[: stop - 1 - origin]
    values.cumsum(out=values)
    return values[start - origin :]


def _unpack_deltas(content: bytes, page: DeltaMap, low: int, high: int) -> Ints:
    """Differences of the blocks from ``low`` to behind ``high``."""
    n_groups, size = page.block_size // page.group_size, page.group_size
    deltas = page.smallest[low:high].repeat(page.block_size)
    widths = page.widths[low * n_groups : high * n_groups]
    starts = page.starts[low * n_groups : high * n_groups]
    groups = deltas.reshape(-1, size)
    # Of times at a steady pace nothing is left in most groups.
    used = widths.nonzero()[0]
    if len(used) == len(widths):
        groups += _unpack_groups(content, starts, widths, size)
    elif len(used) <= _FEW:
        # Single jumps from one series to the next; less work without the tables.
        for row in used.tolist():
            width = int(widths[row])
            here = np.frombuffer(content, np.uint8, size * width // 8, int(starts[row]))
            groups[row] += unpack_bits(here, width)
    else:
        groups[used] += _unpack_groups(content, starts[used], widths[used], size)
    return deltas


def _read_heads(
    content: bytes, at: int, shape: tuple[int, int, int]
) -> tuple[Ints, npt.NDArray[np.int32], Bytes]:
    """Smallest difference of each block; where each group begins, and its bit width.

    Args:
        content: The bytes.
        at: Where the first block begins.
        shape: Blocks, groups of a block, and bytes of a group for each bit of its width.
    """
    n_blocks, n_groups, bytes_per_bit = shape
    smallest, bodies = [0] * n_blocks, [0] * n_blocks
    for block in range(n_blocks):
        # Without a call for each number: this loop takes as long as all else about a page.
        byte = content[at]
        at += 1
        number, shift = byte & 0x7F, 7
        while byte > 0x7F:
            byte = content[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
        smallest[block] = (number >> 1) ^ -(number & 1)
        body = at + n_groups
        bodies[block] = body
        at = body + sum(content[at:body]) * bytes_per_bit
    behind = np.array(bodies, np.int64)[:, np.newaxis]
    widths = np.frombuffer(content, np.uint8)[behind + np.arange(-n_groups, 0)]
    starts = np.zeros((n_blocks, n_groups), np.int32)
    widths[:, :-1].cumsum(axis=1, dtype=np.int32, out=starts[:, 1:])
    starts *= bytes_per_bit
    starts += behind.astype(np.int32)
    return np.array(smallest, np.int64), starts.ravel(), widths.ravel()


def _unpack_groups(
    content: bytes, starts: npt.NDArray[np.int32], widths: Bytes, n_values: int
) -> Ints:
    """Groups of numbers, each group in its own bit width; all of them in one go.

    A number of up to 57 bits lies within the eight bytes that begin where it does, and one of 64
    bits begins with a byte; the rare widths between are read group by group.
    """
    first_bytes, shifts = _bit_places(n_values)
    words = np.ndarray((len(content) + 1,), "<u8", content + bytes(8), strides=(1,))
    at = first_bytes.take(widths, axis=0)
    at += starts[:, np.newaxis]
    found = words.take(at)
    found >>= shifts.take(widths, axis=0)
    found &= _MASKS.take(widths)[:, np.newaxis]
    values: Ints = found.view(np.int64)
    if (widths > 57).any():
        for row in np.flatnonzero((widths > 57) & (widths < 64)).tolist():
            size = n_values * int(widths[row]) // 8
            here = np.frombuffer(content, np.uint8, size, int(starts[row]))
            values[row] = unpack_bits(here, int(widths[row]))
    return values


@lru_cache(maxsize=4)
def _bit_places(n_values: int) -> tuple[Ints, npt.NDArray[np.uint64]]:
    """For each bit width the byte in which each number of a group begins, and the bit in it."""
    bits = np.arange(n_values) * np.arange(65)[:, np.newaxis]
    return bits >> 3, (bits & 7).astype(np.uint64)


_MASKS = np.array([(1 << width) - 1 for width in range(65)], np.uint64)
