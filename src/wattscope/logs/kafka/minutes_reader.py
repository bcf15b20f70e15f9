"""From messages on ``aggregates`` to columns: sums of minutes of series that are known.

What cannot be read is left out and said; it is not kept, for it follows from readings that are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from wattscope.compute.decode.aggregate_json import Aggregate, decode_aggregate
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.logs.kafka.message_reader import FetchedMessage
from wattscope.ports import FollowedMinutes, MinuteSums

LEVEL = "1m"
FindKnown = Callable[[Sequence[tuple[str, str]]], Sequence[int | None]]
"""Ids of series by device and quantity, in their order; None for one that there is not.

It may raise ``TransientError`` while the registry is away: the messages are then read again.
"""


class MinutesReader:
    """Reads messages; keeps nothing."""

    def __init__(self, find_known: FindKnown) -> None:
        self._find_known = find_known

    def read(self, messages: Sequence[FetchedMessage]) -> FollowedMinutes:
        """One record of all messages, in their order.

        Raises:
            TransientError: The registry is away; nothing was taken.
        """
        minutes: list[Aggregate] = []
        places: list[str] = []
        refused: list[Rejection] = []
        n_longer = 0
        for message in messages:
            found = decode_aggregate(message.value() or b"")
            if isinstance(found, Rejection):
                refused.append(_place(found, _describe(message)))
            elif found.level == LEVEL:
                minutes.append(found)
                places.append(_describe(message))
            else:
                n_longer += 1
        series = self._find_known([(one.device, one.quantity) for one in minutes])
        refused += [
            _place(_refuse_stranger(one), place)
            for one, number, place in zip(minutes, series, places, strict=True)
            if number is None
        ]
        known = [number for number in series if number is not None]
        kept = [one for one, number in zip(minutes, series, strict=True) if number is not None]
        return FollowedMinutes(np.array(known, np.int32), _collect(kept), n_longer, tuple(refused))


def _collect(minutes: Sequence[Aggregate]) -> MinuteSums:
    return MinuteSums(
        np.array([one.bucket_start_us for one in minutes], np.int64),
        np.array([one.count for one in minutes], np.int64),
        np.array([one.sum for one in minutes], np.float64),
        np.array([one.min for one in minutes], np.float64),
        np.array([one.max for one in minutes], np.float64),
    )


def _refuse_stranger(found: Aggregate) -> Rejection:
    return Rejection(
        ReasonCode.UNKNOWN_DEVICE,
        f"nothing is stored of {found.quantity[:128]!r} of device {found.device[:128]!r}",
    )


def _place(refusal: Rejection, place: str) -> Rejection:
    return Rejection(refusal.code, f"{place}: {refusal.detail}")


def _describe(message: FetchedMessage) -> str:
    return f"{message.topic()}/{message.partition()} offset {message.offset()}"
