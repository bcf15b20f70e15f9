"""One member of a group that shares out the partitions of some topics on Kafka.

::

    poll ─▶ record ─▶ the caller makes it durable ─▶ commit ─▶ poll ...

It promises that nothing is committed that ``poll`` has not given, so that whatever happens between
two commits is given again, here or to another member. What messages mean is its reader's to say.
"""

# ruff: noqa: SLF001  # the library's names of its own errors begin with an underscore

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from wattscope.logs.kafka.faults import LastFault, explain
from wattscope.logs.kafka.options import KafkaOptions
from wattscope.logs.kafka.remade_topics import RemadeTopics
from wattscope.logs.kafka.topics import make_missing_topics, quiet_settings

_log = structlog.get_logger()
_TAKEN_AWAY = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
"""Answers to a commit of a member that the group goes on without; it joins again by itself."""

_LOOK_S = 2.0
"""How long a cluster that complained may take to say that it is there [s]."""

_MEASURE_EVERY_S = 0.5
"""Between two looks at how far the partitions reach, while polls follow each other [s]."""

_Place = tuple[str, int]
"""Topic and partition."""
RecordT = TypeVar("RecordT")
RecordT_co = TypeVar("RecordT_co", covariant=True)


class RecordReader(Protocol[RecordT_co]):
    """Makes one record of messages."""

    def read(self, messages: Sequence[Message]) -> RecordT_co:
        """All messages, in their order; one that cannot be read holds up no other.

        Raises:
            TransientError: Something that it needs is away; nothing was taken.
        """
        ...


