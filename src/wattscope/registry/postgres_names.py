"""Names in PostgreSQL: all rows, what changed since, and changes by one process at a time.

Whoever changes names holds the one row of ``names_state`` until it has committed; so changes have
an order, and whoever has read up to a number knows what he does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Boolean, Connection, Table, delete, func, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql

from wattscope.core.errors import StorageError
from wattscope.registry.database_port import NOTHING_SEEN, NamesNews
from wattscope.registry.names import (
    TABLES,
    Names,
    Packed,
    Row,
    RowChange,
    make_row,
    name_columns,
    no_names,
    pack_changes,
)
from wattscope.registry.postgres_schema import names_changes, names_state
from wattscope.registry.schema import series

KEPT_CHANGES: Final = 10_000
"""Whoever is further behind reads all names again."""
_GROUP: Final = 5000
_TABLES: Final[Mapping[str, Table]] = {str(table.name): table for table in TABLES}
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(dict[str, list[Row]])


def read_all(connection: Connection) -> NamesNews:
    """All names, as of one moment."""
    serial, last_series = _read_state(connection)
    names: Names = no_names()
    for table in TABLES:
        n_key = len(table.primary_key.columns)
        for found in connection.execute(select(table)).mappings():
            # SQLAlchemy's names are no plain texts.
            row = make_row(table, {str(name): value for name, value in found.items()})
            names[str(table.name)][row[:n_key]] = row
    return NamesNews(serial, last_series, names)


def read_news(connection: Connection, since: int) -> NamesNews | None:
    """What changed after a change of this number; None: nothing."""
    serial, last_series = _read_state(connection)
    if serial == since:
        return None
    if since == NOTHING_SEEN or serial < since:
        # Less than was seen already: another database has taken this one's place.
        return read_all(connection)
    found = connection.execute(
        select(names_changes.c.content)
        .where(names_changes.c.serial > since)
        .order_by(names_changes.c.serial)
    )
    changes: list[Packed] = [_decoder.decode(content) for (content,) in found]
    if len(changes) != serial - since:
        return read_all(connection)
    return NamesNews(serial, last_series, changes=changes)


@dataclass(slots=True)
class PostgresEdit:
    """A transaction that nobody else changes names beside."""

    connection: Connection
    news: NamesNews | None
    serial: int
    last_series: int
    is_written: bool = False

    @classmethod
    def begin(cls, connection: Connection, since: int | None) -> PostgresEdit:
        """Wait for others that change names, and see what they have done."""
        state = connection.execute(select(names_state).with_for_update()).one()
        news = None if since is None else read_news(connection, since)
        return cls(connection, news, *state)

    def write(self, changes: Sequence[RowChange]) -> None:
        """Change rows and commit."""
        assert not self.is_written, "one edit writes once"  # noqa: S101  # else it is no transaction
        numbers = [one.new[0] for one in changes if one.table == series.name and one.new]
        serial, last_series = self.serial + 1, max([self.last_series, *numbers])
        write_rows(self.connection, changes)
        content = _encoder.encode(pack_changes(changes)).decode()
        self.connection.execute(insert(names_changes).values(serial=serial, content=content))
        self.connection.execute(
            delete(names_changes).where(names_changes.c.serial <= serial - KEPT_CHANGES)
        )
        self.connection.execute(update(names_state).values(serial=serial, last_series=last_series))
        self.connection.commit()
        self.is_written = True
        self.serial, self.last_series = serial, last_series


def write_rows(connection: Connection, changes: Iterable[RowChange]) -> None:
    """Make changes of rows, table by table in the order in which they are given.

    Raises:
        StorageError: A new series has the id of another, which only a foreign hand can bring about.
    """
    put: dict[str, list[Row]] = {}
    gone: dict[str, list[Row]] = {}
    for change in changes:
        if change.new is None:
            gone.setdefault(change.table, []).append(change.key)
        else:
            put.setdefault(change.table, []).append(change.new)
    for name, keys in gone.items():
        table = _TABLES[name]
        key = tuple_(*table.primary_key.columns)
        for at in range(0, len(keys), _GROUP):
            connection.execute(delete(table).where(key.in_(keys[at : at + _GROUP])))
    for name, rows in put.items():
        if name == series.name:
            _refuse_taken(connection, rows)
        for at in range(0, len(rows), _GROUP):
            _put_rows(connection, _TABLES[name], rows[at : at + _GROUP])


def _refuse_taken(connection: Connection, rows: Sequence[Row]) -> None:
    """An id that means a series must never mean another: that would mix their histories."""
    for at in range(0, len(rows), _GROUP):
        wanted = {row[0]: row for row in rows[at : at + _GROUP]}
        taken = connection.execute(select(series).where(series.c.id.in_(list(wanted)))).all()
        for one in taken:
            if tuple(one) != tuple(wanted[one.id]):
                raise StorageError(
                    f"series {one.id} is {one.quantity} of {one.device!r} in the registry and "
                    f"shall be another; somebody changed its tables: restore them from a backup"
                )


def _put_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    keys = [column.name for column in table.primary_key.columns]
    statement = postgresql.insert(table)
    others = {
        one.name: statement.excluded[one.name] for one in table.columns if one.name not in keys
    }
    connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=others),
        [_typed(table, row) for row in rows],
    )


def _typed(table: Table, row: Row) -> dict[str, Any]:
    """The values of a row as PostgreSQL takes them: it has truth values, SQLite numbers."""
    values = name_columns(table, row)
    flags = (one.name for one in table.columns if isinstance(one.type, Boolean))
    return values | {name: bool(values[name]) for name in flags if values[name] is not None}


def _read_state(connection: Connection) -> tuple[int, int]:
    serial, last_series = connection.execute(
        select(func.max(names_state.c.serial), func.max(names_state.c.last_series))
    ).one()
    if serial is None:
        raise StorageError("the registry has lost its table names_state; restore it from a backup")
    return int(serial), int(last_series)
