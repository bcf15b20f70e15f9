"""What is wrong with a data folder after its process died, by the plan and the ledger.

Records reach the log one after the other, each synced before the next begins. So the folder must
hold exactly the rows of the acknowledged steps, or those and the step that was under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.faults.buckets import compare_buckets, read_rows_as_stored
from tests.faults.workload import SETTINGS, Key, Step, small_scale
from tests.stores.histories import NAMES
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.reading import Quality

Rows = dict[Key, tuple[str, int]]
"""Value as Python writes it, so that NaN equals NaN, and quality without ``LATE``, by key."""


def find_faults(root: Path, plan: Sequence[Step], n_acked: int) -> list[str]:
    """Open the folder as the program does, and compare; an empty list is good."""
    try:
        with small_scale(), open_storage(SETTINGS, root / "data") as storage:
            return _compare(storage, plan, n_acked)
    except Exception as refusal:  # noqa: BLE001  # whatever it is, the user could not start
        return [f"does not open or does not answer: {refusal!r}"]


def rows_of(plan: Sequence[Step]) -> Rows:
    """What must be stored after these steps: of each key the first value."""
    kept: Rows = {}
    for step in plan:
        for series, t, value, quality in step.rows:
            kept.setdefault((series, t), (repr(value), quality))
    return kept


def read_rows(storage: Storage) -> Rows:
    """All that is stored.

    Raises:
        AssertionError: A key is there twice, or a row belongs to no series of the registry.
    """
    numbers = {
        one.id: NAMES.index((one.device, one.quantity.name)) + 1
        for one in storage.registry.list_series()
    }
    found = read_rows_as_stored(storage)
    rows: Rows = {}
    for series, t, value, quality in zip(
        *(column.tolist() for column in (found.series_id, found.measured_at_us)),
        *(column.tolist() for column in (found.value, found.quality)),
        strict=True,
    ):
        assert series in numbers, f"row of series {series}, which the registry does not know"
        key = numbers[series], t
        assert key not in rows, f"{key} is there twice"
        rows[key] = repr(value), quality & ~int(Quality.LATE)
    return rows


def _compare(storage: Storage, plan: Sequence[Step], n_acked: int) -> list[str]:
    try:
        found = read_rows(storage)
    except AssertionError as fault:
        return [str(fault)]
    faults = _compare_rows(found, plan, n_acked) + _compare_shelf(storage, plan, n_acked)
    [(count,)] = storage.store.query("SELECT count(*) FROM readings").rows
    if count != len(found):
        faults.append(f"SQL counts {count} rows of {len(found)}")
    try:
        compare_buckets(storage)
    except AssertionError as fault:
        faults.append(f"a bucket is not what its rows say: {fault}")
    return faults


def _compare_rows(found: Rows, plan: Sequence[Step], n_acked: int) -> list[str]:
    promised, possible = rows_of(plan[:n_acked]), rows_of(plan[: n_acked + 1])
    if found in (promised, possible):
        return []
    faults = []
    lost = [key for key in promised if found.get(key) != promised[key]]
    made_up = [key for key in found if found[key] != possible.get(key)]
    if lost:
        faults.append(f"{len(lost)} of {len(promised)} rows lost or changed, first {lost[0]}")
    if made_up:
        faults.append(f"{len(made_up)} rows that were not sent, first {made_up[0]}")
    return faults or ["a batch is there in part"]


def _compare_shelf(storage: Storage, plan: Sequence[Step], n_acked: int) -> list[str]:
    found = {
        one.item.payload
        for one in storage.shelf.list_newest(100_000)
        if one.item.code != "conflict"
    }
    promised = {item.payload for step in plan[:n_acked] for item in step.aside}
    possible = {item.payload for step in plan[: n_acked + 1] for item in step.aside}
    if promised <= found <= possible:
        return []
    return [f"quarantine: {len(promised - found)} lost, {len(found - possible)} made up"]
