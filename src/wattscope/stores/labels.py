"""Names of series as columns: what a file says beside the numbers, and how rows are ordered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Batch
from wattscope.core.topology import Series
from wattscope.stores.parquet.runs import Runs, TextRuns
from wattscope.stores.parquet.writer import TextColumn

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Labels:
    """Site, device and quantity of each series, by series id."""

    sites: list[str]
    devices: list[str]
    quantities: list[str]
    site_code: Ints
    """Number into ``sites`` by series id; -1 for ids that are not known. Likewise the others."""
    device_code: Ints
    quantity_code: Ints
    rank: npt.NDArray[np.uint16] | npt.NDArray[np.int64]
    """Where the rows of a series stand in a file, by series id; ids without a series come last."""

    @classmethod
    def build(cls, series: Sequence[Series]) -> Labels:
        """The labels of all series of the registry."""
        size = max((one.id for one in series), default=-1) + 1
        words = [sorted({pick(one) for one in series}) for pick in _PICKS]
        codes = []
        for pick, known in zip(_PICKS, words, strict=True):
            number_of = {word: number for number, word in enumerate(known)}
            column = np.full(size + 1, -1, np.int64)
            for one in series:
                column[one.id] = number_of[pick(one)]
            codes.append(column)
        return cls(words[0], words[1], words[2], codes[0], codes[1], codes[2], _rank_all(codes[2]))

    def text_columns(self, series_id: npt.NDArray[np.integer]) -> dict[str, TextColumn]:
        """The three name columns of some rows."""
        at = self._clip(series_id)
        return {
            "site": TextColumn(self.site_code[at], self.sites),
            "device": TextColumn(self.device_code[at], self.devices),
            "quantity": TextColumn(self.quantity_code[at], self.quantities),
        }

    def text_runs(self, series: Runs) -> dict[str, TextRuns]:
        """The three name columns of rows that are known by the runs of their series."""
        at = self._clip(series.values)
        return {
            "site": TextRuns(series.merged(self.site_code[at]), self.sites),
            "device": TextRuns(series.merged(self.device_code[at]), self.devices),
            "quantity": TextRuns(series.merged(self.quantity_code[at]), self.quantities),
        }

    def quantity_of(self, series_id: npt.NDArray[np.integer]) -> Ints:
        """Number into ``quantities`` for each row; -1 where it is not known."""
        return self.quantity_code[self._clip(series_id)]

    def find(self, devices: frozenset[str] | None, quantities: frozenset[str] | None) -> list[int]:
        """Series by the names of their device and quantity; None for any."""
        is_known = self.site_code >= 0
        for wanted, words, codes in (
            (devices, self.devices, self.device_code),
            (quantities, self.quantities, self.quantity_code),
        ):
            if wanted is not None:
                numbers = [at for at, word in enumerate(words) if word in wanted]
                is_known &= np.isin(codes, np.array(numbers, np.int64))
        found: list[int] = np.flatnonzero(is_known).tolist()
        return found

    def sort_key(self, series: int) -> tuple[int, int]:
        """Where the rows of a series stand in a file."""
        code = int(self.quantity_code[min(series, len(self.quantity_code) - 1)])
        return (len(self.quantities) if code < 0 else code, series)

    def order(self, batch: Batch) -> Batch:
        """The rows by quantity, series and time: like stands beside like."""
        key = self.rank_of(batch.series_id)
        if _is_ordered(key, batch.measured_at_us):
            return batch
        # A stable sort by few different keys; the order of time within a series mostly is there.
        order = np.argsort(key, kind="stable")
        ordered = batch.take(order)
        if _is_ordered(key[order], ordered.measured_at_us):
            return ordered
        return batch.take(np.lexsort((batch.measured_at_us, key)))

    def rank_of(self, series_id: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """Numbers that rise with quantity, then series; in sixteen bits where that is enough.

        Sixteen bits are sorted by counting, many times faster than by comparing.
        """
        if int(series_id.max(initial=0)) >= len(self.rank):
            # Series that nobody knows come last.
            quantity = self.quantity_of(series_id)
            last = len(self.quantities)
            wide: Ints = (np.where(quantity < 0, last, quantity) << 32) | series_id
            return wide
        rank: npt.NDArray[np.integer] = self.rank[series_id]
        return rank

    def _clip(self, series_id: npt.NDArray[np.integer]) -> Ints:
        """The last entry stands for ids that are not known."""
        at: Ints = np.minimum(series_id, len(self.site_code) - 1).astype(np.int64)
        return at


def _is_ordered(key: npt.NDArray[np.integer], t: Ints) -> bool:
    is_next = key[1:] > key[:-1]
    return bool((is_next | ((key[1:] == key[:-1]) & (t[1:] >= t[:-1]))).all())


def _rank_all(quantity_code: Ints) -> npt.NDArray[np.uint16] | npt.NDArray[np.int64]:
    last = int(quantity_code.max(initial=-1)) + 1
    order = np.argsort(np.where(quantity_code < 0, last, quantity_code), kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    # Without the last entry, which stands for ids that are not known.
    return rank[:-1].astype(np.uint16) if len(rank) <= 1 << 16 else rank[:-1]


def _site_of(series: Series) -> str:
    return series.site


def _device_of(series: Series) -> str:
    return series.device


def _quantity_of(series: Series) -> str:
    return series.quantity.name


_PICKS = (_site_of, _device_of, _quantity_of)
