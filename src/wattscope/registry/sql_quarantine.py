"""What was set aside, in SQL: looked at, counted, replayed, and capped in age and size.

Every row carries checksums. One that is not what was written is listed as damaged, is never
replayed, and is said in the damages of the database; its content is never shown.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select

from wattscope.core.time_grid import US_PER_DAY
from wattscope.ports import Quarantined
from wattscope.registry.database import Database
from wattscope.registry.schema import quarantine
from wattscope.registry.shelf_rows import (
    INSERT,
    SELECT,
    ShelfRow,
    item_of,
    read_sound,
    sum_replay,
    sum_row,
)

MAX_AGE_US = 30 * US_PER_DAY
MAX_BYTES = 1_000_000_000
DAMAGED = Quarantined(
    "", "", b"", 0, "damaged", "this row of the registry is not what was written; look at the disk"
)
"""Stands in the list for every item that is damaged."""
_PRUNE_EVERY = 1000

_KEYS = "SELECT id, CAST(key AS BLOB), replayed_at_us FROM quarantine"

ShelfKey = tuple[int, str, int | None]
"""Number, key and instant of the replay [µs] of an item."""


@dataclass(frozen=True, slots=True)
class ShelvedItem:
    """A quarantined item with its number on the shelf."""

    id: int
    item: Quarantined
    replayed_at_us: int | None


class SqlQuarantine:
    """The shelf of set-aside items.

    Promises that putting the same record's item again changes nothing, so that the log may be
    read twice after a crash.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._since_prune = 0

    def put(self, items: Sequence[Quarantined], offset: int, *, origin: str = "") -> None:
        """Shelve the items of one log record, and now and then drop the oldest beyond the caps.

        Args:
            items: In the order of the record.
            offset: Of the record.
            origin: Which log it is of, where there are several.
        """
        if not items:
            return
        with self._database.begin() as connection:
            raw = _raw_of(connection)
            [(last,)] = raw.execute("SELECT max(id) FROM quarantine").fetchall()
            rows = [
                _make_row((last or 0) + 1 + index, make_key(item, offset, index, origin), item)
                for index, item in enumerate(items)
            ]
            raw.executemany(INSERT, rows)
        self._since_prune += len(rows)
        if self._since_prune >= _PRUNE_EVERY:
            self._since_prune = 0
            self._prune(max(item.received_at_us for item in items))

    def list_newest(self, limit: int, code: str | None = None) -> list[ShelvedItem]:
        """The newest items, newest first."""
        where, values = ("", ()) if code is None else (" WHERE code = ?", (code,))
        with self._database.begin() as connection:
            query = f"{SELECT}{where} ORDER BY id DESC LIMIT ?"
            rows = _raw_of(connection).execute(query, (*values, limit)).fetchall()
        return [self._open_row(row) for row in rows]

    def list_unreplayed(self, code: str | None = None) -> list[ShelvedItem]:
        """Items that were not replayed yet, oldest first; without damaged ones."""
        where, values = ("", ()) if code is None else (" AND code = ?", (code,))
        with self._database.begin() as connection:
            query = f"{SELECT} WHERE replayed_at_us IS NULL{where} ORDER BY id"
            rows = _raw_of(connection).execute(query, values).fetchall()
        return [one for one in map(self._open_row, rows) if one.item is not DAMAGED]

    def mark_replayed(self, ids: Sequence[int], at_us: int) -> None:
        """Note that items went through the pipeline again."""
        with self._database.begin() as connection:
            # One statement a row: SQLite takes no list of more than some 32,000 parameters.
            _raw_of(connection).executemany(
                "UPDATE quarantine SET replayed_at_us = ?, replayed_crc = ? WHERE id = ?",
                [(at_us, sum_replay(number, at_us), number) for number in ids],
            )

    def count_by_code(self) -> dict[str, int]:
        """Items on the shelf by reason code.

        A flipped bit in a code makes a group of its own, so one row of each group is checked, and
        all of them where that one is damaged.
        """
        query = (
            "SELECT CAST(code AS BLOB), count(*), min(id) FROM quarantine "
            "GROUP BY CAST(code AS BLOB)"
        )
        counts: dict[str, int] = {}
        with self._database.begin() as connection:
            raw = _raw_of(connection)
            for code, count, first in raw.execute(query).fetchall():
                [row] = raw.execute(f"{SELECT} WHERE id = ?", (first,)).fetchall()
                found = {DAMAGED.code: 0} if read_sound(row) is None else {code.decode(): count}
                if DAMAGED.code in found:
                    found = self._count_each(raw, code)
                counts = {one: counts.get(one, 0) + found.get(one, 0) for one in counts | found}
        return counts

    def list_keys(self, after: int, limit: int) -> list[ShelfKey]:
        """What tells items apart, for those with higher numbers than this, by number."""
        query = f"{_KEYS} WHERE id > ? ORDER BY id LIMIT ?"
        with self._database.begin() as connection:
            rows = _raw_of(connection).execute(query, (after, limit)).fetchall()
        return list(map(_key_of, rows))

    def find_keys(self, ids: Sequence[int]) -> dict[int, ShelfKey]:
        """What tells items apart, for those of these numbers that are here."""
        with self._database.begin() as connection:
            raw = _raw_of(connection)
            rows = [raw.execute(f"{_KEYS} WHERE id = ?", (one,)).fetchone() for one in ids]
        return {row[0]: _key_of(row) for row in rows if row is not None}

    def read_rows(self, ids: Sequence[int]) -> list[ShelfRow]:
        """Items with these numbers as rows; without damaged ones."""
        with self._database.begin() as connection:
            raw = _raw_of(connection)
            found = [raw.execute(f"{SELECT} WHERE id = ?", (one,)).fetchone() for one in ids]
        return [row for row in map(read_sound, filter(None, found)) if row is not None]

    def write_rows(self, rows: Sequence[ShelfRow]) -> None:
        """Put items of another shelf here, under their numbers, in place of those there."""
        with self._database.begin() as connection:
            raw = _raw_of(connection)
            raw.executemany("DELETE FROM quarantine WHERE id = ?", [(row["id"],) for row in rows])
            raw.executemany(INSERT, [_sum_all(row) for row in rows])

    def _count_each(self, raw: sqlite3.Connection, code: object) -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in raw.execute(f"{SELECT} WHERE CAST(code AS BLOB) IS ?", (code,)):
            found = self._open_row(row).item.code
            counts[found] = counts.get(found, 0) + 1
        return counts

    def _open_row(self, row: tuple[Any, ...]) -> ShelvedItem:
        sound = read_sound(row)
        if sound is None:
            self._database.note_damage(f"item {row[0]} of the quarantine is damaged and left out")
            return ShelvedItem(row[0], DAMAGED, None)
        return ShelvedItem(sound["id"], item_of(sound), sound["replayed_at_us"])

    def _prune(self, now_us: int) -> None:
        with self._database.begin() as connection:
            connection.execute(
                delete(quarantine).where(quarantine.c.received_at_us < now_us - MAX_AGE_US)
            )
            size = connection.execute(select(func.sum(func.length(quarantine.c.payload)))).scalar()
            if (size or 0) > MAX_BYTES:
                middle = select(func.avg(quarantine.c.id)).scalar_subquery()
                connection.execute(delete(quarantine).where(quarantine.c.id < middle))


