"""What the routes of the line protocol are given: where points go, and who may write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from wattscope.web.write_desk import BadItem, Login, OpenRequest


class BadPoint(BadItem, Protocol):
    """A point that was not taken, and where it stood."""

    @property
    def line_number(self) -> int: ...


class WriteReceipt(Protocol):
    """What became of a body."""

    @property
    def n_points(self) -> int: ...

    @property
    def bad(self) -> Sequence[BadPoint]: ...


class Writes(Protocol):
    """Takes bodies."""

    @property
    def databases(self) -> Iterable[str]: ...

    def note_database(self, name: str) -> None: ...

    def open_request(self) -> AbstractContextManager[OpenRequest]: ...

    async def take(self, body: bytes, *, database: str, precision: str) -> WriteReceipt: ...


@dataclass(frozen=True, slots=True)
class LineDesk:
    """Where points are written."""

    writes: Writes
    login: Login
