"""Operators between series: which of the left goes with which of the right.

Prometheus decides that anew at each step (``promql/engine.go``, ``VectorBinop`` and its like); here
pairs of series are found once, and steps only say whether both are there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wattscope.compute.promql.arithmetic import Operator
from wattscope.compute.promql.faults import PromqlError
from wattscope.compute.promql.frames import (
    Frame,
    Marks,
    drop_name,
    empty_frame,
    merge_rows,
    show_labels,
    stack_frames,
)
from wattscope.compute.promql.matchers import Labels
from wattscope.compute.promql.tree import NAME, Matching, Sides

_Groups = dict[Labels, list[int]]


def combine_vectors(
    operator: Operator, left: Frame, right: Frame, matching: Matching, *, is_bool: bool
) -> Frame:
    """Arithmetic or comparison between series whose labels match.

    Raises:
        PromqlError: More than one series of a side would match where only one may.
    """
    is_swapped = matching.sides is Sides.ONE_TO_MANY
    many, one = (right, left) if is_swapped else (left, right)
    groups = _group(one.labels, matching)
    _check_single(one, groups, many.is_any_there, "left" if is_swapped else "right")
    keys = [_key(labels, matching) for labels in many.labels]
    pairs = [(row, other) for row, key in enumerate(keys) for other in groups.get(key, ())]
    if not pairs:
        return empty_frame(left.values.shape[1])
    rows, others = (list(side) for side in zip(*pairs, strict=True))
    values = (many.values[rows], one.values[others])
    made = operator.apply(*(reversed(values) if is_swapped else values))
    is_there = many.is_there[rows] & one.is_there[others]
    if operator.is_comparison and not is_bool:
        # The value is that of the left.
        is_there &= made.astype(np.bool_)
        made = values[1] if is_swapped else values[0]
    if matching.sides is Sides.ONE_TO_ONE:
        _check_explicit([keys[row] for row in rows], is_there)
    drops_name = is_bool or not operator.is_comparison
    labels = tuple(
        _label_pair(many.labels[row], one.labels[other], matching, drops_name=drops_name)
        for row, other in pairs
    )
    return merge_rows(Frame(labels, np.asarray(made, np.float64), is_there))


def combine_sets(operator: str, left: Frame, right: Frame, matching: Matching) -> Frame:
    """``and``, ``or`` and ``unless``: series of the left by whether the right has their like."""
    if operator == "or":
        like = _find_like(left, right.labels, matching)
        rest = Frame(right.labels, right.values, right.is_there & ~like)
        return merge_rows(stack_frames([left, rest]))
    like = _find_like(right, left.labels, matching)
    kept = left.is_there & (like if operator == "and" else ~like)
    return Frame(left.labels, left.values, kept)


def _find_like(frame: Frame, labels: Sequence[Labels], matching: Matching) -> Marks:
    """For each of the labels, at which steps the frame has a series that matches."""
    groups = _group(frame.labels, matching)
    found = np.zeros((len(labels), frame.values.shape[1]), np.bool_)
    for row, one in enumerate(labels):
        members = groups.get(_key(one, matching))
        if members:
            found[row] = frame.is_there[members].any(axis=0)
    return found


def _group(labels: Sequence[Labels], matching: Matching) -> _Groups:
    groups: _Groups = {}
    for row, one in enumerate(labels):
        groups.setdefault(_key(one, matching), []).append(row)
    return groups


def _key(labels: Labels, matching: Matching) -> Labels:
    """What must be equal on both sides."""
    if matching.is_on:
        return tuple(one for one in labels if one[0] in matching.labels)
    return tuple(one for one in labels if one[0] not in matching.labels and one[0] != NAME)


def _check_single(one: Frame, groups: _Groups, is_asked: Marks, side: str) -> None:
    """Of the side that may have one series a group, no group has two at a step."""
    for key, rows in groups.items():
        if len(rows) > 1 and ((one.is_there[rows].sum(axis=0) > 1) & is_asked).any():
            shown = ", ".join(show_labels(one.labels[row]) for row in rows[:2])
            raise PromqlError(
                f"found duplicate series for the match group {show_labels(key)} on the {side} "
                f"hand-side of the operation: [{shown}]; many-to-many matching not allowed: "
                "matching labels must be unique on one side"
            )


def _check_explicit(keys: Sequence[Labels], is_there: Marks) -> None:
    """Without ``group_left`` or ``group_right`` no group gives two values at a step."""
    counts: dict[Labels, Marks] = {}
    for key, marks in zip(keys, is_there, strict=True):
        seen = counts.get(key)
        if seen is not None and (seen & marks).any():
            raise PromqlError(
                "multiple matches for labels: many-to-one matching must be explicit "
                f"(group_left/group_right): {show_labels(key)}"
            )
        counts[key] = marks if seen is None else seen | marks


def _label_pair(many: Labels, one: Labels, matching: Matching, *, drops_name: bool) -> Labels:
    """Labels of what two series make."""
    kept = drop_name(many) if drops_name else many
    if matching.sides is Sides.ONE_TO_ONE:
        return tuple(label for label in kept if (label[0] in matching.labels) is matching.is_on)
    taken = [label for label in one if label[0] in matching.included]
    kept = tuple(label for label in kept if label[0] not in matching.included)
    return tuple(sorted((*kept, *taken)))
