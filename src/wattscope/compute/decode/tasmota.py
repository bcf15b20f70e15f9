"""Decodes Tasmota devices: ``tele/<topic>/SENSOR`` and ``stat/<topic>/STATUS8``.

``Time`` is the device's wall clock without an offset, read in the site's zone. Values become
arrays on devices with several phases; what adds up (power and energy) is then given as the sum
too. ``Total`` counts import [kWh] and may run backwards on meters that export. Objects of meter
scripts (``SML``, ``TIC``) are read where the profile maps their paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard

from wattscope.compute.decode.json_path import ABSENT
from wattscope.compute.decode.route import Decoded, Route, read_device
from wattscope.compute.decode.strict_json import parse_object
from wattscope.compute.decode.values import Found, build_reading, collect, find_all
from wattscope.core.findings import Ignored, ReasonCode, Rejection
from wattscope.core.quantities import QUANTITIES
from wattscope.core.units import Conversion
from wattscope.ports import RawMessage

# Units: Tasmota documentation, "Energy sensors" (ENERGY object of tele/SENSOR).
_SCALARS: Final = {
    "Power": ("active_power_w", 1.0),
    "ApparentPower": ("apparent_power_va", 1.0),
    "ReactivePower": ("reactive_power_var", 1.0),
    "Factor": ("power_factor", 1.0),
    "Voltage": ("voltage_v", 1.0),
    "Current": ("current_a", 1.0),
    "Frequency": ("frequency_hz", 1.0),
    "Total": ("energy_import_wh", 1000.0),
    "ExportActive": ("energy_export_wh", 1000.0),
}
_ADDITIVE: Final = frozenset({"Power", "ApparentPower", "ReactivePower", "Total", "ExportActive"})
_MAX_PHASES: Final = 3
_MEASURING: Final = frozenset({"SENSOR", "STATUS8", "STATUS10"})


def decode(message: RawMessage, route: Route) -> Decoded:
    """One reading with everything that the ENERGY object and the profile's paths hold."""
    if message.topic.rpartition("/")[2] not in _MEASURING:
        return Ignored("a state or result, not sensors")
    device = read_device(message.topic, route.device_pattern)
    if isinstance(device, Rejection):
        return device
    sensors = _read_sensors(message.payload)
    if isinstance(sensors, Rejection):
        return sensors
    parts = _list_parts(sensors, route)
    columns = parts if isinstance(parts, Rejection) else collect(parts)
    if columns is None:
        return Ignored("sensors without an energy meter")
    reading = build_reading(device, sensors.get("Time"), columns, route)
    return reading if isinstance(reading, Rejection) else (reading,)


def _read_sensors(payload: bytes) -> dict[str, Any] | Rejection:
    """The object with ``Time`` and the sensors; the answer to a request wraps it."""
    document = parse_object(payload)
    if isinstance(document, Rejection):
        return document
    sensors = document.get("StatusSNS", document)
    if isinstance(sensors, dict):
        return sensors
    return Rejection(ReasonCode.WRONG_TYPE, "StatusSNS is no JSON object")


def _list_parts(sensors: dict[str, Any], route: Route) -> list[Found] | Rejection:
    """The raw values: those of the profile first, so that it can override."""
    parts = find_all(sensors, route)
    energy = sensors.get("ENERGY", {})
    if not isinstance(energy, Mapping):
        return Rejection(ReasonCode.WRONG_TYPE, "ENERGY is no JSON object")
    for key, (quantity, factor) in _SCALARS.items():
        raw = energy.get(key, ABSENT)
        conversion = Conversion(QUANTITIES[quantity].unit, factor)
        if isinstance(raw, list):
            if not 1 <= len(raw) <= _MAX_PHASES:
                detail = f"{key} has {len(raw)} elements, not one for each of up to 3 phases"
                return Rejection(ReasonCode.UNKNOWN_FORMAT, detail)
            parts.extend(_spread(key, quantity, conversion, raw))
        elif raw is not ABSENT:
            parts.append(Found(key, quantity, conversion, raw))
    return parts


def _spread(
    key: str, quantity: str, conversion: Conversion, phases: list[object]
) -> Iterator[Found]:
    """The elements of an array as phases, and their sum where that means something."""
    for number, raw in enumerate(phases, start=1):
        yield Found(f"{key}[{number - 1}]", _name_phase(quantity, number), conversion, raw)
    numbers = [raw for raw in phases if _is_number(raw)]
    if key in _ADDITIVE and len(numbers) == len(phases):
        yield Found(key, quantity, conversion, sum(numbers))


def _is_number(raw: object) -> TypeGuard[float]:
    return isinstance(raw, int | float) and not isinstance(raw, bool)


def _name_phase(quantity: str, number: int) -> str:
    """The catalogue's name of a quantity's phase; frequency has none."""
    stem, _, unit = quantity.rpartition("_")
    names = (f"{stem}_l{number}_{unit}", f"{quantity}_l{number}")
    return next((name for name in names if name in QUANTITIES), quantity)
