"""The views of SQL name the same units as the rest of the program."""

from __future__ import annotations

import duckdb
import pytest

from wattscope.core.quantities import QUANTITIES, find_quantity, own_quantity, unit_of
from wattscope.stores.sql.views import _UNIT_OF

OWN = (
    *(("Flow Rate", "l/min"), ("test_measurement", "test_u"), ("Valve", ""), ("Valve", "%")),
    *(("outdoor", "°C"), ("gas", "m³/h"), ("resistance", "Ω"), ("phase w", "V"), ("a_wh", "k")),
)


def _list_names() -> list[str]:
    strings = [
        f"dc_{stem}_s{number}_{unit}"
        for stem, unit in (("power", "w"), ("voltage", "v"), ("current", "a"))
        for number in (1, 9, 64)
    ]
    own = [found.name for words in OWN if (found := own_quantity(*words)) is not None]
    assert len(own) == len(OWN)
    return [*QUANTITIES, *strings, *own]


def _ask(names: list[str]) -> dict[str, str | None]:
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT quantity, {_UNIT_OF} FROM (SELECT unnest(?) AS quantity)", [names]
        ).fetchall()
    return dict(rows)


def test_unit_in_sql_is_that_of_the_quantity() -> None:
    names = _list_names()
    units = _ask(names)
    assert all(find_quantity(name) is not None for name in names)
    assert {name: units[name] for name in names} == {name: unit_of(name) for name in names}


@pytest.mark.parametrize("name", ["flow_rate__l_per_min", "valve__1"])
def test_unit_of_a_meters_own_is_after_two_underscores(name: str) -> None:
    assert _ask([name]) == {name: {"flow_rate__l_per_min": "l/min", "valve__1": ""}[name]}
