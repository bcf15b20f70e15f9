"""Tables of the registry, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

SCHEMA_VERSION = 4
"""Raised with every change of a table; a newer one than this is refused.

Version 2 added ``devices.rollover_wh`` and ``counter_decisions``; version 3 ``names_mark`` and the
checksums of ``quarantine``; version 4 where devices are and how panels stand. A column that is
added to a table comes last and may be null: see ``upgrade``, and the rows of ``names``.
"""

FIRST_MARKED_VERSION = 3
"""From this version on a database has a mark of its names, notes its version twice, and has a
copy of its names beside it."""

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

sites = Table(
    "sites",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("name", String(256), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("currency", String(8), nullable=False),
    Column("latitude", Float),
    Column("longitude", Float),
)

devices = Table(
    "devices",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("site", String(128), nullable=False),
    Column("name", String(256), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("parent", String(128)),
    Column("rating_w", Float),
    Column("interval_s", Float),
    Column("sampling", String(16), nullable=False),
    Column("is_production", Boolean, nullable=False),
    Column("is_direction_swapped", Boolean, nullable=False),
    Column("rollover_wh", Float),
    Column("tilt_deg", Float),
    Column("azimuth_deg", Float),
    Column("latitude", Float),
    Column("longitude", Float),
)

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("device", String(128), nullable=False),
    Column("quantity", String(64), nullable=False),
    UniqueConstraint("device", "quantity"),
    # Otherwise SQLite gives the id of the newest row again once that row is deleted.
    sqlite_autoincrement=True,
)

counter_decisions = Table(
    "counter_decisions",
    metadata,
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("growth", Float),
    Column("decided_at_us", BigInteger, nullable=False),
)

names_mark = Table(
    "names_mark",
    metadata,
    Column("serial", BigInteger, nullable=False),
    Column("digest", BigInteger, nullable=False),
    Column("crc", BigInteger, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("source", String(64), nullable=False),
    Column("topic", String(512), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("received_at_us", BigInteger, nullable=False),
    Column("code", String(32), nullable=False),
    Column("detail", String(512), nullable=False),
    Column("replayed_at_us", BigInteger),
    # Null only in rows of an older version, until they are brought up to date.
    Column("crc", BigInteger),
    Column("replayed_crc", BigInteger),
    Index("quarantine_by_time", "received_at_us"),
)
