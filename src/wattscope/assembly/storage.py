"""Opening a data folder: registry, log, store, shelf and live view, caught up with each other."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import structlog

from wattscope.compute.disk_space import MB
from wattscope.core.errors import StorageError
from wattscope.core.topology import Device, DeviceKind, Sampling, Site
from wattscope.live.memory_view import MemoryView
from wattscope.logs.segment_log import SegmentLog
from wattscope.pipeline.alarms import announce_space
from wattscope.pipeline.ingest import Committer
from wattscope.pipeline.persist import KEPT_RECORDS, Persist
from wattscope.pipeline.space import SpaceWatch, measure_room
from wattscope.pipeline.tally import Tally
from wattscope.ports import LiveView, Table
from wattscope.registry.access import Shelf
from wattscope.registry.database import Database
from wattscope.registry.database_port import RegistryDatabase
from wattscope.registry.sql_quarantine import SqlQuarantine
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.settings import CHUNK_INTERVALS, DeviceSettings, Settings, list_array_devices
from wattscope.stores.duckdb_store import DuckdbStore
from wattscope.stores.folder import DataFolder

_log = structlog.get_logger()
_SHELF_ROWS = 100_000
_READ_ATTEMPTS = 5


def now_us() -> int:
    """The clock of the program [µs since 1970, UTC]."""
    return time.time_ns() // 1000


class Keeping(Protocol):
    """Where readings and names are, in a data folder or in a cluster."""

    @property
    def database(self) -> RegistryDatabase: ...

    @property
    def registry(self) -> SqlRegistry: ...

    @property
    def store(self) -> Any: ...  # noqa: ANN401  # which one, the settings say

    @property
    def live(self) -> LiveView: ...


@dataclass(frozen=True, slots=True)
class WayIn:
    """What a source needs to have its messages kept, wherever that is."""

    folder: Path
    """Of this process: tables of meters that are no part of a cluster."""
    registry: SqlRegistry
    tally: Tally
    committer: Committer
    read_receipts: Callable[[], Iterable[Sequence[int]]]
    """Marks of the newest messages without an instant, to know them when they come again."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Everything that lives in a data folder."""

    folder: DataFolder
    database: Database
    registry: SqlRegistry
    shelf: SqlQuarantine
    log: SegmentLog
    store: DuckdbStore
    live: LiveView
    tally: Tally
    persist: Persist
    space: SpaceWatch | None
    """None where nothing is written."""

    @property
    def way(self) -> WayIn:
        """How messages come into it."""
        return WayIn(self.folder.path, self.registry, self.tally, self.persist, self._read_receipts)

    def _read_receipts(self) -> Iterator[Sequence[int]]:
        newest = max(0, self.log.end_offset - KEPT_RECORDS)
        return (record.receipts for record in self.log.read(newest))


@contextmanager
def open_storage(
    settings: Settings, data: Path, *, is_read_only: bool = False, is_copy: bool = False
) -> Iterator[Storage]:
    """Open a data folder, take in what the log holds beyond the store, and close it in the end.

    Args:
        settings: Site and devices are put into the registry, unless read-only or a copy.
        data: The folder; made when missing.
        is_read_only: Look only; another program may be writing.
        is_copy: All names come from elsewhere.
    """
    folder = DataFolder(data)
    with contextlib.ExitStack() as stack:
        if not is_read_only:
            stack.enter_context(folder)
        for _ in range(_READ_ATTEMPTS):
            with contextlib.ExitStack() as attempt:
                storage = _open_parts(
                    settings, folder, attempt, is_read_only=is_read_only, is_copy=is_copy
                )
                if is_read_only and storage.store.is_outdated():
                    # The writer moved rows from the log to files between our two looks.
                    continue
                stack.push(attempt.pop_all())
                break
        else:
            raise StorageError(f"data folder {data} changes too fast to be read; try again")
        yield storage


