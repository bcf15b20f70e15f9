"""The two tables as an existing installation has them; tables that are there stay as they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None

METER = {
    "id": 0,
    "host": "virtual_modbustcp_server",
    "port": 502,
    "slave_address": 0,
    "type": "virtual_modbustcp",
    "description": "test_energy_meter",
}
REGISTER = {
    "type": "virtual_modbustcp",
    "register_address": 0,
    "measurement_name": "test_measurement",
    "data_unit": "test_u",
    "data_type": 1,
    "function_code": 3,
}


def upgrade() -> None:
    """Make what is missing; a database in which both are missing gets the virtual meter.

    Unless it is not wanted: see ``meter_upgrade``.
    """
    present = set(sa.inspect(op.get_bind()).get_table_names())
    meters = None if "energy_meters" in present else _create_meters()
    registers = None if "registers" in present else _create_registers()
    has_example = context.config.attributes["has_example"]
    if has_example and meters is not None and registers is not None:
        op.bulk_insert(meters, [METER])
        op.bulk_insert(registers, [REGISTER])


def _create_meters() -> sa.Table:
    return op.create_table(
        "energy_meters",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("slave_address", sa.Integer, nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("description", sa.String(64)),
    )


def _create_registers() -> sa.Table:
    return op.create_table(
        "registers",
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("register_address", sa.Integer, nullable=False),
        sa.Column("measurement_name", sa.String(64), nullable=False),
        sa.Column("data_unit", sa.String(8)),
        sa.Column("data_type", sa.Integer, sa.CheckConstraint("data_type BETWEEN 1 AND 3")),
        sa.Column("function_code", sa.Integer, sa.CheckConstraint("function_code BETWEEN 3 AND 4")),
    )
