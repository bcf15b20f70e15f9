"""Files as blocks of bytes: plain, gzip, or every member of a zip, read as they are."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wattscope.core.errors import PermanentError

BLOCK_BYTES = 1 << 18
MAX_UNPACKED_RATIO = 1000
"""A packed file that grows by more than this is refused: a zip bomb."""


class UnreadableFileError(PermanentError):
    """A file that cannot be opened or unpacked."""

    code = "unreadable_file"


@dataclass(frozen=True, slots=True)
class FileBody:
    """One text to import: a file, or a member of an archive."""

    name: str
    blocks: Iterator[bytes]
    written_at_us: int
    """When the file, or the archive that it is in, was last written [µs since 1970, UTC]."""


def open_bodies(path: Path, on_read: Callable[[int], None]) -> Generator[FileBody, None, None]:
    """The bodies of a file, one after the other; take each to its end before the next.

    Args:
        path: Recognised by its first bytes, not by its name.
        on_read: Told the number of bytes read from the disk so far.

    Raises:
        UnreadableFileError: It cannot be opened, or is damaged.
    """
    try:
        with path.open("rb") as raw:
            head = raw.read(4)
            raw.seek(0)
            written_at_us = os.fstat(raw.fileno()).st_mtime_ns // 1000
            if head[:4] == b"PK\x03\x04":
                yield from _zip_bodies(path, raw, on_read, written_at_us)
            elif head[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    blocks = _blocks(path, unpacked, raw, on_read)  # type: ignore[arg-type]  # GzipFile is an IO[bytes] in all but name
                    yield FileBody(path.name, blocks, written_at_us)
            else:
                yield FileBody(path.name, _blocks(path, raw, raw, on_read), written_at_us)
    except OSError as fault:
        raise UnreadableFileError(f"{path}: cannot be read ({fault})") from fault


def _zip_bodies(
    path: Path, raw: io.BufferedReader, on_read: Callable[[int], None], written_at_us: int
) -> Iterator[FileBody]:
    try:
        with zipfile.ZipFile(raw) as archive:
            for member in archive.infolist():
                if member.is_dir():
                    continue
                if member.file_size > MAX_UNPACKED_RATIO * max(member.compress_size, 1):
                    raise UnreadableFileError(f"{path}: {member.filename} unpacks too large")
                with archive.open(member) as unpacked:
                    name = f"{path.name}/{member.filename}"
                    blocks = _blocks(path, unpacked, raw, on_read)
                    yield FileBody(name, blocks, written_at_us)
    except zipfile.BadZipFile as fault:
        raise UnreadableFileError(f"{path}: is a damaged zip ({fault})") from fault


def _blocks(
    path: Path, unpacked: IO[bytes], raw: io.BufferedReader, on_read: Callable[[int], None]
) -> Iterator[bytes]:
    n_unpacked = 0
    try:
        while block := unpacked.read(BLOCK_BYTES):
            n_unpacked += len(block)
            position = raw.tell()
            if n_unpacked > MAX_UNPACKED_RATIO * max(position, BLOCK_BYTES):
                raise UnreadableFileError(f"{path}: unpacks too large")
            on_read(position)
            yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise UnreadableFileError(
            f"{path}: is cut off or damaged ({fault}); what came before was taken in, "
            "import it again when it is whole"
        ) from fault
