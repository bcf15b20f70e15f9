"""The data folder: where everything that must survive lies, used by one program at a time.

::

    data/
      lock              held while a program runs here
      registry.sqlite   sites, devices, series, quarantine
      registry.names    a checked copy of the names, one line a change
      meters.db         Modbus meters and registers, edited with any SQL client
      log/              segments of the event log
      chunks/           manifest.json and Parquet files
      broker/           messages that the embedded broker keeps
      outputs/          how far in the log each output is
      models/           what is usual for each class of devices, learned by training
      reserve           room that is given up when the disk is full
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from wattscope.core.errors import StorageError
from wattscope.stores.row_files import sync_folder


class DataFolder:
    """Paths below the folder, and the lock on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    @property
    def registry(self) -> Path:
        """File of the registry."""
        return self.path / "registry.sqlite"

    @property
    def meters(self) -> Path:
        """File of the meter book, where no other database is named."""
        return self.path / "meters.db"

    @property
    def log(self) -> Path:
        """Folder of the event log."""
        return self.path / "log"

    @property
    def chunks(self) -> Path:
        """Folder of the store."""
        return self.path / "chunks"

    @property
    def broker(self) -> Path:
        """Folder of the embedded broker."""
        return self.path / "broker"

    def lock(self) -> None:
        """Take the folder for this process.

        Raises:
            StorageError: Another program has it, or it cannot be written.
        """
        try:
            if not self.path.exists():
                self.path.mkdir(parents=True, exist_ok=True, mode=0o750)
                sync_folder(self.path.parent)
            fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as fault:
            raise StorageError(
                f"data folder {self.path}: cannot be written ({fault.strerror}); "
                "choose another with --data, or give this user the right to write there"
            ) from fault
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            os.close(fd)
            raise StorageError(
                f"data folder {self.path} is in use by another wattscope; stop that one, or "
                "choose another folder with --data"
            ) from fault
        self._fd = fd

    def unlock(self) -> None:
        """Give the folder back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def is_locked_by_other(self) -> bool:
        """Whether a program runs on the folder now."""
        try:
            self.lock()
        except StorageError:
            return True
        self.unlock()
        return False

    def __enter__(self) -> Self:
        """Take the folder for the block."""
        self.lock()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it back."""
        self.unlock()
