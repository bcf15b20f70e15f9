"""Notices topics that were removed and made again, which a consumer of Kafka is not told.

A consumer goes on at the offset where it stood; in the new topic of the old name that skips as
many messages as it had read of the old one. Only the id of the topic says that it is another one
(KIP-516, brokers from 2.8 on).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import structlog
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._topic import TopicDescription

from wattscope.logs.kafka.options import KafkaOptions
from wattscope.logs.kafka.topics import quiet_settings

_log = structlog.get_logger()
_LOOK_EVERY_S = 5.0


class RemadeTopics:
    """Compares the ids of topics from look to look; for one thread."""

    def __init__(self, options: KafkaOptions, topics: Sequence[str]) -> None:
        """Touch no network yet.

        Args:
            options: Of the cluster.
            topics: With the prefix.
        """
        # Of faults the consumer beside it tells.
        self._settings = quiet_settings(options) | {"error_cb": lambda _fault: None}
        self._topics = list(topics)
        self._admin: AdminClient | None = None
        self._ids: dict[str, str] = {}
        self._asked: dict[str, Future[TopicDescription]] = {}
        self._asked_s = 0.0

    def look(self, now_s: float) -> frozenset[str]:
        """Topics that were found to be others than before; each is told once. Never waits.

        Args:
            now_s: Of a clock that never goes back [s].
        """
        remade = set()
        for topic in [topic for topic, answer in self._asked.items() if answer.done()]:
            found = _read_id(self._asked.pop(topic))
            if found is not None:
                if self._ids.setdefault(topic, found) != found:
                    remade.add(topic)
                    _log.warning("topic was removed and made again: read anew", topic=topic)
                self._ids[topic] = found
        is_due = not self._ids or now_s - self._asked_s >= _LOOK_EVERY_S
        if is_due and not self._asked:
            if self._admin is None:
                self._admin = AdminClient(self._settings)
            self._asked = dict(self._admin.describe_topics(TopicCollection(self._topics)))
            self._asked_s = now_s
        return frozenset(remade)


def _read_id(answer: Future[TopicDescription]) -> str | None:
    """The id of a topic; None where the cluster is away, the topic not there, or has no id."""
    try:
        found = str(answer.result().topic_id)
    except KafkaException:
        return None
    return found if found.strip("A=") else None