class GroupMember(Generic[RecordT]):
    """Follows some topics as one member of a group; for one thread but ``lag`` and ``close``.

    A consumer answers one thread at a time, and whoever polls without a pause keeps all others
    waiting: so nothing but a poll, a commit and the end of it ever waits for it here.
    """

    def __init__(  # noqa: PLR0913  # how it behaves is keyword-only
        self,
        options: KafkaOptions,
        group: str,
        topics: Sequence[str],
        reader: RecordReader[RecordT],
        *,
        max_messages: int = 5000,
        session_timeout_s: float = 15.0,
        longest_work_s: float = 300.0,
    ) -> None:
        """Touch no network yet.

        Args:
            options: Checked already.
            group: Members of one name share the work; each name gets everything once.
            topics: Without the prefix.
            reader: Makes records of messages.
            max_messages: Of one record.
            session_timeout_s: A member that is silent for so long is taken for dead [s].
            longest_work_s: Longest time between two polls [s]; after it others go on with the
                partitions, and what was not committed is given to them again.
        """
        self.options = options
        self.group = group
        self.n_missing = 0
        """Messages that the cluster had removed before they were read; a log entry tells which."""
        self._topics = tuple(map(options.topic, topics))
        self._reader = reader
        self._max_messages = max_messages
        self._session_timeout_s = session_timeout_s
        self._longest_work_s = longest_work_s
        self._heard = LastFault()
        self._in_use = threading.RLock()
        """Held while the consumer is asked for anything."""
        self._consumer: Consumer | None = None
        self._fetched: list[Message] = []
        """Read, and not given yet: what the reader needs was away."""
        self._given: dict[_Place, int] = {}
        """Where to go on once what was given is durable with the caller."""
        self._reached: dict[_Place, int | None] = {}
        """The partitions that are ours, and up to where the group is through; None: nowhere yet."""
        self._ends: dict[_Place, tuple[int, int]] = {}
        """The first offset of a partition and the one behind its last, when it was last seen."""
        self._measured_s = -_MEASURE_EVERY_S
        self._next: dict[_Place, int] = {}
        """The offset that the next message of a partition should have."""
        self._remade = RemadeTopics(options, self._topics)
        self._to_restart: set[str] = set()
        """Topics that were made again: what the group committed may be meant for the old ones."""
        self._restarted: set[_Place] = set()
        """Partitions of such topics that we began anew."""

    @property
    def partitions(self) -> tuple[str, ...]:
        """What this member follows now, as ``sensor-readings/3``."""
        return tuple(sorted(f"{topic}/{partition}" for topic, partition in self._reached))

    def poll(self, timeout_s: float) -> RecordT | None:
        """The next messages as one record; None when none came in time.

        Raises:
            TransientError: The cluster, or what its reader needs, is away; call again later.
        """
        with self._in_use:
            try:
                self._look_for_remade()
                consumer = self._open()
                if not self._fetched:
                    self._fetched = self._fetch(consumer, timeout_s)
            except KafkaException as fault:
                self._look_at(fault.args[0])
                chosen = self._heard.choose(fault.args[0])
                raise explain(chosen, self._doing, self.options) from fault
            if time.monotonic() - self._measured_s >= _MEASURE_EVERY_S:
                self._measure()
            if not self._fetched:
                self._raise_heard()
                return None
        record = self._reader.read(self._fetched)
        for message in self._fetched:
            self._given[_place_of(message)] = (message.offset() or 0) + 1
        self._fetched = []
        return record

    def commit(self) -> None:
        """Everything that ``poll`` gave is durable with the caller: go on behind it. Blocks.

        What was taken from this member meanwhile is left out; who has it now is given it again.

        Raises:
            TransientError: The cluster did not take it; call again, or go on and commit later.
        """
        with self._in_use:
            if not self._given or self._consumer is None:
                return
            given = dict(self._given)
            try:
                _commit(self._consumer, given)
            except KafkaException as fault:
                if fault.args[0].code() not in _TAKEN_AWAY:
                    self._look_at(fault.args[0])
                    doing = f"committing what group {self.group} has done"
                    chosen = self._heard.choose(fault.args[0])
                    raise explain(chosen, doing, self.options) from fault
                _log.info("commit came too late, the group went on", group=self.group)
            else:
                reached = self._reached
                self._reached |= {place: at for place, at in given.items() if place in reached}
            self._given = {}

    def lag(self) -> dict[str, int]:
        """Messages behind the newest commit, by partition that this member follows.

        A partition of which nothing is known yet is left out. From any thread, and never waits:
        while a poll is under way, it goes by what the last one saw.
        """
        if self._in_use.acquire(blocking=False):
            try:
                self._measure()
            finally:
                self._in_use.release()
        behind: dict[str, int] = {}
        ends = dict(self._ends)
        for place, reached in list(self._reached.items()):
            if place in ends:
                first, end = ends[place]
                start = first if reached is None else reached
                behind[f"{place[0]}/{place[1]}"] = max(0, end - start)
        return behind

    def _measure(self) -> None:
        """See how far our partitions reach by what came with the messages; asks nobody."""
        consumer, ends = self._consumer, {}
        if consumer is None:
            return
        for topic, partition in list(self._reached):
            with contextlib.suppress(KafkaException, RuntimeError):
                seen = consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
                if seen is not None and seen[1] >= 0:
                    ends[topic, partition] = max(0, seen[0]), seen[1]
        self._ends, self._measured_s = ends, time.monotonic()

    def close(self) -> None:
        """Leave the group, so that others go on at once; what was not committed is theirs."""
        with self._in_use:
            consumer, self._consumer = self._consumer, None
            if consumer is not None:
                consumer.close()
            self._forget(list(self._reached))

    @property
    def _doing(self) -> str:
        return f"following {', '.join(self._topics)}"

    def _open(self) -> Consumer:
        if self._consumer is None:
            make_missing_topics(self.options)
            self._heard = LastFault()
            consumer = Consumer(self._settings())
            self._consumer = consumer
            consumer.subscribe(
                list(self._topics),
                on_assign=self._take_on,
                on_revoke=self._give_back,
                on_lost=self._give_back,
            )
        return self._consumer

    def _settings(self) -> dict[str, Any]:
        return quiet_settings(self.options) | {
            "group.id": self.group,
            "partition.assignment.strategy": "cooperative-sticky",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # A new group begins with the oldest message: nothing acknowledged is skipped.
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "session.timeout.ms": int(1000 * self._session_timeout_s),
            "heartbeat.interval.ms": int(1000 * min(3.0, self._session_timeout_s / 3)),
            "max.poll.interval.ms": int(1000 * self._longest_work_s),
            "fetch.wait.max.ms": 500,
            # What waits here is what another member has to read again when we die.
            "queued.max.messages.kbytes": 16 * 1024,
            "queued.min.messages": 2 * self._max_messages,
            "error_cb": self._heard.note,
        }

    def _fetch(self, consumer: Consumer, timeout_s: float) -> list[Message]:
        """What is there, or the first that comes; only of partitions that are ours."""
        found = consumer.consume(1, timeout_s)
        if found:
            # Without waiting for more: records grow with the load, not with time.
            found += consumer.consume(self._max_messages - 1, 0)
        messages = []
        for message in found:
            fault = message.error()
            if fault is not None:
                self._heard.note(fault)
                self._look_at(fault)
            elif _place_of(message) in self._reached:
                messages.append(message)
        if self._consumer is None:
            # It was given up on the way: what it gave is given again to the next one.
            return []
        if messages:
            self._heard.forget()
            self._look_for_gaps(messages)
        return messages

    def _look_for_gaps(self, messages: Sequence[Message]) -> None:
        """Say of offsets that are missing: retention took them, or they never were readings."""
        for message in messages:
            place, offset = _place_of(message), message.offset() or 0
            expected = self._next.get(place, offset)
            if offset > expected:
                self.n_missing += offset - expected
                _log.warning(
                    "messages are missing, the topic's retention may be too short",
                    topic=place[0],
                    partition=place[1],
                    first_missing=expected,
                    count=offset - expected,
                )
            self._next[place] = offset + 1

    def _look_for_remade(self) -> None:
        """Begin anew where a topic is not the one that was read so far."""
        remade = self._remade.look(time.monotonic())
        if remade:
            self._to_restart |= remade
            self._restarted = {place for place in self._restarted if place[0] not in remade}
            self.close()

    def _raise_heard(self) -> None:
        """Nothing came: because there is nothing, or because the cluster is away?"""
        fault, consumer = self._heard.fault, self._consumer
        if fault is None:
            return
        if consumer is None:
            self._heard.forget()
            raise explain(fault, self._doing, self.options)
        try:
            consumer.list_topics(self._topics[0], timeout=_LOOK_S)
        except KafkaException as seen:
            raise explain(self._heard.choose(seen.args[0]), self._doing, self.options) from seen
        self._heard.forget()

    def _look_at(self, fault: KafkaError) -> None:
        """Begin anew where a consumer cannot go on: it is broken, or a topic was removed."""
        is_topic_gone = fault.code() in {
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError._UNKNOWN_TOPIC,
            KafkaError._UNKNOWN_PARTITION,
        }
        if fault.fatal() or is_topic_gone:
            self.close()

    def _take_on(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Partitions come to us: go on where the group had committed, or at the beginning."""
        found = partitions
        with contextlib.suppress(KafkaException):
            found = consumer.committed(partitions, timeout=min(5.0, self.options.timeout_s))
        for one in found:
            place = (one.topic, one.partition)
            if one.topic in self._to_restart and place not in self._restarted:
                self._restarted.add(place)
                one.offset = OFFSET_BEGINNING
            self._reached[place] = one.offset if one.offset >= 0 else None
            if one.offset >= 0:
                self._next[place] = one.offset
        consumer.incremental_assign(found)

    def _give_back(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Partitions go to another member; what we did not commit goes with them."""
        self._forget([(one.topic, one.partition) for one in partitions])

    def _forget(self, places: Sequence[_Place]) -> None:
        for place in places:
            for known in (self._reached, self._given, self._next, self._ends):
                known.pop(place, None)
        gone = set(places)
        self._fetched = [one for one in self._fetched if _place_of(one) not in gone]


def _place_of(message: Message) -> _Place:
    return message.topic() or "", message.partition() or 0


def _commit(consumer: Consumer, given: Mapping[_Place, int]) -> None:
    """Tell the group where to go on.

    Raises:
        KafkaException: Of the whole, or of one partition.
    """
    offsets = [TopicPartition(*place, offset) for place, offset in given.items()]
    for one in consumer.commit(offsets=offsets, asynchronous=False) or ():
        if one.error is not None:
            raise KafkaException(one.error)
