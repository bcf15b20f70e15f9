"""Scoring rows by a forest: all nodes of all trees at once, sixty-four rows a machine word.

::

    value ─▶ rank among the thresholds of its feature             one search for all trees
    rank  ─▶ one bit in the row of that rank, xor over the ranks   bit: value ≤ threshold
    level by level:  left = here & bit, right = here ^ left        here: which rows reach a node
    per tree and level: or over right = the turn that was taken    turns: the place of the leaf
    turns ─▶ path length, summed over trees

No row chases pointers; every step is one NumPy call over whole levels of all trees. Why this way
and what it was measured against: ``docs/decisions/0017-isolation-forest.md``.

A score is that of scikit-learn's ``score_samples``, sign included: ``-2 ** (-mean path / expected
path)``, from -1 (stands alone) to 0 (like all others); about -0.5 where nothing stands out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.isolation_forest.forest import (
    LEAF,
    Float32Column,
    Forest,
    expect_path_length,
    find_levels,
)
from wattscope.core.reading import FloatColumn

Places = npt.NDArray[np.intp]
Words = npt.NDArray[np.uint64]

_WORD = 64
_BYTE = 8
BLOCK_ROWS = 1024
"""Rows that are scored together: their bits of all nodes stay within the second cache."""
_XOR_ROWS = 32
_GROUP_TREES = 25
"""Trees whose path lengths are looked up together; always as many, so that a row's score does not
depend, in its last bit, on how many others it is scored with."""


@dataclass(frozen=True, slots=True)
class _Level:
    """The nodes of a level that split, of all trees."""

    bits: Places
    """Where the bits of each node's comparison are."""
    here: Places
    """Which children of the level above they are: the left ones of all, then the right ones."""
    trees: Places
    """Trees that have such nodes here."""
    starts: Places
    """Where the nodes of each of these trees begin."""


