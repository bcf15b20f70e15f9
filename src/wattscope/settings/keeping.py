"""The tables of ``wattscope.toml`` that say where readings are kept, and what joins processes."""

from __future__ import annotations

import msgspec

from wattscope.core.time_grid import US_PER_HOUR

CHUNK_INTERVALS = {"3h": 3 * US_PER_HOUR, "1d": 24 * US_PER_HOUR, "1w": 168 * US_PER_HOUR}
"""Names of chunk intervals to their lengths [µs]."""


ROLES = ("ingest", "poll", "store", "detect", "alert", "output", "api")
"""What one process of several can be."""


class RetentionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[storage.retention]]``: for how long values are kept; the first that fits counts."""

    quantity: str
    """Name or pattern of quantities, such as voltage_* or * for all."""
    raw_days: float = 0.0
    """Age at which measured values are removed, once their buckets are proved [d]; 0: never."""
    level_1m_days: float = 0.0
    """Age at which buckets of 1 minute of removed values go [d]; 0: never."""
    level_15m_days: float = 0.0
    """Likewise of 15 minutes [d]."""
    level_1h_days: float = 0.0
    """Likewise of 1 hour [d]."""
    level_1d_days: float = 0.0
    """Likewise of 1 local day [d]."""


class StorageSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[storage]``: how readings are kept."""

    durability: str = "full"
    """full: fsync before a sender is told; relaxed: a power cut may cost the last moments."""
    sync_interval_s: float = 1.0
    """With relaxed: the most that a power cut or a crash of the machine may cost [s]."""
    commit_ms: float = 10.0
    """Longest time that a message waits for others to share an fsync [ms]; more spares SD cards."""
    warn_free_mb: float | None = None
    """Free space below which to warn [MB], 0: never; left out, 1000, or less on a small disk."""
    min_free_mb: float | None = None
    """Below this new data is refused [MB], 0: never; left out, 200, or less on a small disk."""
    chunk: str = "1w"
    """Span of a chunk file: 3h, 1d or 1w, longer is smaller; fixed when the data folder is made."""
    tail_rows: int = 1_000_000
    """Values in memory at which they are moved to chunk files."""
    flush_minutes: float = 15.0
    """Longest time until values are moved to chunk files [min]."""
    url: str | None = None
    """postgresql://user@host/database: readings, names, incidents and alerts are kept there and
    shared by many processes; left out, in the data folder."""
    password_file: str | None = None
    """File whose first line is the password of that database."""
    memory_mb: int = 256
    """Memory that the query engine may use [MB]."""
    query_threads: int = 1
    """Threads of one question; more are faster on large data and cost memory."""
    scrub_days: float = 7.0
    """How often every file is read and its checksum compared [d]; 0: never."""
    retention: tuple[RetentionSettings, ...] = ()
    """What is removed when it is old; left out, nothing ever is."""


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[log]``: what joins processes that take readings in with those that keep them."""

    url: str | None = None
    """kafka://host:9092 or kafkas:// for TLS, several hosts by commas; left out, a log of files."""
    username: str | None = None
    """User at the cluster (SASL)."""
    password_file: str | None = None
    """File whose first line is the password."""
    mechanism: str = "SCRAM-SHA-512"
    """How user and password are shown: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."""
    ca_file: str | None = None
    """Certificate authority to trust instead of the system's."""
    partitions: int = 12
    """Of the topics that the program makes: as many store processes can share the work."""
    replication: int | None = None
    """Copies of the topics that the program makes; left out, as the cluster says."""
    retention_days: float = 7.0
    """How long those topics keep messages [d]; 0: as the cluster says."""


class LiveSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[live]``: the newest values, shared by processes."""

    url: str | None = None
    """redis://host:6379/0 or rediss:// for TLS; left out, in the memory of the one process."""
    password_file: str | None = None
    """File whose first line is the password."""
    ca_file: str | None = None
    """Certificate authority to trust instead of the system's."""
