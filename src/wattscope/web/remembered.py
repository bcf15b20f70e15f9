"""Answers that are kept for some seconds: what many pages ask at once is worked out once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class Remembered(Generic[Key, Answer]):
    """A function whose answers are kept. Thread-safe; who asks meanwhile waits for the answer."""

    def __init__(
        self, read: Callable[[Key], Answer], *, kept_us: int, now_us: Callable[[], int]
    ) -> None:
        """Keep the answers of a function.

        Args:
            read: Answers a key.
            kept_us: How old an answer may be [µs]; older ones are forgotten.
            now_us: The clock [µs].
        """
        self._read = read
        self._kept_us = kept_us
        self._now_us = now_us
        self._lock = threading.Lock()
        self._answers: dict[Key, tuple[int, Answer]] = {}

    def __call__(self, key: Key) -> Answer:
        """The answer for a key."""
        with self._lock:
            now_us = self._now_us()
            self._answers = {
                one: kept
                for one, kept in self._answers.items()
                if 0 <= now_us - kept[0] < self._kept_us
            }
            if key not in self._answers:
                self._answers[key] = now_us, self._read(key)
            return self._answers[key][1]
