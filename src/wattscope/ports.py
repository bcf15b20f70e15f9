"""The ports: what the stages may ask of sources, logs, stores and the rest.

Each protocol says what is *always*, what is *never* and what is *not guaranteed*.
Every implementation passes the contract suite of its port in ``tests/contracts``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from wattscope.core.alerting import Notice
from wattscope.core.explanation import Explanation
from wattscope.core.findings import Finding
from wattscope.core.reading import Batch, FloatColumn, Int32Column, Int64Column
from wattscope.core.topology import Device, Series, Site
from wattscope.core.window import View, Window


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


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One commit unit of the log: values, and what was set aside with them."""

    offset: int
    """Strictly rising; a number left out is a commit that failed and was never acknowledged."""
    batch: Batch
    quarantined: tuple[Quarantined, ...] = ()
    receipts: tuple[int, ...] = ()
    """Marks of messages that carry no instant, to know them when they are redelivered."""


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
    """When the first of the values came in [µs since 1970]; None where there are none."""


class LogFollower(Protocol):
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

    def poll(self, timeout_s: float) -> FollowedRecord | None:
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


@dataclass(frozen=True, slots=True)
class StoreReceipt:
    """What became of the values of one record."""

    stored: int
    duplicate: int
    conflicts: tuple[Quarantined, ...] = ()


@dataclass(frozen=True, slots=True)
class Rollup:
    """Buckets of series as columns of equal length, ordered by series, then bucket."""

    series_id: npt.NDArray[np.int32]
    bucket_start_us: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    """Values that took part, without missing and implausible ones."""
    sum: npt.NDArray[np.float64]
    min: npt.NDArray[np.float64]
    """NaN where ``count`` is 0; likewise max, first, last."""
    max: npt.NDArray[np.float64]
    first: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]
    increase: npt.NDArray[np.float64]
    """What a counter or delta grew by within the bucket; NaN for gauges."""
    energy_wh: npt.NDArray[np.float64]
    """Energy of the bucket [Wh]; NaN where the quantity is neither power nor energy."""
    coverage: npt.NDArray[np.float64]
    """Share of the bucket that has data, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart draws: one entry for each column of pixels that has values, by time."""

    level: str
    """The finest kept level that was read: ``1m``, ``15m``, ``1h``, ``1d``; ``raw`` for rows."""
    t_us: npt.NDArray[np.int64]
    """Where the column begins [µs]."""
    count: npt.NDArray[np.int64]
    mean: npt.NDArray[np.float64]
    min: npt.NDArray[np.float64]
    """The true extremes of all values in the column, within one bucket of the level."""
    max: npt.NDArray[np.float64]
    first: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]


