"""The live view in Redis, as every process of an installation sees it.

Redis is a copy that may be lost at any time. While it is away, values go on into the memory of
this process, the store is asked for those of other processes, and updates wait for nothing. Once it
is back, what it missed is put in: from memory at once, and from the store where its pages are not
known to be whole.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Self

import structlog

from wattscope.core.errors import TransientError, WattscopeError
from wattscope.core.reading import Batch, FloatColumn, Int32Column, Int64Column
from wattscope.live.redis.layout import pack_minutes, pack_rows, read_changes
from wattscope.live.redis.link import Message, RedisLink, Subscription
from wattscope.live.redis.mirror import Mirror
from wattscope.live.redis.options import RedisViewOptions
from wattscope.live.redis.versions import Versions
from wattscope.ports import MinuteSums

_log = structlog.get_logger()
_LOOK_S: Final = 0.2
"""How long a message is waited for until it is looked whether the view is to be closed [s]."""
_SILENT_HEARTBEATS: Final = 3
_FIRST_DELAY_S: Final = 0.5
_LONGEST_DELAY_S: Final = 5.0


class RedisView:
    """The newest values of all series, shared through one Redis. Thread-safe.

    One thread keeps it: it follows what other processes write, looks at Redis from time to time,
    and heals what a loss of Redis leaves behind.
    """

    def __init__(
        self,
        options: RedisViewOptions,
        refill: Callable[[], Batch] | None = None,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Connect to nothing yet.

        Args:
            options: Where Redis is.
            refill: Asks the store for the newest row of every series; may raise a
                ``WattscopeError``. Called from the thread of the view. None: there is no store to
                ask.
            draw: Gives numbers in [0, 1) for the jitter of delays.
        """
        self.address = options.where
        """For a person, without a password."""
        self.n_missed = 0
        """Values that were not written to Redis when they came, for it was away."""
        self.n_lost = 0
        """How often Redis was lost."""
        self._options = options
        self._refill = refill
        self._draw = draw
        self._link = RedisLink(options)
        self._mirror = Mirror()
        self._versions = Versions()
        self._gate = threading.Lock()
        """Held while rows are taken and written, so that healing overlooks none."""
        self._is_open = False
        """Whether Redis takes updates."""
        self._has_filled = False
        """Whether the store was asked since the start."""
        self._has_foreign = False
        """Whether somebody else speaks on our channels."""
        self._detail = f"Redis {options.where} was not reached yet"
        self._is_fresh = threading.Event()
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="live view", daemon=True)

    def start(self) -> Self:
        """Begin to keep it; returns at once, whether Redis is there or not."""
        self._thread.start()
        return self

    def wait(self, timeout_s: float) -> bool:
        """Whether it became whole within ``timeout_s`` [s]."""
        return self._is_fresh.wait(timeout_s)

    def close(self) -> None:
        """End the thread and the connections; values that are known can still be read."""
        self._is_closed.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._gate:
            self._is_open = False
        self._link.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── the port ─────────────────────────────────────────────────────────────────────────────

    @property
    def version(self) -> int:
        return self._mirror.version

    def update(self, batch: Batch) -> None:
        """Take newer values, and write them for all; waits for Redis for some seconds at most.

        Only the first one after Redis was lost waits; those that follow do not until it is back.
        """
        with self._gate:
            self._take(batch)

    def latest(self, series: int) -> tuple[int, float] | None:
        return self._mirror.latest(series)

    def latest_of(self, series: Int32Column) -> tuple[Int64Column, FloatColumn]:
        return self._mirror.latest_of(series)

    def announce(self, topic: str) -> None:
        with self._gate:
            self._versions.announce(topic)
            self._publish_news()

    def version_of(self, topic: str) -> int:
        return self._versions.read(topic)

    def minutes_of(self, series: Int32Column) -> tuple[MinuteSums, MinuteSums]:
        """The newest minute of each series that has values, and the minute before it.

        They are those of Redis: what this process was told comes to them a moment later, and
        nothing while Redis is away.
        """
        return self._mirror.minutes_of(series)

    def put_minutes(self, series: Int32Column, sums: MinuteSums) -> None:
        """Put sums that were made elsewhere in the place of those of the minute before.

        Raises:
            TransientError: Redis is away; put the same again later.
        """
        with self._gate:
            if not self._ask(partial(self._link.put_minutes, pack_minutes(series, sums))):
                raise TransientError(self._detail)

    # ── for the page "Health" ────────────────────────────────────────────────────────────────

    @property
    def is_degraded(self) -> bool:
        """Whether values of other processes may be old: they come from the store, or not at all."""
        return not self._is_fresh.is_set()

    @property
    def detail(self) -> str:
        """Why it is degraded, in words and without a password; empty when it is not."""
        return self._detail if self.is_degraded else ""

    # ── under the gate ───────────────────────────────────────────────────────────────────────

    def _take(self, batch: Batch) -> None:
        rows = self._mirror.pick_news(batch)
        if not len(rows):
            return
        self._mirror.take_rows(rows)
        if not self._ask(partial(self._link.update, pack_rows(rows))):
            self.n_missed += len(rows)

    def _publish_news(self) -> None:
        for topic in self._versions.list_untold():
            self._ask(partial(self._tell, topic))

    def _tell(self, topic: str) -> None:
        self._versions.note_told(topic, self._link.announce(topic))

    def _ask(self, question: Callable[[], None]) -> bool:
        """Whether Redis did it; if not, nothing is asked until the thread has healed it."""
        if not self._is_open:
            return False
        try:
            question()
        except TransientError as fault:
            self._is_open = False
            self._note_lost(str(fault))
            return False
        return True

    # ── in the thread ────────────────────────────────────────────────────────────────────────

    def _keep(self) -> None:
        delay_s = _FIRST_DELAY_S
        try:
            while not self._is_closed.is_set():
                try:
                    with self._link.subscribe() as subscription:
                        self._open()
                        delay_s = _FIRST_DELAY_S
                        self._follow(subscription)
                except TransientError as fault:
                    with self._gate:
                        self._is_open = False
                    self._note_lost(str(fault))
                if self._is_closed.is_set() or self._is_open:
                    continue
                self._link.drop_connections()
                self._read_store()
                self._is_closed.wait(delay_s * (0.5 + self._draw()))
                delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
        finally:
            self._note_lost("the thread of the live view has ended")

    def _open(self) -> None:
        """Take in what Redis has, put in what it lacks, and let updates go there again."""
        theirs = self._link.read_all()
        versions = self._link.read_versions()
        with self._gate:
            self._mirror.take_changes(theirs)
            self._versions.note_all(versions)
            self._link.update(pack_rows(self._mirror.list_newer(theirs)))
            self._is_open = True
            self._publish_news()
        if self._fill():
            self._note_whole()

    def _fill(self) -> bool:
        """Put in the newest rows of the store, at the start and where pages may lack some."""
        if self._refill is None:
            return True
        is_whole, run_id = self._link.read_mark()
        if is_whole and self._has_filled:
            return True
        rows = self._ask_store()
        if rows is None:
            return False
        self.update(rows)
        if not self._is_open:
            raise TransientError(self._detail)
        self._has_filled = True
        self._link.write_mark(run_id)
        return True

    def _follow(self, subscription: Subscription) -> None:
        """Take messages until the view is closed, Redis is lost, or its pages are."""
        heard_s = looked_s = time.monotonic()
        while self._is_open and not self._is_closed.is_set():
            message = subscription.read(_LOOK_S)
            now_s = time.monotonic()
            if message is not None:
                heard_s = now_s
                self._take_message(message)
            if now_s - looked_s < self._options.heartbeat_s:
                continue
            looked_s = now_s
            if now_s - heard_s > _SILENT_HEARTBEATS * self._options.heartbeat_s:
                raise TransientError(f"Redis {self.address} cannot be used: it tells nothing")
            subscription.ping()
            if not self._is_whole():
                return

    def _is_whole(self) -> bool:
        """Whether nothing is known to be missing: somebody may have emptied the database."""
        return not self.is_degraded and (self._refill is None or self._link.read_mark()[0])

    def _take_message(self, message: Message) -> None:
        names = self._link.names
        try:
            if message.channel == names.changes:
                self._mirror.take_changes(read_changes(message.content))
            elif message.channel == names.news:
                version, _, topic = message.content.decode().partition(" ")
                self._versions.note(topic, int(version))
        except ValueError:
            if not self._has_foreign:
                _log.warning("message of another program", channel=message.channel)
            self._has_foreign = True

    def _read_store(self) -> None:
        """While Redis is away, the store tells what other processes have."""
        rows = self._ask_store()
        if rows is not None:
            self._mirror.take_rows(self._mirror.pick_news(rows))
        # What others announce is not heard: whoever waits for it looks again.
        self._versions.raise_all()

    def _ask_store(self) -> Batch | None:
        if self._refill is None:
            return None
        try:
            return self._refill()
        except WattscopeError as fault:
            if self._is_open:
                self._note_lost(f"the live view lacks what only the store knows: {fault}")
            return None

    def _note_whole(self) -> None:
        if not self._is_fresh.is_set():
            _log.info("live view reached", address=self.address, missed=self.n_missed)
        self._is_fresh.set()

    def _note_lost(self, detail: str) -> None:
        """Say that it is degraded; once, however often it is found again."""
        was_fresh, was_detail = self._is_fresh.is_set(), self._detail
        self._detail = detail
        self._is_fresh.clear()
        if self._is_closed.is_set():
            return
        self.n_lost += was_fresh
        if was_fresh or detail != was_detail:
            _log.warning("live view degraded", address=self.address, reason=detail)
