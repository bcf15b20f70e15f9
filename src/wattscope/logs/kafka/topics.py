"""The topics of the program, made where they are missing.

What is there already stays as it is: number of partitions, copies and retention of an existing
topic are its operator's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from wattscope.core.errors import TransientError
from wattscope.logs.kafka.faults import LastFault, explain
from wattscope.logs.kafka.options import TOPICS, UNDIVIDED, KafkaOptions

_log = structlog.get_logger()
_MS_PER_DAY = 86_400_000
_SLICE_S = 1.0
"""How often a request under way is looked at: a refused password is no matter of patience [s]."""
_SAFE_REPLICATION = 3
"""From so many copies on, one may be lost while the rest goes on taking messages."""


def make_missing_topics(options: KafkaOptions, names: Sequence[str] = TOPICS) -> list[str]:
    """Make those topics that are not there, and wait until they can be used. Blocks.

    Args:
        options: The cluster, and how new topics shall be.
        names: Without the prefix.

    Returns:
        The topics that were made, with the prefix.

    Raises:
        TransientError: The cluster is away, refuses us, or does not let us make a topic.
    """
    doing = "looking for topics"
    fault = LastFault()
    deadline_s = time.monotonic() + options.timeout_s
    try:
        admin = AdminClient(quiet_settings(options) | {"error_cb": fault.note})
        usable = _list_usable(admin, fault, deadline_s)
        missing = [name for name in names if options.topic(name) not in usable]
        for name in missing:
            doing = f"making topic {options.topic(name)}"
            _make(admin, name, options)
        doing = "waiting for topics"
        made = {options.topic(name) for name in missing}
        while made and not made <= _list_usable(admin, fault, deadline_s):
            if time.monotonic() > deadline_s:
                raise TransientError(
                    f"{', '.join(sorted(made))} at {options.where} has no leader yet; look at the "
                    "cluster's own log"
                )
            time.sleep(0.05)
    except KafkaException as seen:
        raise explain(fault.choose(seen.args[0]), doing, options) from seen
    return [options.topic(name) for name in missing]


def quiet_settings(options: KafkaOptions) -> dict[str, Any]:
    """Settings of a client that tells us of faults and does not write them to the terminal."""
    return {**options.client_settings(), "log_level": 2}


def _list_usable(admin: AdminClient, fault: LastFault, deadline_s: float) -> set[str]:
    """Topics all of whose partitions have a leader."""
    while True:
        try:
            topics = admin.list_topics(timeout=_SLICE_S).topics
        except KafkaException:
            admin.poll(0)
            if fault.is_telling or time.monotonic() > deadline_s:
                raise
        else:
            return {
                name
                for name, topic in topics.items()
                if topic.partitions and all(one.leader >= 0 for one in topic.partitions.values())
            }


def _make(admin: AdminClient, name: str, options: KafkaOptions) -> None:
    topic = options.topic(name)
    partitions = 1 if name in UNDIVIDED else options.partitions
    settings = {}
    if options.retention_days:
        settings["retention.ms"] = str(round(options.retention_days * _MS_PER_DAY))
    if options.replication is not None and options.replication >= _SAFE_REPLICATION:
        # Else "all copies" may be a single one, which is then lost with its broker.
        settings["min.insync.replicas"] = str(options.replication - 1)
    wanted = NewTopic(
        topic,
        num_partitions=partitions,
        replication_factor=-1 if options.replication is None else options.replication,
        config=settings,
    )
    [made] = admin.create_topics([wanted], operation_timeout=options.timeout_s).values()
    try:
        made.result(options.timeout_s)
    except KafkaException as fault:
        # Another process was quicker.
        if fault.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    except TimeoutError as fault:
        raise TransientError(f"making topic {topic}: no answer from {options.where}") from fault
    else:
        _log.info("topic made", topic=topic, partitions=partitions)
