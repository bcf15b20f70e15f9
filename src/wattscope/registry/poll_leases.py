"""Who works on what: gateways shared out among poll processes, by leases in the registry.

::

    leases       poll │ 10.0.0.7:502 │ holder A │ beat 41       each round of A raises the beats of
                 poll │ 10.0.0.8:502 │ holder B │ beat 17       what it keeps
    members      poll │ holder A │ beat 41     poll │ holder B │ beat 17

No clock is compared with another, for none can be trusted: that of a server may be set, or another
server may take its place. Each process uses a clock of its own that is never set:

- A holder stops ``lease_s`` after it began the round that kept the lease, less ``margin_s``.
- Another takes a lease over when it has itself looked at the same beat for ``lease_s``. It saw the
  beat after that round had begun, so it takes over after the holder has stopped.

Shares are equal: of ``n`` names among ``m`` processes none keeps more than ``n / m``, rounded up.
While the registry is away nothing can be kept, and work stops when the leases end.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, select, text, update
from sqlalchemy.dialects import postgresql

from wattscope.core.errors import SettingsError
from wattscope.registry.database_port import PlainDatabase
from wattscope.registry.postgres_schema import lease_members, leases

_DRIFT: Final = 0.01
"""By how much the speeds of two clocks may differ; quartz keeps within 0.0002."""
_ROUNDS: Final = 3
"""So often a lease is kept before it would end."""


@dataclass(frozen=True, slots=True)
class LeaseOptions:
    """How long a lease lasts. All processes of one kind are best given the same."""

    kind: str = "poll"
    """What is shared out; leases of different kinds do not know each other."""
    lease_s: float = 15.0
    """How long a lease outlives its holder, and how long a holder goes on without the registry."""
    margin_s: float = 3.0
    """How long work that was begun may go on after ``holds`` has said no."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            SettingsError: All faults at once.
        """
        faults = []
        if not self.kind:
            faults.append("leases: kind must not be empty")
        if not 0 < self.margin_s < math.inf:
            faults.append("leases: margin_s must be more than 0")
        if not self.lease_s >= 2 * self.margin_s:
            faults.append(
                "leases: lease_s must be at least twice margin_s, or leases end before they can be "
                "kept"
            )
        if faults:
            raise SettingsError(faults)

    @property
    def round_s(self) -> float:
        """How often ``share`` is to be called [s]."""
        return self.lease_s / _ROUNDS


def steady_s() -> float:
    """A clock that is never set, and that goes on while the machine sleeps where there is one [s].

    A machine that slept must not think that its leases are as fresh as when it fell asleep.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(slots=True)
class _Sightings:
    """Beats of others, and since when we look at the same ones."""

    clock_s: Callable[[], float]
    _first: dict[str, tuple[str, int, float]] = field(default_factory=dict)

    def look(self, rows: Iterable[tuple[str, str, int, float]]) -> set[str]:
        """Names whose holder is gone: its beat has stood still for as long as its lease lasts.

        Args:
            rows: All that there are, each with name, holder, beat and length of the lease [s].
        """
        rows = list(rows)
        # After the rows were read, hence after the beats were raised.
        now_s = self.clock_s()
        known, self._first = self._first, {}
        gone = set()
        for name, holder, beat, lease_s in rows:
            before = known.get(name)
            is_same = before is not None and before[:2] == (holder, beat)
            first_s = before[2] if before is not None and is_same else now_s
            self._first[name] = (holder, beat, first_s)
            if now_s - first_s >= lease_s:
                gone.add(name)
        return gone


