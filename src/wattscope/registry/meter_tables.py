"""Tables of the meter book, as they are written to; what is read comes as it is.

::

    energy_meters  a meter each: where it is, what it is        │ as an existing installation has
    registers      a value each of a type of meter              │ them, and columns of ours
    poll_groups    names of schedules
    sites          places beside that of the settings

Positional INSERTs of an existing installation work on PostgreSQL because its columns come first
and in its order.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Float, Integer, MetaData, String, Table

BOOK_VERSIONS: Final = ("0001", "0002")
"""Every version there was, the newest last; each has its file in ``migrations/versions``."""
FIRST_FREE_ID: Final = 1000
"""Where ids begin that PostgreSQL gives: numbers given by hand mostly are below."""

metadata = MetaData()

energy_meters = Table(
    "energy_meters",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("host", String(64), nullable=False),
    Column("port", Integer, nullable=False),
    Column("slave_address", Integer, nullable=False),
    Column("type", String(32), nullable=False),
    Column("description", String(64)),
    Column("device", String(128)),
    Column("kind", String(32)),
    Column("site", String(128)),
    Column("parent", String(128)),
    Column("rating_w", Float),
    Column("is_production", Boolean),
    Column("is_direction_swapped", Boolean),
    Column("framing", String(16)),
    Column("baud", Integer),
    Column("parity", String(1)),
    Column("stop_bits", Integer),
    Column("poll", String(128)),
    Column("timeout_s", Float),
    Column("is_enabled", Boolean),
    Column("is_tid_ignored", Boolean),
)

registers = Table(
    "registers",
    metadata,
    Column("type", String(32), nullable=False),
    Column("register_address", Integer, nullable=False),
    Column("measurement_name", String(64), nullable=False),
    Column("data_unit", String(8)),
    Column("data_type", Integer),
    Column("function_code", Integer),
    Column("word_order", Integer),
    Column("byte_order", Integer),
    Column("id", Integer, primary_key=True),
    Column("value_type", String(16)),
    Column("scale", Float),
    Column("value_offset", Float),
    Column("missing_value", String(64)),
    Column("poll_group", String(128)),
    Column("quantity", String(64)),
)

poll_groups = Table(
    "poll_groups",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("schedule", String(128), nullable=False),
)

sites = Table(
    "sites",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("name", String(256)),
    Column("time_zone", String(64)),
    Column("currency", String(8)),
    Column("latitude", Float),
    Column("longitude", Float),
)

METER_COLUMNS: Final = tuple(one.name for one in energy_meters.columns if one.name != "id")
"""What people say about a meter, in the order of the table."""
REGISTER_COLUMNS: Final = tuple(one.name for one in registers.columns if one.name != "id")
VIRTUAL_METER: Final = {
    "id": 0,
    "host": "virtual_modbustcp_server",
    "port": 502,
    "slave_address": 0,
    "type": "virtual_modbustcp",
    "description": "test_energy_meter",
}
"""What a database that is created fresh holds, with its register."""
VIRTUAL_REGISTER: Final = {
    "type": "virtual_modbustcp",
    "register_address": 0,
    "measurement_name": "test_measurement",
    "data_unit": "test_u",
    "data_type": 1,
    "function_code": 3,
}
