"""The two places between which an installation moves: a data folder, and a PostgreSQL database.

Each is opened to be read, while others may be writing to it, or to be filled, and then both are
asked in the same words.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from wattscope.assembly.cluster import read_secret, with_password
from wattscope.assembly.folder_reader import FolderReader
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.errors import SettingsError, StorageError
from wattscope.core.reading import Batch
from wattscope.core.time_grid import US_PER_DAY
from wattscope.plugins import load_plugin
from wattscope.ports import Rollup, StoreReceipt
from wattscope.registry.access import open_database
from wattscope.registry.database_port import RegistryDatabase
from wattscope.registry.model_shelf import ModelShelf
from wattscope.registry.postgres_link import PostgresOptions, read_url, show_url
from wattscope.registry.sql_quarantine import make_key
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.settings import CHUNK_INTERVALS, Settings
from wattscope.stores.folder import DataFolder

_COMPRESS_AFTER_US = 7 * US_PER_DAY
Answer = TypeVar("Answer")


class MovingStore(Protocol):
    """What moving asks of a store."""

    @property
    def chunk_us(self) -> int: ...

    def count_span_rows(self) -> dict[int, int]: ...

    def find_retired(self) -> dict[int, int]: ...

    def read_raw(self, series: Sequence[int], start_us: int, end_us: int) -> Batch: ...

    def roll_up(self, series: Sequence[int], level: str, start_us: int, end_us: int) -> Rollup: ...

    def last_rows(self) -> Batch: ...

    def time_range(self) -> tuple[int, int] | None: ...

    def load(self, batch: Batch) -> StoreReceipt: ...

    def flush(self) -> int: ...

    def describe(self) -> Mapping[str, int | str]: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where an installation is kept."""

    folder: Path | None
    """None: on a server."""
    url: str = ""
    password_file: Path | None = None

    def __str__(self) -> str:
        """For a person; without a password."""
        return str(self.folder) if self.folder is not None else show_url(read_url(self.url))


class Side(Protocol):
    """One of the two places, open."""

    @property
    def database(self) -> RegistryDatabase:
        """Of its registry."""
        ...

    @property
    def registry(self) -> SqlRegistry: ...

    @property
    def store(self) -> MovingStore: ...

    @property
    def models(self) -> Any:  # noqa: ANN401  # ModelShelf, or SqlModelShelf, which is of an extra
        """What detectors have learned."""
        ...


class Source(Side, Protocol):
    """The one that is read."""

    @property
    def is_still(self) -> bool:
        """Whether nothing can be written to it while we read."""
        ...

    def read(self, ask: Callable[[MovingStore], Answer]) -> Answer:
        """An answer of its store in which no row is missing because a file was replaced."""
        ...

    def has_moved(self) -> bool:
        """Whether its store has other rows now than when it was opened."""
        ...

    @property
    def damages(self) -> Sequence[str]:
        """Files of which rows could not be read."""
        ...

    def count_waiting(self) -> int:
        """Set-aside messages that only its log holds, and no copy of the registry has."""
        ...


@contextmanager
def open_source(settings: Settings, place: Place) -> Iterator[Source]:
    """Open a place to be read; a folder that nobody uses stays so until the end.

    Raises:
        SettingsError: There is no data in the folder.
        StorageError: It is damaged, or of another version.
        TransientError: The server cannot be reached, or does not take the password.
    """
    if place.folder is not None:
        with _open_folder_source(settings, place.folder) as folder:
            yield folder
    else:
        with _open_server(settings, place, is_read_only=True) as server:
            yield server


@contextmanager
def open_target(settings: Settings, place: Place) -> Iterator[Side]:
    """Open a place to be filled, and make in it what is missing.

    Raises:
        StorageError: Another program uses the folder, or the place is of a newer version.
        TransientError: The server cannot be reached, or does not take the password.
    """
    if place.folder is not None:
        with open_storage(settings, place.folder, is_copy=True) as storage:
            yield _Folder(storage)
    else:
        with _open_server(settings, place, is_read_only=False) as server:
            yield server