def make_key(item: Quarantined, offset: int, index: int, origin: str = "") -> str:
    """The same for the same item of the same record, different for all others."""
    of = f"{origin}/" if origin else ""
    digest = hashlib.sha256(
        f"{of}{offset}:{index}:{item.code}:{item.topic}:".encode(errors="replace")
    )
    digest.update(item.payload)
    return digest.hexdigest()


def clean_text(words: str) -> str:
    """What devices say may hold halves of letters, which no database takes for text."""
    return words.encode(errors="replace").decode()


def _make_row(number: int, key: str, item: Quarantined) -> ShelfRow:
    row = {
        "id": number,
        "key": key,
        "source": clean_text(item.source[:64]),
        "topic": clean_text(item.topic[:512]),
        "payload": item.payload,
        "received_at_us": item.received_at_us,
        "code": item.code,
        "detail": clean_text(item.detail[:512]),
        "replayed_at_us": None,
        "replayed_crc": None,
    }
    return row | {"crc": sum_row(row)}


def _key_of(row: tuple[Any, ...]) -> ShelfKey:
    return row[0], bytes(row[1]).decode(errors="replace"), row[2]


def _sum_all(row: ShelfRow) -> ShelfRow:
    return row | {
        "crc": sum_row(row),
        "replayed_crc": sum_replay(row["id"], row["replayed_at_us"]),
    }


def _raw_of(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101  # the registry has no other
    return raw
