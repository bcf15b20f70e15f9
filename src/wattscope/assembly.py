"""The composition root: the only place where settings become objects.

::

    Settings ─▶ open_storage ─▶ Storage (registry, log, store, shelf, live)
                     └────────▶ Program (storage + broker + sources + web), which runs
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from wattscope.broker import BrokerOptions, EmbeddedBroker
from wattscope.compute.decode import DECODERS
from wattscope.compute.decode.profile import Profile, parse_profile
from wattscope.compute.routing import TopicRoute, TopicRouter
from wattscope.core.errors import SettingsError
from wattscope.core.time_grid import load_zone
from wattscope.core.topology import Device, DeviceKind, Sampling, Site
from wattscope.live.memory_view import MemoryView
from wattscope.logs.segment_log import SegmentLog, leave_to_kernel, sync_to_disk
from wattscope.pipeline.binding import Binder, BindingRules
from wattscope.pipeline.ingest import Ingest
from wattscope.pipeline.intake import Intake
from wattscope.pipeline.persist import Persist
from wattscope.pipeline.supervise import flush_regularly, keep_running
from wattscope.pipeline.tally import Tally
from wattscope.plugins import load_plugin
from wattscope.ports import Table
from wattscope.registry.database import Database
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.registry.sql_quarantine import SqlQuarantine
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.settings import CHUNK_INTERVALS, DeviceSettings, Settings, SourceSettings
from wattscope.sources.mqtt import MqttOptions, MqttSource
from wattscope.stores.data_folder import DataFolder
from wattscope.stores.duckdb_store import DuckdbStore

_log = structlog.get_logger()
_RECEIPT_RECORDS = 1000
"""Newest log records whose messages may be redelivered after a crash."""
_SHELF_ROWS = 100_000


def now_us() -> int:
    """The clock of the program [µs since 1970, UTC]."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Storage:
    """Everything that lives in a data folder."""

    folder: DataFolder
    database: Database
    registry: SqlRegistry
    shelf: SqlQuarantine
    log: SegmentLog
    store: DuckdbStore
    live: MemoryView
    tally: Tally
    persist: Persist


@contextmanager
def open_storage(
    settings: Settings, data: Path, *, is_read_only: bool = False
) -> Iterator[Storage]:
    """Open a data folder, take in what the log holds beyond the store, and close it in the end.

    Args:
        settings: Site and devices are put into the registry, unless read-only.
        data: The folder; made when missing.
        is_read_only: Look only; another program may be writing.
    """
    folder = DataFolder(data)
    with contextlib.ExitStack() as stack:
        if not is_read_only:
            stack.enter_context(folder)
        database = Database(folder.registry, is_read_only=is_read_only)
        stack.callback(database.close)
        registry, shelf = SqlRegistry(database), SqlQuarantine(database)
        if not is_read_only:
            _register_known(registry, settings)
        store = _open_store(settings, folder, registry, shelf, is_read_only=is_read_only)
        stack.callback(store.close)
        log = SegmentLog(
            folder.log,
            sync=sync_to_disk if settings.storage.durability == "full" else leave_to_kernel,
            first_offset=store.covered_offset,
            is_read_only=is_read_only,
        )
        stack.callback(log.close)
        for damage in log.damages:
            _log.error("log record damaged", segment=damage.segment, position=damage.position)
        live, tally = MemoryView(), Tally()
        live.update(store.last_rows())
        persist = Persist(log, store, _no_shelf if is_read_only else shelf, live, tally)
        n_records = persist.catch_up()
        if n_records:
            _log.info("log read after start", records=n_records)
        yield Storage(folder, database, registry, shelf, log, store, live, tally, persist)


class _NoShelf:
    """Takes nothing: the shelf of a reader."""

    def put(self, items: object, offset: int) -> None:
        """Leave it to the program that writes."""


_no_shelf = _NoShelf()


def _open_store(
    settings: Settings,
    folder: DataFolder,
    registry: SqlRegistry,
    shelf: SqlQuarantine,
    *,
    is_read_only: bool,
) -> DuckdbStore:
    return DuckdbStore(
        folder.chunks,
        registry,
        chunk_us=CHUNK_INTERVALS[settings.storage.chunk],
        tail_rows=settings.storage.tail_rows,
        memory_mb=settings.storage.memory_mb,
        extra_tables={
            "devices": lambda: _device_table(registry),
            "quarantine": lambda: _quarantine_table(shelf),
        },
        is_read_only=is_read_only,
    )


def _register_known(registry: SqlRegistry, settings: Settings) -> None:
    site = settings.site
    registry.put_site(
        Site(site.id, site.name, site.time_zone, site.currency, site.latitude, site.longitude)
    )
    for device in settings.devices:
        registry.put_device(_build_device(device, site.id))


