"""Says in the program's log that messages are set aside: once a minute a reason, with a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from wattscope.core.findings import ReasonCode
from wattscope.ports import Quarantined

_log = structlog.get_logger()
EVERY_S = 60.0
_SECURITY = {ReasonCode.IDENTITY_MISMATCH.value}


class Alarms:
    """Counts between two lines of the log."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._said_at: dict[str, float] = {}
        self._unsaid: Counter[str] = Counter()

    def report(self, items: Sequence[Quarantined], source: str) -> None:
        """Take note of items; log those reasons that were silent for a minute."""
        for item in items:
            self._unsaid[item.code] += 1
        now_s = self._monotonic_s()
        for item in items:
            code = item.code
            if self._unsaid[code] and now_s - self._said_at.get(code, -EVERY_S) >= EVERY_S:
                count = self._unsaid.pop(code)
                self._said_at[code] = now_s
                event = "security: identity mismatch" if code in _SECURITY else "set aside"
                _log.warning(event, source=source, code=code, count=count)
