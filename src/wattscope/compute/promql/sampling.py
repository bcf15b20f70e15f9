"""Rows of the series that a selector means, read piece by piece, to one value a step.

What is in memory at once is bounded, however long the span is: rows are read for as many steps as
a piece may hold, and are gone before the next piece is read. How many rows there are shows only
when they come, so a first piece is sized for one value a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from wattscope.compute.prometheus_names import Scale
from wattscope.compute.promql.faults import PromqlError
from wattscope.compute.promql.frames import Frame, empty_frame
from wattscope.compute.promql.matchers import Labels, Matcher, choose
from wattscope.compute.promql.tree import Edition
from wattscope.compute.promql.windows import (
    RangeFunction,
    Windows,
    count_rows,
    lay_windows,
    reduce_windows,
)
from wattscope.core.reading import Batch, FloatColumn, Int64Column, concat_batches, empty_batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_S

_SMALL_GROUP, _LARGE_GROUP = 32, 1000


@dataclass(frozen=True, slots=True)
class ShownSeries:
    """A stored series under the name and in the unit of Prometheus."""

    labels: Labels
    """The name of the metric among them."""
    id: int
    scale: Scale


class RowSource(Protocol):
    """Where rows come from."""

    @property
    def series(self) -> Sequence[ShownSeries]:
        """All there are; their labels differ."""
        ...

    def read(self, ids: Sequence[int], start_us: int, end_us: int) -> Batch:
        """Rows in ``[start, end)``, ordered by series, then time."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one question may cost."""

    n_series: int = 10_000
    """That one selector means."""
    n_points: int = 4_000_000
    """Of all series of one selector at all steps together."""
    n_rows: int = 50_000_000
    """Read from the store; as many as Prometheus' own ``query.max-samples``."""
    n_window_rows: int = 4_000_000
    """Of one window; also of all windows of an answer that gives rows as they are."""
    n_visits: int = 2_000_000_000
    """Rows of all windows together, where windows overlap."""
    n_piece_rows: int = 1_000_000
    """About so many rows are in memory at once."""


