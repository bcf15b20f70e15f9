"""Which stretches two stores must be asked for, so that no row of either is left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

from wattscope.stores.upkeep.row_sums import Stretch, group_series


class CountedStore(Protocol):
    """A store that tells where its rows are."""

    @property
    def chunk_us(self) -> int: ...

    def count_span_rows(self) -> dict[int, int]: ...


def plan_shared_reads(stores: Sequence[CountedStore], series: Sequence[int]) -> Iterator[Stretch]:
    """All time in which any of some stores has rows, rising, a group of series at a time."""
    spans = sorted(
        (start_us, start_us + store.chunk_us, n_rows)
        for store in stores
        for start_us, n_rows in store.count_span_rows().items()
    )
    edges = sorted({edge for start, end, _ in spans for edge in (start, end)})
    open_spans: list[tuple[int, int, int]] = []
    waiting = iter([*spans, (1 << 63, 1 << 63, 0)])
    ahead = next(waiting)
    for low, high in itertools.pairwise(edges):
        open_spans = [one for one in open_spans if one[1] > low]
        while ahead[0] <= low:
            open_spans.append(ahead)
            ahead = next(waiting)
        if open_spans:
            # No more than what its spans have; less is known only of whole ones.
            n_rows = max(rows for _, _, rows in open_spans)
            for group in group_series(series, n_rows):
                yield Stretch(group, low, high)
