"""What is asked of Redis: scripts and pages, with bounded waits and errors without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final, NamedTuple

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    NoScriptError,
    RedisError,
)
from redis.retry import Retry

from wattscope.core.errors import TransientError
from wattscope.live.redis.layout import (
    Call,
    Changes,
    Names,
    concat_changes,
    read_page,
    read_page_number,
)
from wattscope.live.redis.options import RedisViewOptions

_PAGES_AT_ONCE: Final = 32
"""Pages of one question: some 10 MB."""


class Message(NamedTuple):
    """What came on a channel."""

    channel: str
    """Empty for the answer to a ping."""
    content: bytes


class RedisLink:
    """One database. Thread-safe; a broken connection is made anew with the next question.

    Never: a question is asked again by itself. Who asks knows whether that makes sense.
    """

    def __init__(self, options: RedisViewOptions) -> None:
        """Connect to nothing yet."""
        self._options = options
        self.names = Names(options.prefix, options.database)
        self._update = _Script("update.lua")
        self._minutes = _Script("minutes.lua")
        self._announce = _Script("announce.lua")
        # Its methods are typed for waiting and for asynchronous callers alike.
        self._client: Any = Redis(
            host=options.host,
            port=options.port,
            db=options.database,
            username=options.user,
            password=options.secret,
            ssl=options.has_tls,
            ssl_ca_certs=None if options.ca_file is None else str(options.ca_file),
            socket_timeout=options.timeout_s,
            socket_connect_timeout=options.timeout_s,
            socket_keepalive=True,
            # By default the library asks again by itself, which would make waits unbounded.
            retry=Retry(NoBackoff(), 0),
            client_name="wattscope",
        )

    def update(self, calls: Sequence[Call]) -> None:
        """Take rows, all calls in one round trip.

        Raises:
            TransientError: Redis cannot be reached or refuses; some may have been taken.
        """
        names = self.names
        self._run(
            self._update,
            [
                ((names.page(page), names.pages), (page, names.changes, rows))
                for page, rows in calls
            ],
        )

    def put_minutes(self, calls: Sequence[Call]) -> None:
        """Put sums of minutes, all calls in one round trip.

        Raises:
            TransientError: Redis cannot be reached or refuses; some may have been taken.
        """
        names = self.names
        self._run(
            self._minutes,
            [((names.page(page),), (page, names.changes, rows)) for page, rows in calls],
        )

    def announce(self, topic: str) -> int:
        """Tell everybody that something of a topic has changed; the topic's new version.

        Raises:
            TransientError: Redis cannot be reached or refuses.
        """
        keys, words = (self.names.versions,), (topic, self.names.news)
        return int(self._run(self._announce, [(keys, words)])[0])

    def read_versions(self) -> dict[str, int]:
        """The version of every topic.

        Raises:
            TransientError: Redis cannot be reached or refuses.
        """
        with self._explained():
            found = self._client.hgetall(self.names.versions)
            return {topic.decode(errors="replace"): int(one) for topic, one in found.items()}

    def read_all(self) -> Changes:
        """All records.

        Raises:
            TransientError: Redis cannot be reached or refuses.
        """
        with self._explained():
            words = self._client.smembers(self.names.pages)
            numbers = sorted(one for word in words if (one := read_page_number(word)) is not None)
            parts = []
            for start in range(0, len(numbers), _PAGES_AT_ONCE):
                group = numbers[start : start + _PAGES_AT_ONCE]
                pages = self._client.mget([self.names.page(one) for one in group])
                parts += [
                    read_page(number, page)
                    for number, page in zip(group, pages, strict=True)
                    if page is not None
                ]
            return concat_changes(parts)

    def read_mark(self) -> tuple[bool, str]:
        """Whether the pages are marked as whole, and the run id of the server.

        A server that was started again has another id, and perhaps an old copy of the pages.

        Raises:
            TransientError: Redis cannot be reached or refuses.
        """
        with self._explained():
            pipeline = self._client.pipeline(transaction=False)
            pipeline.get(self.names.filled)
            pipeline.info("server")
            mark, server = pipeline.execute()
            run_id = str(server.get("run_id", ""))
            return mark == run_id.encode(), run_id

    def write_mark(self, run_id: str) -> None:
        """Mark the pages of this server as whole.

        Raises:
            TransientError: Redis cannot be reached or refuses.
        """
        with self._explained():
            self._client.set(self.names.filled, run_id)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Listen until the block ends, from before it begins.

        Raises:
            TransientError: Redis cannot be reached or refuses.
        """
        channels = [self.names.news]
        if self._options.is_following:
            channels.append(self.names.changes)
        with self._explained(), self._client.pubsub() as listener:
            listener.subscribe(*channels)
            # The server has confirmed before anything is read: nothing is missed in between.
            for _ in channels:
                if listener.get_message(timeout=self._options.timeout_s) is None:
                    raise TransientError(f"Redis {self._options.where} does not answer")
            yield Subscription(listener)

    def drop_connections(self) -> None:
        """Forget all connections: after a failover they lead to a server that may not write."""
        self._client.connection_pool.disconnect()

    def close(self) -> None:
        """End all connections."""
        self._client.close()

    def _run(
        self, script: _Script, calls: Sequence[tuple[tuple[str, ...], tuple[Any, ...]]]
    ) -> list[Any]:
        """Answers of one script to several calls, in one round trip where the server knows it."""
        with self._explained():
            try:
                return self._run_known(script, calls)
            except NoScriptError:
                # Redis forgets scripts when it is started again.
                script.digest = str(self._client.script_load(script.text))
                return self._run_known(script, calls)

    def _run_known(
        self, script: _Script, calls: Sequence[tuple[tuple[str, ...], tuple[Any, ...]]]
    ) -> list[Any]:
        if not calls:
            return []
        if not script.digest:
            raise NoScriptError
        pipeline = self._client.pipeline(transaction=False)
        for keys, arguments in calls:
            pipeline.evalsha(script.digest, len(keys), *keys, *arguments)
        answers: list[Any] = pipeline.execute()
        return answers

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as fault:
            raise TransientError(self._explain(fault)) from fault

    def _explain(self, fault: Exception) -> str:
        words = " ".join(str(fault).split()) or type(fault).__name__
        if self._options.secret:
            words = words.replace(self._options.secret, "***")
        if isinstance(fault, NoPermissionError):
            return f"Redis {self._options.where}: {words}; give its user the right"
        if isinstance(fault, AuthenticationError):
            return f"Redis {self._options.where}: {words}; check user and password"
        return f"Redis {self._options.where} cannot be used: {words}"


def read_script(name: str) -> str:
    """The text of a script of this folder."""
    return files("wattscope.live.redis").joinpath(name).read_text(encoding="utf-8")


class Subscription:
    """Messages as they come. Not thread-safe."""

    def __init__(self, listener: Any) -> None:  # noqa: ANN401  # a PubSub, which has no types
        self._listener = listener

    def ping(self) -> None:
        """Ask for an empty message."""
        self._listener.ping()

    def read(self, timeout_s: float) -> Message | None:
        """The next message; None when none came in time."""
        found = self._listener.get_message(timeout=timeout_s)
        if found is None:
            return None
        is_message = found["type"] == "message"
        channel = found["channel"].decode() if is_message else ""
        return Message(channel, found["data"] if is_message else b"")


class _Script:
    """A script, and the digest under which the server knows it."""

    def __init__(self, name: str) -> None:
        self.text = read_script(name)
        self.digest = ""
