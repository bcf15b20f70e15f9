"""Devices as Home Assistant discovers them over MQTT: one message a device, one for its values.

::

    homeassistant/device/wattscope_home_attic/config     device, origin, availability, components
    wattscope/wattscope_home_attic/available             online or offline
    wattscope/wattscope_home_attic/state                 {"active_power_w": 12.5, "voltage_v": null}

It promises pairs of class and unit that Home Assistant accepts, and that a quantity whose meaning
it has no class for is a plain number with its unit. A value that is not known is null, which Home
Assistant shows as unknown; it is never 0.

Sources: Home Assistant, "MQTT discovery" and "Sensor entity" of its developers' documentation; the
tables ``DEVICE_CLASS_UNITS`` and ``DEVICE_CLASS_STATE_CLASSES`` of its component ``sensor`` (2026).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any, Final

import msgspec

from wattscope.core.quantities import Quantity, QuantityKind
from wattscope.core.topology import Device

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"
_WH_PER_KWH: Final = 1000.0
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_SUM: Final = re.compile(r"_[0-9a-f]{8}\Z")
_MEASUREMENT, _TOTAL, _INCREASING = "measurement", "total", "total_increasing"
_GAUGES: Final = {
    "W": "power",
    "VA": "apparent_power",
    "var": "reactive_power",
    "V": "voltage",
    "A": "current",
    "Hz": "frequency",
    "°C": "temperature",
    "W/m²": "irradiance",
}
"""Class by unit."""
_NAMED: Final = {
    "power_factor": "power_factor",
    "state_of_charge_pct": "battery",
    "gas_import_m3": "gas",
    "water_import_m3": "water",
}
"""Class by name; phases of a power factor are found by its beginning."""
_CODES: Final = frozenset({"operating_state", "event_flags"})
"""Numbers that stand for words: of those no mean is made."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """How a quantity is shown."""

    device_class: str | None
    state_class: str | None
    unit: str | None
    divisor: float = 1.0
    is_summed: bool = False
    """Whether what is shown is what the register ever grew by, not the register itself: it goes on
    where the meter is replaced or begins again at zero."""


@lru_cache(maxsize=4096)
def describe_sensor(quantity: Quantity) -> Sensor:
    """The class, unit and scale of a quantity.

    >>> from wattscope.core.quantities import QUANTITIES
    >>> describe_sensor(QUANTITIES["energy_import_wh"]).unit
    'kWh'
    """
    if quantity.name in _CODES:
        return Sensor(None, None, None)
    if quantity.kind is QuantityKind.COUNTER:
        return _describe_counter(quantity)
    if quantity.kind is QuantityKind.DELTA:
        # An amount of an interval is neither a total nor, to Home Assistant, an energy.
        return Sensor(None, _MEASUREMENT, quantity.unit or None)
    if quantity.unit == "Wh":
        return Sensor("energy_storage", _MEASUREMENT, "kWh", _WH_PER_KWH)
    named = "power_factor" if quantity.name.startswith("power_factor") else quantity.name
    device_class = _NAMED.get(named) or _GAUGES.get(quantity.unit)
    return Sensor(device_class, _MEASUREMENT, quantity.unit or None)


def _describe_counter(quantity: Quantity) -> Sensor:
    """A register; one that counts both ways may fall, and one of the day begins again each day."""
    may_fall = quantity.low < 0
    state_class = _TOTAL if may_fall else _INCREASING
    is_summed = not may_fall and quantity.name != "energy_today_wh"
    if quantity.is_energy:
        return Sensor("energy", state_class, "kWh", _WH_PER_KWH, is_summed)
    return Sensor(_NAMED.get(quantity.name), state_class, quantity.unit, is_summed=is_summed)


@dataclass(frozen=True, slots=True)
class Places:
    """Topics of an installation."""

    discovery: str = "homeassistant"
    """Where Home Assistant looks for devices."""
    own: str = "wattscope"

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self.discovery}/status"

    @property
    def status(self) -> str:
        """Where it stands whether we are there."""
        return f"{self.own}/status"

    def config(self, key: str) -> str:
        return f"{self.discovery}/device/{key}/config"

    def state(self, key: str) -> str:
        return f"{self.own}/{key}/state"

    def available(self, key: str) -> str:
        return f"{self.own}/{key}/available"


def name_device(site: str, device: str) -> str:
    """The key of a device in topics and ids: letters, digits, - and _.

    A name that has other signs bears a checksum, so that no two devices have one key.

    >>> name_device("home", "attic"), name_device("home", "hall 2")
    ('wattscope_home_attic', 'wattscope_home_hall_2_8035c422')
    """
    key = f"{site}_{device}"
    plain = _FOREIGN.sub("_", key)
    # Underscores may be of either name: "a_b" at "c" is not "b" at "c_a".
    is_plain = plain == key and "_" not in site and not _SUM.search(key)
    return f"wattscope_{plain}" if is_plain else f"wattscope_{plain}_{_sum(site, device)}"


def _sum(site: str, device: str) -> str:
    return f"{zlib.crc32(f'{site}/{device}'.encode()):08x}"


def build_discovery(
    device: Device,
    quantities: Sequence[Quantity],
    places: Places,
    *,
    version: str,
    above: str | None = None,
) -> bytes:
    """The message by which Home Assistant learns of a device.

    Args:
        device: As the registry has it.
        quantities: What is known of it, at least one.
        places: Topics.
        version: Of the program.
        above: Key of the device above it, where that is told of too.
    """
    key = name_device(device.site, device.id)
    about: dict[str, Any] = {
        "identifiers": [key],
        "name": device.name,
        "model": device.kind.value.replace("_", " "),
    }
    if above is not None:
        about["via_device"] = above
    document = {
        "device": about,
        "origin": {"name": "Wattscope", "sw_version": version},
        "availability": [{"topic": places.status}, {"topic": places.available(key)}],
        "availability_mode": "all",
        "state_topic": places.state(key),
        "components": {one.name: _build_component(key, one) for one in quantities},
    }
    return msgspec.json.encode(document)


def _build_component(key: str, quantity: Quantity) -> dict[str, Any]:
    sensor = describe_sensor(quantity)
    told = {
        "platform": "sensor",
        "unique_id": f"{key}_{quantity.name}",
        "name": quantity.title,
        "device_class": sensor.device_class,
        "state_class": sensor.state_class,
        "unit_of_measurement": sensor.unit,
        "value_template": f"{{{{ value_json['{quantity.name}'] }}}}",
    }
    if quantity.name in _CODES:
        told["entity_category"] = "diagnostic"
    return {word: value for word, value in told.items() if value is not None}


def encode_state(values: Mapping[str, tuple[Sensor, float | None]]) -> bytes:
    """The values of a device, in the units that were announced; None becomes null.

    >>> encode_state({"energy_import_wh": (Sensor("energy", None, "kWh", 1000.0), 1500.0)})
    b'{"energy_import_wh":1.5}'
    """
    return msgspec.json.encode(
        {
            name: None if value is None or not isfinite(value) else value / sensor.divisor
            for name, (sensor, value) in values.items()
        }
    )
