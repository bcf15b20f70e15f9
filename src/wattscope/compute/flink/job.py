"""The options of the Flink job, and how a text from outside stands in its SQL.

It promises that a job whose options can be built can be written, and that no option ends the text
literal that it stands in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from wattscope.core.errors import SettingsError

READINGS_TOPIC: Final = "sensor-readings"
AGGREGATES_TOPIC: Final = "aggregates"
LATE_TOPIC: Final = "late-readings"

MAX_WAIT_S: Final = 86_400
_TOPIC = re.compile(r"[A-Za-z0-9._-]{0,200}")
_KAFKA_OPTION = re.compile(r"[a-z][a-z0-9.-]*")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_OWN_OPTIONS: Final = frozenset({"bootstrap.servers", "group.id", "transaction.timeout.ms", "acks"})


class Delivery(Enum):
    """How often a bucket is written when the job had to begin again at a checkpoint."""

    AT_LEAST_ONCE = "at-least-once"
    """At once; after a failure some once more. Later ones replace earlier ones of their key."""
    EXACTLY_ONCE = "exactly-once"
    """In a transaction that ends with a checkpoint: readers see it up to one interval later."""


class Start(Enum):
    """Where a job begins that has no checkpoint to begin at."""

    EARLIEST = "earliest"
    """At the oldest reading that the topic still holds: each bucket is given again."""
    LATEST = "latest"
    """At what comes from now on: the first bucket of each length is not a whole one."""


@dataclass(frozen=True, slots=True)
class FlinkJob:
    """What differs between two installations of the job.

    Raises:
        SettingsError: All that is wrong, at once.
    """

    bootstrap: str = "localhost:9092"
    """Kafka's ``host:port``, several with commas."""
    topic_prefix: str = ""
    """What stands before the names of all topics."""
    group: str = "wattscope-aggregates"
    """Name of the consumer group, of the job, and of its transactions."""
    lateness_s: float = 10.0
    """How far readings may be out of order before they are late [s]; buckets wait so long."""
    idle_s: float = 30.0
    """After how long a silent partition no longer holds the clock of the readings back [s]."""
    checkpoint_s: float = 10.0
    """Time between checkpoints [s]; so much work is done again after a failure."""
    checkpoints: str | None = None
    """Folder of the checkpoints as a URL; None leaves it to the cluster."""
    delivery: Delivery = Delivery.AT_LEAST_ONCE
    start: Start = Start.EARLIEST
    kafka_options: tuple[tuple[str, str], ...] = ()
    """Further options of Kafka's clients, such as ``security.protocol``; never a password."""

    def __post_init__(self) -> None:
        """List everything that is wrong."""
        faults = [*self._find_wrong_texts(), *self._find_wrong_times()]
        for name, _ in self.kafka_options:
            if not _KAFKA_OPTION.fullmatch(name) or name in _OWN_OPTIONS:
                faults.append(f"Kafka option {name!r} is none, or one that the job sets itself")
            elif "password" in name or "jaas" in name:
                faults.append(
                    f"Kafka option {name!r} would put a secret into the files: give it to Flink "
                    "itself, see docs/flink.md"
                )
        if faults:
            raise SettingsError(faults, where="flink-sql")

    @property
    def readings_topic(self) -> str:
        return self.topic_prefix + READINGS_TOPIC

    @property
    def aggregates_topic(self) -> str:
        return self.topic_prefix + AGGREGATES_TOPIC

    @property
    def late_topic(self) -> str:
        return self.topic_prefix + LATE_TOPIC

    def _find_wrong_texts(self) -> list[str]:
        texts = {
            "the address of Kafka": self.bootstrap,
            "the name of the group": self.group,
            "the folder of checkpoints": "-" if self.checkpoints is None else self.checkpoints,
            **{f"Kafka option {name!r}": text for name, text in self.kafka_options},
        }
        faults = [
            f"{what} is empty or not printable"
            for what, text in texts.items()
            if not text or _UNPRINTABLE.search(text)
        ]
        if not _TOPIC.fullmatch(self.topic_prefix):
            faults.append(
                f"topic prefix {self.topic_prefix!r} has other characters than letters, digits, "
                "'.', '_' and '-'"
            )
        return faults

    def _find_wrong_times(self) -> list[str]:
        times = {
            "lateness": (self.lateness_s, 0.0),
            "idle time": (self.idle_s, 0.001),
            "time between checkpoints": (self.checkpoint_s, 0.01),
        }
        return [
            f"{what} of {time} s is not within {least:g} s and {MAX_WAIT_S} s"
            for what, (time, least) in times.items()
            if not least <= time <= MAX_WAIT_S
        ]


def quote_text(text: str) -> str:
    """A text literal of SQL; a quote within it is doubled (ISO 9075-2, character literal).

    >>> quote_text("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
