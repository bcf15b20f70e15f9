"""Stretches of time of series, as columns: what is outdated, and what a question needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Int32Column, Int64Column
from wattscope.stores.postgres.columns import ALWAYS, NEVER


@dataclass(frozen=True, slots=True)
class Pieces:
    """``[start, end)`` of a series each; by series, then start."""

    series: Int32Column
    start_us: Int64Column
    """``ALWAYS`` where it has no beginning."""
    end_us: Int64Column
    """``NEVER`` where it has no end."""

    def __len__(self) -> int:
        """Number of stretches."""
        return len(self.series)

    @classmethod
    def build(cls, rows: Iterable[tuple[int, int, int]]) -> Pieces:
        """From rows of (series, start, end), in any order; empty ones are left out."""
        kept = sorted(row for row in rows if row[1] < row[2])
        columns = np.array(kept, np.int64).reshape(-1, 3)
        return cls(columns[:, 0].astype(np.int32), columns[:, 1], columns[:, 2])

    @classmethod
    def of_range(cls, series: Iterable[int], start_us: int, end_us: int) -> Pieces:
        """The same stretch of several series."""
        return cls.build((one, start_us, end_us) for one in set(series))

    def rows(self) -> Iterator[tuple[int, int, int]]:
        """One (series, start, end) after the other."""
        return zip(self.series.tolist(), self.start_us.tolist(), self.end_us.tolist(), strict=True)

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> Pieces:
        """The chosen ones, in order."""
        return Pieces(self.series[rows], self.start_us[rows], self.end_us[rows])

    def clip(self, start_us: int, end_us: int) -> Pieces:
        """What of them lies in a range."""
        start, end = np.maximum(self.start_us, start_us), np.minimum(self.end_us, end_us)
        return Pieces(self.series, start, end).take(start < end)

    def before(self, series: Int32Column, end_us: Int64Column) -> Pieces:
        """What of them lies before an end of its own for each series.

        Args:
            series: All of ours at least, rising.
            end_us: Of each of them; ``NEVER`` where it has no end.
        """
        end = np.minimum(self.end_us, end_us[np.searchsorted(series, self.series)])
        return Pieces(self.series, self.start_us, end).take(self.start_us < end)

    def rounds(self) -> Iterator[Pieces]:
        """All of them, in groups with each series once."""
        rest = self
        while len(rest):
            is_first = np.r_[True, rest.series[1:] != rest.series[:-1]]
            yield rest.take(is_first)
            rest = rest.take(~is_first)

    def by_series(self) -> dict[int, list[tuple[int, int]]]:
        """The stretches of each series."""
        found: dict[int, list[tuple[int, int]]] = {}
        for one, start, end in self.rows():
            found.setdefault(one, []).append((start, end))
        return found


def align(pieces: Pieces, size_us: int) -> Pieces:
    """To whole buckets, and those that touch joined to one."""
    start = np.where(pieces.start_us == ALWAYS, ALWAYS, pieces.start_us // size_us * size_us)
    end = np.where(pieces.end_us == NEVER, NEVER, -(-pieces.end_us // size_us) * size_us)
    return join(Pieces(pieces.series, start, end))


def join(pieces: Pieces) -> Pieces:
    """Those of a series that overlap or touch are one."""
    joined: list[tuple[int, int, int]] = []
    for one, start, end in sorted(pieces.rows()):
        if joined and joined[-1][0] == one and start <= joined[-1][2]:
            joined[-1] = (one, joined[-1][1], max(end, joined[-1][2]))
        else:
            joined.append((one, start, end))
    return Pieces.build(joined)


def subtract(whole: Pieces, parts: Pieces) -> Pieces:
    """What of each stretch lies in none of the parts.

    Args:
        whole: One stretch a series, or several apart.
        parts: Joined, as ``join`` gives them.
    """
    gone = parts.by_series()
    left: list[tuple[int, int, int]] = []
    for one, start, end in whole.rows():
        at = start
        for low, high in gone.get(one, ()):
            if high <= at or low >= end:
                continue
            left.append((one, at, low))
            at = max(at, high)
        left.append((one, at, end))
    return Pieces.build(left)


def widen_to_edges(pieces: Pieces, edges: Int64Column) -> Pieces:
    """Between the edges around each, clipped to the first and the last; joined."""
    inside = pieces.clip(int(edges[0]), int(edges[-1]))
    first = np.searchsorted(edges, inside.start_us, side="right") - 1
    last = np.searchsorted(edges, inside.end_us, side="left")
    return join(Pieces(inside.series, edges[first], edges[last]))
