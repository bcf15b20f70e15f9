"""What was set aside, in PostgreSQL: the same shelf as on SQLite, shared by all processes.

Rows have no checksums here: a server finds damage of its pages itself, where its checksums are on.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql

from wattscope.ports import Quarantined
from wattscope.registry.database_port import PlainDatabase
from wattscope.registry.schema import quarantine
from wattscope.registry.shelf_rows import COLUMNS, ShelfRow
from wattscope.registry.sql_quarantine import (
    MAX_AGE_US,
    MAX_BYTES,
    ShelfKey,
    ShelvedItem,
    clean_text,
    make_key,
)

_PRUNE_EVERY = 1000
_KEYS = select(quarantine.c.id, quarantine.c.key, quarantine.c.replayed_at_us)


class PostgresQuarantine:
    """The shelf of set-aside items; for many threads and processes.

    Promises that putting the same item of the same record again changes nothing.
    """

    def __init__(self, database: PlainDatabase) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._since_prune = 0

    def put(self, items: Sequence[Quarantined], offset: int, *, origin: str = "") -> None:
        """Shelve the items of one record, and now and then drop the oldest beyond the caps.

        Args:
            items: In the order of the record.
            offset: Of the record.
            origin: Which log it is of, where there are several, such as partitions of a topic.
        """
        if not items:
            return
        rows = [
            _make_row(make_key(item, offset, at, origin), item) for at, item in enumerate(items)
        ]
        with self._database.begin() as connection:
            connection.execute(postgresql.insert(quarantine).on_conflict_do_nothing(), rows)
        with self._lock:
            self._since_prune += len(rows)
            is_due = self._since_prune >= _PRUNE_EVERY
            self._since_prune = 0 if is_due else self._since_prune
        if is_due:
            self._prune(max(item.received_at_us for item in items))

    def list_newest(self, limit: int, code: str | None = None) -> list[ShelvedItem]:
        """The newest items, newest first."""
        query = select(quarantine).order_by(quarantine.c.id.desc()).limit(limit)
        return self._read(query if code is None else query.where(quarantine.c.code == code))

    def list_unreplayed(self, code: str | None = None) -> list[ShelvedItem]:
        """Items that were not replayed yet, oldest first."""
        query = (
            select(quarantine)
            .where(quarantine.c.replayed_at_us.is_(None))
            .order_by(quarantine.c.id)
        )
        return self._read(query if code is None else query.where(quarantine.c.code == code))

    def mark_replayed(self, ids: Sequence[int], at_us: int) -> None:
        """Note that items went through the pipeline again."""
        if not ids:
            return
        statement = (
            update(quarantine)
            .where(quarantine.c.id == bindparam("number"))
            .values(replayed_at_us=bindparam("at"))
        )
        with self._database.begin() as connection:
            connection.execute(statement, [{"number": number, "at": at_us} for number in ids])

    def count_by_code(self) -> dict[str, int]:
        """Items on the shelf by reason code."""
        query = select(quarantine.c.code, func.count()).group_by(quarantine.c.code)
        with self._database.begin() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def list_keys(self, after: int, limit: int) -> list[ShelfKey]:
        """What tells items apart, for those with higher numbers than this, by number."""
        query = _KEYS.where(quarantine.c.id > after).order_by(quarantine.c.id).limit(limit)
        with self._database.begin() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(query)]

    def find_keys(self, ids: Sequence[int]) -> dict[int, ShelfKey]:
        """What tells items apart, for those of these numbers that are here."""
        with self._database.begin() as connection:
            found = connection.execute(_KEYS.where(quarantine.c.id.in_(ids)))
            return {row[0]: (row[0], row[1], row[2]) for row in found}

    def read_rows(self, ids: Sequence[int]) -> list[ShelfRow]:
        """Items with these numbers as rows."""
        query = select(quarantine).where(quarantine.c.id.in_(ids)).order_by(quarantine.c.id)
        with self._database.begin() as connection:
            return [
                {name: row[name] for name in COLUMNS}
                for row in connection.execute(query).mappings()
            ]

    def write_rows(self, rows: Sequence[ShelfRow]) -> None:
        """Put items of another shelf here, under their numbers, in place of those there."""
        if not rows:
            return
        clean = [
            {name: row[name] for name in COLUMNS}
            | {name: _clean(row[name], 512) for name in ("source", "topic", "detail")}
            for row in rows
        ]
        with self._database.begin() as connection:
            ids = [row["id"] for row in rows]
            connection.execute(delete(quarantine).where(quarantine.c.id.in_(ids)))
            connection.execute(insert(quarantine), clean)

    def _read(self, query: Any) -> list[ShelvedItem]:  # noqa: ANN401  # a query of SQLAlchemy
        with self._database.begin() as connection:
            return [_open_row(row) for row in connection.execute(query).mappings()]

    def _prune(self, now_us: int) -> None:
        with self._database.begin() as connection:
            connection.execute(
                delete(quarantine).where(quarantine.c.received_at_us < now_us - MAX_AGE_US)
            )
            size = connection.execute(select(func.sum(func.length(quarantine.c.payload)))).scalar()
            if (size or 0) > MAX_BYTES:
                middle = select(func.avg(quarantine.c.id)).scalar_subquery()
                connection.execute(delete(quarantine).where(quarantine.c.id < middle))


def _make_row(key: str, item: Quarantined) -> dict[str, Any]:
    return {
        "key": key,
        "source": _clean(item.source, 64),
        "topic": _clean(item.topic, 512),
        "payload": item.payload,
        "received_at_us": item.received_at_us,
        "code": item.code,
        "detail": _clean(item.detail, 512),
    }


def _clean(words: str, longest: int) -> str:
    """Zero bytes are no part of a text in PostgreSQL."""
    return clean_text(words[:longest].replace("\0", "\ufffd"))


def _open_row(row: RowMapping) -> ShelvedItem:
    names = ("source", "topic", "payload", "received_at_us", "code", "detail")
    return ShelvedItem(
        row["id"], Quarantined(*(row[name] for name in names)), row["replayed_at_us"]
    )
