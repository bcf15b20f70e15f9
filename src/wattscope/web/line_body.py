"""Reads the body of a write, plain or gzip, and stops once it is too large."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Final

from wattscope.core.errors import BadBodyError
from wattscope.web.write_desk import OpenRequest

_BLOCK: Final = 1 << 18
_GZIP: Final = 16 + zlib.MAX_WBITS
"""Window of ``zlib`` for gzip's head and checksum (zlib manual, inflateInit2)."""


async def read_body(chunks: AsyncIterator[bytes], encoding: str, opened: OpenRequest) -> bytes:
    """The whole body, unpacked.

    A body that is cut off is all or nothing: its points before the cut are not returned.

    Args:
        chunks: As they come.
        encoding: The header ``Content-Encoding``.
        opened: Counts the bytes, and says when there are too many.

    Raises:
        BadBodyError: It cannot be unpacked, or its encoding is not known.
        TooLargeError: It is too large, packed or unpacked.
        OverloadedError: There are too many at once.
    """
    kind = encoding.strip().lower()
    if kind not in {"", "identity", "gzip", "x-gzip"}:
        raise BadBodyError(f"Content-Encoding {kind[:40]!r} is not gzip or identity")
    unpacker = _Unpacker(opened) if kind.endswith("gzip") else None
    parts: list[bytes] = []
    async for chunk in chunks:
        opened.grow(len(chunk))
        parts += [chunk] if unpacker is None else unpacker.feed(chunk)
    if unpacker is not None:
        unpacker.end()
    return b"".join(parts)


class _Unpacker:
    """Unpacks gzip of one or more members, a bounded block at a time."""

    def __init__(self, opened: OpenRequest) -> None:
        self._opened = opened
        self._member = zlib.decompressobj(_GZIP)
        self._is_empty = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """What a chunk unpacks to."""
        parts: list[bytes] = []
        rest = chunk
        while rest:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            try:
                part = self._member.decompress(rest, _BLOCK)
            except zlib.error as fault:
                raise BadBodyError(f"the body is no gzip ({fault})") from fault
            self._is_empty = False
            self._opened.unpack(len(part))
            parts.append(part)
            rest = self._member.unconsumed_tail or self._member.unused_data
        return parts

    def end(self) -> None:
        """The sender has said all.

        Raises:
            BadBodyError: The last member is not complete.
        """
        if not self._is_empty and not self._member.eof:
            raise BadBodyError("the body is cut off; its gzip has no end")
