"""One process of a cluster: what it does by its role, from servers that may not be there yet.

::

    ingest, poll ── sources ─▶ intake ─▶ Kafka          store ── Kafka ─▶ PostgreSQL, Redis
    output ── Kafka ─▶ InfluxDB
    detect ── PostgreSQL ─▶ incidents      alert ── Redis, incidents ─▶ alerts, messages
    api ── PostgreSQL, Redis ─▶ pages

Every process answers ``/readyz`` from its first moment. A server that is away, at the start or
later, is waited for; nothing ends because of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog
from fastapi import FastAPI

from wattscope import __version__
from wattscope.assembly.aggregates import AggregatesFeed, build_aggregates_feed
from wattscope.assembly.cluster import (
    Cluster,
    SeriesLookup,
    build_kafka_options,
    describe_tally,
    open_cluster,
)
from wattscope.assembly.cluster_pages import build_cluster_services
from wattscope.assembly.feeds import Feed, build_feed
from wattscope.assembly.leases import Leases
from wattscope.assembly.line_desk import build_line_desk
from wattscope.assembly.meter_fleet import (
    FleetReader,
    FleetSource,
    build_fleet_source,
    find_modbus_source,
)
from wattscope.assembly.outputs import build_shared_output, describe_pass_on
from wattscope.assembly.poll_share import SharedFleet
from wattscope.assembly.remote_desk import build_remote_desk
from wattscope.assembly.storage import WayIn, now_us
from wattscope.assembly.watch_roles import WatchRole
from wattscope.compute.telegrams.forms import TELEGRAM_FORMS
from wattscope.core.errors import SettingsError, TransientError
from wattscope.core.time_grid import format_utc
from wattscope.pipeline.carry import Carry
from wattscope.pipeline.forward import Forward
from wattscope.pipeline.pass_on import PassOn
from wattscope.pipeline.supervise import flush_regularly, keep_running
from wattscope.pipeline.tally import Tally
from wattscope.plugins import load_plugin
from wattscope.ports import LogFollower
from wattscope.registry.poll_leases import LeaseOptions, PollLeases
from wattscope.registry.process_book import ProcessBook
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings, SourceSettings
from wattscope.web.app import create_app, create_write_app

_log = structlog.get_logger()
RETRY_S = 2.0
FOLLOW_S = 1.0
"""How often names given by other processes are looked for [s]."""
TELL_S = 5.0
"""How often a process says to the others how it stands [s]."""
RECEIPTS = 1000
STORE_GROUP = "wattscope-store"
_LIVE_READERS = frozenset({"api", "detect", "alert"})
"""Roles that show or judge live values; the others write them, or have nothing to do with them."""
OutcomeT = TypeVar("OutcomeT")
Stage = tuple[str, Callable[[], Awaitable[None]]]


@dataclass(slots=True)
class Work:
    """What a role does once everything that it needs is there."""

    stages: list[Stage] = field(default_factory=list)
    feeds: list[Feed] = field(default_factory=list)
    follower: LogFollower | None = None
    aggregates: AggregatesFeed | None = None
    carry: Carry | None = None
    watch: WatchRole | None = None
    outputs: list[PassOn] = field(default_factory=list)
    pages: FastAPI | None = None


class RoleProcess:
    """One process of a cluster."""

    def __init__(
        self,
        role: str,
        name: str,
        settings: Settings,
        data: Path,
        library: ProfileLibrary,
        allowed_hosts: tuple[str, ...],
    ) -> None:
        """Touch nothing yet.

        Args:
            role: One of ``ROLES``.
            name: Of this process; another than those of its role, and the same after a restart.
            settings: Name the servers.
            data: Folder of this process alone.
            library: Profiles of devices.
            allowed_hosts: Names under which its pages may be asked.
        """
        self.role, self.name = role, name
        self._settings, self._data, self._library = settings, data, library
        self._allowed_hosts = allowed_hosts
        self._started_at_us = now_us()
        self._missing = "starting"
        self._work = Work()
        self._cluster: Cluster | None = None

    async def run(
        self, serve: Callable[[], Awaitable[None]], show: Callable[[FastAPI], None]
    ) -> None:
        """Work until ``serve`` returns.

        Args:
            serve: Answers requests; returns when the process shall end.
            show: Takes the pages once there are some.
        """
        working = asyncio.create_task(self._work_for_ever(show))
        serving = asyncio.ensure_future(serve())
        try:
            await asyncio.wait((working, serving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, serving):
                task.cancel()
            outcomes = await asyncio.gather(working, serving, return_exceptions=True)
        for one in outcomes:
            if isinstance(one, BaseException) and not isinstance(one, asyncio.CancelledError):
                raise one

    # ── what is told ─────────────────────────────────────────────────────────────────────────

    def list_waiting(self) -> list[str]:
        """What is missing to be ready, in words."""
        if self._missing:
            return [self._missing]
        found = [
            f"{one.source.name}: {one.source.state.value} {one.source.detail}".strip()
            for one in self._work.feeds
            if one.source.state.value != "connected"
        ]
        if self._work.carry is not None and self._work.carry.state.fault:
            found.append(self._work.carry.state.fault)
        return found

    def describe(self) -> dict[str, Any]:
        """The state of the process."""
        tally = Tally() if self._cluster is None else self._cluster.tally
        carry, watch, sums = self._work.carry, self._work.watch, self._work.aggregates
        followers = [self._work.follower, None if sums is None else sums.follower]
        outputs = self._work.outputs
        return {
            "version": __version__,
            "role": self.role,
            "name": self.name,
            "started_at": format_utc(self._started_at_us),
            "counters": describe_tally(tally),
            "lag": {name: n for one in followers if one for name, n in one.lag().items()},
            "aggregates": None if sums is None else sums.describe(),
            "store_delay_s": None if carry is None else carry.state.newest_delay_s,
            "watch": None if watch is None else watch.describe(),
            "outputs": [describe_pass_on(one) for one in outputs],
        }

    # ── the work ─────────────────────────────────────────────────────────────────────────────

    async def _work_for_ever(self, show: Callable[[FastAPI], None]) -> None:
        async with AsyncExitStack() as stack:
            cluster = await self._open(stack)
            self._cluster = cluster
            # From now on others can see what it waits for.
            telling = asyncio.create_task(self._tell_others(ProcessBook(cluster.database)))
            stack.push_async_callback(_end, telling)
            self._work = await self._build(cluster, stack)
            if self._work.pages is not None:
                show(self._work.pages)
            self._missing = ""
            _log.info("ready", role=self.role, name=self.name)
            async with asyncio.TaskGroup() as stages:
                follow: Stage = ("names", partial(_follow_names, cluster))
                for name, stage in (follow, *self._work.stages):
                    stages.create_task(keep_running(name, stage))

    async def _tell_others(self, book: ProcessBook) -> None:
        """Say in the registry how this process stands, for ever, and that it has ended."""
        try:
            while True:
                # Who follows the registry says that it is away.
                with contextlib.suppress(TransientError):
                    told = self.describe() | {"waiting": self.list_waiting()}
                    await asyncio.to_thread(book.tell, self.role, self.name, told)
                await asyncio.sleep(TELL_S)
        finally:
            with contextlib.suppress(TransientError):
                await asyncio.to_thread(book.forget, self.role, self.name)

    async def _open(self, stack: AsyncExitStack) -> Cluster:
        closing = contextlib.ExitStack()
        stack.push_async_callback(asyncio.to_thread, closing.close)
        reads_live = self.role in _LIVE_READERS
        enter = partial(open_cluster, self._settings, self._data, reads_live=reads_live)
        return await self._insist("cluster", lambda: closing.enter_context(enter()))

    async def _insist(self, what: str, attempt: Callable[[], OutcomeT]) -> OutcomeT:
        """Try until it works; what is missing is told by ``/readyz``, and once in the log."""
        while True:
            try:
                return await asyncio.to_thread(attempt)
            except TransientError as fault:
                words = str(fault)
                if words != self._missing:
                    _log.warning("waiting", what=what, reason=words)
                self._missing = words
                await asyncio.sleep(RETRY_S)

    async def _build(self, cluster: Cluster, stack: AsyncExitStack) -> Work:
        if self.role == "store":
            return self._build_store(cluster, stack)
        if self.role == "api":
            services = await self._insist(
                "pages",
                lambda: build_cluster_services(
                    self._settings, cluster, self.describe, self._allowed_hosts
                ),
            )
            return Work(pages=create_app(services))
        if self.role in {"detect", "alert"}:
            watch = WatchRole(self.role, self.name, self._settings, cluster)
            stack.push_async_callback(watch.duty.close)
            return Work([(self.role, watch.duty.run)], watch=watch)
        if self.role == "output":
            return self._build_outputs(cluster, stack)
        return await self._build_sources(cluster, stack)

    async def _build_sources(self, cluster: Cluster, stack: AsyncExitStack) -> Work:
        is_polling = self.role == "poll"
        # A line is heard by one process, as a gateway is polled by one.
        polled = {"modbus", "scrape", *TELEGRAM_FORMS}
        kinds = polled if is_polling else {"mqtt", "influx", "remote_write"}
        wanted = [one for one in self._settings.sources if one.type in kinds]
        lookup = SeriesLookup(cluster.registry)
        options = build_kafka_options(self._settings, f"wattscope-{self.role}-{self.name}")
        log = load_plugin("log", "kafka")(options, lookup.name, now_us)
        stack.push_async_callback(asyncio.to_thread, log.close)
        receipts = await self._insist("log", lambda: log.recent_receipts(RECEIPTS))
        way = WayIn(
            self._data,
            cluster.registry,
            cluster.tally,
            Forward(log, cluster.tally),
            lambda: receipts,
        )
        stages: list[Stage] = []
        meters: FleetSource | None = None
        shared: SharedFleet | None = None
        if is_polling and find_modbus_source(self._settings) is not None:
            meters = build_fleet_source(self._settings, self._data, self._library)
            stack.callback(meters.book.close)
            shared = self._share_gateways(cluster, FleetReader(meters))
            # After the sources have ended, which is before it in the order of the stack.
            stack.push_async_callback(shared.close)
            stages.append(("gateways", shared.run))
        read_fleet = None if shared is None else shared.read
        pages = self._share_pages(cluster, wanted)
        if pages is not None:
            stack.push_async_callback(pages.close)
            stages.append(("exporters", pages.run))
        holds = (lambda _: True) if pages is None else pages.holds
        build = partial(build_feed, library=self._library, read_fleet=read_fleet, holds=holds)
        feeds = [build(self._settings, self._share(one), way, meters=meters) for one in wanted]
        for feed in feeds:
            stack.push_async_callback(feed.source.close)
            if feed.close is not None:
                stack.push_async_callback(feed.close)
        stages += [(one.source.name, one.run) for one in feeds]
        lines = build_line_desk(self._settings, feeds)
        remote = build_remote_desk(self._settings, feeds)
        is_written = lines is not None or remote is not None
        app = create_write_app(lines, remote, self._allowed_hosts) if is_written else None
        return Work(stages, feeds, pages=app)

    def _share_gateways(self, cluster: Cluster, reader: FleetReader) -> SharedFleet:
        """The gateways that are this process's own, of all that processes of its role poll."""
        options = LeaseOptions()
        return SharedFleet(reader.read, self._lease(cluster, options), options.round_s)

    def _share_pages(self, cluster: Cluster, wanted: Sequence[SourceSettings]) -> Leases | None:
        """Likewise the pages of exporters; None where there are none."""
        urls = {url for one in wanted if one.type == "scrape" for url in one.urls}
        if not urls:
            return None
        options = LeaseOptions("scrape")
        return Leases("exporters", lambda: urls, self._lease(cluster, options), options.round_s)

    def _lease(self, cluster: Cluster, options: LeaseOptions) -> PollLeases:
        # A process that comes back is another one to those that still wait for the old to end.
        return PollLeases(cluster.database, f"{self.name}-{secrets.token_hex(8)}", options)

    def _share(self, source: SourceSettings) -> SourceSettings:
        """A source whose messages several processes share: each is a client of its own name."""
        if source.type != "mqtt":
            return source
        return msgspec.structs.replace(
            source, client_id=f"{source.client_id}-{self.name}", share=source.client_id
        )

    def _build_store(self, cluster: Cluster, stack: AsyncExitStack) -> Work:
        lookup = SeriesLookup(cluster.registry)
        options = build_kafka_options(self._settings, f"wattscope-store-{self.name}")
        follower = load_plugin("follower", "kafka")(options, STORE_GROUP, lookup.find)
        stack.push_async_callback(asyncio.to_thread, follower.close)
        carry = Carry(
            follower,
            cluster.store,
            cluster.shelf,
            cluster.live,
            cluster.tally,
            now_us=now_us,
            monotonic_s=time.monotonic,
        )
        flush: Stage = (
            "flush",
            lambda: flush_regularly(
                lambda: cluster.store.is_flush_due,
                cluster.store.keep_up,
                every_s=self._settings.storage.flush_minutes * 60,
            ),
        )
        stages: list[Stage] = [("carry", carry.run), flush]
        aggregates = build_aggregates_feed(self._settings, cluster, self.name, stack)
        if aggregates is not None:
            stages.append(("live minutes", aggregates.feed.run))
        return Work(stages, follower=follower, aggregates=aggregates, carry=carry)

    def _build_outputs(self, cluster: Cluster, stack: AsyncExitStack) -> Work:
        """Each output is a group of its own: it gets everything, and its processes share it."""
        if not any(one.type == "influx" for one in self._settings.outputs):
            raise SettingsError("outputs: the role output needs at least one of type influx")
        lookup = SeriesLookup(cluster.registry)
        outputs = []
        for wanted in self._settings.outputs:
            if wanted.type != "influx":
                _log.error("type of output has no role yet", output=wanted.name, type=wanted.type)
                continue
            options = build_kafka_options(self._settings, f"wattscope-output-{self.name}")
            group = f"wattscope-output-{wanted.name}"
            follower = load_plugin("follower", "kafka")(options, group, lookup.find)
            stack.push_async_callback(asyncio.to_thread, follower.close)
            passing = build_shared_output(wanted, cluster.registry.list_series, follower)
            stack.callback(passing.output.close)
            outputs.append(passing)
        return Work([(f"output {one.name}", one.run) for one in outputs], outputs=outputs)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _follow_names(cluster: Cluster) -> None:
    """Learn of sites, devices and series that other processes have added, for ever."""
    is_away = False
    while True:
        try:
            await asyncio.to_thread(cluster.registry.follow)
        except TransientError as fault:
            if not is_away:
                _log.warning("registry is away", reason=str(fault))
            is_away = True
        else:
            if is_away:
                _log.info("registry is there again")
            is_away = False
        await asyncio.sleep(FOLLOW_S)
