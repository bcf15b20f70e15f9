"""Cuts a stream of bytes into groups of whole lines with their numbers, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_LINE_BYTES = 1 << 20
"""A longer line is not kept [bytes]."""


@dataclass(frozen=True, slots=True)
class LineGroup:
    """Whole lines that follow each other, without their line feeds."""

    first_line: int
    """Number of the first line in the file; the first line of a file is 1."""
    lines: list[bytes]
    """A line that was too long to keep is cut to its first ``MAX_LINE_BYTES``."""
    cut: frozenset[int] = frozenset()
    """Positions in ``lines`` that were cut."""


def group_lines(blocks: Iterable[bytes], *, group_size: int = 10_000) -> Iterator[LineGroup]:
    """Groups of at most ``group_size`` lines.

    Args:
        blocks: The file in order, in pieces of any size.
        group_size: Most lines in a group, at least 1.
    """
    first = 1
    lines: list[bytes] = []
    cut: set[int] = set()
    for line, is_cut in _split(blocks):
        if is_cut:
            cut.add(len(lines))
        lines.append(line)
        if len(lines) >= group_size:
            yield LineGroup(first, lines, frozenset(cut))
            first += len(lines)
            lines, cut = [], set()
    if lines:
        yield LineGroup(first, lines, frozenset(cut))


def _split(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each line, and whether it had to be cut."""
    pending = b""
    is_cut = False
    for block in blocks:
        *whole, rest = block.split(b"\n")
        for part in whole:
            line = pending + part
            yield line[:MAX_LINE_BYTES], is_cut or len(line) > MAX_LINE_BYTES
            pending, is_cut = b"", False
        if is_cut:
            continue
        pending += rest
        if len(pending) > MAX_LINE_BYTES:
            pending, is_cut = pending[:MAX_LINE_BYTES], True
    if pending:
        yield pending, is_cut
