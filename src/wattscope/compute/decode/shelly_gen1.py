"""Decodes Shelly devices of the first generation: one bare number a topic.

::

    shellies/<device>/emeter/<n>/<key>   Shelly EM and 3EM; total and total_returned in Wh
    shellies/<device>/relay/<n>/<key>    plugs and relays; energy in watt-minutes
    shellies/<device>/temperature        inside the device, in °C

Units are those of the vendor's MQTT documentation. The channels of a 3EM are the phases of one
connection; those of other devices are loads of their own, where channel ``n`` above 0 becomes a
device ``<device>:n``. The option ``channels`` overrides this.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from wattscope.compute.decode.route import Decoded, Route, check_name, read_device
from wattscope.compute.decode.values import build_bare_reading
from wattscope.core.findings import Ignored, Rejection
from wattscope.core.units import Conversion
from wattscope.ports import RawMessage

_THREE_PHASE_MODEL: Final = "shellyem3-"
_CHANNEL_LEVELS: Final = 3


class _Meaning(NamedTuple):
    total: str
    """Quantity of a channel that is a load of its own."""
    phase: str
    """Quantity of a channel that is a phase; ``{}`` stands for l1, l2 or l3."""
    conversion: Conversion


_WATT_HOURS: Final = Conversion("Wh", 1.0)
_WATT_MINUTES: Final = Conversion("Wh", 1 / 60)
_POWER: Final = _Meaning("active_power_w", "active_power_{}_w", Conversion("W", 1.0))
_EMETER: Final = {
    "power": _POWER,
    "pf": _Meaning("power_factor", "power_factor_{}", Conversion("", 1.0)),
    "current": _Meaning("current_a", "current_{}_a", Conversion("A", 1.0)),
    "voltage": _Meaning("voltage_v", "voltage_{}_v", Conversion("V", 1.0)),
    "reactive_power": _Meaning(
        "reactive_power_var", "reactive_power_{}_var", Conversion("var", 1.0)
    ),
    "total": _Meaning("energy_import_wh", "energy_import_{}_wh", _WATT_HOURS),
    "total_returned": _Meaning("energy_export_wh", "energy_export_{}_wh", _WATT_HOURS),
}
# energy and returned_energy of an emeter repeat its totals in watt-minutes since the last
# restart, so only relays, which have no totals, are read by them.
_RELAY: Final = {
    "power": _POWER,
    "energy": _Meaning("energy_import_wh", "energy_import_{}_wh", _WATT_MINUTES),
}
_CHANNELS: Final = {"emeter": _EMETER, "relay": _RELAY, "meter": _RELAY}
_CELSIUS: Final = Conversion("°C", 1.0)


def decode(message: RawMessage, route: Route) -> Decoded:
    """One reading with one quantity; the devices state no time."""
    device = read_device(message.topic, route.device_pattern)
    if isinstance(device, Rejection):
        return device
    levels = message.topic.split("/")
    if levels[-1] == "temperature" and len(levels) == _CHANNEL_LEVELS:
        return build_bare_reading(device, message.payload, "temperature_c", _CELSIUS)
    kind, channel, key = ["", "", *levels][-3:]
    meaning = _CHANNELS.get(kind, {}).get(key)
    if meaning is None or not (channel.isascii() and channel.isdigit() and len(channel) < 4):
        return Ignored("a state, or a repeated register")
    number = int(channel)
    if _is_phase(device, route) and number < 3:
        phase = meaning.phase.format(f"l{number + 1}")
        return build_bare_reading(device, message.payload, phase, meaning.conversion)
    name = check_name(device if number == 0 else f"{device}:{number}")
    if isinstance(name, Rejection):
        return name
    return build_bare_reading(name, message.payload, meaning.total, meaning.conversion)


def _is_phase(device: str, route: Route) -> bool:
    """Whether the channels of a device are the phases of one connection."""
    choice = route.options.get("channels", "auto")
    return choice == "phases" or (choice == "auto" and device.startswith(_THREE_PHASE_MODEL))