class _Folder:
    """A data folder, to be filled."""

    def __init__(self, storage: Storage) -> None:
        self.database: RegistryDatabase = storage.database
        self.registry = storage.registry
        self.store: MovingStore = storage.store
        self.models = ModelShelf(storage.folder.path)


@contextmanager
def _open_folder_source(settings: Settings, path: Path) -> Iterator[_FolderSource]:
    folder = DataFolder(path)
    if not folder.registry.exists():
        raise SettingsError([f"there is no data in {path}"])
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(folder)
            is_still = True
        except StorageError:
            # A program writes to it, or nobody may.
            is_still = False
        yield _FolderSource(FolderReader(settings, path, stack), is_still=is_still)


class _FolderSource:
    """A data folder, with all that its log held when it was opened, to be read."""

    def __init__(self, reader: FolderReader, *, is_still: bool) -> None:
        self._reader = reader
        self.is_still = is_still
        self.models = ModelShelf(reader.storage.folder.path)

    @property
    def database(self) -> RegistryDatabase:
        return self._reader.storage.database

    @property
    def registry(self) -> SqlRegistry:
        return self._reader.storage.registry

    @property
    def store(self) -> MovingStore:
        return self._reader.storage.store

    @property
    def damages(self) -> Sequence[str]:
        return sorted(self._reader.damages)

    def read(self, ask: Callable[[MovingStore], Answer]) -> Answer:
        return self._reader.read(ask)

    def has_moved(self) -> bool:
        return self._reader.n_opened > 1

    def count_waiting(self) -> int:
        if not self.is_still:
            # The program puts them on the shelf while we look.
            return 0
        storage = self._reader.storage
        shelved = {key for _, key, _ in _list_keys(storage)}
        return sum(
            make_key(item, record.offset, index) not in shelved
            for record in storage.log.read(storage.store.covered_offset)
            for index, item in enumerate(record.quarantined)
        )


def _list_keys(storage: Storage) -> Iterator[tuple[int, str, int | None]]:
    last = 0
    while keys := storage.shelf.list_keys(last, 1000):
        yield from keys
        last = keys[-1][0]


@contextmanager
def _open_server(settings: Settings, place: Place, *, is_read_only: bool) -> Iterator[_Server]:
    # What follows needs the extra, and says so.
    store_class = load_plugin("store", "postgres")
    from wattscope.registry.sql_models import SqlModelShelf  # noqa: PLC0415  # only for a server
    from wattscope.stores.postgres.options import PostgresStoreOptions  # noqa: PLC0415  # likewise

    file = place.password_file
    password = read_secret("--password-file", None if file is None else str(file))
    url = with_password(place.url, password)
    options = PostgresStoreOptions(
        url,
        chunk_us=CHUNK_INTERVALS[settings.storage.chunk],
        compress_after_us=_COMPRESS_AFTER_US,
    )
    with contextlib.ExitStack() as stack:
        database = open_database(
            PostgresOptions(place.url, password_file=file),
            is_read_only=is_read_only,
        )
        stack.callback(database.close)
        registry = SqlRegistry(database)
        store = store_class(registry, options)
        stack.callback(store.close)
        store.open()
        yield _Server(database, registry, store, SqlModelShelf(database))


class _Server:
    """A PostgreSQL database, to be read or filled."""

    is_still = False
    damages: Sequence[str] = ()

    def __init__(
        self,
        database: RegistryDatabase,
        registry: SqlRegistry,
        store: MovingStore,
        models: Any,  # noqa: ANN401  # see Side
    ) -> None:
        self.database = database
        self.registry = registry
        self.store = store
        self.models = models
        self._n_rows = self._count_rows()

    def read(self, ask: Callable[[MovingStore], Answer]) -> Answer:
        return ask(self.store)

    def has_moved(self) -> bool:
        return self._count_rows() != self._n_rows

    def count_waiting(self) -> int:
        return 0

    def _count_rows(self) -> int | str:
        """How many were ever stored."""
        return self.store.describe()["chunk_rows"]
