"""What comes in, and where from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class RawMessage(NamedTuple):
    """Bytes as they came from a source, not yet believed."""

    topic: str
    """MQTT topic, URL path, or file name."""
    payload: bytes
    received_at_us: int
    """The instant at which we got it [µs since 1970, UTC]."""
    is_retained: bool = False
    """Whether the broker kept it from before we subscribed."""
    is_redelivered: bool = False
    """Whether the broker says that it may have sent it before (MQTT DUP)."""
    receipt: object = None
    """What the source needs to acknowledge this message; opaque to everybody else."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A message or value that cannot be trusted, with its raw bytes and the reason."""

    source: str
    topic: str
    payload: bytes
    """At most 64 KiB; the first bytes of a longer one."""
    received_at_us: int
    code: str
    """A ``ReasonCode`` value."""
    detail: str


class SetAside(NamedTuple):
    """What is told a sender of a message of his that was not taken."""

    row: int
    """Position of the message in its group."""
    code: str
    """A ``ReasonCode`` value."""
    detail: str


class Reception(Protocol):
    """Takes groups of messages from senders that wait for an answer.

    Always: what is not set aside is durable when ``take`` returns.
    Never: a part of a group is taken and the rest not, but for what is set aside.
    Not guaranteed: that what was taken can be asked for already.
    """

    async def take(self, messages: Sequence[RawMessage]) -> Sequence[SetAside]:
        """Take a group; what cannot be trusted is kept aside and told.

        Raises:
            StorageFullError: There is too little room on the disk; nothing was taken.
            TransientError: Not now; likewise.
        """
        ...


class Source(Protocol):
    """Where messages come from.

    Always: messages of one device are given in the order in which they arrived.
    Never: a message is acknowledged before ``acknowledge`` was called with it.
    Not guaranteed: that a message comes only once.
    """

    name: str

    def receive(self) -> AsyncIterator[Sequence[RawMessage]]:
        """Groups of messages for ever, at most ``max_group`` each; waits while there are none."""
        ...

    async def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        """Tell the sender that these are safe; unknown or outdated receipts are ignored."""
        ...

    async def close(self) -> None:
        """End the connection; what was not acknowledged comes again at the next start."""
        ...
