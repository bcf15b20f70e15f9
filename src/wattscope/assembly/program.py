"""Everything that runs in one process, started and ended in order."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

from wattscope.assembly.alerting import AlertDesk
from wattscope.assembly.background import build_upkeep
from wattscope.assembly.detection import Watcher
from wattscope.assembly.feeds import build_feed
from wattscope.assembly.meter_fleet import build_fleet_source, find_modbus_source
from wattscope.assembly.outputs import build_outputs
from wattscope.assembly.storage import Storage, now_us
from wattscope.broker import BrokerOptions, EmbeddedBroker
from wattscope.compute.fleet_routing import FleetRouter
from wattscope.pipeline.recent_minutes import RecentMinutes
from wattscope.pipeline.supervise import flush_regularly, keep_running
from wattscope.registry.model_shelf import ModelShelf
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings

# Numbers of mallopt(3): M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX.
_MALLOC_OPTIONS = ((-1, 64 * 1024), (-3, 64 * 1024), (-8, 1))


class Program:
    """All roles in one process."""

    def __init__(self, settings: Settings, storage: Storage, library: ProfileLibrary) -> None:
        self.settings = settings
        self.storage = storage
        self.started_at_us = now_us()
        self.meters = (
            build_fleet_source(settings, storage.folder.path, library)
            if find_modbus_source(settings)
            else None
        )
        """Settings and tables of the Modbus meters; None where no source polls any."""
        self.feeds = [
            build_feed(settings, one, storage.way, library, self.meters) for one in settings.sources
        ]
        routers = [one.router for one in self.feeds if isinstance(one.router, FleetRouter)]
        self.outputs = build_outputs(settings, storage, routers)
        """Each passes on what is accepted from now on, and what it had not sent before."""
        self.alerts = AlertDesk(settings, storage)
        """Rules, incidents, and the channels on which alerts are told."""
        self.watcher: Watcher | None = None
        """Looks for faults; None where the settings say that nothing does."""
        if settings.detect.enabled:
            recent = RecentMinutes()
            storage.persist.watch(recent.update)
            models = ModelShelf(storage.folder.path)
            self.watcher = Watcher(settings, storage, models, self.alerts.take_incidents, recent)
        self.broker: EmbeddedBroker | None = None
        if settings.broker.embedded:
            self.broker = EmbeddedBroker(
                BrokerOptions(
                    storage.folder.broker,
                    settings.broker.host,
                    settings.broker.port,
                    is_synced=settings.storage.durability == "full",
                )
            )

    async def run(self, serve: Callable[[], Awaitable[None]]) -> None:
        """Run everything until ``serve`` returns; then end in order: sources, broker, storage."""
        _calm_collector()
        async with self._broker_running(), asyncio.TaskGroup() as stages:
            running = [
                stages.create_task(keep_running(feed.source.name, feed.run)) for feed in self.feeds
            ]
            running.append(stages.create_task(self._flush_regularly()))
            running += [
                stages.create_task(one) for one in build_upkeep(self.settings, self.storage)
            ]
            if self.watcher is not None:
                running.append(stages.create_task(keep_running("detect", self.watcher.run)))
                train = self.watcher.train_regularly
                running.append(stages.create_task(keep_running("train", train)))
            for name, work in (("alerts", self.alerts.watch), ("notify", self.alerts.deliver)):
                running.append(stages.create_task(keep_running(name, work)))
            running += [
                stages.create_task(keep_running(f"output {one.name}", one.run))
                for one in self.outputs
            ]
            try:
                await serve()
            finally:
                await self.alerts.end()
                for task in running:
                    task.cancel()
                for one in self.outputs:
                    one.close()
                for feed in self.feeds:
                    await feed.source.close()
                    if feed.close is not None:
                        await feed.close()
                if self.meters is not None:
                    self.meters.book.close()

    async def _flush_regularly(self) -> None:
        persist = self.storage.persist
        every_s = self.settings.storage.flush_minutes * 60
        await keep_running(
            "flush",
            lambda: flush_regularly(lambda: persist.is_flush_due, persist.flush, every_s=every_s),
        )

    @asynccontextmanager
    async def _broker_running(self) -> AsyncIterator[None]:
        if self.broker is None:
            yield
            return
        await self.broker.start()
        watching = asyncio.create_task(keep_running("broker", self.broker.run))
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            await self.broker.stop()


def _calm_collector() -> None:
    """Let the garbage collector look less often: messages die young and form no cycles.

    The default looks after every 700 new objects, which is every 100 messages.
    """
    gc.set_threshold(10_000, 10, 10)


def keep_memory_small() -> None:
    """Have the C library give freed memory back; call before any thread starts.

    glibc keeps one heap a thread and returns large blocks late; for columns that come and go with
    each query that is some 15 MB of nothing. Other C libraries are left as they are.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for option, value in _MALLOC_OPTIONS:
        set_option(option, value)


def with_ports(
    settings: Settings,
    *,
    host: str | None = None,
    port: int | None = None,
    mqtt_port: int | None = None,
) -> Settings:
    """Settings with what the command line says about addresses."""
    server = settings.server
    server = msgspec.structs.replace(server, host=host or server.host, port=port or server.port)
    broker = msgspec.structs.replace(settings.broker, port=mqtt_port or settings.broker.port)
    return msgspec.structs.replace(settings, server=server, broker=broker)
