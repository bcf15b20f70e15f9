"""Copies of the registry's names in the store's schema, so that SQL can join them.

With each series stands a checksum of its rule: where it is another than the one with which the kept
buckets were made, they are made anew. A site that moved to another time zone has other days.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np

from wattscope.compute.segments import SeriesRule
from wattscope.stores.catalogue import Catalogue, SeriesNames
from wattscope.stores.postgres.columns import ALWAYS, NEVER, Connection, Counts, Numbers
from wattscope.stores.postgres.pieces import Pieces
from wattscope.stores.postgres.states import lock_series, mark_outdated

_READ: Final = """SELECT series_id, site, device, quantity, unit, is_counter, time_zone, rule_crc
    FROM series_names"""
_WRITE: Final = """INSERT INTO series_names
    (series_id, site, device, quantity, unit, is_counter, time_zone, rule_crc)
    SELECT * FROM unnest(%s, %s::text[], %s::text[], %s::text[], %s::text[], %s::bool[],
                         %s::text[], %s) q (series_id)
    ORDER BY series_id
    ON CONFLICT (series_id) DO UPDATE SET
        site = excluded.site, device = excluded.device, quantity = excluded.quantity,
        unit = excluded.unit, is_counter = excluded.is_counter,
        time_zone = excluded.time_zone, rule_crc = excluded.rule_crc"""

_Name = tuple[str, str, str, str, bool, str, int]
"""Site, device, quantity, unit, whether it counts, time zone, checksum of the rule."""


class NamesCopy:
    """Keeps the copies equal to the registry."""

    def __init__(self, names: SeriesNames, catalogue: Catalogue) -> None:
        self._names = names
        self._catalogue = catalogue
        self._copied: dict[int, SeriesRule] | None = None

    def is_outdated(self) -> bool:
        """Whether the registry was read anew since the last copy."""
        return self._catalogue.rules is not self._copied

    def write(self, connection: Connection) -> None:
        """Bring the copies up to date, inside a transaction."""
        rules = self._catalogue.rules
        now = self._list_names(rules)
        before = {one: tuple(rest) for one, *rest in connection.execute(_READ)}
        changed = {one: name for one, name in now.items() if before.get(one) != name}
        if changed:
            _write(connection, changed)
            # Zone and rule are the last two of a name.
            moved = [
                one for one, name in changed.items() if before.get(one, name)[-2:] != name[-2:]
            ]
            if moved:
                outdate_all(connection, moved)
        self._copied = rules

    def _list_names(self, rules: dict[int, SeriesRule]) -> dict[int, _Name]:
        zones = self._catalogue.zone_names()
        return {
            one.id: (
                one.site,
                one.device,
                one.quantity.name,
                one.quantity.unit,
                one.quantity.kind.value == "counter",
                zones[one.site],
                check_rule(rules[one.id]),
            )
            for one in self._names.list_series()
            if one.id in rules
        }


def _write(connection: Connection, changed: dict[int, _Name]) -> None:
    ids = sorted(changed)
    columns = [list(column) for column in zip(*(changed[one] for one in ids), strict=True)]
    connection.execute(_WRITE, [Numbers(ids), *columns[:-1], Counts(columns[-1])])


def outdate_all(connection: Connection, series: list[int], from_us: int = ALWAYS) -> None:
    """Have all buckets of some series made anew, from an instant on; inside a transaction."""
    ids = np.array(sorted(series), np.int32)
    # Whoever makes buckets now is done before, and does not take this mark for its own.
    lock_series(connection, ids)
    mark_outdated(connection, Pieces.of_range(ids.tolist(), from_us, NEVER))


def check_rule(rule: SeriesRule) -> int:
    """Checksum of a rule."""
    return zlib.crc32(repr(rule).encode())


def find_misread(
    connection: Connection, rules: dict[int, SeriesRule], series: list[int]
) -> set[int]:
    """Series whose rule is another in the store than in this process."""
    sql = "SELECT series_id, rule_crc FROM series_names WHERE series_id = ANY(%s)"
    found: dict[int, int] = dict(connection.execute(sql, [Numbers(series)]).fetchall())
    return {one for one in series if one not in rules or found.get(one) != check_rule(rules[one])}
