"""Runs of equal numbers in a column: where each begins, and which numbers there are.

Rows of the store lie sorted by series, so that its different series are told by the places where
they change; sorting or hashing them again would take longer than all else about a short question.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.integer[Any]]


def find_starts(column: Numbers) -> Ints:
    """Places at which a number differs from the one before, rising; the first one always does.

    >>> find_starts(np.array([4, 4, 7, 4])).tolist()
    [0, 2, 3]
    """
    changes = (column[1:] != column[:-1]).nonzero()[0]
    starts = np.zeros(len(changes) + min(len(column), 1), np.int64)
    starts[1:] = changes + 1
    return starts


def list_different(column: Numbers) -> Numbers:
    """The different numbers, rising: equal to ``np.unique``."""
    numbers = column[find_starts(column)]
    return numbers if _rises(numbers) else np.unique(numbers)


def find_different(column: Numbers) -> tuple[Numbers, Ints]:
    """The different numbers, rising, and the place of each row's number among them.

    Equal to ``np.unique`` with its inverse, and as quick as a look where the column rises already.

    >>> [part.tolist() for part in find_different(np.array([4, 4, 7]))]
    [[4, 7], [0, 0, 1]]
    """
    starts = find_starts(column)
    numbers = column[starts]
    if len(starts) == 1:
        return numbers, np.zeros(len(column), np.int64)
    if not _rises(numbers):
        numbers, inverse = np.unique(column, return_inverse=True)
        return numbers, inverse
    lengths = np.empty(len(starts), np.int64)
    lengths[:-1] = starts[1:] - starts[:-1]
    lengths[-1:] = len(column) - starts[-1:]
    return numbers, np.repeat(np.arange(len(starts)), lengths)


def _rises(numbers: Numbers) -> bool:
    return len(numbers) < 2 or bool((numbers[1:] > numbers[:-1]).all())


def is_ordered(series: Numbers, t: Ints) -> bool:
    """Whether rows lie by series, then time; equal ones count as ordered.

    >>> is_ordered(np.array([1, 1, 2]), np.array([5, 6, 0]))
    True
    """
    is_next = series[1:] > series[:-1]
    if not is_next.any():
        # Rows of one series, as in most questions.
        return bool((series[1:] == series[:-1]).all() and (t[1:] >= t[:-1]).all())
    is_next |= (series[1:] == series[:-1]) & (t[1:] >= t[:-1])
    return bool(is_next.all())
