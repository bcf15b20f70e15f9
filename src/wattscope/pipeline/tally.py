"""Counters of what became of everything that came in.

``received = stored + duplicate + quarantined + refused``, in values; a message that could not be
decoded counts as one. ``ignored`` messages carry no measurement by their format, so they are no
part of the sum.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Counts since the start of the process; changed by the event loop's thread only."""

    messages: int = 0
    """Messages taken from sources."""
    ignored: int = 0
    """Messages without a measurement: status, discovery, replayed retained ones."""
    received: int = 0
    stored: int = 0
    duplicate: int = 0
    refused: int = 0
    """Values that could not be made durable; their sender was not told that they were."""
    quarantined_by_code: Counter[str] = field(default_factory=Counter)
    by_source: Counter[str] = field(default_factory=Counter)
    """Messages by source."""
    last_received_us: dict[str, int] = field(default_factory=dict)
    """Instant of the newest message by source [µs]."""

    @property
    def quarantined(self) -> int:
        """Values and messages set aside."""
        return self.quarantined_by_code.total()
