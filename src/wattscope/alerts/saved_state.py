"""The state of a watch as plain values by place, and back: across restarts and changed places.

A place that is new begins from nothing; what is known of one that is gone is forgotten.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from wattscope.alerts.watch import NEVER, Watch, WatchState, make_state

Packed = dict[str, Any]
"""``places`` as pairs of device and key, and the columns of the same length by name; JSON takes
it, for NaN is None in it."""

_COLUMNS = tuple(one.name for one in fields(WatchState))


def pack_state(watch: Watch, state: WatchState) -> Packed:
    """The state as plain values."""
    packed: Packed = {"places": [[one.device, one.key] for one in watch.places]}
    packed |= {name: getattr(state, name).tolist() for name in _COLUMNS}
    packed["past"] = [
        [None if value != value else value for value in row]  # noqa: PLR0124  # NaN is no JSON
        for row in packed["past"]
    ]
    return packed


def unpack_state(watch: Watch, packed: Packed) -> WatchState:
    """The state of a watch out of plain values, by the names of the places.

    Columns of another shape, as another kind of rule or an older program has them, begin anew.
    """
    state = make_state(watch)
    rows = {(device, key): row for row, (device, key) in enumerate(packed.get("places", []))}
    found = [
        (at, rows[one.device, one.key])
        for at, one in enumerate(watch.places)
        if (one.device, one.key) in rows
    ]
    if not found:
        return state
    to, at = (np.array(column, np.intp) for column in zip(*found, strict=True))
    filled = {}
    for name in _COLUMNS:
        fresh = getattr(state, name).copy()
        column = np.array(packed.get(name, []), fresh.dtype)
        if column.ndim == fresh.ndim and column.shape[1:] == fresh.shape[1:] and len(column):
            fresh[to] = column[at]
        filled[name] = fresh
    return WatchState(**filled)


def mark_raised(state: WatchState, is_raised: Any) -> WatchState:  # noqa: ANN401  # a column or list
    """The state with what is raised as somebody else knows it."""
    raised = np.asarray(is_raised, bool)
    values = {name: getattr(state, name) for name in _COLUMNS}
    values["is_raised"] = raised
    values["since_us"] = np.where(raised, NEVER, state.since_us)
    values["calm_us"] = np.where(raised, state.calm_us, NEVER)
    return WatchState(**values)
