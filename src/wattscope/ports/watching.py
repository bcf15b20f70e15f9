"""Who says what is wrong, and who is told."""

from __future__ import annotations

from typing import Protocol

from wattscope.core.alerting import Notice
from wattscope.core.findings import Finding
from wattscope.core.window import View, Window


class Detector(Protocol):
    """Says what is wrong with devices, from their values.

    Always: the same window gives the same findings; a night, a gap and a missing sensor give none
    but those that are about them.
    Never: state between two calls; what must be remembered is in the window, or in a model that
    was given beforehand.
    Not guaranteed: that a finding that reaches to the end of the window is over.
    """

    @property
    def name(self) -> str:
        """As in ``plugins.py``."""
        ...

    @property
    def view(self) -> View:
        """What it wants to see, and how often."""
        ...

    def find(self, window: Window) -> list[Finding]:
        """What stands out in a window, by device, then start; kinds of ``FINDING_KINDS``."""
        ...


class Notifier(Protocol):
    """Tells somebody outside of an alert.

    Always: a notice for which ``send`` returned was taken by the receiver, and went out under its
    own id, by which the receiver can know a repeat.
    Never: an address or error that it tells holds a password or the secret part of a URL.
    Not guaranteed: that a notice for which ``send`` raised was not taken.
    """

    kind: str
    """As in ``plugins.py``."""

    async def send(self, notice: Notice) -> None:
        """Tell; returns within some ten seconds, or raises.

        Raises:
            TransientError: The receiver cannot be reached, or takes nothing now.
            NoticeRefusedError: It does not take this notice.
        """
        ...
