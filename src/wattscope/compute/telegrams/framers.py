"""Cuts a stream of bytes into telegrams and what stands between them.

It promises that the pieces joined are the stream, that they do not depend on how the stream was
divided, that at most ``MAX_PIECE_BYTES`` wait, and that a telegram whose end got lost ends where
the next one begins. It does not judge what a piece is: decoders do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

MAX_PIECE_BYTES: Final = 16_384
"""No telegram is longer [bytes]: DSMR 5 allows 2,048 characters of text, SML meters send 1 KiB."""

CUT_BYTES: Final = MAX_PIECE_BYTES - 8
"""The length of a piece without an end [bytes]; what may be the beginning of a start is left."""

P1_START: Final = b"/"
SML_ESCAPE: Final = b"\x1b\x1b\x1b\x1b"
SML_START: Final = SML_ESCAPE + b"\x01\x01\x01\x01"
SML_END: Final = 0x1A
"""First of the four bytes after the escape that ends an SML file."""

# The end of a P1 telegram: the exclamation mark with up to four digits, and the end of its line.
# Neither "/" nor "!" stands in the lines between (IEC 62056-21, section 6.4).
_P1_END: Final = re.compile(rb"/|!(?:[^\n/]{0,7}\n|[^\n/]{8}|[^\n/]{0,7}(?=/))")


class Framer(Protocol):
    """Cuts one stream; it remembers what is not whole yet."""

    def feed(self, content: bytes) -> list[bytes]:
        """The pieces that end in what came now."""
        ...

    def end(self) -> list[bytes]:
        """What is left when nothing more comes; the framer is as new afterwards."""
        ...


Cut = Callable[[bytes], "int | None"]
"""Where the first piece of some bytes ends; None while that cannot be told."""


class PieceFramer:
    """A framer by a function that finds the end of the first piece."""

    def __init__(self, find_end: Cut) -> None:
        self._find_end = find_end
        self._waiting = b""

    def feed(self, content: bytes) -> list[bytes]:
        """The pieces that end in what came now."""
        self._waiting += content
        pieces = []
        while self._waiting:
            end = self._find_end(self._waiting[: MAX_PIECE_BYTES + 1])
            if end is None:
                if len(self._waiting) <= MAX_PIECE_BYTES:
                    break
                end = CUT_BYTES
            pieces.append(self._waiting[:end])
            self._waiting = self._waiting[end:]
        return pieces

    def end(self) -> list[bytes]:
        """What is left when nothing more comes; the framer is as new afterwards."""
        rest, self._waiting = self._waiting, b""
        return [rest] if rest else []


def frame_p1() -> Framer:
    """A framer of P1 telegrams, from ``/`` to the line of ``!``."""
    return PieceFramer(find_p1_end)


def frame_sml() -> Framer:
    """A framer of SML files, from the escape with 01 to the escape with 1a."""
    return PieceFramer(find_sml_end)


def find_p1_end(content: bytes) -> int | None:
    """Where the telegram, or what stands before one, ends."""
    if not content.startswith(P1_START):
        start = content.find(P1_START)
        return start if start > 0 else None
    found = _P1_END.search(content, 1)
    if found is None:
        return None
    return found.start() if found[0] == P1_START else found.end()


def find_sml_end(content: bytes) -> int | None:
    """Where the file, or what stands before one, ends (SML 1.04, section 8.2)."""
    if not content.startswith(SML_START):
        start = content.find(SML_START)
        return start if start > 0 else None
    at = content.find(SML_ESCAPE, len(SML_START))
    while at >= 0:
        word = content[at + 4 : at + 8]
        if len(word) < 4:
            return None
        if word[0] == SML_END:
            return _find_end_at(content, at)
        if word == SML_ESCAPE and len(content) < at + 12:
            return None
        # A file that was cut within its own end: the next one begins right behind.
        for start in (at, at + 4):
            if content.startswith(SML_START, start):
                return start
        is_odd = word[0] == SML_ESCAPE[0] and word != SML_ESCAPE
        at = content.find(SML_ESCAPE, at + (1 if is_odd else 8))
    return None


def _find_end_at(content: bytes, at: int) -> int | None:
    """Where a file ends whose last escape is at ``at``, or where the next begins within its end."""
    for start in range(at + 5, at + 8):
        rest = content[start : start + len(SML_START)]
        if rest == SML_START:
            return start
        if SML_START.startswith(rest):
            return None
    return at + 8
