"""Opening what the processes of a cluster share: registry, store, quarantine and live view."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from wattscope.assembly.storage import build_extra_tables, register_known
from wattscope.core.errors import SettingsError
from wattscope.core.time_grid import US_PER_DAY
from wattscope.live.memory_view import MemoryView
from wattscope.logs.kafka.options import KafkaOptions, parse_kafka_url
from wattscope.logs.kafka.reading_json import SeriesName
from wattscope.pipeline.tally import Tally
from wattscope.plugins import load_plugin
from wattscope.ports import LiveView
from wattscope.registry.access import Shelf, open_database, open_shelf
from wattscope.registry.database_port import RegistryDatabase
from wattscope.registry.postgres_link import PostgresOptions
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.settings import CHUNK_INTERVALS, Settings


@dataclass(frozen=True, slots=True)
class Cluster:
    """What every process of a cluster has, whatever its role."""

    data: Path
    """Of this process alone: models and tables that are no part of the cluster."""
    database: RegistryDatabase
    registry: SqlRegistry
    shelf: Shelf
    store: Any
    """A ``PostgresStore``; its library is imported only where it is used."""
    live: LiveView
    tally: Tally


@contextmanager
def open_cluster(settings: Settings, data: Path, *, reads_live: bool) -> Iterator[Cluster]:
    """Connect to what the settings name, make what is missing there, and let go in the end.

    Args:
        settings: Name the servers.
        data: Folder of this process alone.
        reads_live: Whether it shows or judges live values; who only writes them need not hear of
            each one.

    Raises:
        TransientError: A server cannot be reached or refuses for now; try again.
        SettingsError: An address cannot be meant, or an extra is not installed.
    """
    with contextlib.ExitStack() as stack:
        database = open_database(_registry_options(settings))
        stack.callback(database.close)
        registry, shelf = SqlRegistry(database), open_shelf(database)
        register_known(registry, settings)
        store = load_plugin("store", "postgres")(
            registry, _store_options(settings), extra_tables=build_extra_tables(registry, shelf)
        )
        stack.callback(store.close)
        store.open()
        live = _open_live(settings, store, stack, reads_live=reads_live)
        yield Cluster(data, database, registry, shelf, store, live, Tally())


def _open_live(
    settings: Settings,
    store: Any,  # noqa: ANN401  # see Cluster
    stack: contextlib.ExitStack,
    *,
    reads_live: bool,
) -> LiveView:
    if settings.live.url is None:
        live = MemoryView()
        live.update(store.last_rows())
        return live
    from wattscope.live.redis.options import RedisViewOptions  # noqa: PLC0415  # only where asked

    options = RedisViewOptions(
        settings.live.url,
        password=read_secret("live.password_file", settings.live.password_file),
        ca_file=None if settings.live.ca_file is None else Path(settings.live.ca_file),
        is_following=reads_live,
    )
    view: LiveView = stack.enter_context(load_plugin("live", "redis")(options, store.last_rows))
    return view


def _registry_options(settings: Settings) -> PostgresOptions:
    url = _require("storage.url", settings.storage.url)
    file = settings.storage.password_file
    return PostgresOptions(url, password_file=None if file is None else Path(file))


def _store_options(settings: Settings) -> Any:  # noqa: ANN401  # see Cluster
    from wattscope.stores.postgres.options import PostgresStoreOptions  # noqa: PLC0415  # likewise

    password = read_secret("storage.password_file", settings.storage.password_file)
    return PostgresStoreOptions(
        with_password(_require("storage.url", settings.storage.url), password),
        chunk_us=CHUNK_INTERVALS[settings.storage.chunk],
        compress_after_us=7 * US_PER_DAY,
    )


def build_kafka_options(settings: Settings, client_id: str) -> KafkaOptions:
    """How this process reaches the cluster's log.

    Args:
        settings: Their table ``[log]``.
        client_id: Name of this process, stable over its restarts.

    Raises:
        SettingsError: They cannot be meant, or a password file cannot be read.
    """
    wanted = settings.log
    address = parse_kafka_url(_require("log.url", wanted.url))
    return KafkaOptions(
        address.servers,
        prefix=address.prefix,
        client_id=client_id,
        username=wanted.username or address.username,
        password=read_secret("log.password_file", wanted.password_file) or address.password,
        mechanism=wanted.mechanism,
        is_tls=address.is_tls,
        ca_file=None if wanted.ca_file is None else Path(wanted.ca_file),
        partitions=wanted.partitions,
        replication=wanted.replication,
        retention_days=wanted.retention_days,
    )


class SeriesLookup:
    """Names of series and series of names, over all processes. For one or more threads."""

    def __init__(self, registry: SqlRegistry) -> None:
        self._registry = registry
        self._known: dict[int, SeriesName] = {}

    def name(self, series: int) -> SeriesName | None:
        """What a series id stands for; asks the server where it was given by another process.

        Raises:
            TransientError: The server is away.
        """
        for is_last in (False, True):
            found = self._known.get(series)
            if found is not None:
                return found
            if is_last:
                self._registry.follow()
            self._known = {
                one.id: SeriesName(one.site, one.device, one.quantity.name)
                for one in self._registry.list_series()
            }
        return self._known.get(series)

    def find(self, device: str, quantities: tuple[str, ...]) -> tuple[int, ...] | None:
        """Series of quantities of a device, made where there are none; None: no such device.

        Raises:
            TransientError: The server is away.
        """
        if self._registry.find_device(device) is None:
            self._registry.follow()
            if self._registry.find_device(device) is None:
                return None
        return self._registry.ensure_all_series(device, quantities)

    def find_known(self, names: Sequence[tuple[str, str]]) -> list[int | None]:
        """Series of devices and quantities; None where there is none, and none is made.

        Raises:
            TransientError: The server is away.
        """
        found = [self._registry.find_series(*name) for name in names]
        if None not in found:
            return found
        self._registry.follow()
        return [self._registry.find_series(*name) for name in names]


def read_secret(name: str, file: str | None) -> str | None:
    """The first line of a password file; None where none is named.

    Raises:
        SettingsError: It cannot be read.
    """
    if file is None:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").splitlines()[0]
    except (OSError, UnicodeError, IndexError) as fault:
        raise SettingsError(f"{name}: {file} cannot be read ({fault})") from fault


def with_password(url: str, password: str | None) -> str:
    """A URL with a password beside its user."""
    if password is None:
        return url
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    user = user.partition(":")[0] if at else ""
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}").geturl()


def _require(name: str, url: str | None) -> str:
    if url is None:
        raise SettingsError(f"{name}: a process with a role of its own needs it")
    return url


def describe_tally(tally: Tally) -> dict[str, Any]:
    """What became of everything that came in, for health."""
    return {
        "received": tally.received,
        "stored": tally.stored,
        "duplicate": tally.duplicate,
        "quarantined": tally.quarantined,
        "refused": tally.refused,
        "ignored_messages": tally.ignored,
        "messages": tally.messages,
        "quarantined_by_code": dict(tally.quarantined_by_code),
    }
