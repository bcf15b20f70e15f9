"""What every subject of the store's benchmark can do, and how long an answer takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.store_sets import MeasuredSet
from wattscope.core.reading import Batch, FloatColumn

HOURLY_TODAY = "Q1 hourly mean, today"
TOP_QUARTERS = "Q2 ten highest quarter hours, 7 days"
BY_MONTH = "Q3 sum by meter and month"
FULL_SCAN = "Q4 count, mean, max, min of all"
HOURLY_AGGREGATE = f"{HOURLY_TODAY}, from its hourly aggregate"
GRID_QUESTIONS = (HOURLY_TODAY, TOP_QUARTERS, BY_MONTH, FULL_SCAN)
ONE_METER = "one meter, 14 days by hour"
CONTENT = "count, sum, min, max of every quantity"
LAST = "last value of all series"
CHART = "chart at 1,000 px"
N_PIXELS = 1000
_WARM_UP = 2
_LONGEST_S = 8.0
"""A question that takes so long in all is asked fewer times [s]."""
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Question:
    """One question to one subject."""

    ask: Callable[[int], Any]
    """Get the answer as the subject's client gives it; the number chooses a meter."""
    read: Callable[[Any], FloatColumn]
    """Turn an answer into rows of numbers, as ``store_truth`` has them; not timed."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A set in the form that a subject takes in fastest."""

    measured: MeasuredSet
    """In the order that the subject likes best."""
    file: Path | None = None
    """What a server is sent; None where the columns themselves are handed over."""
    batch: Batch | None = None
    """For our own store."""


class Opened(Protocol):
    """A subject with an empty place for one set."""

    def load(self, prepared: Prepared) -> None:
        """Take in what was prepared; it is as durable as the subject promises on return."""
        ...

    def settle(self) -> None:
        """Let the subject finish what it does behind the scenes; not timed."""
        ...

    def count_bytes(self) -> int:
        """Everything that it keeps on disk."""
        ...

    def list_questions(self, measured: MeasuredSet) -> Mapping[str, Question]:
        """The questions that it can answer about this set."""
        ...


class Subject(Protocol):
    """A way to keep readings."""

    name: str
    durability: str
    """What holds when ``load`` has returned, in a few words."""
    n_loads: int
    """How often it is loaded, at most, for the median of its rate."""
    is_slow: bool
    """Whether it takes so long to start and to load that it gets less: see ``store``."""
    left_out: tuple[str, ...]
    """Names of sets that it is not given."""

    def prepare(self, measured: MeasuredSet, folder: Path) -> Prepared:
        """Do once, and not timed, what need not be done while loading.

        Args:
            measured: Ordered by meter, then time.
            folder: For a file; it lives until the set was loaded for the last time.

        Raises:
            ServerMissingError: It is not installed.
        """
        ...

    def open(self, folder: Path) -> AbstractContextManager[Opened]:
        """Start it with nothing in it.

        Args:
            folder: Empty, and removed afterwards.

        Raises:
            ServerMissingError: It is not installed.
        """
        ...


def time_question(question: Question, meters: list[int]) -> FloatColumn:
    """How long each answer took [ms], after a warm-up.

    One for each number, but of a peer that needs seconds for each not more than fit into some.
    """
    deadline_s = time.perf_counter() + _LONGEST_S
    for number in meters[:_WARM_UP]:
        if time.perf_counter() < deadline_s:
            question.ask(number)
    took_ms: list[float] = []
    for number in meters:
        started_s = time.perf_counter()
        if started_s > deadline_s and len(took_ms) >= _FEWEST:
            break
        question.ask(number)
        took_ms.append(1e3 * (time.perf_counter() - started_s))
    return np.array(took_ms)


def name_question(measured: MeasuredSet, question: str) -> str:
    """What a row calls a question about a set."""
    return f"last value of {len(measured.meters):,} series" if question == LAST else question


def to_rows(answer: list[tuple[Any, ...]]) -> FloatColumn:
    """Rows of a client's answer as an array of numbers."""
    return np.array(answer, np.float64)
