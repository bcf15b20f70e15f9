"""A registry copied into another, from SQLite to PostgreSQL or back, while the source is in use.

What is there already is not written again: a copy that was cut short goes on where it was, and one
that is made again brings over what changed meanwhile. Series keep their ids; a target that has
given one of them to another series is refused before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Table, cast, func, select
from sqlalchemy.dialects import postgresql, sqlite

from wattscope.core.errors import StorageError
from wattscope.registry.access import open_shelf
from wattscope.registry.database_port import NOTHING_SEEN, RegistryDatabase
from wattscope.registry.names import Names, RowChange
from wattscope.registry.schema import (
    alert_deliveries,
    alert_rules,
    alert_states,
    alerts,
    counter_decisions,
    incidents,
    quarantine,
    series,
)

OnStep = Callable[[str, int, int], None]
"""Told a table, how many of its rows are done, and how many there are."""
_IDENTITY: Final[Mapping[Table, tuple[str, ...]]] = {
    alerts: ("rule", "device", "key", "raised_at_us"),
    alert_states: (),
    alert_deliveries: ("created_at_us", "channel"),
    incidents: ("device", "kind"),
}
"""What two rows of one key must have in common, or the target is in use by others."""
_GROUP: Final = 500

Rows = dict[Any, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """How a table stands after a copy."""

    table: str
    n_source: int
    """Sound rows of the source."""
    n_same: int
    """Those that are in the target as they are."""
    n_target: int
    n_damaged: int = 0
    """Rows of the source that are not what was written, and were left out."""

    @property
    def is_same(self) -> bool:
        """Whether nothing is missing or different."""
        return self.n_same == self.n_source


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy has come to, read again from both sides after it."""

    tables: tuple[CopiedTable, ...]

    @property
    def is_complete(self) -> bool:
        """Whether the target has everything; if not, rows changed meanwhile: copy again."""
        return all(one.is_same for one in self.tables)


def copy_registry(
    source: RegistryDatabase, target: RegistryDatabase, on_step: OnStep = lambda *_: None
) -> CopyReport:
    """Copy sites, devices, series, decisions, rules, alerts, messages, incidents and quarantine.

    Raises:
        StorageError: The target belongs to another installation; nothing was changed, or nothing
            but rows that are those of the source.
        TransientError: One of them cannot be reached; call it again.
    """
    _copy_names(source, target, on_step)
    for table in _IDENTITY:
        _copy_table(source, target, table, on_step)
    _copy_shelf(source, target, on_step)
    return compare_registries(source, target)


def compare_registries(source: RegistryDatabase, target: RegistryDatabase) -> CopyReport:
    """Read both sides, row by row."""
    of_source, of_target = _read_names(source), _read_names(target)
    found = [
        CopiedTable(
            name,
            len(rows),
            sum(of_target[name].get(key) == row for key, row in rows.items()),
            len(of_target[name]),
        )
        for name, rows in of_source.items()
    ]
    for table in _IDENTITY:
        n_source = n_same = 0
        for rows in _walk(source, table):
            there = _read(target, table, rows)
            n_source += len(rows)
            n_same += sum(there.get(key) == row for key, row in rows.items())
        found.append(CopiedTable(str(table.name), n_source, n_same, _count(target, table)))
    return CopyReport((*found, _compare_shelves(source, target)))


def _copy_names(source: RegistryDatabase, target: RegistryDatabase, on_step: OnStep) -> None:
    wanted = _read_names(source)
    with target.edit_names() as edit:
        present = _read_names(target)
        _refuse_other_series(target.where, wanted, present)
        changes = [
            RowChange(table, present[table].get(key), row)
            for table, rows in wanted.items()
            for key, row in rows.items()
            if present[table].get(key) != row
        ]
        # Decisions and rules that people have dropped since the copy before.
        changes += [
            RowChange(table, row, None)
            for table in (str(counter_decisions.name), str(alert_rules.name))
            for key, row in present[table].items()
            if key not in wanted[table]
        ]
        if changes:
            edit.write(changes)
    for table, rows in wanted.items():
        on_step(table, len(rows), len(rows))


def _refuse_other_series(where: str, wanted: Names, present: Names) -> None:
    known = wanted[series.name]
    strange = [row for key, row in present[series.name].items() if known.get(key) != row]
    if strange:
        number, device, quantity = strange[0]
        raise StorageError(
            f"registry {where} has series that the source does not have, such as {number} "
            f"({quantity} of {device!r}); copy into an empty one"
        )


