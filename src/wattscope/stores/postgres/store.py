"""The store port in PostgreSQL, for one process of many that write and ask at once.

::

    write, load ─▶ lock the series ─▶ judge ─▶ COPY rows, note what is outdated ─▶ commit
    flush       ─▶ lock some series ─▶ kept buckets from their rows              ─▶ commit
    keep_up     ─▶ likewise, without the buckets that rows still come into
    questions   ─▶ one moment: kept buckets, and rows where they are outdated

It promises that what ``write`` and ``load`` returned for is durable and seen by the next question
of every process, that writing it again changes nothing, and that a server that is away costs a
``TransientError`` a call until it is back. It keeps nothing in memory that the server would miss.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import duckdb
import structlog

from wattscope.core.explanation import Explanation
from wattscope.core.reading import Batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE
from wattscope.ports import Chart, LogRecord, Rollup, StoreReceipt, Table
from wattscope.stores.bucket_edges import find_edges
from wattscope.stores.catalogue import Catalogue, SeriesNames
from wattscope.stores.postgres import drawing, schema, states, timescale
from wattscope.stores.postgres.buckets import BucketReader
from wattscope.stores.postgres.columns import ALWAYS, NEVER, Connection
from wattscope.stores.postgres.connections import Connections
from wattscope.stores.postgres.intake import take_in
from wattscope.stores.postgres.load_shares import load_rows
from wattscope.stores.postgres.names_copy import NamesCopy, outdate_all
from wattscope.stores.postgres.options import PostgresStoreOptions
from wattscope.stores.postgres.pieces import Pieces
from wattscope.stores.postgres.retention import read_retired, remove_rows
from wattscope.stores.postgres.roller import Roller
from wattscope.stores.postgres.row_table import read_rows
from wattscope.stores.postgres.server import Server, find_server, install_extension
from wattscope.stores.postgres.sizes import count_span_rows, read_sizes
from wattscope.stores.postgres.sql_session import Question, SqlSession

_log = structlog.get_logger()
_KEPT_VIEWS = frozenset({f"rollup_{level}" for level in schema.KEPT_LEVELS})
_KEPT_VIEWS |= {"energy_readings_15min"}


class PostgresStore:
    """The store port in PostgreSQL, with or without TimescaleDB. Thread-safe."""

    def __init__(
        self,
        names: SeriesNames,
        options: PostgresStoreOptions,
        *,
        extra_tables: Mapping[str, Callable[[], Table]] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the options; the server is opened by ``open`` or the first call that needs it.

        Args:
            names: Series, devices and sites by name.
            options: Where, and how.
            extra_tables: More views for SQL, by name, read when asked.
            monotonic: Clock that says when a flush is due [s].

        Raises:
            SettingsError: The URL cannot be read.
        """
        self._options = options
        self._connections = Connections(
            options.url,
            # Functions of TimescaleDB live in the schema public where nobody chose another.
            search_path=f'"{options.schema}", public',
            size=options.n_connections,
            timeout_s=options.connect_timeout_s,
        )
        self._engine = duckdb.connect(":memory:")
        self.catalogue = Catalogue(names, self._engine)
        self._names_copy = NamesCopy(names, self.catalogue)
        self._buckets = BucketReader(self.catalogue, read_retired)
        self._roller = Roller(self._connections, self.catalogue, self._buckets)
        self._session = SqlSession(extra_tables or {}, options.query_timeout_s)
        self._monotonic = monotonic
        self._opening, self._flushing = threading.Lock(), threading.Lock()
        self._server: Server | None = None
        self._chunk_us = options.chunk_us
        self._next_offset = 0
        self._n_unflushed, self._flushed_at_s = 0, monotonic()

    # ── opening ──────────────────────────────────────────────────────────────────────────────

    def open(self) -> Server:
        """Connect, make or migrate the tables, and tell what the server is; cheap when it was done.

        Raises:
            TransientError: The server cannot be reached; try again.
            StorageError: A newer program has made the tables, or we may not make them.
        """
        with self._opening:
            if self._server is None:
                self._server = self._open()
            return self._server

    def _open(self) -> Server:
        if self._options.uses_timescale:
            install_extension(self._connections)
        with self._connections.transaction() as connection:
            server = find_server(connection, uses_timescale=self._options.uses_timescale)
            schema.migrate(connection, self._options.schema)
            timescale.set_up(connection, server.edition, self._options)
            found = connection.execute("SELECT chunk_us FROM store_state").fetchone()
            self._chunk_us = int(found[0]) if found else self._options.chunk_us
            self._next_offset = self._read_offset(connection)
        _log.info("store opened", place=self._connections.place, server=server.describe())
        return server

    def _refresh(self) -> None:
        """Be open, and know the names of all series."""
        self.open()
        self.catalogue.refresh()
        if self._names_copy.is_outdated():
            with self._connections.transaction() as connection:
                self._names_copy.write(connection)

    @property
    def server(self) -> Server:
        """What the server is; opens it."""
        return self.open()

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def write(self, record: LogRecord) -> StoreReceipt:
        """Take in one record of the log; it is durable when this returns.

        Raises:
            TransientError: The server cannot be reached, or was lost; nothing was taken in.
        """
        self._refresh()
        with self._connections.transaction() as connection:
            if record.offset < self._read_offset(connection):
                return StoreReceipt(0, len(record.batch))
            receipt = take_in(connection, record.batch)
            connection.execute(
                "INSERT INTO log_offsets VALUES (%s, %s) ON CONFLICT (log) "
                "DO UPDATE SET next_offset = excluded.next_offset",
                [self._options.log_name, record.offset + 1],
            )
        self._next_offset = record.offset + 1
        self._n_unflushed += receipt.stored
        return receipt

    def load(self, batch: Batch) -> StoreReceipt:
        """Take in many values past the log; they are durable when this returns.

        Very many go to the server over several connections, for one of its processes does one
        thing at a time; each takes some series whole.

        Raises:
            TransientError: The server cannot be reached, or was lost; of very many values those
                of some series may be there already, and are known again.
        """
        self._refresh()
        receipt = load_rows(self._connections, batch)
        self._n_unflushed += receipt.stored
        return receipt

    def _read_offset(self, connection: Connection) -> int:
        sql = "SELECT next_offset FROM log_offsets WHERE log = %s FOR UPDATE"
        found = connection.execute(sql, [self._options.log_name]).fetchone()
        return int(found[0]) if found else 0

    @property
    def covered_offset(self) -> int:
        """All records of our log below this offset are durable in the store itself."""
        self.open()
        return self._next_offset

    @property
    def written_offset(self) -> int:
        """The offset that the next record must have at least."""
        return self.covered_offset

    # ── buckets ──────────────────────────────────────────────────────────────────────────────

    @property
    def is_flush_due(self) -> bool:
        """Whether enough was written here, or long enough ago, that buckets should be made."""
        waited_s = self._monotonic() - self._flushed_at_s
        has_work = self._n_unflushed > 0 or self._roller.is_behind
        is_time = has_work and waited_s >= self._options.flush_every_s
        return is_time or self._n_unflushed >= self._options.flush_rows

    def flush(self) -> int:
        """Make the buckets that rows have outdated, of whatever process; one at a time.

        Runs beside writing and asking. Returns the covered offset.

        Raises:
            TransientError: The server was lost; what was made stays, the rest is tried again.
        """
        self._refresh()
        with self._flushing:
            self._n_unflushed, self._flushed_at_s = 0, self._monotonic()
            self._roller.roll_up_all()
        return self._next_offset

    def keep_up(self) -> None:
        """Make the buckets that are over, of whatever process; what rows still come into waits.

        For a process that writes all the time: ``flush`` makes also the buckets under way, which
        the next rows outdate again.

        Raises:
            TransientError: The server was lost; what was made stays, the rest is tried again.
        """
        self._refresh()
        with self._flushing:
            self._n_unflushed, self._flushed_at_s = 0, self._monotonic()
            self._roller.keep_up()

    def reopen(self, series: int, from_us: int) -> None:
        """Have the buckets of a series computed anew from an instant on: its rule has changed."""
        self.catalogue.forget()
        self._refresh()
        with self._connections.transaction() as connection:
            outdate_all(connection, [series], from_us)

    def remove_before(self, instant_us: int) -> int:
        """Remove the rows of whole chunks before an instant; their kept buckets stay.

        Returns:
            About how many rows went.
        """
        self.flush()
        with self._connections.transaction() as connection:
            return remove_rows(
                connection, self.server.edition, instant_us // self._chunk_us * self._chunk_us
            )

    def compress(self, older_than_us: int = NEVER) -> int:
        """Compress chunks that end before an instant; returns their number.

        Only the community edition can; elsewhere nothing is done.
        """
        if not self.server.edition.has_compression:
            return 0
        with self._connections.transaction() as connection:
            return timescale.compress_rows(connection, older_than_us)

    # ── asking ───────────────────────────────────────────────────────────────────────────────

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Table:
        """The answer to one read-only SQL question over the views of ``docs/sql.md``.

        Raises:
            QueryError: More than one statement, one that would change something, wrong SQL, or
                an answer that takes longer than the store's limit.
            TransientError: The server cannot be reached, or was lost.
        """
        question = self._session.judge(sql)
        self._refresh()
        if question.views & _KEPT_VIEWS:
            self.flush()
        with self._connections.connection() as connection:
            minutes = partial(self._read_minutes, question)
            return self._session.ask(connection, question, parameters, minutes)

    def _read_minutes(self, question: Question, connection: Connection) -> Rollup:
        """The buckets of the view of minutes, as many as the question can ask for."""
        bounds = question.bounds
        series = self.catalogue.find_series(bounds.devices, bounds.quantities)
        there = states.read_time_range(connection) or (0, 0)
        # A day around: segments reach beyond the rows, and bounds are not sharp.
        low = max(bounds.start_us, there[0] - US_PER_DAY) // US_PER_MINUTE * US_PER_MINUTE
        high = min(bounds.end_us + US_PER_MINUTE, there[1] + US_PER_DAY)
        asked = Pieces.of_range(series, low, max(low, high))
        return self._buckets.compute(connection, asked, US_PER_MINUTE)

    def read_raw(self, series: Sequence[int], start_us: int, end_us: int) -> Batch:
        """Values in ``[start, end)``, ordered by series, then time."""
        with self._asking() as connection:
            return read_rows(connection, series, int(start_us), int(end_us))

    def roll_up(self, series: Sequence[int], level: str, start_us: int, end_us: int) -> Rollup:
        """Buckets of a level (``1m``, ``15m``, ``1h``, ``1d``) that begin in ``[start, end)``.

        Raises:
            QueryError: Unknown level, or too many buckets.
        """
        with self._asking() as connection:
            range_us = int(start_us), int(end_us)
            return self._buckets.read(connection, tuple(series), level, range_us)

    def chart(self, series: int, start_us: int, end_us: int, n_pixels: int) -> Chart:
        """Mean and true extremes of a series for each of ``n_pixels`` columns of a chart.

        Raises:
            QueryError: A span upside down, or no sensible number of pixels.
        """
        with self._asking() as connection:
            return drawing.draw_chart(
                connection, self._buckets, self.catalogue, series, (start_us, end_us), n_pixels
            )

    def explain(self, series: Sequence[int], level: str, start_us: int, end_us: int) -> Explanation:
        """Where the answer of ``roll_up``, or for ``raw`` of ``read_raw``, would come from."""
        with self._asking() as connection:
            range_us = int(start_us), int(end_us)
            if level != "raw":
                find_edges(self.catalogue, tuple(series), level, range_us)
            return drawing.explain_answer(
                connection, self._buckets, tuple(series), level, range_us, self._chunk_us
            )

    def time_range(self) -> tuple[int, int] | None:
        """The oldest and the newest stored instant [µs]; None for an empty store."""
        with self._asking() as connection:
            return states.read_time_range(connection)

    def last_rows(self) -> Batch:
        """The newest row of every series."""
        with self._asking() as connection:
            return states.read_newest_rows(connection)

    @contextmanager
    def _asking(self) -> Iterator[Connection]:
        """One moment of the store."""
        self._refresh()
        with self._connections.snapshot() as connection:
            yield connection

    @property
    def chunk_us(self) -> int:
        """Length of a chunk [µs]."""
        self.open()
        return self._chunk_us

    def count_span_rows(self) -> dict[int, int]:
        """Rows by start of the chunk [µs], rising; reads an entry of the index a row."""
        with self._asking() as connection:
            return count_span_rows(connection, self._chunk_us)

    def find_retired(self) -> dict[int, int]:
        """The instant before which retention has removed rows [µs], by series."""
        with self._asking() as connection:
            retired_us = read_retired(connection)
        return {} if retired_us == ALWAYS else dict.fromkeys(self.catalogue.rules, retired_us)

    def describe(self) -> dict[str, int | str]:
        """Sizes for the health page, and what the server is."""
        server = self.open()
        with self._connections.snapshot() as connection:
            sizes = read_sizes(connection, server.edition)
        return {
            "server": server.describe(),
            "has_compression": int(server.edition.has_compression),
            "tail_rows": self._n_unflushed,
            "chunks": sizes.chunks,
            "chunk_rows": sizes.rows,
            "bytes": sizes.row_bytes + sizes.bucket_bytes,
            "covered_offset": self._next_offset,
            "written_offset": self._next_offset,
            "damaged_files": 0,
            "damaged_rows": 0,
            "lost_rows": 0,
        }

    def close(self) -> None:
        """End the connections; nothing is left to be written."""
        self._connections.close()
        self._session.close()
        self._engine.close()