class Store(Protocol):
    """Readings and rollups that can be asked.

    Always: a record that ``write`` returned for is seen by the next question; writing a record
    again changes nothing.
    Never: two values for one (series, measured_at).
    Not guaranteed: durability of ``write``; the log holds what ``covered_offset`` does not.
    """

    def write(self, record: LogRecord) -> StoreReceipt:
        """Take in one record; records come in order of their offset."""
        ...

    @property
    def covered_offset(self) -> int:
        """All records below this offset are durable in the store itself."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Table:
        """The answer to one read-only SQL question over the views of ``docs/sql.md``."""
        ...

    def roll_up(self, series: Sequence[int], level: str, start_us: int, end_us: int) -> Rollup:
        """Buckets of a level (``1m``, ``15m``, ``1h``, ``1d``) that begin in ``[start, end)``."""
        ...

    def read_raw(self, series: Sequence[int], start_us: int, end_us: int) -> Batch:
        """Values in ``[start, end)``, ordered by series, then time."""
        ...

    def chart(self, series: int, start_us: int, end_us: int, n_pixels: int) -> Chart:
        """Mean and true extremes of a series for each of ``n_pixels`` columns of a chart."""
        ...

    def explain(self, series: Sequence[int], level: str, start_us: int, end_us: int) -> Explanation:
        """Where the answer of ``roll_up``, or for ``raw`` of ``read_raw``, would come from."""
        ...

    def load(self, batch: Batch) -> StoreReceipt:
        """Take in many values past the log; they are durable when this returns."""
        ...

    def reopen(self, series: int, from_us: int) -> None:
        """Compute the buckets of a series anew from an instant on, for its rule has changed."""
        ...

    def close(self) -> None:
        """Flush and release the files."""
        ...


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of an answer with their column names."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class LiveView(Protocol):
    """The latest value of every series, and what has changed, for all processes that share it.

    Always: reading waits for no network and no disk; what ``update`` took is seen by the next
    question of the same process, and soon by those of others.
    Never: ``update`` or ``announce`` fails because the view is away; they wait for it some seconds
    at most.
    Not guaranteed: that the value before the newest was ever seen by anybody.
    """

    @property
    def version(self) -> int:
        """Another number once a value has become newer, by whatever process."""
        ...

    def update(self, batch: Batch) -> None:
        """Take newer values; older ones than known are ignored."""
        ...

    def latest(self, series: int) -> tuple[int, float] | None:
        """Instant [µs] and value of a series; None before its first value."""
        ...

    def latest_of(self, series: Int32Column) -> tuple[Int64Column, FloatColumn]:
        """Instants [µs] and values of many series at once.

        Before the first value of a series its instant is the lowest there is and its value NaN.
        """
        ...

    def announce(self, topic: str) -> None:
        """Tell all processes that something beside the values has changed."""
        ...

    def version_of(self, topic: str) -> int:
        """A higher number once a topic was announced, by whatever process."""
        ...


@dataclass(frozen=True, slots=True)
class MinuteSums:
    """What the values of one minute come to, for some series as columns of equal length."""

    start_us: Int64Column
    """When the minute begins [µs]; the lowest there is where it has no values."""
    count: Int64Column
    sum: FloatColumn
    min: FloatColumn
    """NaN where ``count`` is 0; likewise max and mean."""
    max: FloatColumn

    @property
    def mean(self) -> FloatColumn:
        mean = np.full(len(self.count), np.nan)
        np.divide(self.sum, self.count, out=mean, where=self.count > 0)
        return mean


class LiveMinutes(Protocol):
    """Sums of the minute under way and of the one before, of what came in order of time.

    Never: a value is counted twice.
    Not guaranteed: that values are counted that came late, or while the view was away; the
    rollups of the store have them all.
    """

    def minutes_of(self, series: Int32Column) -> tuple[MinuteSums, MinuteSums]:
        """The newest minute of each series that has values, and the minute before it."""
        ...

    def put_minutes(self, series: Int32Column, sums: MinuteSums) -> None:
        """Put sums that were made elsewhere in the place of those of the minute before."""
        ...


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


class Registry(Protocol):
    """Sites, devices and series by name, shared by every role.

    Always: a series id, once given, means the same (device, quantity) for ever, and is durable
    before it is returned.
    """

    def list_sites(self) -> list[Site]: ...

    def list_devices(self) -> list[Device]: ...

    def put_site(self, site: Site) -> None: ...

    def put_device(self, device: Device) -> None: ...

    def find_series(self, device: str, quantity: str) -> int | None:
        """The id, or None when nothing of that kind was ever stored."""
        ...

    def ensure_series(self, device: str, quantity: str) -> int:
        """The id, newly given when there was none."""
        ...

    def list_series(self) -> list[Series]: ...


class WorkShare(Protocol):
    """Which pieces of work are this process's, such as gateways to poll; thread-safe.

    Always: what ``holds`` says yes to is nobody else's at that instant, and for some seconds more.
    Never: a process keeps what it has not asked for again in time.
    Not guaranteed: that somebody holds a name at every instant; after a death there is a pause.
    """

    def share(self, names: Collection[str]) -> frozenset[str]:
        """Keep, take and give up; to be called in time, for others take over what is not kept.

        Args:
            names: All that is to be shared out. On what is left out, this process works no more
                when it calls this.

        Returns:
            What is ours now.

        Raises:
            TransientError: Nobody can be asked; what is held ends at its time.
        """
        ...

    def holds(self, name: str) -> bool:
        """Whether work on it may begin now; asks nobody and does not wait."""
        ...

    def list_held(self) -> frozenset[str]:
        """All on which work may begin now."""
        ...

    def release(self, names: Collection[str]) -> None:
        """Give up; no work on these goes on when this is called."""
        ...

    def close(self) -> None:
        """Give up everything; no work goes on when this is called."""
        ...
