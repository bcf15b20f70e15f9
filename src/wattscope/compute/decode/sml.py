"""Decodes SML files, as electricity meters in Germany send them by light.

A file holds one list of values for each meter that speaks in it; registers are those of
``telegrams/obis.py``. The meter tells no time of day, so values are of the instant of receipt.

Sources: BSI TR-03109-1, annex IV (SML 1.04); FNN Lastenheft EDL, section 4.4 for the codes; units
by number: IEC 62056-62, table 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wattscope.compute.decode.route import Decoded, Route, read_device
from wattscope.compute.decode.values import share_names
from wattscope.compute.telegrams.meter_name import name_server
from wattscope.compute.telegrams.obis import UNITS, Code, collect_quantities
from wattscope.compute.telegrams.sml_values import SmlEntry, SmlList, read_lists
from wattscope.core.findings import Ignored, ReasonCode, Rejection
from wattscope.core.reading import Reading
from wattscope.ports import RawMessage

_UNITS: Final[Mapping[int | None, str]] = {
    8: "°",
    27: "W",
    28: "VA",
    29: "var",
    30: "Wh",
    32: "varh",
    33: "A",
    35: "V",
    44: "Hz",
    255: "",
    None: "",
}
_ELECTRICITY: Final = 1
_NOW: Final = 255
_MAX_POWER: Final = 12


def decode(message: RawMessage, route: Route) -> Decoded:
    """One reading for each meter that speaks in a file."""
    lists = read_lists(message.payload)
    if not isinstance(lists, list):
        return lists
    readings: list[Reading] = []
    for found in lists:
        reading = _read_list(found, message.topic, route)
        if isinstance(reading, Rejection):
            return reading
        if reading is not None:
            readings.append(reading)
    if readings:
        return tuple(readings)
    if lists:
        return Rejection(ReasonCode.NO_VALUE, "the SML file has no register that is known")
    return Ignored("an SML file without a list of values")


def count_seconds(payload: bytes) -> int | None:
    """What the meter counted up to a file [s]; None where it does not say, or the file is bad."""
    lists = read_lists(payload)
    return lists[0].seconds if isinstance(lists, list) and lists else None


def _read_list(found: SmlList, topic: str, route: Route) -> Reading | Rejection | None:
    """What a meter said; None where it said nothing that is known."""
    registers: dict[Code, float] = {}
    for entry in found.entries:
        code = _read_code(entry.code)
        if code is None:
            continue
        value = _read_value(entry, code)
        if isinstance(value, Rejection):
            return value
        if value is not None:
            registers.setdefault(code, value)
    columns = collect_quantities(registers)
    device = _settle_device(found, topic, route)
    if isinstance(device, Rejection) or not columns:
        return device if isinstance(device, Rejection) else None
    return Reading(device, None, share_names(tuple(columns)), tuple(columns.values()))


def _settle_device(found: SmlList, topic: str, route: Route) -> str | Rejection:
    """The key of the meter: as the profile says, else its server id."""
    pattern = route.device_pattern
    if pattern.name is not None or pattern.topic_level is not None:
        return read_device(topic, pattern)
    name = name_server(found.server_id)
    return name or Rejection(ReasonCode.BAD_NAME, "the SML file tells no server id")


def _read_code(code: bytes) -> Code | None:
    """C, D and E of a register that is known and of now."""
    if len(code) != 6 or code[0] != _ELECTRICITY or code[1] > 1 or code[5] != _NOW:
        return None
    found = (code[2], code[3], code[4])
    return found if found in UNITS else None


def _read_value(entry: SmlEntry, code: Code) -> float | Rejection | None:
    """A value in its base unit; None where the meter left it out."""
    name = ".".join(map(str, code))
    value = entry.value
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        return Rejection(ReasonCode.WRONG_TYPE, f"register {name} is no number")
    unit = _UNITS.get(entry.unit)
    if unit != UNITS[code]:
        return Rejection(
            ReasonCode.UNKNOWN_FORMAT,
            f"register {name} has unit {entry.unit}, which is not {UNITS[code] or 'a number'}",
        )
    if abs(entry.scaler) > _MAX_POWER:
        return Rejection(ReasonCode.RANGE, f"register {name} has scaler {entry.scaler}")
    # Division by a power of ten is exact to the last bit, multiplication by its inverse is not.
    power = 10.0 ** abs(entry.scaler)
    return value / power if entry.scaler < 0 else value * power
