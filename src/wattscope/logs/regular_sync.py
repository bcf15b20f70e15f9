"""The clock of durability ``relaxed``: a thread that syncs soon after something was written."""

from __future__ import annotations

import threading
from collections.abc import Callable


class RegularSync:
    """Calls ``sync`` within ``every_s`` after it was asked; many asking in between share one call.

    A log to which nothing is written costs nothing: the thread sleeps until it is asked.
    """

    def __init__(self, sync: Callable[[], None], every_s: float) -> None:
        """Start no thread yet.

        Args:
            sync: Raises nothing; called from the thread only.
            every_s: Longest time from asking until the call begins [s].
        """
        self._sync = sync
        self._every_s = every_s
        self._is_asked = threading.Event()
        self._is_stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """There is something to sync."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log sync", daemon=True)
            self._thread.start()
        self._is_asked.set()

    def stop(self) -> None:
        """End the thread; a call under way is waited for."""
        self._is_stopped.set()
        self._is_asked.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._is_asked.wait()
            if self._is_stopped.wait(self._every_s):
                return
            # Cleared first: what is written from here on asks again.
            self._is_asked.clear()
            self._sync()