def _open_parts(
    settings: Settings,
    folder: DataFolder,
    stack: contextlib.ExitStack,
    *,
    is_read_only: bool,
    is_copy: bool,
) -> Storage:
    """Everything in the folder, caught up; closed by the stack."""
    # First: on a full disk its reserve lets the others open.
    space = None if is_read_only else _watch_space(settings, folder)
    if space is not None:
        stack.callback(space.close)
    database = Database(folder.registry, is_read_only=is_read_only)
    stack.callback(database.close)
    for words in database.damages:
        _log.error("registry damaged", detail=words)
    registry, shelf = SqlRegistry(database), SqlQuarantine(database)
    if not (is_read_only or is_copy):
        register_known(registry, settings)
    store = _open_store(settings, folder, registry, shelf, is_read_only=is_read_only)
    stack.callback(store.close)
    log = SegmentLog(
        folder.log,
        first_offset=store.covered_offset,
        sync_every_s=_sync_interval_s(settings),
        is_read_only=is_read_only,
    )
    stack.callback(log.close)
    for damage in log.damages:
        say = _log.error if damage.n_lost else _log.warning
        say(
            "log damaged",
            segment=damage.segment,
            position=damage.position,
            kind=damage.kind.value,
            records_lost=damage.n_lost,
        )
    live, tally = MemoryView(), Tally()
    live.update(store.last_rows())
    persist = Persist(log, store, _no_shelf if is_read_only else shelf, live, tally, space)
    n_records = persist.catch_up()
    if n_records:
        _log.info("log read after start", records=n_records)
    return Storage(folder, database, registry, shelf, log, store, live, tally, persist, space)


def _sync_interval_s(settings: Settings) -> float | None:
    is_relaxed = settings.storage.durability == "relaxed"
    return settings.storage.sync_interval_s if is_relaxed else None


def _watch_space(settings: Settings, folder: DataFolder) -> SpaceWatch:
    wanted = settings.storage.warn_free_mb, settings.storage.min_free_mb
    warn_free, min_free = (None if mb is None else int(mb * MB) for mb in wanted)
    return SpaceWatch(
        folder.path / "reserve",
        measure=lambda: measure_room(folder.path),
        monotonic_s=time.monotonic,
        warn_free=warn_free,
        min_free=min_free,
        on_change=announce_space,
    )


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
        threads=settings.storage.query_threads,
        extra_tables=build_extra_tables(registry, shelf),
        is_read_only=is_read_only,
    )


def build_extra_tables(registry: SqlRegistry, shelf: Shelf) -> dict[str, Callable[[], Table]]:
    """Views for SQL beside those of readings, by name, read when asked."""
    return {
        "devices": lambda: _device_table(registry),
        "registers": lambda: _register_table(registry),
        "quarantine": lambda: _quarantine_table(shelf),
    }


def register_known(registry: SqlRegistry, settings: Settings) -> None:
    """Put site and devices of the settings into a registry."""
    registry.put_site(build_site(settings))
    known = list_known_devices(settings)
    registry.put_devices([(_keep_place(one, registry.find_device(one.id)), ()) for one in known])


def build_site(settings: Settings) -> Site:
    """The site of the settings."""
    site = settings.site
    return Site(site.id, site.name, site.time_zone, site.currency, site.latitude, site.longitude)


def list_known_devices(settings: Settings) -> list[Device]:
    """The devices that the settings tell, one by one or as arrays."""
    told = [_build_device(device, settings.site.id) for device in settings.devices]
    return told + list_array_devices(settings)


def _keep_place(device: Device, older: Device | None) -> Device:
    """A device of the settings, where its messages have told it to be."""
    if older is None or device.latitude is not None or device.longitude is not None:
        return device
    return replace(device, latitude=older.latitude, longitude=older.longitude)


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
        rollover_wh=settings.rollover_wh,
        tilt_deg=settings.tilt_deg,
        azimuth_deg=settings.azimuth_deg,
        latitude=settings.latitude,
        longitude=settings.longitude,
    )


def _device_table(registry: SqlRegistry) -> Table:
    columns = ("id", "site", "name", "kind", "parent", "rating_w", "interval_s")
    places = ("tilt_deg", "azimuth_deg", "latitude", "longitude")
    rows = [
        (
            *(one.id, one.site, one.name, one.kind.value, one.parent, one.rating_w, one.interval_s),
            *(getattr(one, name) for name in places),
        )
        for one in registry.list_devices()
    ]
    return Table(columns + places, list(rows))


def _register_table(registry: SqlRegistry) -> Table:
    columns = ("site", "device", "quantity", "unit", "kind")
    rows = [
        (one.site, one.device, one.quantity.name, one.quantity.unit, one.quantity.kind.value)
        for one in registry.list_series()
    ]
    return Table(columns, list(rows))


def _quarantine_table(shelf: Shelf) -> Table:
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