def _copy_table(
    source: RegistryDatabase, target: RegistryDatabase, table: Table, on_step: OnStep
) -> None:
    n_done, n_all = 0, _count(source, table)
    for rows in _walk(source, table):
        there = _read(target, table, rows)
        for key, row in there.items():
            if any(row[name] != rows[key][name] for name in _IDENTITY[table]):
                raise StorageError(
                    f"registry {target.where} has a row {key!r} in {table.name} that is not of "
                    "the source; copy into an empty one"
                )
        new = [row for key, row in rows.items() if there.get(key) != row]
        if new:
            with target.begin_alone(str(table.name)) as connection:
                _put(connection, table, new)
                _advance_ids(connection, table)
        n_done += len(rows)
        on_step(str(table.name), n_done, max(n_all, n_done))


def _copy_shelf(source: RegistryDatabase, target: RegistryDatabase, on_step: OnStep) -> None:
    old, new = open_shelf(source), open_shelf(target)
    n_done, n_all, last = 0, _count(source, quarantine), 0
    while keys := old.list_keys(last, _GROUP):
        there = new.find_keys([one[0] for one in keys])
        if any(there[number][1] != key for number, key, _ in keys if number in there):
            raise StorageError(
                f"the quarantine of registry {target.where} is not that of the source; "
                "copy into an empty one"
            )
        missing = [one[0] for one in keys if there.get(one[0]) != one]
        if missing:
            new.write_rows(old.read_rows(missing))
            with target.begin() as connection:
                _advance_ids(connection, quarantine)
        last = keys[-1][0]
        n_done += len(keys)
        on_step(str(quarantine.name), n_done, max(n_all, n_done))


def _compare_shelves(source: RegistryDatabase, target: RegistryDatabase) -> CopiedTable:
    old, new = open_shelf(source), open_shelf(target)
    n_source = n_same = n_damaged = last = 0
    while keys := old.list_keys(last, _GROUP):
        there = new.find_keys([one[0] for one in keys])
        missing = [one[0] for one in keys if there.get(one[0]) != one]
        sound = old.read_rows(missing)
        n_damaged += len(missing) - len(sound)
        n_source += len(keys) - len(missing) + len(sound)
        n_same += len(keys) - len(missing)
        last = keys[-1][0]
    n_target = _count(target, quarantine)
    return CopiedTable(str(quarantine.name), n_source, n_same, n_target, n_damaged)


def _read_names(database: RegistryDatabase) -> Names:
    news = database.read_news(NOTHING_SEEN)
    assert news is not None and news.names is not None  # noqa: PT018, S101  # always after nothing
    return news.names


def _walk(database: RegistryDatabase, table: Table) -> Iterator[Rows]:
    """All rows by key, some at a time."""
    [key] = table.primary_key.columns
    query = select(table).order_by(key).limit(_GROUP)
    last = None
    while True:
        with database.begin() as connection:
            found = connection.execute(query if last is None else query.where(key > last))
            rows = {row[key.name]: dict(row) for row in found.mappings()}
        if not rows:
            return
        yield rows
        # By the order of the database, which is not that of Python.
        last = next(reversed(rows))


def _read(database: RegistryDatabase, table: Table, keys: Rows) -> Rows:
    [key] = table.primary_key.columns
    with database.begin() as connection:
        found = connection.execute(select(table).where(key.in_(list(keys))))
        return {row[key.name]: dict(row) for row in found.mappings()}


def _count(database: RegistryDatabase, table: Table) -> int:
    with database.begin() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def _put(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = make(table)
    [key] = table.primary_key.columns
    changed = {one.name: statement.excluded[one.name] for one in table.columns if one is not key}
    connection.execute(
        statement.on_conflict_do_update(index_elements=[key.name], set_=changed), rows
    )


def _advance_ids(connection: Connection, table: Table) -> None:
    """The next id that a server gives is above those that were copied; SQLite does so by itself."""
    if connection.dialect.name != "postgresql" or table not in {alerts, quarantine}:
        return
    schema = connection.get_execution_options()["schema_translate_map"][None]
    quote = connection.dialect.identifier_preparer.quote
    sequence = func.pg_get_serial_sequence(f"{quote(schema)}.{quote(table.name)}", "id")
    highest = select(func.max(table.c.id)).scalar_subquery()
    given = func.pg_sequence_last_value(cast(sequence, postgresql.REGCLASS))
    connection.execute(select(func.setval(sequence, func.greatest(highest, given))))
