"""Logs: the durable order of what was accepted, for one process and for many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from wattscope.core.findings import Rejection
from wattscope.core.reading import Batch, Int32Column
from wattscope.ports.live import MinuteSums
from wattscope.ports.messages import Quarantined

FollowedT_co = TypeVar("FollowedT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One commit unit of the log: values, and what was set aside with them."""

    offset: int
    """Strictly rising; a number left out is a commit that failed and was never acknowledged."""
    batch: Batch
    quarantined: tuple[Quarantined, ...] = ()
    receipts: tuple[int, ...] = ()
    """Marks of messages that carry no instant, to know them when they are redelivered."""


class LogWriter(Protocol):
    """The way into a log, for those who take messages in.

    Always: after ``append`` returned, what it was given is durable; what one device said is read
    in the order in which it was appended.
    Never: a sender is told before.
    Not guaranteed: that nothing of an append that raised is there. Appending the same again is
    right: who reads a value twice knows it by its series and instant.
    """

    def append(
        self,
        batch: Batch,
        quarantined: Sequence[Quarantined] = (),
        receipts: Sequence[int] = (),
    ) -> object:
        """Make everything durable; blocks. What it returns is the log's own affair.

        Raises:
            TransientError: The log refused; nothing counts as appended.
        """
        ...

    def close(self) -> None:
        """Let go of the log; waits for an append under way."""
        ...


@dataclass(frozen=True, slots=True)
class FollowedRecord:
    """What a follower is given at once."""

    batch: Batch
    quarantined: tuple[Quarantined, ...]
    numbers: tuple[int, ...]
    """One an item of ``quarantined``, 0 to 2**63 - 1: the same whenever the item is given."""
    oldest_received_us: int | None
    """When the first of the values came in [µs since 1970]; None where nobody tells."""


@dataclass(frozen=True, slots=True)
class FollowedMinutes:
    """Sums of minutes that were made elsewhere, as many as are given at once."""

    series: Int32Column
    sums: MinuteSums
    """Of the series, in the order in which they were told: a later one of a minute replaces it."""
    n_longer: int = 0
    """Sums of longer buckets beside them, which nobody here wants."""
    refused: tuple[Rejection, ...] = ()
    """Why messages were left out; each says which."""


class Follower(Protocol[FollowedT_co]):
    """The way out of a log that many processes write and share the reading of.

    Such a log has partitions, and no offset that stands for all before it: it is no ``EventLog``,
    whose one reader goes by offsets. The members of a group share its partitions; the group, not
    the store, remembers how far it is.

    Always: everything appended is given to a member of each group; what one device said in the
    order in which it was appended; what was not committed is given again, perhaps to another.
    Never: ``commit`` reaches beyond what ``poll`` gave; one bad message holds up the others.
    Not guaranteed: that something is given only once; an order between devices; that what is older
    than the log keeps is still there.
    """

    def poll(self, timeout_s: float) -> FollowedT_co | None:
        """The next record; None when none came in time. One that was given is not given again.

        Raises:
            TransientError: The log, or what names its series, is away; call again later.
        """
        ...

    def commit(self) -> None:
        """All that ``poll`` gave is durable with the caller. Blocks.

        Raises:
            TransientError: The log is away; call again, or go on and commit later.
        """
        ...

    def lag(self) -> dict[str, int]:
        """How much there is behind the newest commit, by partition that is ours; any thread."""
        ...

    def close(self) -> None:
        """Leave the group; what was not committed is given to its other members."""
        ...


class LogFollower(Follower[FollowedRecord], Protocol):
    """Follows what was accepted."""


class MinutesFollower(Follower[FollowedMinutes], Protocol):
    """Follows sums of minutes that were made elsewhere; only those of series that are known."""


class EventLog(LogWriter, Protocol):
    """The durable order of everything that was accepted, written and read by one process.

    Always: after ``append`` returned, the record survives a crash of the machine (durability
    ``full``) or of the process (``relaxed``).
    Never: a record is changed, or read in another order than appended.
    Not guaranteed: that all records are still there; ``drop_before`` removes the oldest.
    """

    def append(
        self,
        batch: Batch,
        quarantined: Sequence[Quarantined] = (),
        receipts: Sequence[int] = (),
    ) -> LogRecord:
        """Write one record and make it durable; blocks for the fsync.

        Raises:
            TransientError: The disk refused; nothing was appended.
        """
        ...

    def read(self, offset: int) -> Iterator[LogRecord]:
        """All records from ``offset`` on, up to the newest; damaged ones are left out."""
        ...

    @property
    def end_offset(self) -> int:
        """The offset that the next record will get."""
        ...

    def drop_before(self, offset: int) -> None:
        """Free the room of records below ``offset``; may keep some of them."""
        ...

    def close(self) -> None:
        """Release the files; waits for an append under way."""
        ...
