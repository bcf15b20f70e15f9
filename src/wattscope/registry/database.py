"""The registry's database: one guarded connection, full durability, names that are checked.

SQLite has no checksums of its own, so a flipped bit may be a wrong name or id that nobody notices.
Names are therefore kept twice, here and in ``names_copy``, and compared at each opening
(``opening``). Rows of the quarantine carry a checksum each (``shelf_rows``).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from wattscope.core.errors import StorageError, WattscopeError
from wattscope.registry.database_port import NOTHING_SEEN, NamesEdit, NamesNews
from wattscope.registry.inspection import explain
from wattscope.registry.names import (
    Mark,
    Names,
    RowChange,
    read_mark,
    read_names,
    write_change,
    write_mark,
)
from wattscope.registry.names_copy import NamesCopy, explain_refusal
from wattscope.registry.opening import make_engine, open_to_read, open_to_write
from wattscope.registry.schema import series

_MAX_DAMAGES = 100


class Database:
    """A SQLite file behind one connection.

    One connection writes and checkpoints: SQLite before 3.51.3 can corrupt a WAL file when two do
    so at once (reported and fixed by its authors as the WAL-reset bug).
    """

    is_shared = False

    def __init__(self, path: Path, *, is_read_only: bool = False, has_copy: bool = True) -> None:
        """Open or make the file, and mend it when it or the copy of its names is damaged.

        Args:
            path: The file; the copy lies beside it.
            is_read_only: Look only; another program may be writing.
            has_copy: False: leave the copy out, for a database that goes into a backup.

        Raises:
            StorageError: The file and the copy are damaged, or it is of a newer version than this
                program knows, or of an older one and may only be read.
            StorageFullError: It must be made or mended, and there is no room.
        """
        self._path = path
        self._is_read_only = is_read_only
        self._copy = NamesCopy(path.with_suffix(".names")) if has_copy else None
        self._lock = threading.RLock()
        try:
            opened = (open_to_read if is_read_only else open_to_write)(path, self._copy)
        except (SQLAlchemyError, sqlite3.Error, OSError) as fault:
            raise _explain_opening(path, fault) from fault
        self.damages: list[str] = list(opened.damages)
        """What was found damaged, and what became of it, each as one line."""
        self._raw = opened.connection
        self._engine = make_engine(self._raw)
        self._loaded: Names | None = opened.names

    @property
    def where(self) -> str:
        """Words for a person."""
        return str(self._path)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction; committed and durable when the block ends without an error.

        Raises:
            StorageFullError: There is no room; nothing was changed.
            TransientError: The disk refused; likewise.
        """
        with self._lock:
            try:
                with self._engine.begin() as connection:
                    yield connection
            except (DBAPIError, sqlite3.Error) as fault:
                error = explain(self._path, fault)
                if error is fault:
                    raise
                raise error from fault

    def begin_alone(self, book: str) -> AbstractContextManager[Connection]:  # noqa: ARG002  # the port
        """``begin``: no other process changes this database."""
        return self.begin()

    def read_news(self, since: int) -> NamesNews | None:
        """All names after ``NOTHING_SEEN``, else nothing: nobody else changes them."""
        if since != NOTHING_SEEN:
            return None
        names = self.take_names()
        last_series = max((number for (number,) in names[series.name]), default=0)
        return NamesNews(0, last_series, names)

    @contextmanager
    def edit_names(self, since: int | None = None) -> Iterator[NamesEdit]:  # noqa: ARG002  # the port
        """Change names while no other thread does."""
        with self._lock:
            yield _SoleEdit(self)

    def take_names(self) -> Names:
        """All names: first those that the opening has verified, later those of the database."""
        with self._lock:
            names, self._loaded = self._loaded, None
            return read_names(self._raw) if names is None else names

    def change_names(self, changes: Sequence[RowChange]) -> None:
        """Change rows of names in one transaction, and in the copy; durable on return.

        Raises:
            StorageFullError: There is no room; nothing was changed.
            TransientError: The disk refused; likewise.
            StorageError: The registry was opened to be read.
        """
        if self._is_read_only:
            raise StorageError(f"registry {self._path} was opened readonly")
        with self._lock:
            before = self._read_mark()
            if self._copy is not None and self._copy.is_stale:
                self._copy.replace(read_names(self._raw), before.serial)
            mark = before.step(changes)
            try:
                with self.begin():
                    for change in changes:
                        write_change(self._raw, change)
                    write_mark(self._raw, mark)
                    if self._copy is not None:
                        self._copy.append(mark.serial, changes)
            except BaseException:
                if self._copy is not None:
                    self._copy.take_back(mark.serial)
                raise

    def note_damage(self, words: str) -> None:
        """Add to ``damages`` what was found later; the same is said once."""
        with self._lock:
            if words not in self.damages and len(self.damages) < _MAX_DAMAGES:
                self.damages.append(words)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._engine.dispose()
            self._raw.close()

    def _read_mark(self) -> Mark:
        try:
            return read_mark(self._raw)
        except ValueError as fault:
            raise StorageError(
                f"registry {self._path}: {fault}; start the program again, which mends it"
            ) from fault
        except sqlite3.Error as fault:
            raise explain(self._path, fault) from fault


@dataclass(frozen=True, slots=True)
class _SoleEdit:
    """What ``edit_names`` gives where there is nobody else."""

    database: Database
    news: None = None
    serial: int = 0

    def write(self, changes: Sequence[RowChange]) -> None:
        self.database.change_names(changes)


def _explain_opening(path: Path, fault: Exception) -> Exception:
    """The error of the product for one that kept a registry from opening."""
    if isinstance(fault, OSError):
        return explain_refusal(path, fault)
    error = explain(path, fault) if isinstance(fault, DBAPIError | sqlite3.Error) else fault
    if isinstance(error, WattscopeError):
        return error
    return StorageError(f"registry {path}: cannot be opened ({fault})")
