"""How small the values of a set can get, by a yardstick that looks at each column alone.

Entropy of a column here: its values as integers (value times ten to the power of its digits), the
empirical zeroth-order entropy of either these integers or of their first differences within a
series, whichever is smaller, in bytes a value. That of a set is the mean over its columns. Nothing
is counted for time stamps, keys, or for the table of frequencies that a coder would need.

It is no lower bound: a coder that looks at several values or several columns together can do
better, and one that has to write down the frequencies of a short column does worse.
"""

from __future__ import annotations

import numpy as np

from benchmarks.store_sets import Column, MeasuredSet
from wattscope.core.reading import Int32Column, Int64Column


def find_entropy(measured: MeasuredSet) -> float:
    """Mean entropy of the set's columns [B/value]."""
    return float(np.mean([find_column_entropy(one, measured.meter) for one in measured.columns]))


def find_column_entropy(column: Column, series: Int32Column) -> float:
    """Entropy of one column, in bytes a value.

    Args:
        column: Ordered by series, then time.
        series: Number of each row's series.
    """
    scaled = np.rint(column.values * 10.0**column.decimals).astype(np.int64)
    steps = np.diff(scaled)[np.diff(series) == 0]
    bits = [count_entropy_bits(scaled)]
    if len(steps):
        # What differences leave out, the first value of each series, costs eight bytes each.
        n_first = len(scaled) - len(steps)
        bits.append((count_entropy_bits(steps) * len(steps) + 64.0 * n_first) / len(scaled))
    return min(bits) / 8


def count_entropy_bits(values: Int64Column) -> float:
    """Empirical entropy of integers [bits a value].

    >>> count_entropy_bits(np.array([1, 2, 1, 2]))
    1.0
    """
    counts = np.unique(values, return_counts=True)[1]
    shares = counts / len(values)
    return float(-(shares * np.log2(shares)).sum()) + 0.0
