"""What a device's settings say about its quantities: which way they count.

Meters name their registers from their own point of view, and the same model is wired both ways
round. The profile says what a register means; a device may turn that round with one setting.
"""

from __future__ import annotations

from dataclasses import dataclass

from wattscope.core.quantities import QUANTITIES
from wattscope.core.topology import Device


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a decoded quantity is at this device."""

    quantity: str
    factor: float
    """1.0, or -1.0 where the sign is turned."""


_SIGNED_STEMS = ("active_power", "reactive_power", "current", "power_factor")
_PRODUCTION = {
    "active_power_w": "production_power_w",
    "energy_import_wh": "energy_production_wh",
    "energy_total_wh": "energy_production_wh",
}


def give_meaning(quantity: str, device: Device) -> Meaning:
    """The quantity as the device's settings say it counts.

    Swapping turns import into export, and the sign of powers. Production turns what a meter in
    front of an inverter counts into energy produced.
    """
    factor = 1.0
    if device.is_direction_swapped:
        quantity, factor = _swap(quantity)
    if device.is_production:
        quantity = _PRODUCTION.get(quantity, quantity)
    return Meaning(quantity, factor)


def _swap(quantity: str) -> tuple[str, float]:
    for here, there in (("_import_", "_export_"), ("_export_", "_import_")):
        swapped = quantity.replace(here, there)
        # Gas and water are bought only; they have no other side.
        if swapped != quantity and swapped in QUANTITIES:
            return swapped, 1.0
    return quantity, -1.0 if quantity.startswith(_SIGNED_STEMS) else 1.0
