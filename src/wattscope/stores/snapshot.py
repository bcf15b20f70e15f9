"""What one question sees: the files and tails at one moment, kept alive until it is answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wattscope.stores.manifest import Manifest, Span
from wattscope.stores.views import ChunkFile, rows_source


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the store; names of files and tables only."""

    folder: Path
    manifest: Manifest
    tails: tuple[str, ...]
    tail_spans: frozenset[int]
    """Starts of the spans [µs] that have rows in the tails."""

    def source(self, start_us: int | None = None, end_us: int | None = None) -> str:
        """Sub-query over all rows; files that lie wholly outside ``[start, end)`` are left out."""
        files = [
            ChunkFile(str(self.folder / part.file), part.scale)
            for span in self.manifest.spans
            for part in span.parts
            if (end_us is None or part.min_us < end_us)
            and (start_us is None or part.max_us >= start_us)
        ]
        return rows_source(files, self.tails)

    def span_starts(self) -> list[int]:
        """Starts of all spans that have rows anywhere, rising [µs]."""
        return sorted({span.start_us for span in self.manifest.spans} | self.tail_spans)

    def open_starts(self) -> list[int]:
        """Starts of the spans whose buckets must be computed from rows.

        A span is open while it has no rollups, and while the tails hold rows of it or of any span
        before it: the first segment of a series begins at its last row, however long ago.
        """
        stored = {span.start_us for span in self.manifest.spans if span.rollups is not None}
        touched = min(self.tail_spans, default=None)
        return [
            start
            for start in self.span_starts()
            if start not in stored or (touched is not None and start >= touched)
        ]

    def closed_spans(self) -> list[Span]:
        """Spans whose stored rollups are right."""
        open_starts = set(self.open_starts())
        return [span for span in self.manifest.spans if span.start_us not in open_starts]


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
