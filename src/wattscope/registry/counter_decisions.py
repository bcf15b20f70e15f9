"""What people decided about steps of counters, in SQL, with everything read once and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from wattscope.core.counter_steps import CounterDecision, StepKind
from wattscope.registry.database_port import NamesEdit
from wattscope.registry.names import (
    Packed,
    Row,
    RowChange,
    change_row,
    make_row,
    name_columns,
    widen_row,
)
from wattscope.registry.schema import counter_decisions


class CounterDecisions:
    """Decisions by series and instant; at most one for each reading.

    Promises that a decision is committed before ``put`` and ``drop`` return. It does not know
    whether there is a reading at that instant, and it never touches readings.
    """

    def __init__(self, edit: Callable[[], AbstractContextManager[NamesEdit]]) -> None:
        """``edit`` begins a change of names that no other thread and process makes beside."""
        self._edit = edit
        self._known: dict[tuple[int, int], CounterDecision] = {}

    def take_rows(self, rows: Iterable[Row]) -> None:
        """Know these decisions, and no others."""
        found = [_decision_from(row) for row in rows]
        self._known = {(one.series_id, one.at_us): one for one in found}

    def take_changes(self, packed: Packed) -> None:
        """Know what others have decided."""
        gone = {tuple(key) for key in packed.get(f"-{counter_decisions.name}", ())}
        come = [_decision_from(row) for row in packed.get(counter_decisions.name, ())]
        if gone or come:
            kept = {key: one for key, one in self._known.items() if key not in gone}
            self._known = kept | {(one.series_id, one.at_us): one for one in come}

    def list_of(self, series: int) -> tuple[CounterDecision, ...]:
        """All decisions about a series, by instant."""
        return self.by_series().get(series, ())

    def by_series(self) -> dict[int, tuple[CounterDecision, ...]]:
        """All decisions by series, each by instant."""
        found: dict[int, tuple[CounterDecision, ...]] = {}
        for (series, _), one in sorted(self._known.items()):
            found[series] = (*found.get(series, ()), one)
        return found

    def put(self, decision: CounterDecision) -> None:
        """Keep a decision, in place of an older one about the same reading."""
        key = (decision.series_id, decision.at_us)
        with self._edit() as edit:
            older = self._known.get(key)
            if decision != older:
                edit.write([_change(older, decision)])
                self._known = self._known | {key: decision}

    def drop(self, series: int, at_us: int) -> CounterDecision | None:
        """Forget a decision; returns it, or None when there was none."""
        with self._edit() as edit:
            found = self._known.get((series, at_us))
            if found is not None:
                edit.write([_change(found, None)])
                self._known = {key: one for key, one in self._known.items() if one is not found}
            return found


def _change(old: CounterDecision | None, new: CounterDecision | None) -> RowChange:
    return change_row(counter_decisions, _row_of(old), _row_of(new))


def _row_of(decision: CounterDecision | None) -> Row | None:
    if decision is None:
        return None
    values = {name: getattr(decision, name) for name in CounterDecision.__slots__}
    return make_row(counter_decisions, values | {"kind": decision.kind.value})


def _decision_from(row: Row) -> CounterDecision:
    values = name_columns(counter_decisions, widen_row(counter_decisions, row))
    return CounterDecision(**(values | {"kind": StepKind(values["kind"])}))
