"""Reading our own Parquet files page by page; each page is checked before it is believed.

A question for one series of a year's file reads a few pages of it, where a general reader would
decode whole row groups. A page whose CRC does not fit is never decoded: its rows are left out, and
the caller is told which.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.core.errors import StorageError
from wattscope.stores.parquet.deltas import (
    PageMaps,
    decode_and_map,
    decode_deltas,
    decode_part,
)
from wattscope.stores.parquet.encodings import decode_runs, decode_split, read_levels
from wattscope.stores.parquet.layout import (
    Chunk,
    Column,
    Encoding,
    Index,
    Kind,
    Page,
    decompress,
    unpack_index,
)

Ints = npt.NDArray[np.int64]


class DamagedPageError(StorageError):
    """The bytes of a page are not those that were written."""


class Coded(NamedTuple):
    """Values of a page as its bytes hold them."""

    page: Page
    content: bytes
    at: int
    """Where they begin."""
    n_values: int


@dataclass(slots=True)
class FileReader:
    """One open file of ours. Thread-safe; the file never changes."""

    path: Path
    columns: dict[str, Column]
    index: Index
    maps: PageMaps | None = None
    """By which parts of pages are found; None reads whole ones."""
    _runs: dict[int, list[tuple[int, int]]] | None = None
    _counts: dict[int, int] = field(default_factory=dict)
    _constants: dict[int, int] = field(default_factory=dict)
    """By position the number that a page of small ones holds throughout, such as good quality;
    both its pages were checked when it was read, and are not needed again."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(
        cls, path: Path, columns: Sequence[Column], at: int, size: int, crc: int
    ) -> FileReader:
        """Read the index of a file.

        Args:
            path: The file.
            columns: What it holds.
            at: Position of the index.
            size: Bytes of the index.
            crc: CRC-32 of the index.

        Raises:
            DamagedPageError: The index is not what was written.
            FileNotFoundError: The file is gone.
        """
        with path.open("rb") as file:
            content = os.pread(file.fileno(), size, at)
        if zlib.crc32(content) != crc:
            raise DamagedPageError(f"{path.name}: the index is damaged")
        return cls(path, {column.name: column for column in columns}, unpack_index(content))

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return self.index.n_rows

    def find_runs(self, series: Sequence[int] | None) -> list[tuple[int, int]]:
        """Stretches of rows that belong to the asked series, rising; None asks for all rows."""
        if series is None:
            return [(0, self.n_rows)] if self.n_rows else []
        return join_runs([(start, stop) for start, stop, _ in self._find_series(series)])

    def read_series(
        self, names: Sequence[str], series: Sequence[int]
    ) -> dict[str, npt.NDArray[Any]]:
        """Columns of the rows of some series, ``series_id`` without looking into the file.

        Raises:
            DamagedPageError: A page that is needed is not what was written.
        """
        found = self._find_series(series)
        runs = join_runs([(start, stop) for start, stop, _ in found])
        columns = self.read([name for name in names if name != "series_id"], runs)
        ids = np.array([one for _, _, one in found], np.int64)
        lengths = np.array([stop - start for start, stop, _ in found], np.int64)
        columns["series_id"] = np.repeat(ids, lengths)
        return columns

    def _find_series(self, series: Sequence[int]) -> list[tuple[int, int, int]]:
        """First row, row behind the last, and series of each stretch, rising."""
        runs = self._series_runs()
        return sorted((*run, one) for one in set(series) for run in runs.get(one, ()))

    def has_none_of(self, series: Sequence[int]) -> bool:
        """Whether it is known already that no row belongs to any of these series."""
        runs = self._runs
        return runs is not None and not any(one in runs for one in series)

    def count_rows(self) -> Mapping[int, int]:
        """Rows of each series in the file."""
        self._series_runs()
        return self._counts

    def read(
        self, names: Sequence[str], runs: Sequence[tuple[int, int]]
    ) -> dict[str, npt.NDArray[Any]]:
        """Columns over some stretches of rows; a null is NaN.

        Raises:
            DamagedPageError: A page that is needed is not what was written.
        """
        if not runs:
            return {name: _empty(self.columns[name]) for name in names}
        fd = os.open(self.path, os.O_RDONLY)
        try:
            return {name: self._read_column(fd, self.columns[name], runs) for name in names}
        finally:
            os.close(fd)

    def check(self) -> list[tuple[int, int]]:
        """Stretches of rows of which some page is damaged, joined and rising."""
        bad: list[tuple[int, int]] = []
        with self.path.open("rb") as file:
            fd = file.fileno()
            start = 0
            for group in self.index.groups:
                for chunk in group.chunks.values():
                    bad += _find_damaged(fd, chunk, start, group.n_rows)
                start += group.n_rows
        return join_runs(bad)

    def _series_runs(self) -> dict[int, list[tuple[int, int]]]:
        with self._lock:
            if self._runs is None:
                series = self.read(("series_id",), [(0, self.n_rows)])["series_id"]
                starts = np.flatnonzero(np.r_[True, series[1:] != series[:-1]][: len(series)])
                stops = np.r_[starts[1:], len(series)][: len(starts)]
                runs: dict[int, list[tuple[int, int]]] = {}
                for one, start, stop in zip(
                    series[starts].tolist(), starts.tolist(), stops.tolist(), strict=True
                ):
                    runs.setdefault(one, []).append((start, stop))
                self._counts = {
                    one: sum(stop - start for start, stop in found) for one, found in runs.items()
                }
                self._runs = runs
            return self._runs

    def _read_column(
        self, fd: int, column: Column, runs: Sequence[tuple[int, int]]
    ) -> npt.NDArray[Any]:
        parts = [
            self._decode(
                fd, column, chunk, page, (max(low, start) - start, min(high, stop) - start)
            )
            for start, stop, chunk, page, low, high in self._pages_of(column.name, runs)
        ]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _pages_of(
        self, name: str, runs: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, int, Chunk, Page, int, int]]:
        """Each page that holds rows of the runs, with its rows and the run's."""
        waiting = list(reversed(runs))
        start = 0
        for group in self.index.groups:
            if not waiting:
                return
            if waiting[-1][0] >= start + group.n_rows:
                start += group.n_rows
                continue
            chunk = group.chunks[name]
            for page in chunk.pages:
                stop = start + page.n_rows
                while waiting and waiting[-1][0] < stop:
                    low, high = waiting[-1]
                    yield start, stop, chunk, page, low, high
                    if high > stop:
                        break
                    waiting.pop()
                start = stop

    def _decode(
        self, fd: int, column: Column, chunk: Chunk, page: Page, rows: tuple[int, int]
    ) -> npt.NDArray[Any]:
        """Some rows of a page, from the first one to behind the last."""
        if column.kind is Kind.TEXT:
            raise StorageError(f"{self.path.name}: names are not read from here")
        if page.at in self._constants:
            return np.full(rows[1] - rows[0], self._constants[page.at])
        content = self._read_page(fd, page)
        at, is_value = 0, None
        if column.is_nullable:
            is_value, at = read_levels(content, page.n_rows)
        first, last = rows
        n_values = page.n_rows
        if is_value is not None:
            # Nulls take no room among the values.
            n_values = int(is_value.sum())
            first, last = (int(is_value[:row].sum()) for row in rows)
        coded = Coded(page, content, at, n_values)
        values = self._decode_values(fd, column, chunk, coded, slice(first, last))
        if column.kind is Kind.DECIMAL:
            values = values.astype(np.float64) / 10.0**column.scale
        if is_value is None:
            return values
        spread = np.full(rows[1] - rows[0], np.nan)
        spread[is_value[rows[0] : rows[1]]] = values
        return spread

    def _decode_values(
        self, fd: int, column: Column, chunk: Chunk, coded: Coded, wanted: slice
    ) -> npt.NDArray[Any]:
        """Some values of a page; nulls are none."""
        content, at = coded.content, coded.at
        if coded.page.encoding == Encoding.DELTA_BINARY_PACKED:
            return self._decode_deltas(coded, wanted)
        if chunk.dictionary is None or coded.page.encoding != Encoding.RLE_DICTIONARY:
            form = "<f8" if column.kind is Kind.FLOAT else "<i8"
            return decode_split(content, at, coded.n_values).view(form)[wanted]
        form = "<i4" if column.kind is Kind.SMALL else "<i8"
        used = np.frombuffer(self._read_page(fd, chunk.dictionary), form).astype(np.int64)
        if len(used) == 1:
            if column.kind is Kind.SMALL:
                self._constants[coded.page.at] = int(used[0])
            return np.full(wanted.stop - wanted.start, used[0])
        codes = decode_runs(content, at + 1, len(content), content[at], coded.n_values)
        return used[codes[wanted]]

    def _decode_deltas(self, coded: Coded, wanted: slice) -> Ints:
        content, at = coded.content, coded.at
        if self.maps is None or wanted.stop - wanted.start == coded.n_values:
            return decode_deltas(content, at)[wanted]
        if wanted.start == wanted.stop:
            return np.empty(0, np.int64)
        key = (self.path.name, coded.page.at, coded.page.crc)
        known = self.maps.find(key)
        if known is not None:
            return decode_part(content, known, wanted.start, wanted.stop)
        values, made = decode_and_map(content, at)
        self.maps.keep(key, made)
        return values[wanted]

    def _read_page(self, fd: int, page: Page) -> bytes:
        content = os.pread(fd, page.size, page.at)
        if zlib.crc32(content) != page.crc:
            raise DamagedPageError(f"{self.path.name}: the page at byte {page.at} is damaged")
        return decompress(content)


def _empty(column: Column) -> npt.NDArray[Any]:
    return np.empty(0, np.float64 if column.is_nullable else np.int64)


def join_runs(runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches that overlap or touch made one, rising."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(runs):
        if joined and joined[-1][1] >= start:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined


def _find_damaged(fd: int, chunk: Chunk, start: int, n_rows: int) -> list[tuple[int, int]]:
    def is_damaged(page: Page) -> bool:
        return zlib.crc32(os.pread(fd, page.size, page.at)) != page.crc

    if chunk.dictionary is not None and is_damaged(chunk.dictionary):
        return [(start, start + n_rows)]
    bad = []
    for page in chunk.pages:
        if is_damaged(page):
            bad.append((start, start + page.n_rows))
        start += page.n_rows
    return bad
