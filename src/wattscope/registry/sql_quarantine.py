"""What was set aside, in SQL: looked at, counted, replayed, and capped in age and size."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, insert, select, update

from wattscope.core.time_grid import US_PER_DAY
from wattscope.ports import Quarantined
from wattscope.registry.database import Database
from wattscope.registry.schema import quarantine

MAX_AGE_US = 30 * US_PER_DAY
MAX_BYTES = 1_000_000_000
_PRUNE_EVERY = 1000


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

    def put(self, items: Sequence[Quarantined], offset: int) -> None:
        """Shelve the items of one log record, and now and then drop the oldest beyond the caps."""
        if not items:
            return
        statement = insert(quarantine).prefix_with("OR IGNORE")
        rows = [
            {
                "key": _make_key(item, offset, index),
                "source": item.source[:64],
                "topic": item.topic[:512],
                "payload": item.payload,
                "received_at_us": item.received_at_us,
                "code": item.code,
                "detail": item.detail[:512],
            }
            for index, item in enumerate(items)
        ]
        with self._database.begin() as connection:
            connection.execute(statement, rows)
        self._since_prune += len(rows)
        if self._since_prune >= _PRUNE_EVERY:
            self._since_prune = 0
            self._prune(max(item.received_at_us for item in items))

    def list_newest(self, limit: int, code: str | None = None) -> list[ShelvedItem]:
        """The newest items, newest first."""
        query = select(quarantine).order_by(quarantine.c.id.desc()).limit(limit)
        if code is not None:
            query = query.where(quarantine.c.code == code)
        with self._database.begin() as connection:
            return [_item_from(row) for row in connection.execute(query)]

    def list_unreplayed(self, code: str | None = None) -> list[ShelvedItem]:
        """Items that were not replayed yet, oldest first."""
        query = select(quarantine).where(quarantine.c.replayed_at_us.is_(None))
        if code is not None:
            query = query.where(quarantine.c.code == code)
        with self._database.begin() as connection:
            return [_item_from(row) for row in connection.execute(query.order_by(quarantine.c.id))]

    def mark_replayed(self, ids: Sequence[int], at_us: int) -> None:
        """Note that items went through the pipeline again."""
        if not ids:
            return
        # One statement a row: SQLite takes no list of more than some 32,000 parameters.
        query = update(quarantine).where(quarantine.c.id == bindparam("number"))
        with self._database.begin() as connection:
            connection.execute(
                query.values(replayed_at_us=at_us), [{"number": number} for number in ids]
            )

    def count_by_code(self) -> dict[str, int]:
        """Items on the shelf by reason code."""
        query = select(quarantine.c.code, func.count()).group_by(quarantine.c.code)
        with self._database.begin() as connection:
            return {code: int(count) for code, count in connection.execute(query)}

    def _prune(self, now_us: int) -> None:
        with self._database.begin() as connection:
            connection.execute(
                delete(quarantine).where(quarantine.c.received_at_us < now_us - MAX_AGE_US)
            )
            size = connection.execute(select(func.sum(func.length(quarantine.c.payload)))).scalar()
            if (size or 0) > MAX_BYTES:
                middle = select(func.avg(quarantine.c.id)).scalar_subquery()
                connection.execute(delete(quarantine).where(quarantine.c.id < middle))


def _make_key(item: Quarantined, offset: int, index: int) -> str:
    """The same for the same item of the same record, different for all others."""
    digest = hashlib.sha256(f"{offset}:{index}:{item.code}:{item.topic}:".encode())
    digest.update(item.payload)
    return digest.hexdigest()


def _item_from(row: object) -> ShelvedItem:
    item = Quarantined(
        row.source,  # type: ignore[attr-defined]  # row of the quarantine table
        row.topic,  # type: ignore[attr-defined]  # as above
        row.payload,  # type: ignore[attr-defined]  # as above
        row.received_at_us,  # type: ignore[attr-defined]  # as above
        row.code,  # type: ignore[attr-defined]  # as above
        row.detail,  # type: ignore[attr-defined]  # as above
    )
    return ShelvedItem(row.id, item, row.replayed_at_us)  # type: ignore[attr-defined]  # as above
