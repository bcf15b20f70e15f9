"""Readings in memory, as a source for questions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from wattscope.compute.prometheus_names import Scale
from wattscope.compute.promql.evaluate import LOOKBACK_US, Evaluator, Grid
from wattscope.compute.promql.frames import Frame
from wattscope.compute.promql.query_reader import read_query
from wattscope.compute.promql.sampling import Bounds, Sampler, ShownSeries
from wattscope.compute.promql.tree import NAME, Edition
from wattscope.core.reading import Batch, build_batch

S = 1_000_000
Given = Mapping[str, Sequence[tuple[float, float]]]
"""Instants [s] and values by the series' labels, such as ``x{device="a"}``."""


@dataclass
class Rows:
    """A source of rows that remembers what was read."""

    series: tuple[ShownSeries, ...]
    batch: Batch
    reads: list[tuple[Sequence[int], int, int]] = field(default_factory=list)
    n_largest: int = 0

    def read(self, ids: Sequence[int], start_us: int, end_us: int) -> Batch:
        self.reads.append((ids, start_us, end_us))
        at = self.batch.measured_at_us
        chosen = np.isin(self.batch.series_id, ids) & (at >= start_us) & (at < end_us)
        found = self.batch.take(chosen)
        self.n_largest = max(self.n_largest, len(found))
        return found


def rows_of(given: Given) -> Rows:
    """A source of these values; a value of NaN is marked missing."""
    series, rows = [], []
    for number, (shown, values) in enumerate(given.items(), 1):
        (matchers,) = (one.matchers for one in [read_query(shown)] if hasattr(one, "matchers"))
        labels = tuple(sorted((one.label, one.value) for one in matchers))
        assert labels[0][0] == NAME
        series.append(ShownSeries(labels, number, Scale()))
        rows += [(number, round(at * S), value, int(math.isnan(value))) for at, value in values]
    return Rows(tuple(series), build_batch(rows))


def ask(
    given: Given | Rows,
    question: str,
    *steps_s: float,
    edition: Edition = Edition.V3,
    bounds: Bounds | None = None,
    lookback_s: float = LOOKBACK_US / S,
) -> dict[str, list[float | None]]:
    """The answer at some steps: labels to a value a step, None where there is none."""
    source = given if isinstance(given, Rows) else rows_of(given)
    grid = Grid(np.array([round(one * S) for one in steps_s], np.int64), round(lookback_s * S))
    sampler = Sampler(source, edition, bounds or Bounds())
    found = Evaluator(sampler, grid).evaluate(read_query(question))
    if not isinstance(found, Frame):
        return {"": list(found)}
    return {
        ",".join(f"{name}={value}" for name, value in labels): [
            float(value) if there else None for value, there in zip(values, marks, strict=True)
        ]
        for labels, values, marks in zip(found.labels, found.values, found.is_there, strict=True)
    }
