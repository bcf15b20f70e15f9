"""Alerts through Apprise: ntfy, Telegram, Signal, Matrix and a hundred more, by their URLs.

These services know no id of ours: one that took a message and could not say so gets it again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import apprise  # type: ignore[import-not-found, unused-ignore]  # an extra

from wattscope.core.alerting import Notice
from wattscope.core.errors import SettingsError, TransientError
from wattscope.core.findings import Severity
from wattscope.notifiers.words import word_subject, word_text

_KINDS = {
    Severity.INFO: apprise.NotifyType.INFO,
    Severity.WARNING: apprise.NotifyType.WARNING,
    Severity.CRITICAL: apprise.NotifyType.FAILURE,
}


@dataclass(frozen=True, slots=True)
class AppriseOptions:
    """Which service."""

    url: str = field(repr=False)
    """As Apprise reads it; it holds the secret of the service."""


class AppriseNotifier:
    """Sends to one service."""

    kind = "apprise"

    def __init__(self, options: AppriseOptions) -> None:
        """Read the URL.

        Raises:
            SettingsError: Apprise does not know it; the message does not repeat it.
        """
        self._service = apprise.Apprise()
        if not self._service.add(options.url):
            raise SettingsError(["url is none that Apprise knows; write ntfy://topic or the like"])
        self._scheme = options.url.partition(":")[0]

    async def send(self, notice: Notice) -> None:
        """Send, and wait for the service."""
        is_taken = await asyncio.to_thread(
            self._service.notify,
            title=word_subject(notice),
            body=word_text(notice),
            notify_type=_KINDS[notice.severity],
        )
        if not is_taken:
            raise TransientError(f"{self._scheme} did not take the message")
