"""What a backup says of itself, and how its files are copied and proved.

::

    backup/
      backup.json       written last: SHA-256 of the rest of the file, then counts, sums, files
      registry.sqlite   sites, devices, series, quarantine, decisions
      meters.db         Modbus meters and registers, where they are kept in the folder
      log/              records that the chunks do not hold, and those kept for repeats
      chunks/           the manifest and every file that it names

It promises that a file is believed only when its size and SHA-256 are those noted, and the note
only when its own is. It does not know how the parts are made: see ``assembly.backup``.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wattscope.core.errors import StorageError, StorageFullError, WattscopeError
from wattscope.stores.manifest import COPY_NAME, MANIFEST_NAME

FORMAT = 1
"""Raised with every change that an older program would misread."""
NOTE_NAME = "backup.json"
ASIDE = ".partial"
"""Ends the name of a backup that is not finished."""
REGISTRY_NAME = "registry.sqlite"
LOG_NAME = "log"
CHUNKS_NAME = "chunks"
_BLOCK = 1 << 20
_HEAD, _BEHIND = b'{"checksum":"', b'",'
_PATH = re.compile(r"registry\.sqlite|meters\.db|(chunks|log)/[A-Za-z0-9][A-Za-z0-9._-]*")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

OnBytes = Callable[[int], None]
"""Is told how many bytes more are done."""


class FileSum(msgspec.Struct, frozen=True):
    """One file of a backup."""

    path: str
    """Relative to the backup, with slashes."""
    size_bytes: int
    sha256: str


class SeriesSum(msgspec.Struct, frozen=True):
    """What the rows of one series come to."""

    series: int
    device: str
    quantity: str
    rows: int
    sum: float | None
    """Of the values that are there; None where it is too large for a float."""
    first_us: int
    last_us: int
    crc: int
    """CRC-32 over instants, values and qualities in order of time, span by span."""


class BackupNote(msgspec.Struct, frozen=True):
    """``backup.json``."""

    format: int
    program: str
    """Version of the program that made it."""
    made_at: str
    """When [RFC 3339, UTC]."""
    log_offset: int
    """The backup holds what the log had below this offset, and nothing from it on."""
    covered_offset: int
    """Below this, the rows are in chunks; from it on in the log."""
    manifest_version: int
    lost_records: int
    """Records that the log lacked already when the backup was made."""
    rows: int
    files: tuple[FileSum, ...]
    series: tuple[SeriesSum, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)


class _Versioned(msgspec.Struct):
    """The one field that every format has."""

    format: int


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """What a copied file was found to be."""

    size_bytes: int
    crc: int
    sha256: str


def copy_file(source: Path, target: Path, on_bytes: OnBytes) -> CopiedFile:
    """Copy a file and sum up what was copied; a symbolic link is not followed.

    It is durable once its folder is synced as a whole, which is many times faster for many files.
    """
    crc, sha, size = 0, hashlib.sha256(), 0
    fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb", 0) as reading, target.open("wb", buffering=0) as writing:
        while block := reading.read(_BLOCK):
            view = memoryview(block)
            while view:
                view = view[writing.write(view) :]
            crc = zlib.crc32(block, crc)
            sha.update(block)
            size += len(block)
            on_bytes(len(block))
    target.chmod(0o640)
    return CopiedFile(size, crc, sha.hexdigest())


def sum_file(folder: Path, path: str) -> FileSum:
    """The sum of a file as it lies on the disk."""
    sha, size = hashlib.sha256(), 0
    with (folder / path).open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
            size += len(block)
    return FileSum(path, size, sha.hexdigest())


def encode_note(note: BackupNote) -> bytes:
    """The bytes of ``backup.json``."""
    rest = msgspec.json.format(msgspec.json.encode(note))[1:]
    return _HEAD + hashlib.sha256(rest).hexdigest().encode() + _BEHIND + rest


def read_note(backup: Path) -> BackupNote:
    """The note of a backup.

    Raises:
        StorageError: The folder is no backup, an unfinished or damaged one, or of a newer program.
    """
    if backup.name.endswith(ASIDE):
        raise StorageError(
            f"{backup} is a backup that was never finished; make it again, or take another"
        )
    try:
        content = (backup / NOTE_NAME).read_bytes()
    except FileNotFoundError:
        raise StorageError(_describe_stranger(backup)) from None
    except OSError as fault:
        raise StorageError(
            f"backup {backup}: {NOTE_NAME} cannot be read ({fault.strerror})"
        ) from fault
    return _decode_note(backup, content)


def _decode_note(backup: Path, content: bytes) -> BackupNote:
    at = len(_HEAD) + 64
    told, rest = content[len(_HEAD) : at], content[at + len(_BEHIND) :]
    is_framed = content.startswith(_HEAD) and content[at : at + len(_BEHIND)] == _BEHIND
    if not is_framed or not is_same_sum(hashlib.sha256(rest).hexdigest(), told.decode("latin-1")):
        raise _damaged(backup, NOTE_NAME)
    try:
        number = msgspec.json.decode(b"{" + rest, type=_Versioned).format
        if number > FORMAT:
            raise StorageError(
                f"backup {backup} has format {number}, this program reads up to {FORMAT}; use the "
                "newer program that made it"
            )
        note = msgspec.json.decode(b"{" + rest, type=BackupNote)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise _damaged(backup, NOTE_NAME) from fault
    strange = [file.path for file in note.files if not _PATH.fullmatch(file.path)]
    if strange:
        raise StorageError(f"backup {backup} names {strange[0]!r}, which belongs in no backup")
    return note


def is_same_sum(found: str, noted: str) -> bool:
    """Whether a checksum is the one that was noted."""
    return found == noted


def copy_noted(backup: Path, file: FileSum, target: Path, on_bytes: OnBytes) -> None:
    """Copy a file out of a backup.

    Raises:
        StorageError: It is missing, or not what the backup says.
    """
    try:
        copied = copy_file(backup / file.path, target / file.path, on_bytes)
    except FileNotFoundError:
        raise StorageError(
            f"backup {backup} is damaged: {file.path} is missing; take another backup"
        ) from None
    if copied.size_bytes != file.size_bytes:
        raise _damaged(
            backup, file.path, f"has {copied.size_bytes} bytes instead of {file.size_bytes}"
        )
    if not is_same_sum(copied.sha256, file.sha256):
        raise _damaged(backup, file.path)


def _damaged(backup: Path, path: str, detail: str = "does not fit its checksum") -> StorageError:
    return StorageError(f"backup {backup} is damaged: {path} {detail}; take another backup")


def _describe_stranger(folder: Path) -> str:
    """What a folder without ``backup.json`` is."""
    if not folder.is_dir():
        return f"{folder} is not a folder; name one that 'wattscope backup' made"
    chunks = folder / CHUNKS_NAME
    marks = (folder / REGISTRY_NAME, folder / LOG_NAME, chunks / MANIFEST_NAME, chunks / COPY_NAME)
    if any(mark.exists() for mark in marks):
        return (
            f"{folder} is a plain copy of a data folder, not a backup: copied while the program "
            f"ran it may be torn, and nothing tells whether it is whole ({NOTE_NAME} is missing); "
            "make backups with 'wattscope backup'. If the program did not run while it was "
            f"copied, work on it in place with --data {folder} after 'wattscope doctor'"
        )
    return f"{folder} is no backup: {NOTE_NAME} is missing"


def explain_disk(fault: OSError, doing: str) -> WattscopeError:
    """The error of a disk that refused, in words."""
    where = f" ({fault.filename})" if fault.filename else ""
    if fault.errno in _NO_ROOM:
        return StorageFullError(
            f"{doing}: no room on the disk{where}; free some, or choose another"
        )
    return StorageError(f"{doing}: {fault.strerror}{where}")
