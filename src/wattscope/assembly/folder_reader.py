"""Reading a data folder that another program may be changing, with no row left out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.errors import StorageError
from wattscope.settings import Settings
from wattscope.stores.duckdb_store import DuckdbStore

_ATTEMPTS = 100

Read = TypeVar("Read")


class FolderReader:
    """A data folder as it was when it was opened; opened again where its files are gone."""

    def __init__(self, settings: Settings, data: Path, stack: contextlib.ExitStack) -> None:
        """Open it; ``stack`` closes it in the end."""
        self._settings = settings
        self._data = data
        # Of its own: what else is in the caller's stays open when the folder is opened again.
        self._stack = stack.enter_context(contextlib.ExitStack())
        self.n_opened = 0
        self._met: set[str] = set()
        self.storage = self._open()

    @property
    def damages(self) -> frozenset[str]:
        """Files of which rows could not be read, or not be counted."""
        return frozenset(self._met)

    def _open(self) -> Storage:
        self.n_opened += 1
        return self._stack.enter_context(
            open_storage(self._settings, self._data, is_read_only=True)
        )

    def read(self, ask: Callable[[DuckdbStore], Read]) -> Read:
        """An answer in which no row is missing because a file was replaced."""
        for _ in range(_ATTEMPTS):
            store = self.storage.store
            answer = ask(store)
            # Also what was met before: rows of a file that is gone may be missing in this answer.
            met = {one.file for one in store.damages}
            if not met or not store.is_outdated():
                self._met |= met
                return answer
            self._stack.close()
            self.storage = self._open()
        raise StorageError(f"data folder {self._data} changes too fast to be read; try again")
