"""Decodes telegrams of the P1 customer port: DSMR 2.2 to 5, and its kin in other countries.

One telegram is one reading of the electricity meter, and one more for each gas, water, heat or
electricity meter that it reads over M-Bus: they are measured at instants of their own.

::

    0-0:1.0.0(170102192002W)               the instant, W in winter and S in summer time
    0-0:96.1.1(4B38…)                      the meter's number, which is its key
    1-0:1.8.1(000004.426*kWh)              registers, see telegrams/obis.py
    0-1:24.1.0(003)                        M-Bus channel 1: 3 gas, 7 water, 4 and 12 heat
    0-1:24.2.1(170102161005W)(00000.107*m3)

Source: DSMR P1 Companion Standard 5.0.2, section 6.12; M-Bus media EN 13757-3, table 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from wattscope.compute.decode.local_stamp import read_stamp
from wattscope.compute.decode.route import Decoded, Route, read_device
from wattscope.compute.decode.values import share_names
from wattscope.compute.telegrams.meter_name import find_name
from wattscope.compute.telegrams.obis import UNITS, Code, collect_quantities
from wattscope.compute.telegrams.p1_lines import CLOCK, P1Telegram, read_telegram
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.quantities import find_quantity
from wattscope.core.reading import Reading
from wattscope.core.units import find_conversion
from wattscope.ports import RawMessage

_CODE: Final = re.compile(r"1-[01]:(\d+)\.(\d+)\.(\d+)", re.ASCII)
_NUMBER: Final = re.compile(r"(-?\d{1,15}(?:\.\d{1,10})?)(?:\*([A-Za-z0-9]{1,5}))?", re.ASCII)
_NAMES: Final = ("0-0:96.1.1", "0-0:96.1.0", "0-0:42.0.0", "1-0:0.0.0", "0-1:96.1.0")
"""Where the meter's number stands; the first that says something."""
_CHANNELS: Final = (1, 2, 3, 4)
_OF_MEDIUM: Final[Mapping[int, str]] = {
    2: "energy_import_wh",
    3: "gas_import_m3",
    4: "heat_import__GJ",
    6: "water_import_m3",
    7: "water_import_m3",
    12: "heat_import__GJ",
    13: "heat_import__GJ",
}
_ELECTRICITY: Final = 2


def decode(message: RawMessage, route: Route) -> Decoded:
    """The readings of a telegram; the first is the electricity meter's, if it has one."""
    telegram = read_telegram(message.payload)
    if not isinstance(telegram, P1Telegram):
        return telegram
    device = _settle_device(message.topic, telegram, route)
    if isinstance(device, Rejection):
        return device
    registers = _read_registers(telegram)
    if isinstance(registers, Rejection):
        return registers
    measured_at_us = _read_clock(telegram, route)
    if isinstance(measured_at_us, Rejection):
        return measured_at_us
    readings = []
    columns = collect_quantities(registers)
    if columns:
        names = share_names(tuple(columns))
        readings.append(Reading(device, measured_at_us, names, tuple(columns.values())))
    readings += _read_channels(device, telegram, route)
    if not readings:
        return Rejection(ReasonCode.NO_VALUE, "the telegram has no register that is known")
    return tuple(readings)


def _settle_device(topic: str, telegram: P1Telegram, route: Route) -> str | Rejection:
    """The key of the meter: as the profile says, else its own number."""
    pattern = route.device_pattern
    if pattern.name is not None or pattern.topic_level is not None:
        return read_device(topic, pattern)
    told = [text for code in _NAMES for text in telegram.values.get(code, ())[:1]]
    name = find_name([*told, telegram.identification])
    if name is None:
        return Rejection(ReasonCode.BAD_NAME, "the telegram has no number of a meter; name it")
    return name


def _read_clock(telegram: P1Telegram, route: Route) -> int | Rejection | None:
    """The instant of the telegram; None where it has none."""
    told = telegram.values.get(CLOCK)
    return None if told is None else read_stamp(told[0], route.zone)


def _read_registers(telegram: P1Telegram) -> dict[Code, float] | Rejection:
    """The values of known registers in base units; one that is no number spoils the telegram."""
    registers: dict[Code, float] = {}
    for text, told in telegram.values.items():
        found = _CODE.fullmatch(text)
        code = (int(found[1]), int(found[2]), int(found[3])) if found else None
        if code is None or code not in UNITS or not told[0]:
            continue
        value = _read_number(text, told[-1], UNITS[code])
        if isinstance(value, Rejection):
            return value
        registers[code] = value
    return registers


def _read_number(name: str, text: str, base_unit: str) -> float | Rejection:
    """A number in its base unit."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return Rejection(ReasonCode.NOT_NUMBER, f"{name} is {text[:40]!a}, which is no number")
    unit = found[2] or ""
    conversion = find_conversion(unit, base_unit)
    if conversion is None:
        wanted = base_unit or "no unit"
        return Rejection(
            ReasonCode.UNKNOWN_FORMAT, f"{name} is in {unit or 'no unit'}, not {wanted}"
        )
    return conversion.to_base(float(found[1]))


def _read_channels(device: str, telegram: P1Telegram, route: Route) -> Iterator[Reading]:
    """What meters behind the electricity meter said; an unused channel says nothing.

    The first gas meter's values, and the first water meter's, are the device's own.
    """
    taken: set[str] = set()
    for channel in _CHANNELS:
        found = _read_channel(channel, telegram, route)
        if found is None:
            continue
        quantity, measured_at_us, value = found
        is_own = quantity not in taken and quantity != _OF_MEDIUM[_ELECTRICITY]
        taken.add(quantity)
        key = device if is_own else f"{device[:110]}-mbus{channel}"
        yield Reading(key, measured_at_us, share_names((quantity,)), (value,))


def _read_channel(
    channel: int, telegram: P1Telegram, route: Route
) -> tuple[str, int, float] | None:
    """Quantity, instant and value of an M-Bus channel that measures something."""
    medium = telegram.values.get(f"0-{channel}:24.1.0", ("",))[0]
    quantity = _OF_MEDIUM.get(int(medium)) if medium.isascii() and medium.isdigit() else None
    told = _find_values(channel, telegram)
    if quantity is None or told is None:
        return None
    stamp, text = told
    measured_at_us = read_stamp(stamp, route.zone)
    value = _read_number("M-Bus", text, _unit_of(quantity))
    if isinstance(measured_at_us, Rejection) or isinstance(value, Rejection):
        return None
    return quantity, measured_at_us, value


def _find_values(channel: int, telegram: P1Telegram) -> tuple[str, str] | None:
    """Stamp and value of a channel: in one line since DSMR 4, with a table before it."""
    for code in (f"0-{channel}:24.2.1", f"0-{channel}:24.2.3"):
        told = telegram.values.get(code, ())
        if len(told) == 2:
            return told[0], told[1]
    told = telegram.values.get(f"0-{channel}:24.3.0", ())
    # Stamp, status, minutes, number of values, code, unit; and the value in the line after.
    return (told[0], f"{told[6]}*{told[5]}") if len(told) == 7 else None


def _unit_of(quantity: str) -> str:
    found = find_quantity(quantity)
    return "" if found is None else found.unit
