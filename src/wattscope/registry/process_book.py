"""What the processes of a cluster say of themselves, for whoever asks one of them about all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, cast, delete, func, select
from sqlalchemy.dialects import postgresql

from wattscope.core.time_grid import US_PER_DAY, US_PER_S
from wattscope.registry.database_port import PlainDatabase
from wattscope.registry.postgres_schema import processes

FORGOTTEN_AFTER_US: Final = US_PER_DAY
"""Who has said nothing for so long was taken away [µs]."""
_NOW_US: Final[Any] = cast(
    func.floor(func.extract("epoch", func.clock_timestamp()) * US_PER_S), BigInteger
)
"""The clock of the server, the only one that all processes have [µs]."""


@dataclass(frozen=True, slots=True)
class ToldProcess:
    """A process as it said last."""

    role: str
    name: str
    age_s: float
    """How long ago that was [s]."""
    content: dict[str, Any]


class ProcessBook:
    """The table, in a database that processes share."""

    def __init__(self, database: PlainDatabase) -> None:
        self._database = database

    def tell(self, role: str, name: str, content: Mapping[str, Any]) -> None:
        """Say how a process stands, in the place of what it said before.

        Raises:
            TransientError: The database cannot be reached.
        """
        statement = postgresql.insert(processes).values(
            role=role,
            name=name,
            content=msgspec.json.encode(content).decode(),
            told_at_us=_NOW_US,
        )
        changed = {name: statement.excluded[name] for name in ("content", "told_at_us")}
        with self._database.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["role", "name"], set_=changed)
            )
            connection.execute(
                delete(processes).where(processes.c.told_at_us < _NOW_US - FORGOTTEN_AFTER_US)
            )

    def forget(self, role: str, name: str) -> None:
        """It has ended in order.

        Raises:
            TransientError: The database cannot be reached.
        """
        is_it = (processes.c.role == role, processes.c.name == name)
        with self._database.begin() as connection:
            connection.execute(delete(processes).where(*is_it))

    def list_all(self) -> list[ToldProcess]:
        """All that were heard of in the last day, by role and name.

        Raises:
            TransientError: The database cannot be reached.
        """
        query = select(
            processes.c.role,
            processes.c.name,
            (_NOW_US - processes.c.told_at_us).label("age_us"),
            processes.c.content,
        ).order_by(processes.c.role, processes.c.name)
        with self._database.begin() as connection:
            return [
                ToldProcess(row[0], row[1], max(0, row[2]) / US_PER_S, msgspec.json.decode(row[3]))
                for row in connection.execute(query)
            ]
