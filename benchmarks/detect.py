"""``./run bench detect``: what it costs to notice that something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from benchmarks.detect_faults import measure_faults
from benchmarks.detect_live import measure_live
from benchmarks.detect_scoring import CASE, measure_scoring
from benchmarks.rows import Row

__all__ = ["CASE", "run"]


class Part(Protocol):
    """One thing that is measured."""

    def __call__(self, *, quick: bool, say: Callable[[str], None]) -> tuple[list[Row], list[str]]:
        """Its rows, and the notes that belong below them."""
        ...


PARTS: tuple[Part, ...] = (measure_scoring, measure_faults, measure_live)
"""In the order of the table."""


def run(*, quick: bool, say: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """The rows, and what must be known to read them."""
    measured = [part(quick=quick, say=say) for part in PARTS]
    return [row for rows, _ in measured for row in rows], [
        note for _, notes in measured for note in notes
    ]
