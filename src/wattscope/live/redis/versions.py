"""Topics that are announced to all processes, as one process hears of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping


class Versions:
    """A number for each topic that only rises, although the one in Redis may begin anew.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own: dict[str, int] = {}
        self._theirs: dict[str, int] = {}
        self._untold: dict[str, None] = {}
        self._n_raised = 0

    def read(self, topic: str) -> int:
        with self._lock:
            return self._own.get(topic, 0) + self._n_raised

    def announce(self, topic: str) -> None:
        """Raise a topic here; it is yet to be told to others."""
        with self._lock:
            self._own[topic] = self._own.get(topic, 0) + 1
            self._untold[topic] = None

    def list_untold(self) -> list[str]:
        """Topics that were announced here and are not known to others."""
        with self._lock:
            return list(self._untold)

    def note_told(self, topic: str, version: int) -> None:
        """Others know of our own announcement, by which the topic got this version."""
        with self._lock:
            self._untold.pop(topic, None)
            self._theirs[topic] = version

    def note(self, topic: str, version: int) -> None:
        """Redis says that a topic has a version."""
        with self._lock:
            self._note(topic, version)

    def note_all(self, versions: Mapping[str, int]) -> None:
        """Redis says what it has; topics that it does not name it has forgotten."""
        with self._lock:
            for topic in self._theirs.keys() | versions.keys():
                self._note(topic, versions.get(topic, 0))

    def raise_all(self) -> None:
        """Every topic may have changed, and nobody can say which."""
        with self._lock:
            self._n_raised += 1

    def _note(self, topic: str, version: int) -> None:
        if self._theirs.get(topic) != version:
            self._theirs[topic] = version
            self._own[topic] = self._own.get(topic, 0) + 1
