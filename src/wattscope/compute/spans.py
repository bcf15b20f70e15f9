"""Where something holds without interruption: runs of true in each row of a matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Spans(NamedTuple):
    """Runs as columns of equal length, by row, then start."""

    row: Ints
    start: Ints
    """First column of the run."""
    end: Ints
    """First column after it."""


def find_spans(holds: Flags, least: int = 1) -> Spans:
    """All runs of true that are at least so long; shape of ``holds`` is ``(n_rows, n_columns)``.

    >>> find_spans(np.array([[True, True, False, True]]))
    Spans(row=array([0, 0]), start=array([0, 3]), end=array([2, 4]))
    """
    padded = np.zeros((holds.shape[0], holds.shape[1] + 2), np.int8)
    padded[:, 1:-1] = holds
    steps = np.diff(padded, axis=1)
    row, start = np.nonzero(steps == 1)
    end = np.nonzero(steps == -1)[1]
    kept = end - start >= least
    return Spans(row[kept], start[kept], end[kept])


def close_gaps(holds: Flags, longest: int) -> Flags:
    """The same, with gaps of at most ``longest`` columns between two runs filled.

    >>> close_gaps(np.array([[True, False, True, False, False, True, False]]), 1).astype(int)
    array([[1, 1, 1, 0, 0, 1, 0]])
    """
    filled = holds.copy()
    gaps = find_spans(~holds)
    inner = (gaps.start > 0) & (gaps.end < holds.shape[1]) & (gaps.end - gaps.start <= longest)
    for row, start, end in zip(gaps.row[inner], gaps.start[inner], gaps.end[inner], strict=True):
        filled[row, start:end] = True
    return filled


def keep_marked(holds: Flags, marked: Flags) -> Spans:
    """Runs of ``holds`` that contain a mark, cut to reach from the first mark to the last.

    It says where something begins and ends (marks) that may weaken in between (``holds``).

    >>> holds = np.array([[True, True, True, True, False, True]])
    >>> marked = np.array([[False, True, False, True, False, False]])
    >>> keep_marked(holds, marked)
    Spans(row=array([0]), start=array([1]), end=array([4]))
    """
    runs = find_spans(holds | marked)
    n_columns = holds.shape[1]
    marks = np.flatnonzero(marked)
    first = np.searchsorted(marks, runs.row * n_columns + runs.start)
    past = np.searchsorted(marks, runs.row * n_columns + runs.end)
    has = past > first
    row = runs.row[has]
    start = marks[first[has]] - row * n_columns
    end = marks[past[has] - 1] - row * n_columns + 1
    return Spans(row, start, end)