class Scorer:
    """A forest made ready for scoring; may be used by several threads at once."""

    def __init__(self, forest: Forest) -> None:
        """``forest`` must be without faults: see ``list_faults``."""
        self.forest = forest
        inner = np.flatnonzero(forest.feature != LEAF)
        self._rank_table, self._first_bits, n_bits, bits = _rank_thresholds(
            forest.feature[inner], forest.threshold[inner], len(forest.features)
        )
        n_columns = -(-n_bits // _XOR_ROWS)
        self._n_bits = n_columns * _XOR_ROWS
        places = bits % _XOR_ROWS * n_columns + bits // _XOR_ROWS
        self._levels, self._paths = _plan_levels(forest, places)
        self._scale = forest.n_trees * float(expect_path_length(forest.sample))

    def score(self, rows: npt.NDArray[np.floating]) -> FloatColumn:
        """Scores of rows.

        Args:
            rows: Shape ``(n_rows, n_features)``; compared as 32-bit numbers, as scikit-learn does.

        Returns:
            From -1 to 0, the lower the stranger; NaN for a row with a value that is no number.
        """
        n_rows = len(rows)
        if not n_rows:
            return np.empty(0)
        n_blocks = -(-n_rows // BLOCK_ROWS)
        width = -(-n_rows // (n_blocks * _WORD)) * _WORD
        columns = np.zeros((len(self.forest.features), n_blocks * width), np.float32)
        with np.errstate(over="ignore"):
            columns[:, :n_rows] = np.asarray(rows).T
        is_sound = np.isfinite(columns).all(axis=0)
        columns[:, ~is_sound] = 0
        paths = np.empty(n_blocks * width)
        space = _Workspace(self._n_bits, width)
        for start in range(0, n_blocks * width, width):
            part = slice(start, start + width)
            paths[part] = self._measure_paths(columns[:, part], space)
        scores = -np.exp2(-paths / self._scale)
        scores[~is_sound] = np.nan
        return scores[:n_rows]

    def _measure_paths(self, columns: Float32Column, space: _Workspace) -> FloatColumn:
        """Path lengths of a block, summed over the trees."""
        at_most = self._compare(columns, space)
        turns = np.zeros((len(self._levels), self.forest.n_trees, space.n_words), np.uint64)
        children = np.empty((0, space.n_words), np.uint64)
        for depth, level in enumerate(self._levels):
            bits = at_most.take(level.bits, axis=0, mode="clip")
            n_nodes = len(bits)
            above = children
            children = np.empty((2 * n_nodes, space.n_words), np.uint64)
            left, right = children[:n_nodes], children[n_nodes:]
            if depth:
                here = above.take(level.here, axis=0, mode="clip")
                np.bitwise_and(here, bits, out=left)
                np.bitwise_xor(here, left, out=right)
            else:
                left[:] = bits
                np.invert(bits, out=right)
            turns[depth, level.trees] = np.bitwise_or.reduceat(right, level.starts, axis=0)
        return self._sum_paths(turns, space.n_words * _WORD)

    def _compare(self, columns: Float32Column, space: _Workspace) -> Words:
        """For each threshold of all trees, which rows are at most as large: one bit a row."""
        bits = space.bits
        bits.fill(0)
        # What each feature sets, it sets for all rows in the end; the next one begins anew.
        bits[self._first_bits[1:] % _XOR_ROWS, self._first_bits[1:] // _XOR_ROWS] = 0xFF
        line = self._rank(columns)
        line += self._first_bits[:, None]
        place = line % _XOR_ROWS
        place *= bits.shape[1]
        line //= _XOR_ROWS
        place += line
        place *= bits.shape[2]
        by_bit = place.reshape(len(place), -1, _BYTE)
        flat = bits.reshape(-1)
        for bit in range(_BYTE):
            flat[by_bit[:, :, bit] + space.byte_places] ^= np.uint8(0x80 >> bit)
        words = bits.view(np.uint64)
        for row in range(1, _XOR_ROWS):
            np.bitwise_xor(words[row], words[row - 1], out=words[row])
        before = np.bitwise_xor.accumulate(words[-1, :-1], axis=0)
        np.bitwise_xor(words[:, 1:], before, out=words[:, 1:])
        return words.reshape(-1, space.n_words)

    def _rank(self, columns: Float32Column) -> Places:
        """How many thresholds of its feature each value exceeds: a search without branches."""
        n_features, size = self._rank_table.shape
        table = self._rank_table.reshape(-1)
        first = (np.arange(n_features) * size)[:, None]
        place = np.repeat(first, columns.shape[1], axis=1)
        met = np.empty(columns.shape, np.float32)
        step = np.empty(columns.shape, np.intp)
        for power in range(size.bit_length() - 2, -1, -1):
            # The table from here on: no place has to be shifted.
            table[(1 << power) - 1 :].take(place, out=met, mode="clip")
            np.copyto(step, met < columns)
            np.left_shift(step, power, out=step)
            np.add(place, step, out=place)
        place -= first
        return place

    def _sum_paths(self, turns: Words, width: int) -> FloatColumn:
        """What the turns of all trees lead to."""
        n_trees, total = self.forest.n_trees, np.zeros(width)
        size = 1 << len(turns)
        table = self._paths
        for start in range(0, n_trees, _GROUP_TREES):
            end = min(start + _GROUP_TREES, n_trees)
            leaf = _read_turns(turns[:, start:end], end - start)
            place = np.add(leaf, np.arange(start * size, end * size, size)[:, None], dtype=np.intp)
            total += table.take(place, mode="clip").sum(axis=0)
        return total


class _Workspace:
    """Memory of one call, used again for each block."""

    def __init__(self, n_bits: int, width: int) -> None:
        # Line k is at [k % _XOR_ROWS, k // _XOR_ROWS]: what is worked on together lies together.
        self.bits = np.empty((_XOR_ROWS, n_bits // _XOR_ROWS, width // _BYTE), np.uint8)
        self.byte_places = np.arange(width // _BYTE)
        self.n_words = width // _WORD


def _read_turns(turns: Words, n_trees: int) -> npt.NDArray[np.unsignedinteger]:
    """The turns of each row in each tree as one number, the first turn highest."""
    depth = len(turns)
    kind = np.uint8 if depth <= _BYTE else np.uint16
    if not depth:
        return np.zeros((n_trees, turns.shape[2] * _WORD), kind)
    bits = np.unpackbits(turns.reshape(depth, -1).view(np.uint8), axis=1)
    bits = bits.reshape(depth, n_trees, -1)
    leaf: npt.NDArray[np.unsignedinteger] = bits[0].astype(kind)
    for one in bits[1:]:
        np.add(leaf, leaf, out=leaf)
        np.bitwise_or(leaf, one, out=leaf)
    return leaf


def _rank_thresholds(
    feature: npt.NDArray[np.int16], threshold: Float32Column, n_features: int
) -> tuple[Float32Column, Places, int, Places]:
    """Thresholds in order of their feature and size.

    Returns:
        The thresholds of each feature, filled up to a power of two; where the bits of each feature
        begin; how many there are (one more than thresholds, for values above all of them); and
        where the bits of each given threshold are.
    """
    order = np.lexsort((threshold, feature))
    counts = np.bincount(feature, minlength=n_features)
    first = np.concatenate([[0], np.cumsum(counts + 1)])
    size = 1 << int(counts.max()).bit_length()
    table = np.full((n_features, size), np.inf, np.float32)
    within = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    table[feature[order], within] = threshold[order]
    bits = np.empty(len(order), np.intp)
    bits[order] = first[:-1][feature[order]] + within
    return table, first[:-1], int(first[-1]), bits


def _plan_levels(forest: Forest, bits: Places) -> tuple[tuple[_Level, ...], FloatColumn]:
    """The levels, and the path length behind each way through each tree."""
    is_inner = forest.feature != LEAF
    slices = find_levels(is_inner, forest.n_trees)
    depth = len(slices) - 1
    paths = np.zeros((forest.n_trees, 1 << depth))
    tree = np.arange(forest.n_trees)
    turns = np.zeros(forest.n_trees, np.intp)
    levels, n_before, n_above = [], 0, 0
    for height, part in zip(range(depth, -1, -1), slices, strict=True):
        inner = is_inner[part]
        paths[tree[~inner], turns[~inner] << height] = forest.path[part][~inner]
        places = np.flatnonzero(inner)
        n_inner = len(places)
        # Children stand left, right, left, right; their bits all left, then all right.
        here = (places & 1) * n_above + (places >> 1)
        tree, turns = tree[inner], turns[inner]
        trees, starts = np.unique(tree, return_index=True)
        if n_inner:
            level_bits = bits[n_before : n_before + n_inner]
            levels.append(_Level(level_bits, here, trees, starts))
        n_before, n_above = n_before + n_inner, n_inner
        tree = np.repeat(tree, 2)
        turns = np.stack([2 * turns, 2 * turns + 1], axis=1).ravel()
    return tuple(levels), paths.reshape(-1)


def score(forest: Forest, rows: npt.NDArray[np.floating]) -> FloatColumn:
    """Scores of rows, once; who scores again and again keeps a ``Scorer``."""
    return Scorer(forest).score(rows)
