"""Where a source stands with its other end."""

from __future__ import annotations

from enum import Enum


class LinkState(Enum):
    """Whether messages can come."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    STOPPED = "stopped"
