"""A process that asks a registry for series: ``series_worker.py`` with its order as JSON.

It opens the registry, says ``ready``, waits for a line, then prints each id as it gets it.
"""

# ruff: noqa: T201 - it tells its parent

from __future__ import annotations

import json
import sys
from pathlib import Path

from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.registry.postgres_link import PostgresOptions
from wattscope.registry.sql_registry import SqlRegistry


def main(order: dict[str, str], wanted: list[list[str]]) -> None:
    password_file = order.get("password_file")
    options = PostgresOptions(
        order["url"],
        password_file=None if password_file is None else Path(password_file),
        schema=order["schema"],
    )
    registry = SqlRegistry(PostgresDatabase(options))
    print("ready", flush=True)
    sys.stdin.readline()
    registry.put_site(Site("home", "Home", "UTC"))
    for device, quantity in wanted:
        registry.put_device(Device(device, "home", device, DeviceKind.METER))
        number = registry.ensure_series(device, quantity)
        print(json.dumps([device, quantity, number]), flush=True)


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
