"""Says in the program's log what has to be looked at.

Messages that are set aside: once a minute a reason, with a count. The room on the disk: each
change once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from wattscope.compute.disk_space import SpaceState
from wattscope.core.findings import ReasonCode
from wattscope.pipeline.space import SpaceReport
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


def announce_space(report: SpaceReport) -> None:
    """Say that the disk has come to stand differently."""
    if report.state is SpaceState.OK:
        _log.info("disk has room again", free_bytes=report.room.free)
    elif report.state is SpaceState.WARNING:
        _log.warning("disk is filling up", free_bytes=report.room.free, advice=report.advice)
    else:
        _log.error("disk is nearly full", free_bytes=report.room.free, advice=report.advice)
