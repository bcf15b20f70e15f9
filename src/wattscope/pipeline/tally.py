"""Counters of what became of everything that came in.

``received = stored + duplicate + quarantined + refused``, in values; a message that could not be
decoded counts as one. ``ignored`` messages carry no measurement by their format, so they are no
part of the sum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

MAX_TOPICS = 500


@dataclass(slots=True)
class Tally:
    """Counts since the start of the process; changed by the event loop's thread only."""

    messages: int = 0
    """Messages taken from sources."""
    ignored: int = 0
    """Messages without a measurement: status, discovery, replayed retained ones, and samples of
    Prometheus that no profile knows."""
    received: int = 0
    stored: int = 0
    duplicate: int = 0
    refused: int = 0
    """Values that could not be made durable; their sender was not told that they were.

    Those that are taken later are counted as received once more then.
    """
    quarantined_by_code: Counter[str] = field(default_factory=Counter)
    by_source: Counter[str] = field(default_factory=Counter)
    """Messages by source."""
    last_received_us: dict[str, int] = field(default_factory=dict)
    """Instant of the newest message by source [µs]."""

    topics: dict[str, int] = field(default_factory=dict)
    """Messages by topic, for the first ``MAX_TOPICS`` topics heard."""

    def hear(self, topics: Sequence[str]) -> None:
        """Count messages by topic while there are few topics."""
        if len(self.topics) < MAX_TOPICS:
            for topic in topics:
                self.topics[topic] = self.topics.get(topic, 0) + 1

    def leave_out(self, n_samples: int) -> None:
        """Count what no profile knows and no message is made of."""
        self.ignored += n_samples

    @property
    def quarantined(self) -> int:
        """Values and messages set aside."""
        return self.quarantined_by_code.total()
