"""Views of one Redis as several processes have them, and waits for what they will see."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.redis_server import RedisServer, make_prefix
from wattscope.core.reading import Batch, concat_batches, empty_batch
from wattscope.live.redis.options import RedisViewOptions
from wattscope.live.redis.view import RedisView

PATIENCE_S = 30.0


def wait_until(is_true: Callable[[], bool], what: str = "it") -> None:
    """Return once something is true.

    Raises:
        AssertionError: It is not for a long time.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline_s, f"{what} is not so after {PATIENCE_S} s"
        time.sleep(0.005)


@dataclass
class KeptRows:
    """What a store would hold."""

    parts: list[Batch] = field(default_factory=list)
    n_asked: int = 0
    fault: Exception | None = None

    def write(self, batch: Batch) -> None:
        self.parts.append(batch)

    def refill(self) -> Batch:
        """All rows, which are more than the newest of each series, in any order."""
        self.n_asked += 1
        if self.fault is not None:
            raise self.fault
        return concat_batches(self.parts) if self.parts else empty_batch()


@dataclass(frozen=True)
class Installation:
    """Processes that share a Redis and a store."""

    server: RedisServer
    store: KeptRows = field(default_factory=KeptRows)
    prefix: str = field(default_factory=make_prefix)

    def open(self, *, is_following: bool = True, has_store: bool = True) -> RedisView:
        """The view of another process, not started yet; it looks often."""
        options = RedisViewOptions(
            self.server.url,
            prefix=self.prefix,
            is_following=is_following,
            timeout_s=1.0,
            heartbeat_s=0.3,
        )
        return RedisView(options, self.store.refill if has_store else None, draw=lambda: 0.0)
