"""How live values lie in Redis: names of keys and channels, and the bytes in them. Version 1.

::

    <prefix>:live:1:page:<n>     string: the records of the series 4096 n to 4096 n + 4095
    <prefix>:live:1:pages        set: the numbers of all pages
    <prefix>:live:1:filled       string: the run id of the server whose pages are known to be whole
    <prefix>:live:1:versions     hash: topic to the number of times that it was announced
    <prefix>:live:1:changes:<db> channel: number of a page u4, then slot u2, record of each change
    <prefix>:live:1:news:<db>    channel: "<version> <topic>"

    record   76 bytes, everything big-endian
    ┌────────────────┬────────┬───────────┬──────────┬─────┬─────┬─────┬───────────────────────────┐
    │ measured_at µs │ value  │ minute    │ count    │ sum │ min │ max │ count, sum, min, max      │
    │ i8             │ f8     │ i4        │ u4       │ f8  │ f8  │ f8  │ of the minute before      │
    └────────────────┴────────┴───────────┴──────────┴─────┴─────┴─────┴───────────────────────────┘
                               since 1970   0: there is no value yet

Channels know no databases, so that the number of the database is in their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Batch, Int32Column, Int64Column
from wattscope.core.time_grid import US_PER_MINUTE
from wattscope.ports import MinuteSums

PAGE_SERIES: Final = 4096
"""Series of a page: reading one record of a page costs as much as reading all of them."""
MAX_ROWS: Final = 1000
"""Rows of one script call at most: while it runs, Redis answers nobody else."""
_LAST_PAGE: Final = (2**31 - 1) // PAGE_SERIES
_INT32: Final = np.iinfo(np.int32)

RECORD: Final = np.dtype(
    [
        ("measured_at_us", ">i8"),
        ("value", ">f8"),
        ("minute", ">i4"),
        ("count", ">u4"),
        ("sum", ">f8"),
        ("min", ">f8"),
        ("max", ">f8"),
        ("count_before", ">u4"),
        ("sum_before", ">f8"),
        ("min_before", ">f8"),
        ("max_before", ">f8"),
    ]
)
_CHANGE: Final = np.dtype([("slot", ">u2"), ("record", RECORD)])
_ROW: Final = np.dtype(
    [("slot", ">u2"), ("measured_at_us", ">i8"), ("minute", ">i4"), ("value", ">f8")]
)
_MINUTE_ROW: Final = np.dtype(
    [
        ("slot", ">u2"),
        ("minute", ">i4"),
        ("count", ">u4"),
        ("sum", ">f8"),
        ("min", ">f8"),
        ("max", ">f8"),
    ]
)
Records = npt.NDArray[np.void]


class Call(NamedTuple):
    """What one script call is given."""

    page: int
    rows: bytes


class Changes(NamedTuple):
    """Records of some series, each once."""

    series: Int64Column
    records: Records


@dataclass(frozen=True, slots=True)
class Names:
    """Keys and channels of one installation in one database."""

    prefix: str
    database: int

    @property
    def pages(self) -> str:
        return f"{self.prefix}:live:1:pages"

    @property
    def filled(self) -> str:
        return f"{self.prefix}:live:1:filled"

    @property
    def versions(self) -> str:
        return f"{self.prefix}:live:1:versions"

    @property
    def changes(self) -> str:
        return f"{self.prefix}:live:1:changes:{self.database}"

    @property
    def news(self) -> str:
        return f"{self.prefix}:live:1:news:{self.database}"

    def page(self, number: int) -> str:
        return f"{self.prefix}:live:1:page:{number}"


def pack_rows(batch: Batch) -> list[Call]:
    """Usable rows for ``update.lua``, those of a series together and by time.

    Of minutes before the last two of a series nothing is kept, so their rows are left out. Of two
    rows for one instant the first one stays first, and so is the one that counts.
    """
    order = np.lexsort((batch.measured_at_us, batch.series_id))
    series, t_us = batch.series_id[order], batch.measured_at_us[order]
    minute = t_us // US_PER_MINUTE
    is_last = np.r_[series[1:] != series[:-1], True][: len(series)]
    newest = minute[is_last][np.cumsum(is_last) - is_last]
    is_kept = minute >= newest - 1
    order, series, minute = order[is_kept], series[is_kept], minute[is_kept]
    rows = np.empty(len(order), _ROW)
    rows["slot"] = series % PAGE_SERIES
    rows["measured_at_us"] = t_us[is_kept]
    rows["minute"] = np.clip(minute, _INT32.min, _INT32.max)
    rows["value"] = batch.value[order]
    return list(_cut(series, rows))


def pack_minutes(series: Int32Column, sums: MinuteSums) -> list[Call]:
    """Sums of whole minutes for ``minutes.lua``; those without a value are left out."""
    order = np.argsort(series, kind="stable")
    order = order[sums.count[order] > 0]
    rows = np.empty(len(order), _MINUTE_ROW)
    rows["slot"] = series[order] % PAGE_SERIES
    minute = sums.start_us[order] // US_PER_MINUTE
    rows["minute"] = np.clip(minute, _INT32.min, _INT32.max)
    for name in ("count", "sum", "min", "max"):
        rows[name] = getattr(sums, name)[order]
    return list(_cut(series[order], rows))


def _cut(series: Int32Column, rows: npt.NDArray[np.void]) -> Iterator[Call]:
    """Rows by page, and no more than ``MAX_ROWS`` a call."""
    if not len(rows):
        return
    page = series // PAGE_SERIES
    starts = np.flatnonzero(np.r_[True, page[1:] != page[:-1]]).tolist()
    for start, end in zip(starts, [*starts[1:], len(page)], strict=True):
        for first in range(start, end, MAX_ROWS):
            yield Call(int(page[start]), rows[first : min(end, first + MAX_ROWS)].tobytes())


def read_page_number(word: bytes) -> int | None:
    """The number of a page; None for a word that is none."""
    number = int(word) if word.isdigit() else -1
    return number if 0 <= number <= _LAST_PAGE else None


def read_page(number: int, content: bytes) -> Changes:
    """All records of a page that hold a value."""
    records = np.frombuffer(content, RECORD, count=len(content) // RECORD.itemsize)
    slots = np.flatnonzero(records["count"] > 0)
    return Changes(slots + number * PAGE_SERIES, records[slots])


def read_changes(message: bytes) -> Changes:
    """The records of a message on the channel of changes.

    Raises:
        ValueError: It is none of ours.
    """
    changes = np.frombuffer(message, _CHANGE, offset=4)
    page = int.from_bytes(message[:4], "big")
    if page > _LAST_PAGE:
        raise ValueError(page)
    return Changes(changes["slot"].astype(np.int64) + page * PAGE_SERIES, changes["record"])


def concat_changes(parts: Sequence[Changes]) -> Changes:
    """All of them, in order."""
    if not parts:
        return Changes(np.empty(0, np.int64), np.empty(0, RECORD))
    return Changes(
        np.concatenate([one.series for one in parts]),
        np.concatenate([one.records for one in parts]),
    )


def native(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A column in the byte order of this machine."""
    return column.astype(column.dtype.newbyteorder("="))
