"""The load of a grid: what its meters took together, by buckets of time.

::

    meter 1   ▂▃▅▃▂      energy of each bucket over the time in which it is known
    meter 2   ▂▂  ▂      silent for two buckets: it is not known what it took there
    load      ▄▅──▅▄     is told where at least nine in ten of the day's meters are known

Energy is that of registers or of deltas where a meter counts it, and integrated power where it
does not; samples of power are never added up. A meter that is silent is left out and counted as
unknown, never taken for zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import FloatColumn, Int32Column, Int64Column
from wattscope.core.time_grid import US_PER_HOUR
from wattscope.ports import Rollup

MIN_COVERAGE = 0.5
"""A meter is known in a bucket of which it covers at least this share."""
MIN_KNOWN = 0.9
"""The load is told where at least this share of the meters that spoke is known."""


@dataclass(frozen=True, slots=True)
class Load:
    """Buckets that follow each other, as columns of equal length."""

    starts_us: Int64Column
    ends_us: Int64Column
    energy_wh: FloatColumn
    """All that was counted in the bucket; NaN where nothing was."""
    load_w: FloatColumn
    """Mean power of the meters that are known; NaN where too many are not."""
    known: Int64Column
    """How many meters are known."""

    def __len__(self) -> int:
        """Number of buckets."""
        return len(self.starts_us)

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> Load:
        """The chosen buckets."""
        return Load(
            self.starts_us[rows],
            self.ends_us[rows],
            self.energy_wh[rows],
            self.load_w[rows],
            self.known[rows],
        )


def add_up(rollup: Rollup, edges_us: Int64Column, counters: Int32Column) -> Load:
    """The load of all series of a rollup between edges.

    Args:
        rollup: Buckets that begin at the edges, any of them missing; by series, then bucket.
        edges_us: Starts of the buckets and the end of the last [µs].
        counters: Series that are registers: they also grow while they are silent.
    """
    starts, ends = edges_us[:-1], edges_us[1:]
    n_buckets = len(starts)
    at = np.searchsorted(starts, rollup.bucket_start_us)
    energy = rollup.energy_wh
    has_energy = ~np.isnan(energy)
    is_known = has_energy & (rollup.coverage >= MIN_COVERAGE)
    hours = rollup.coverage * ((ends - starts) / US_PER_HOUR)[at]
    # Only the first and the last bucket of a register hold less than their whole time.
    is_whole = np.isin(rollup.series_id, counters) & ~_is_outer(rollup.series_id)
    hours[is_whole] = ((ends - starts) / US_PER_HOUR)[at][is_whole]
    power = np.bincount(at[is_known], energy[is_known] / hours[is_known], n_buckets)
    known = np.bincount(at[is_known], minlength=n_buckets)
    total = np.bincount(at[has_energy], energy[has_energy], n_buckets)
    counted = np.bincount(at[has_energy], minlength=n_buckets)
    return Load(
        starts,
        ends,
        np.where(counted > 0, total, np.nan),
        np.where(is_enough(known), power, np.nan),
        known.astype(np.int64),
    )


def is_enough(known: Int64Column) -> npt.NDArray[np.bool_]:
    """Whether so many meters stand for all that spoke in these buckets.

    >>> is_enough(np.array([500, 499, 300, 0])).tolist()
    [True, True, False, False]
    """
    most = int(known.max(initial=0))
    enough: npt.NDArray[np.bool_] = (known > 0) & (known >= MIN_KNOWN * most)
    return enough


def _is_outer(series: Int32Column) -> npt.NDArray[np.bool_]:
    """Rows that are the first or the last of their series."""
    changes = series[1:] != series[:-1]
    outer: npt.NDArray[np.bool_] = (np.r_[True, changes] | np.r_[changes, True])[: len(series)]
    return outer


def join(parts: list[Load]) -> Load:
    """Loads that follow each other as one."""
    return Load(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("starts_us", "ends_us", "energy_wh", "load_w", "known")
        )
    )


def widen(load: Load, n_together: int) -> Load:
    """Each ``n_together`` buckets as one; what is left over at the end makes a shorter one.

    Its load is that of the buckets in which it is told, if they are more than half.
    """
    firsts = np.arange(0, len(load), n_together)
    if not len(firsts):
        return load
    lasts = np.minimum(firsts + n_together, len(load)) - 1
    hours = (load.ends_us - load.starts_us) / US_PER_HOUR
    is_told = ~np.isnan(load.load_w)
    told = np.add.reduceat(np.where(is_told, hours, 0.0), firsts)
    work = np.add.reduceat(np.where(is_told, np.nan_to_num(load.load_w) * hours, 0.0), firsts)
    has_energy = ~np.isnan(load.energy_wh)
    energy = np.add.reduceat(np.nan_to_num(load.energy_wh), firsts)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = work / told
    return Load(
        load.starts_us[firsts],
        load.ends_us[lasts],
        np.where(np.logical_or.reduceat(has_energy, firsts), energy, np.nan),
        np.where(told >= MIN_COVERAGE * np.add.reduceat(hours, firsts), mean, np.nan),
        np.minimum.reduceat(load.known, firsts),
    )


def find_peaks(load: Load, n_wanted: int) -> npt.NDArray[np.intp]:
    """Places of the highest loads, the highest first; of equal ones the earliest first."""
    told = np.flatnonzero(~np.isnan(load.load_w))
    order = np.lexsort((load.starts_us[told], -load.load_w[told]))
    return told[order[:n_wanted]]
