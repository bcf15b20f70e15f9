"""Tables of the registry, the same on SQLite and PostgreSQL.

What only processes that share a registry need is in ``postgres_schema``.
"""

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
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 4
"""Raised with every change of a table; a newer one than this is refused.

Version 2 added ``devices.rollover_wh`` and ``counter_decisions``; version 3 ``names_mark`` and the
checksums of ``quarantine``; version 4 where devices are and how panels stand, and
the tables of alerts and incidents. A column that is
added to a table comes last and may be null: see ``upgrade``, and the rows of ``names``.
"""

FIRST_MARKED_VERSION = 3
"""From this version on a database has a mark of its names, notes its version twice, and has a
copy of its names beside it."""


def _text(longest: int) -> String:
    """A text; PostgreSQL would refuse a longer one, which no device shall bring about."""
    return String(longest).with_variant(Text(), "postgresql")


def _number() -> Integer:
    """A number that the database gives; on PostgreSQL ones that are used up by retries too."""
    return Integer().with_variant(BigInteger(), "postgresql")


metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

sites = Table(
    "sites",
    metadata,
    Column("id", _text(128), primary_key=True),
    Column("name", _text(256), nullable=False),
    Column("time_zone", _text(64), nullable=False),
    Column("currency", _text(8), nullable=False),
    Column("latitude", Float),
    Column("longitude", Float),
)

devices = Table(
    "devices",
    metadata,
    Column("id", _text(128), primary_key=True),
    Column("site", _text(128), nullable=False),
    Column("name", _text(256), nullable=False),
    Column("kind", _text(32), nullable=False),
    Column("parent", _text(128)),
    Column("rating_w", Float),
    Column("interval_s", Float),
    Column("sampling", _text(16), nullable=False),
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
    Column("device", _text(128), nullable=False),
    Column("quantity", _text(64), nullable=False),
    UniqueConstraint("device", "quantity"),
    # Otherwise SQLite gives the id of the newest row again once that row is deleted.
    sqlite_autoincrement=True,
)

counter_decisions = Table(
    "counter_decisions",
    metadata,
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", _text(16), nullable=False),
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
    Column("id", _number(), primary_key=True, autoincrement=True),
    Column("key", _text(64), nullable=False, unique=True),
    Column("source", _text(64), nullable=False),
    Column("topic", _text(512), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("received_at_us", BigInteger, nullable=False),
    Column("code", _text(32), nullable=False),
    Column("detail", _text(512), nullable=False),
    Column("replayed_at_us", BigInteger),
    # Null only in rows of an older version, until they are brought up to date.
    Column("crc", BigInteger),
    Column("replayed_crc", BigInteger),
    Index("quarantine_by_time", "received_at_us"),
)

alert_rules = Table(
    "alert_rules",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", _text(128), nullable=False),
    Column("kind", _text(16), nullable=False),
    # Lists and the schedule are JSON.
    Column("devices", Text, nullable=False),
    Column("quantity", _text(64), nullable=False),
    Column("threshold", Float, nullable=False),
    Column("hysteresis", Float, nullable=False),
    Column("for_s", Float, nullable=False),
    Column("per_s", Float, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("severity", _text(16), nullable=False),
    Column("schedule", Text, nullable=False),
    Column("channels", Text, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
)
"""Kept twice, as names are: people made them."""

alert_states = Table(
    "alert_states",
    metadata,
    Column("rule", Integer, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
)
"""What a rule remembers of each place, so that a restart changes nothing."""

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("rule", Integer, nullable=False),
    Column("device", _text(128), nullable=False),
    Column("key", _text(128), nullable=False),
    Column("state", _text(16), nullable=False),
    Column("severity", _text(16), nullable=False),
    Column("raised_at_us", BigInteger, nullable=False),
    Column("changed_at_us", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("value", Float),
    Column("silenced_until_us", BigInteger, nullable=False),
    Index("alerts_by_state", "state"),
    sqlite_autoincrement=True,
)

alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("id", _text(32), primary_key=True),
    Column("alert", Integer, nullable=False),
    Column("channel", _text(64), nullable=False),
    Column("state", _text(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at_us", BigInteger, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("delivered_at_us", BigInteger),
    Column("last_error", Text),
    # What is to be told, as it was when the alert came; JSON.
    Column("notice", Text, nullable=False),
    Index("alert_deliveries_by_channel", "channel", "state"),
    Index("alert_deliveries_by_alert", "alert"),
)
"""The outbox."""

incidents = Table(
    "incidents",
    metadata,
    Column("id", _text(32), primary_key=True),
    Column("site", _text(128), nullable=False),
    Column("device", _text(128), nullable=False),
    Column("kind", _text(32), nullable=False),
    Column("severity", _text(16), nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, nullable=False),
    Column("is_over", Boolean, nullable=False),
    Column("lost_wh", Float, nullable=False),
    Column("lost_money", Float),
    Column("state", _text(16), nullable=False),
    Column("silenced_until_us", BigInteger, nullable=False),
    Column("changed_at_us", BigInteger, nullable=False),
    # The whole incident with its findings; JSON.
    Column("content", Text, nullable=False),
    Index("incidents_by_end", "is_over", "end_us"),
)
