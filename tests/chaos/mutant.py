"""Runs the program with one guarantee taken out, to see that the tests notice.

``python mutant.py MUTATION run -c … --data … --port …``, a name of ``MUTATIONS``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wattscope.cli import main
from wattscope.core.alerting import Delivery
from wattscope.core.reading import Batch
from wattscope.logs.segment_follower import SegmentFollower
from wattscope.logs.segment_log import SegmentLog
from wattscope.pipeline.carry import Carry
from wattscope.pipeline.intake import Intake
from wattscope.ports import FollowedRecord, LogRecord, RawMessage
from wattscope.registry.outbox import SqlOutbox
from wattscope.sources.mqtt import MqttSource
from wattscope.stores.tail import Judgement, Watermarks


class Change(NamedTuple):
    """A method that is replaced; an unknown name is an error, so that no mutation is empty."""

    owner: type
    method: str
    replacement: Callable[..., Any]


def acknowledge_early() -> list[Change]:
    """Acknowledge what was received before it is in the log, which follows a moment later.

    The moment is needed because SIGKILL, other than a power cut, spares what was written and
    not yet synced: it must hit between the acknowledgement and the write.
    """
    receive, acknowledge, append = MqttSource.receive, MqttSource.acknowledge, SegmentLog.append

    async def receive_and_acknowledge(source: MqttSource) -> AsyncIterator[Sequence[RawMessage]]:
        async for messages in receive(source):
            await acknowledge(source, messages)
            yield messages

    async def leave_it(_source: MqttSource, _messages: Sequence[RawMessage]) -> None:
        """Acknowledge nothing: that was done."""

    def append_late(log: SegmentLog, *arguments: Any) -> LogRecord:  # noqa: ANN401 - handed on
        time.sleep(0.05)
        return append(log, *arguments)

    return [
        Change(MqttSource, "receive", receive_and_acknowledge),
        Change(MqttSource, "acknowledge", leave_it),
        Change(SegmentLog, "append", append_late),
    ]


def look_nothing_up() -> list[Change]:
    """Store every row, whether its key is there already or not."""

    def believe(_marks: Watermarks, batch: Batch, _look_up: object) -> Judgement:
        return Judgement(batch, 0, batch.take(np.zeros(len(batch), np.bool_)), np.empty(0))

    return [Change(Watermarks, "judge", believe)]


def forget_receipts() -> list[Change]:
    """Do not know the bare numbers again that were in the log before a restart."""

    def forget(_intake: Intake, _receipts: Sequence[int]) -> None:
        """Remember nothing."""

    return [Change(Intake, "remember", forget)]


def note_no_outcome() -> list[Change]:
    """Do not note in the outbox that a message was delivered."""

    def forget(_outbox: SqlOutbox, delivery: Delivery) -> Delivery:
        return delivery

    return [Change(SqlOutbox, "note", forget)]


def commit_first() -> list[Change]:
    """Say that records are stored before they are, which follows a moment later."""
    take = Carry._take

    async def commit_and_take(carry: Carry, record: FollowedRecord) -> None:
        await asyncio.to_thread(carry._follower.commit)
        await asyncio.sleep(1.0)
        await take(carry, record)

    return [Change(Carry, "_take", commit_and_take)]


def bookmark_first() -> list[Change]:
    """Remember what was read for an output as sent before it is."""
    poll = SegmentFollower.poll

    def poll_and_commit(follower: SegmentFollower, timeout_s: float) -> FollowedRecord | None:
        found = poll(follower, timeout_s)
        follower.commit()
        return found

    return [Change(SegmentFollower, "poll", poll_and_commit)]


MUTATIONS: dict[str, Callable[[], list[Change]]] = {
    "no_outbox_notes": note_no_outcome,
    "early_ack": acknowledge_early,
    "no_look_up": look_nothing_up,
    "no_receipts": forget_receipts,
    "early_commit": commit_first,
    "early_bookmark": bookmark_first,
}

if __name__ == "__main__":
    for owner, method, replacement in MUTATIONS[sys.argv.pop(1)]():
        getattr(owner, method)
        setattr(owner, method, replacement)
    main()
