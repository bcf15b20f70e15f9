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

SCHEMA_VERSION = 1
"""Raised with every change of a table; a newer one than this is refused."""

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
    Index("quarantine_by_time", "received_at_us"),
)
