"""What a data folder answers, and whether an answer after damage is silently wrong.

A value that is returned must be the true one. A value that is not returned must have been reported
as damaged. A bucket may also be the one that the remaining rows make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from tests.faults.buckets import (
    Table,
    find_differing,
    read_buckets,
    read_rows_as_stored,
    recompute,
    rules_of,
)
from tests.faults.verdict import read_rows
from tests.faults.workload import SETTINGS, STEP_US, T0_US, register, small_scale
from wattscope.assembly.storage import Storage, open_storage
from wattscope.compute.segments import SeriesRule
from wattscope.core.reading import Batch, build_batch, empty_batch
from wattscope.core.time_grid import US_PER_HOUR
from wattscope.logs.segment_log import SegmentLog

LEVELS = ("1m", "1h")
Values = dict[tuple[object, ...], object]


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that was asked."""

    values: Values
    """Rows by series and instant, records by offset and place, names by what they name."""
    is_reported: bool
    """Whether damage was."""
    buckets: dict[str, Table] = field(default_factory=dict)
    """What the store gives, by level."""
    rows: Batch = field(default_factory=empty_batch)
    """All rows that it gives, to make buckets of."""
    rules: dict[int, SeriesRule] = field(default_factory=dict)


class Kind(NamedTuple):
    """A kind of file, and the questions that show what is in it."""

    part: str
    """Folder below the data folder that the questions need; ``.`` for all of it."""
    pattern: str
    """Names of its files, below that."""
    ask: Callable[[Path], Answer]
    """Opens a copy of the part as a starting program does."""
    n_quick: int
    """Flips of a quick run; opening a whole store takes a tenth of a second."""
    n_long: int = 10_000
    """Flips of a long run."""
    n_cuts: int | None = None
    """Lengths to which it is cut in a long run; None: to every one."""
    writes: bool = True
    """Whether asking may change what is in the folder."""


def read_log(folder: Path) -> Answer:
    """All records of the log, each value by itself."""
    first = min(int(path.stem) for path in folder.glob("*.log"))
    log = SegmentLog(folder, first_offset=first)
    values: Values = {}
    for record in log.read(0):
        batch = record.batch
        columns = (batch.series_id, batch.measured_at_us, batch.value, batch.quality)
        rows = [*zip(*(column.tolist() for column in columns), strict=True), *record.quarantined]
        values |= {(record.offset, place): repr(row) for place, row in enumerate(rows)}
    log.close()
    return Answer(values, is_reported=bool(log.damages))


def find_silent_fault(truth: Answer, answer: Answer) -> str | None:
    """What is wrong without anybody having been told; None where all is well."""
    for key, value in answer.values.items():
        if truth.values.get(key) != value:
            return f"{key} is {value}, in truth {truth.values.get(key)}"
    missing = truth.values.keys() - answer.values.keys()
    if missing and not answer.is_reported:
        return f"{len(missing)} values are missing, and no damage is reported"
    for level, found in answer.buckets.items():
        true = truth.buckets[level]
        wrong = find_differing(found, true)
        if len(wrong) and missing:
            wrong = find_differing(found, true, recompute(answer.rows, answer.rules, level))
        if len(wrong):
            return f"{len(wrong)} buckets of {level} are wrong, first {wrong[0]}"
        if not answer.is_reported and len(find_differing(true, found)):
            return f"buckets of {level} are missing, and no damage is reported"
    return None


def read_store(data: Path) -> Answer:
    """All rows and buckets, opened as the writing program opens them."""
    with small_scale(), open_storage(SETTINGS, data) as storage:
        values: Values = {key: row for key, row in read_rows(storage).items()}  # noqa: C416  # other key type
        buckets = {level: read_buckets(storage, level) for level in LEVELS}
        rows, rules = read_rows_as_stored(storage), rules_of(storage)
        return Answer(values, has_damages(storage), buckets, rows, rules)


def read_store_after_flush(data: Path) -> Answer:
    """As ``read_store``, once late rows of every span were flushed, merged and rolled up.

    What is damaged must not be written anew as if it were sound.
    """
    with small_scale(), open_storage(SETTINGS, data) as storage:
        ids = register(storage.registry, 1)
        instants = range(T0_US - 9 * US_PER_HOUR + 1, T0_US + 60 * STEP_US, 3 * US_PER_HOUR)
        late = [(ids[1], at, 1.0, 0) for at in instants]
        storage.persist.append(build_batch(late))
        storage.persist.drain()
        storage.persist.flush()
        was_reported = has_damages(storage)
    answer = read_store(data)
    return replace(answer, is_reported=was_reported or answer.is_reported)


def read_registry(data: Path) -> Answer:
    """All names, and what was set aside."""
    with small_scale(), open_storage(SETTINGS, data) as storage:
        registry, shelf = storage.registry, storage.shelf
        values: Values = {
            **{("site", one.id): repr(one) for one in registry.list_sites()},
            **{("device", one.id): repr(one) for one in registry.list_devices()},
            **{("series", one.id): repr(one) for one in registry.list_series()},
            **{("aside", one.id): repr(one.item) for one in shelf.list_newest(100_000)},
        }
        return Answer(values, has_damages(storage))


def has_damages(storage: Storage) -> bool:
    """Whether the program reports damage of a folder, in whichever part."""
    parts = (storage.store, storage.log, storage.database)
    return any(getattr(part, "damages", ()) for part in parts)
