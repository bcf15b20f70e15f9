"""The output for Prometheus over a program's storage."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wattscope.assembly.storage import Keeping
from wattscope.compute.fleet_routing import FleetRouter
from wattscope.compute.modbus.bus_load import typical_interval_s
from wattscope.compute.staleness import stale_after_interval_s, stale_after_s
from wattscope.core.fleet import Meter
from wattscope.core.topology import Device
from wattscope.outputs.energy_today import EnergyToday
from wattscope.outputs.prometheus import DeviceMetrics
from wattscope.plugins import load_plugin
from wattscope.settings import Settings, list_renames


def build_device_metrics(
    settings: Settings, keeping: Keeping, routers: Sequence[FleetRouter] = ()
) -> DeviceMetrics:
    """The devices' newest values, and the names that the settings give them.

    Args:
        settings: For the names.
        keeping: Where values are.
        routers: Of the meters that this process polls.
    """
    today = EnergyToday(keeping.store, keeping.registry.list_sites, monotonic_s=time.monotonic)
    output: DeviceMetrics = load_plugin("output", "prometheus")(
        keeping.registry,
        keeping.live,
        limits=PollLimits(routers),
        renames=list_renames(settings),
        today=today,
    )
    return output


@dataclass(frozen=True, slots=True)
class PollLimits:
    """Age at which a value is too old: as its poll group says, else as its device does.

    A meter's powers may be read each second and its registers each quarter of an hour: the powers
    must not be shown for as long as the registers.
    """

    routers: Sequence[FleetRouter]

    @property
    def state(self) -> tuple[Mapping[str, Meter], ...]:
        """The meters that are polled; other objects when they have changed."""
        return tuple(router.meters for router in self.routers)

    def limit_s(self, device: Device, quantity: str) -> float:
        """The limit of a quantity [s]."""
        meter = self._find_meter(device.id)
        for group in () if meter is None else meter.groups:
            if quantity in group.quantities:
                return stale_after_interval_s(typical_interval_s(group.schedule))
        return stale_after_s(device)

    def _find_meter(self, device: str) -> Meter | None:
        topic = f"modbus/{device}"
        found = (router.meters.get(topic) for router in self.routers)
        return next((one for one in found if one is not None), None)
