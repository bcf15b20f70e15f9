"""Who is passed on what was accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wattscope.core.reading import Batch


@dataclass(frozen=True, slots=True)
class OutputReceipt:
    """What became of the values of one batch."""

    taken: int
    """Values that the receiver has."""
    left_out: int = 0
    """Values that it is not meant to have: missing, implausible, or not chosen."""
    refused: int = 0
    """Points that it will never take."""
    reason: str = ""
    """Why not, in the receiver's words; empty where nothing was refused."""


class Output(Protocol):
    """Passes values on to another system.

    Always: a batch for which ``send`` returned is durable with the receiver, but for what it says
    otherwise; sending one again changes nothing there.
    Never: an address or error that it tells holds a password or token.
    Not guaranteed: that nothing of a batch for which ``send`` raised was taken.
    """

    kind: str
    """As in ``plugins.py``."""

    @property
    def address(self) -> str:
        """Where it sends to, in words and without a password."""
        ...

    def send(self, batch: Batch) -> OutputReceipt:
        """Pass values on; blocks until the receiver has answered, or did not in time.

        Raises:
            NotTakenError: The receiver takes nothing now, or cannot be reached.
        """
        ...

    def close(self) -> None:
        """End what is open; a ``send`` under way in another thread ends soon, by raising."""
        ...