class PollLeases:
    """The share of this process; thread-safe, ``holds`` without waiting for anything."""

    def __init__(
        self,
        database: PlainDatabase,
        holder: str,
        options: LeaseOptions | None = None,
        *,
        clock_s: Callable[[], float] = steady_s,
    ) -> None:
        """Ask the database for nothing yet.

        Args:
            database: That of PostgreSQL, which all processes share.
            holder: A name that no other process has or had, that of this program before a restart
                included.
            options: Checked already.
            clock_s: See ``steady_s`` [s].
        """
        self._database = database
        self._options = options or LeaseOptions()
        self._holder = holder
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._beat = 0
        self._until_s: dict[str, float] = {}
        self._leaving_s: dict[str, float] = {}
        self._names_seen = _Sightings(clock_s)
        self._members_seen = _Sightings(clock_s)

    def share(self, names: Collection[str]) -> frozenset[str]:
        """Keep, take and give up leases; to be called every ``round_s``.

        Args:
            names: All that there is to be shared out. On what is left out, this process works no
                more when it calls this.

        Returns:
            What this process may work on, each as long as ``holds`` says so.

        Raises:
            TransientError: The registry cannot be reached; what is held is held until it ends.
        """
        with self._lock:
            # Before the beats are raised: others wait from then on.
            begun_s = self._clock_s()
            self._beat += 1
            with self._database.begin_alone(self._book) as connection:
                # Whoever is frozen from here on keeps the others waiting for a round at most.
                pause_ms = str(round(self._options.round_s * 1000))
                setting = "idle_in_transaction_session_timeout"
                # The last argument: for this transaction only.
                connection.execute(select(func.set_config(setting, pause_ms, text("true"))))
                n_members = self._join(connection)
                kept, surplus = self._divide(connection, sorted(set(names)), n_members)
            options = self._options
            end_s = begun_s + options.lease_s * (1 - _DRIFT) - options.margin_s
            self._until_s = dict.fromkeys(kept, end_s)
            # From now on no work on these begins.
            now_s = self._clock_s()
            self._leaving_s = {name: self._leaving_s.get(name, now_s) for name in surplus}
            return frozenset(name for name in kept if self.holds(name))

    def holds(self, name: str) -> bool:
        """Whether this process may begin to work on it now."""
        return self._clock_s() < self._until_s.get(name, -math.inf)

    def list_held(self) -> frozenset[str]:
        """All that this process may work on now."""
        return frozenset(name for name in self._until_s if self.holds(name))

    def release(self, names: Collection[str]) -> None:
        """Give up leases; no work on these goes on when this is called.

        Raises:
            TransientError: The registry cannot be reached; others wait until the leases end.
        """
        with self._lock:
            self._until_s = {
                name: end_s for name, end_s in self._until_s.items() if name not in set(names)
            }
            with self._database.begin_alone(self._book) as connection:
                self._delete(connection, names)

    def close(self) -> None:
        """Give up everything; no work goes on when this is called.

        Raises:
            TransientError: As ``release``.
        """
        with self._lock:
            self._until_s = {}
            with self._database.begin_alone(self._book) as connection:
                connection.execute(delete(leases).where(*self._is_mine()))
                connection.execute(
                    delete(lease_members).where(
                        lease_members.c.kind == self._options.kind,
                        lease_members.c.holder == self._holder,
                    )
                )

    @property
    def _book(self) -> str:
        return f"leases {self._options.kind}"

    def _join(self, connection: Connection) -> int:
        """Say that we are there, and forget who is not. Returns how many are."""
        kind, table = self._options.kind, lease_members
        others = connection.execute(
            select(table.c.holder, table.c.holder, table.c.beat, table.c.lease_s).where(
                table.c.kind == kind, table.c.holder != self._holder
            )
        )
        rows = [(one[0], one[1], one[2], one[3]) for one in others]
        gone = self._members_seen.look(rows)
        if gone:
            connection.execute(delete(table).where(table.c.kind == kind, table.c.holder.in_(gone)))
        statement = postgresql.insert(table).values(
            kind=kind, holder=self._holder, beat=self._beat, lease_s=self._options.lease_s
        )
        beats = {name: statement.excluded[name] for name in ("beat", "lease_s")}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["kind", "holder"], set_=beats)
        )
        return len(rows) - len(gone) + 1

    def _divide(
        self, connection: Connection, names: list[str], n_members: int
    ) -> tuple[list[str], list[str]]:
        """Our share, written down, and what others shall have of what was ours."""
        found = connection.execute(
            select(leases.c.name, leases.c.holder, leases.c.beat, leases.c.lease_s).where(
                leases.c.kind == self._options.kind
            )
        )
        rows = [(one[0], one[1], one[2], one[3]) for one in found]
        holders = {name: holder for name, holder, _, _ in rows}
        gone = self._names_seen.look(one for one in rows if one[1] != self._holder)
        target = math.ceil(len(names) / n_members)
        mine = [name for name in names if holders.get(name) == self._holder]
        kept, surplus = mine[:target], mine[target:]
        free = [name for name in names if name not in holders or name in gone]
        taken = free[: target - len(kept)]
        self._delete(connection, self._list_left(surplus) + list(self._until_s.keys() - set(names)))
        if kept:
            connection.execute(
                update(leases)
                .where(*self._is_mine(), leases.c.name.in_(kept))
                .values(beat=self._beat, lease_s=self._options.lease_s)
            )
        if taken:
            self._take(connection, taken)
        return kept + taken, surplus

    def _list_left(self, surplus: list[str]) -> list[str]:
        """Names of ours that no work can go on upon any more."""
        last_s = self._clock_s() - self._options.margin_s
        return [name for name in surplus if self._leaving_s.get(name, math.inf) <= last_s]

    def _take(self, connection: Connection, taken: list[str]) -> None:
        statement = postgresql.insert(leases)
        changed = {name: statement.excluded[name] for name in ("holder", "beat", "lease_s")}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["kind", "name"], set_=changed),
            [
                {
                    "kind": self._options.kind,
                    "name": name,
                    "holder": self._holder,
                    "beat": self._beat,
                    "lease_s": self._options.lease_s,
                }
                for name in taken
            ],
        )

    def _delete(self, connection: Connection, names: Collection[str]) -> None:
        if names:
            connection.execute(delete(leases).where(*self._is_mine(), leases.c.name.in_(names)))

    def _is_mine(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return leases.c.kind == self._options.kind, leases.c.holder == self._holder


class SoleWorker:
    """The share of a process that is alone: everything."""

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()

    def share(self, names: Collection[str]) -> frozenset[str]:
        """All of it."""
        self._names = frozenset(names)
        return self._names

    def holds(self, name: str) -> bool:
        """Whether it was shared out."""
        return name in self._names

    def list_held(self) -> frozenset[str]:
        """All of it."""
        return self._names

    def release(self, names: Collection[str]) -> None:
        """Leave these."""
        self._names -= set(names)

    def close(self) -> None:
        """Leave all."""
        self._names = frozenset()
