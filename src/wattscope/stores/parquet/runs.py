"""Columns that repeat over long stretches, as what is repeated and where: never row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Runs:
    """A column as runs of equal numbers; neighbours may be equal."""

    values: npt.NDArray[Any]
    """Number of each run, shape ``(n_runs,)``."""
    starts: npt.NDArray[np.int64]
    """First row of each run, strictly rising from 0, shape ``(n_runs,)``."""
    n_rows: int

    def __len__(self) -> int:
        """Number of rows."""
        return self.n_rows

    @classmethod
    def of(cls, column: npt.NDArray[Any]) -> Runs:
        """The runs of a column."""
        starts = find_starts(column)
        return cls(column[starts], starts, len(column))

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Rows of each run."""
        return np.diff(self.starts, append=self.n_rows)

    def slice(self, start: int, stop: int) -> Runs:
        """The rows from one to before another."""
        first = int(np.searchsorted(self.starts, start, "right")) - 1
        last = int(np.searchsorted(self.starts, stop, "left"))
        starts = np.maximum(self.starts[first:last] - start, 0)
        return Runs(self.values[first:last], starts, stop - start)

    def merged(self, values: npt.NDArray[Any]) -> Runs:
        """Runs of the same rows with other numbers, equal neighbours made one."""
        first = find_starts(values)
        return Runs(values[first], self.starts[first], self.n_rows)

    def select(self, is_chosen: npt.NDArray[np.bool_]) -> Runs:
        """The rows of some runs, one behind the other."""
        lengths = self.lengths[is_chosen]
        ends = np.cumsum(lengths)
        n_rows = int(ends[-1]) if len(ends) else 0
        return Runs(self.values[is_chosen], ends - lengths, n_rows)

    def expand(self) -> npt.NDArray[Any]:
        """Row by row."""
        return np.repeat(self.values, self.lengths)


@dataclass(frozen=True, slots=True)
class TextRuns:
    """Names as runs of numbers into a list of names; -1 is null."""

    runs: Runs
    names: Sequence[str]

    def __len__(self) -> int:
        """Number of rows."""
        return self.runs.n_rows


def find_starts(column: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The first row of each run of equal numbers."""
    if not len(column):
        return np.empty(0, np.int64)
    changes = np.flatnonzero(column[1:] != column[:-1])
    starts = np.empty(len(changes) + 1, np.int64)
    starts[0] = 0
    np.add(changes, 1, out=starts[1:])
    return starts