@dataclass(slots=True)
class Sampler:
    """Answers the selectors of one question, and counts what they cost."""

    source: RowSource
    edition: Edition
    bounds: Bounds = field(default_factory=Bounds)
    _n_rows: int = 0
    _n_visits: int = 0

    def sample(
        self,
        matchers: Sequence[Matcher],
        function: RangeFunction,
        end_us: Int64Column,
        range_us: int,
    ) -> Frame:
        """One value of a function a step, of each series that has any.

        Args:
            matchers: Which series.
            function: What is made of a window.
            end_us: Where each window ends, ascending [µs].
            range_us: How long each is [µs].

        Raises:
            PromqlError: That would be beyond a bound.
        """
        chosen = self._choose(matchers)
        if len(chosen) * len(end_us) > self.bounds.n_points:
            raise PromqlError(
                f"{len(chosen)} series at {len(end_us)} steps are more than "
                f"{self.bounds.n_points:,} values; ask for fewer series or a longer step"
            )
        if not chosen:
            return empty_frame(len(end_us))
        values = np.zeros((len(chosen), len(end_us)))
        is_there = np.zeros(values.shape, np.bool_)
        for group in self._part(len(chosen), range_us + int(end_us[-1] - end_us[0])):
            members = chosen[group]
            ids = sorted({one.id for one in members})
            for steps, rows in self._read_pieces(ids, end_us, range_us):
                for row, one in enumerate(members, group.start):
                    windows = self._lay(one, rows, end_us[steps], range_us)
                    values[row, steps], is_there[row, steps] = reduce_windows(windows, function)
        frame = Frame(tuple(one.labels for one in chosen), values, is_there)
        return frame.take(np.flatnonzero(is_there.any(axis=1)).tolist())

    def read_windows(
        self, matchers: Sequence[Matcher], end_us: int, range_us: int
    ) -> list[tuple[Labels, Int64Column, FloatColumn]]:
        """The rows of one window as they are, of each series that has any.

        Raises:
            PromqlError: That would be beyond a bound.
        """
        chosen = self._choose(matchers)
        ends = np.array([end_us], np.int64)
        ids = sorted({one.id for one in chosen})
        rows = self._read_window(ids, end_us - range_us, end_us + 1) if ids else empty_batch()
        if rows is None:
            raise self._refuse_window(len(ids))
        found = []
        for one in chosen:
            windows = self._lay(one, rows, ends, range_us)
            inside = slice(int(windows.begin[0]), int(windows.end[0]))
            if inside.stop > inside.start:
                found.append((one.labels, windows.t_us[inside], windows.value[inside]))
        return found

    def _choose(self, matchers: Sequence[Matcher]) -> list[ShownSeries]:
        """The series that a selector means, by their labels."""
        series = self.source.series
        chosen = [series[place] for place in choose((one.labels for one in series), matchers)]
        if len(chosen) > self.bounds.n_series:
            raise PromqlError(
                f"a selector means {len(chosen)} series, more than {self.bounds.n_series:,}; add "
                "a condition on a label"
            )
        return sorted(chosen, key=lambda one: one.labels)

    def _part(self, n_series: int, span_us: int) -> Iterator[slice]:
        """Groups of series that are read together."""
        n_expected = max(1, span_us // US_PER_S)
        size = self.bounds.n_piece_rows // n_expected
        size = min(max(size, _SMALL_GROUP), _LARGE_GROUP)
        for start in range(0, n_series, size):
            yield slice(start, min(start + size, n_series))

    def _read_pieces(
        self, ids: Sequence[int], end_us: Int64Column, range_us: int
    ) -> Iterator[tuple[slice, Batch]]:
        """Steps that follow each other, and the rows of all their windows."""
        piece_us = max(1, self.bounds.n_piece_rows // len(ids)) * US_PER_S
        # Of windows longer than a piece some are read together, for they overlap.
        least_us = range_us + range_us // 4
        # Between windows that lie far apart nothing is read.
        is_far = np.append(np.diff(end_us) - range_us > US_PER_DAY, [True])
        breaks = np.flatnonzero(is_far) + 1
        at = 0
        while at < len(end_us):
            reach_us = int(end_us[at]) - range_us + max(piece_us, least_us)
            stop = int(np.searchsorted(end_us, reach_us, "right"))
            stop = min(max(stop, at + 1), int(breaks[np.searchsorted(breaks, at, "right")]))
            rows = self._read_window(ids, int(end_us[at]) - range_us, int(end_us[stop - 1]) + 1)
            if rows is None:
                if stop == at + 1:
                    raise self._refuse_window(len(ids))
                # There are far more readings here than there were before.
                piece_us = max(1, (int(end_us[stop - 1] - end_us[at]) + range_us) // 4)
                least_us = 0
                continue
            yield slice(at, stop), rows
            n_rows = max(1, len(rows))
            piece_us = int(piece_us * min(4.0, max(0.25, self.bounds.n_piece_rows / n_rows)))
            at = stop

    def _read_window(self, ids: Sequence[int], start_us: int, end_us: int) -> Batch | None:
        """Usable rows in ``[start, end)``, read bit by bit; None where they are too many."""
        bit_us = max(1, self.bounds.n_piece_rows // max(1, len(ids))) * US_PER_S
        bits: list[Batch] = []
        n_kept, at = 0, start_us
        while at < end_us:
            stop = min(at + bit_us, end_us)
            rows = self.source.read(ids, at, stop)
            self._n_rows += len(rows)
            if self._n_rows > self.bounds.n_rows:
                raise PromqlError(
                    f"the answer takes more than {self.bounds.n_rows:,} readings; ask for a "
                    "shorter time or fewer series"
                )
            usable = rows.take(rows.is_usable)
            n_kept += len(usable)
            if n_kept > self.bounds.n_window_rows:
                return None
            bits.append(usable)
            bit_us *= 4 if 4 * len(rows) < self.bounds.n_piece_rows else 1
            at = stop
        joined = concat_batches(bits)
        if len(bits) > 1:
            joined = joined.take(np.lexsort((joined.measured_at_us, joined.series_id)))
        return joined

    def _refuse_window(self, n_series: int) -> PromqlError:
        return PromqlError(
            f"one window of {n_series} series holds more than {self.bounds.n_window_rows:,} "
            "readings; ask for a shorter range or fewer series"
        )

    def _lay(self, one: ShownSeries, rows: Batch, end_us: Int64Column, range_us: int) -> Windows:
        """The windows of one series over rows of several."""
        first, last = np.searchsorted(rows.series_id, [one.id, one.id + 1])
        scale = one.scale
        shown = (rows.value[first:last] - scale.offset) * scale.factor / scale.divisor
        windows = lay_windows(
            rows.measured_at_us[first:last], shown, end_us, range_us, self.edition
        )
        self._n_visits += count_rows(windows)
        if self._n_visits > self.bounds.n_visits:
            raise PromqlError(
                "the windows overlap so much that the answer would take too long; ask for a "
                "shorter range or a longer step"
            )
        return windows