def _build_device(settings: DeviceSettings, site: str) -> Device:
    return Device(
        id=settings.id,
        site=site,
        name=settings.name or settings.id,
        kind=DeviceKind(settings.kind),
        parent=settings.parent,
        rating_w=settings.rating_w,
        interval_s=settings.interval_s,
        sampling=Sampling(settings.sampling),
        is_production=settings.is_production,
        is_direction_swapped=settings.is_direction_swapped,
    )


def _device_table(registry: SqlRegistry) -> Table:
    columns = ("id", "site", "name", "kind", "parent", "rating_w", "interval_s")
    rows = [
        (one.id, one.site, one.name, one.kind.value, one.parent, one.rating_w, one.interval_s)
        for one in registry.list_devices()
    ]
    return Table(columns, list(rows))


def _quarantine_table(shelf: SqlQuarantine) -> Table:
    columns = ("id", "source", "topic", "code", "detail", "received_at_us", "payload")
    rows = [
        (
            one.id,
            one.item.source,
            one.item.topic,
            one.item.code,
            one.item.detail,
            one.item.received_at_us,
            one.item.payload.decode(errors="replace"),
        )
        for one in shelf.list_newest(_SHELF_ROWS)
    ]
    return Table(columns, list(rows))


# ── sources ──────────────────────────────────────────────────────────────────────────────────


def load_profiles(names: Sequence[str], library: ProfileLibrary) -> list[Profile]:
    """The MQTT profiles of these names.

    Raises:
        SettingsError: One does not exist, or is wrong.
    """
    return [parse_profile(name, library.read(name)) for name in names]


def build_router(profiles: Sequence[Profile], time_zone: str) -> TopicRouter:
    """The router over all topics of some profiles."""
    zone = load_zone(time_zone)
    return TopicRouter([
        TopicRoute(
            filter=pattern,
            decode=DECODERS[profile.decoder],
            route=profile.build_route(zone),
            has_clock=profile.has_clock,
            kind=profile.kind,
            interval_s=profile.interval_s,
        )
        for profile in profiles
        for pattern in profile.topics
    ])


@dataclass(frozen=True, slots=True)
class Feed:
    """A source with its way into the log."""

    source: MqttSource
    ingest: Ingest
    router: TopicRouter


def build_feed(
    settings: Settings, source: SourceSettings, storage: Storage, library: ProfileLibrary
) -> Feed:
    """A source and its ingest."""
    router = build_router(load_profiles(source.profiles, library), settings.site.time_zone)
    rules = BindingRules(
        settings.site.id, settings.ingest.register_devices, settings.ingest.max_series
    )
    binder = Binder(storage.registry, rules, _announce_device)
    intake = Intake(source.name, router, binder, storage.tally, now_us)
    newest = max(0, storage.log.end_offset - _RECEIPT_RECORDS)
    for record in storage.log.read(newest):
        intake.remember(record.receipts)
    mqtt = load_plugin("source", source.type)(
        source.name, build_mqtt_options(settings, source, router.filters), now_us, random.random
    )
    return Feed(mqtt, Ingest(intake, storage.log, storage.persist, storage.tally), router)


def build_mqtt_options(
    settings: Settings, source: SourceSettings, filters: tuple[str, ...]
) -> MqttOptions:
    """Options of an MQTT source; its password is read from its file here."""
    password = source.password
    if source.password_file is not None:
        try:
            password = Path(source.password_file).read_text().splitlines()[0]
        except (OSError, IndexError) as fault:
            raise SettingsError([
                f"sources.{source.name}.password_file: {source.password_file} cannot be read "
                f"({fault})"
            ]) from fault
    return MqttOptions(
        url=source.url or f"mqtt://{settings.broker.host}:{settings.broker.port}",
        filters=filters,
        client_id=source.client_id,
        username=source.username,
        password=password,
        ca_file=Path(source.ca_file) if source.ca_file else None,
        qos=source.qos,
    )


def _announce_device(device: Device) -> None:
    _log.info("device registered", device=device.id, kind=device.kind.value)


# ── the running program ──────────────────────────────────────────────────────────────────────


class Program:
    """All roles in one process."""

    def __init__(self, settings: Settings, storage: Storage, library: ProfileLibrary) -> None:
        self.settings = settings
        self.storage = storage
        self.started_at_us = now_us()
        self.feeds = [build_feed(settings, one, storage, library) for one in settings.sources]
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
                stages.create_task(
                    keep_running(feed.source.name, lambda feed=feed: feed.ingest.run(feed.source))  # type: ignore[misc]  # the default binds the loop's feed
                )
                for feed in self.feeds
            ]
            running.append(stages.create_task(self._flush_regularly()))
            try:
                await serve()
            finally:
                for task in running:
                    task.cancel()
                for feed in self.feeds:
                    await feed.source.close()

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
    gc.set_threshold(50_000, 20, 50)


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
