"""What the books of the registry ask of a database, whichever it is.

``Database`` is a SQLite file of one process; ``PostgresDatabase`` is shared by many.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from wattscope.registry.names import Names, Packed, RowChange

NOTHING_SEEN = -1
"""Before every number of a change."""


@dataclass(frozen=True, slots=True)
class NamesNews:
    """What became of the names since somebody looked last."""

    serial: int
    """Number of the last change; says to the next look what has been seen."""
    last_series: int
    """The highest id that any series ever had."""
    names: Names | None = None
    """All of them, where changes cannot be told one by one."""
    changes: Sequence[Packed] = ()
    """Else what changed, oldest first."""


class NamesEdit(Protocol):
    """While it lasts, nobody else changes names."""

    @property
    def news(self) -> NamesNews | None:
        """What others have changed; None: nothing."""
        ...

    @property
    def serial(self) -> int:
        """Number of the last change, that of ``write`` included."""
        ...

    def write(self, changes: Sequence[RowChange]) -> None:
        """Change rows, once; durable on return.

        Raises:
            TransientError: The database refuses now, or was lost: they may or may not be made.
            StorageError: It was opened to be read, or is not what it must be.
        """
        ...


class PlainDatabase(Protocol):
    """A database with transactions."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes change it beside us."""
        ...

    def begin(self) -> AbstractContextManager[Connection]:
        """One transaction; committed and durable when the block ends without an error.

        Raises:
            TransientError: The database cannot be reached or refuses now.
        """
        ...

    def begin_alone(self, book: str) -> AbstractContextManager[Connection]:
        """``begin``, while no process is in ``begin_alone`` of the same book.

        Args:
            book: Any word, as long as all that change the same rows use the same.
        """
        ...


class RegistryDatabase(PlainDatabase, Protocol):
    """A database that keeps names: rows that give stored values their meaning."""

    @property
    def where(self) -> str:
        """Words for a person, without a password."""
        ...

    @property
    def damages(self) -> list[str]:
        """What was found damaged, and what became of it, each as one line."""
        ...

    def read_news(self, since: int) -> NamesNews | None:
        """What changed after a change of this number; all names after ``NOTHING_SEEN``.

        Returns:
            None where nothing did, as far as this process can tell.
        """
        ...

    def edit_names(self, since: int | None = None) -> AbstractContextManager[NamesEdit]:
        """Change names while nobody else does.

        Args:
            since: As for ``read_news``; None: no news are wanted.
        """
        ...

    def note_damage(self, words: str) -> None:
        """Add to ``damages`` what was found later; the same is said once."""
        ...

    def close(self) -> None:
        """Release it."""
        ...
