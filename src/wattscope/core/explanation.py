"""How an answer is made: which of its parts are kept, and which are computed from rows."""

from __future__ import annotations

from dataclasses import dataclass

ROWS = "rows"
"""Origin of what is computed from the rows in files."""
GONE = "gone"
"""Origin of nothing: retention removed the rows, and kept no level that is fine enough."""
TAIL = "tail"
"""Origin of what is computed from the newest rows, in memory."""


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of time whose part of the answer comes from one place."""

    origin: str
    """A level (``1m``, ``15m``, ``1h``, ``1d``) whose buckets are kept; ``ROWS``, ``TAIL`` or
    ``GONE``."""
    start_us: int
    """Whole spans of files: they may reach beyond what was asked, to complete its first and last
    buckets [µs]."""
    end_us: int
    n_spans: int
    n_series: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """All steps of an answer; what they say of one bucket is merged."""

    level: str
    """The asked level; ``raw`` for readings."""
    steps: tuple[Step, ...]
    """In the order of time; the tail comes last."""

    def summarise(self) -> str:
        """One line for a person.

        >>> steps = Step("1d", 0, 12, 12, 1), Step(ROWS, 12, 13, 1, 1), Step(TAIL, 13, 14, 1, 1)
        >>> Explanation("1d", steps).summarise()
        '1d from kept 1d in 12 spans, from rows in 1 span, and from the tail'
        >>> Explanation("1h", ()).summarise()
        '1h from nothing: there are no rows in reach'
        """
        n_spans: dict[str, int] = {}
        for step in self.steps:
            n_spans[step.origin] = n_spans.get(step.origin, 0) + step.n_spans
        words = [_name(origin, number) for origin, number in n_spans.items()]
        if not words:
            return f"{self.level} from nothing: there are no rows in reach"
        if len(words) > 1:
            words[-1] = f"and {words[-1]}"
        return f"{self.level} " + ", ".join(words)


def _name(origin: str, n_spans: int) -> str:
    if origin == TAIL:
        return "from the tail"
    if origin == GONE:
        return f"gone by retention in {n_spans} span{'' if n_spans == 1 else 's'}"
    kept = origin if origin == ROWS else f"kept {origin}"
    return f"from {kept} in {n_spans} span{'' if n_spans == 1 else 's'}"
