"""Values of many series at many steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.promql.faults import PromqlError
from wattscope.compute.promql.matchers import Labels
from wattscope.compute.promql.tree import NAME

Matrix = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Frame:
    """One row a series, one column a step."""

    labels: tuple[Labels, ...]
    values: Matrix
    """(n_series, n_steps); anything where there is none."""
    is_there: Marks
    """(n_series, n_steps); NaN is a value too, so that it cannot say that there is none."""

    @property
    def is_any_there(self) -> Marks:
        """(n_steps,); where there is a value of any series."""
        found: Marks = np.logical_or.reduce(self.is_there, axis=0)
        return found

    def take(self, rows: Sequence[int]) -> Frame:
        """Some of the series."""
        chosen = list(rows)
        return Frame(
            tuple(self.labels[row] for row in chosen), self.values[chosen], self.is_there[chosen]
        )

    def relabel(self, labels: Iterable[Labels]) -> Frame:
        """The same values under other labels; rows that then have the same ones become one.

        Raises:
            PromqlError: Two of them have a value at the same step.
        """
        return merge_rows(Frame(tuple(labels), self.values, self.is_there))


def empty_frame(n_steps: int) -> Frame:
    """No series."""
    return Frame((), np.zeros((0, n_steps)), np.zeros((0, n_steps), np.bool_))


def merge_rows(frame: Frame) -> Frame:
    """Rows with the same labels as one.

    Raises:
        PromqlError: Two of them have a value at the same step.
    """
    rows: dict[Labels, list[int]] = {}
    for row, labels in enumerate(frame.labels):
        rows.setdefault(labels, []).append(row)
    if len(rows) == len(frame.labels):
        return frame
    values, is_there = frame.values.copy(), frame.is_there.copy()
    for labels, (first, *others) in rows.items():
        for row in others:
            if (is_there[first] & is_there[row]).any():
                raise PromqlError(
                    f"vector cannot contain metrics with the same labelset: {show_labels(labels)}"
                )
            values[first] = np.where(is_there[row], values[row], values[first])
            is_there[first] |= is_there[row]
    kept = [group[0] for group in rows.values()]
    return Frame(tuple(rows), values[kept], is_there[kept])


def stack_frames(frames: Sequence[Frame]) -> Frame:
    """The rows of all frames of the same steps; there is at least one."""
    return Frame(
        tuple(labels for frame in frames for labels in frame.labels),
        np.concatenate([frame.values for frame in frames]),
        np.concatenate([frame.is_there for frame in frames]),
    )


def drop_name(labels: Labels) -> Labels:
    """All labels but the name of the metric."""
    return tuple(one for one in labels if one[0] != NAME)


def show_labels(labels: Labels) -> str:
    """Labels as PromQL writes them.

    >>> show_labels((("__name__", "up"), ("device", "grid")))
    'up{device="grid"}'
    """
    named = dict(labels)
    name = named.pop(NAME, "")
    inside = ", ".join(f'{label}="{value}"' for label, value in named.items())
    return f"{name}{{{inside}}}"
