"""How far a follower of the embedded log is: one small file, replaced as a whole.

::

    <folder>/<name>.json    {"version": 1, "offset": 1234}

It promises that a crash leaves the offset before or the one after, never anything between. A file
that cannot be read is no reason not to start: it is told, and its follower begins at the end.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import structlog

from wattscope.core.errors import TransientError

_log = structlog.get_logger()
_VERSION = 1
_MAX_BYTES = 4096


class _Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    offset: int


class Bookmark:
    """The offset of the first record that a follower has not finished."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int | None:
        """The offset; None where there is none yet, or none that can be believed."""
        try:
            with self._path.open("rb") as file:
                mark = msgspec.json.decode(file.read(_MAX_BYTES), type=_Mark)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as fault:
            _log.error("bookmark cannot be read", file=str(self._path), reason=str(fault))
            return None
        if mark.version != _VERSION or mark.offset < 0:
            _log.error("bookmark is of another version", file=str(self._path), found=mark.version)
            return None
        return mark.offset

    def write(self, offset: int) -> None:
        """Remember an offset; it is durable when this returns.

        Raises:
            TransientError: The disk refuses; the offset before stays.
        """
        aside = self._path.with_name(self._path.name + ".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            with aside.open("wb") as file:
                file.write(msgspec.json.encode(_Mark(_VERSION, offset)))
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self._path)
            fd = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as fault:
            raise TransientError(
                f"bookmark {self._path}: the disk refuses ({fault.strerror}); look after the disk"
            ) from fault
