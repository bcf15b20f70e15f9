"""What one question sees: the files and tails at one moment, kept alive until it is answered."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.stores.manifest import Manifest, Part, Span

NOT_THERE = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the store; names of files and tables only."""

    manifest: Manifest
    tails: tuple[str, ...]
    tail_spans: frozenset[int]
    """Starts of the spans [µs] that have rows in the tails."""
    tail_first: npt.NDArray[np.int64]
    """Oldest instant [µs] in the tails by series id; ``NOT_THERE`` for those without rows."""
    late: frozenset[int] = frozenset()
    """Series with rows in the tails that are not newer than all of theirs in files."""

    @classmethod
    def of_files(cls, manifest: Manifest) -> Snapshot:
        """What the files hold, without any tail."""
        return cls(manifest, (), frozenset(), np.empty(0, np.int64))

    def without_tails(self) -> Snapshot:
        """The files alone."""
        return Snapshot.of_files(self.manifest)

    def spans_of_tails(self, series: frozenset[int]) -> dict[int, int]:
        """Start of the oldest span with rows in the tails, of those series that have any [µs]."""
        ids = np.array([one for one in series if one < len(self.tail_first)], np.int64)
        first = self.tail_first[ids]
        there = first != NOT_THERE
        starts = first[there] // self.manifest.chunk_us * self.manifest.chunk_us
        return dict(zip(ids[there].tolist(), starts.tolist(), strict=True))

    def parts_between(self, start_us: int, end_us: int) -> list[Part]:
        """Chunk files that may have rows in ``[start, end)``, oldest span first."""
        return [
            part
            for span in self._spans_between(start_us, end_us)
            for part in span.parts
            if part.min_us < end_us and part.max_us >= start_us
        ]

    def _spans_between(self, start_us: int, end_us: int) -> Iterator[Span]:
        spans = self.manifest.spans
        first = bisect_left(spans, start_us - self.manifest.chunk_us + 1, key=_start_of)
        for span in spans[first:]:
            if span.start_us >= end_us:
                return
            yield span

    def has_tail_between(self, start_us: int, end_us: int) -> bool:
        """Whether the tails may have rows in ``[start, end)``."""
        chunk_us = self.manifest.chunk_us
        return any(start < end_us and start + chunk_us > start_us for start in self.tail_spans)

    def span_at(self, start_us: int) -> Span | None:
        """The span of files that begins at an instant."""
        spans = self.manifest.spans
        at = bisect_left(spans, start_us, key=_start_of)
        return spans[at] if at < len(spans) and spans[at].start_us == start_us else None

    def span_starts(self) -> list[int]:
        """Starts of all spans that have rows anywhere, rising [µs]."""
        return sorted({span.start_us for span in self.manifest.spans} | self.tail_spans)


def _start_of(span: Span) -> int:
    return span.start_us


class Generations:
    """Postpones the removal of files and tables until no question sees them any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self._readers: dict[int, int] = {}
        self._retired: list[tuple[int, Callable[[], None]]] = []

    @contextmanager
    def hold(self) -> Iterator[None]:
        """While the block runs, nothing is removed that was there when it began."""
        with self._lock:
            generation = self._now
            self._readers[generation] = self._readers.get(generation, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._readers[generation] -= 1
                if self._readers[generation] == 0:
                    del self._readers[generation]
            self.sweep()

    def retire(self, remove: Callable[[], None]) -> None:
        """Call ``remove`` once all questions under way are answered."""
        with self._lock:
            self._retired.append((self._now, remove))
            self._now += 1
        self.sweep()

    def sweep(self) -> None:
        """Remove what nobody sees any more."""
        with self._lock:
            oldest = min(self._readers, default=self._now)
            ready = [remove for generation, remove in self._retired if generation < oldest]
            self._retired = [item for item in self._retired if item[0] >= oldest]
        for remove in ready:
            remove()
