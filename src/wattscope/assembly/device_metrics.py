"""The output for Prometheus over a program's storage."""

from __future__ import annotations

import time

from wattscope.assembly.program import Program
from wattscope.core.topology import Device
from wattscope.outputs.energy_today import EnergyToday
from wattscope.outputs.prometheus import DeviceMetrics
from wattscope.plugins import load_plugin
from wattscope.settings import list_renames
from wattscope.web.staleness import stale_after_s


def build_device_metrics(program: Program) -> DeviceMetrics:
    """The devices' newest values, and the names that the settings give them."""
    storage = program.storage
    today = EnergyToday(storage.store, storage.registry.list_sites, monotonic_s=time.monotonic)
    output: DeviceMetrics = load_plugin("output", "prometheus")(
        storage.registry,
        storage.live,
        limit_s=find_limit_s,
        renames=list_renames(program.settings),
        today=today,
    )
    return output


def find_limit_s(device: Device, _quantity: str) -> float:
    """Age at which a quantity of a device is too old [s]: that of the pages."""
    return stale_after_s(device)
