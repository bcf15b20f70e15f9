"""Records of Australian meter data files: their cells, checked one by one.

::

    100,NEM12,200402070911,MDA1,Ret1                    header: version, time, from, to
    200,NMI,E1B1,1,E1,N1,METSER123,kWh,30,              stream: suffix, serial, unit, minutes
    300,20040201,1.111,…,A,,,20040202120025             a day: its values, and one quality
    400,1,27,F14,76,Communications Fault                quality of the intervals 1 to 27 of that day
    500,… 550,…                                         transactions, without measurements
    250,NMI,11,1,11,11,SERIAL,E,read,time,A,,,read,time,A,,,31,KWH,…   a register read twice (NEM13)
    900                                                 the end

Source: AEMO, Meter Data File Format Specification NEM12 & NEM13, version 2.5, sections 4 and 5;
suffixes: AEMO, Standing Data for MSATS / NMI Procedure, section 7 (data streams).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import Quality
from wattscope.core.topology import is_safe_name
from wattscope.core.units import Conversion, find_conversion

MINUTES: Final = frozenset({1, 5, 10, 15, 30})
"""Lengths of intervals that occur [min]; the standard has 5, 15 and 30."""
MINUTES_OF_DAY: Final = 1440
_MAX_DIGITS: Final = 9
"""Of a number that counts something."""

_QUALITY: Final = re.compile(r"([AEFNSV])(\d{2})?", re.ASCII)
# Section 4.4 and appendix C: actual, forward estimate, final or other substitute, null.
_MARKS: Final[Mapping[str, Quality]] = {
    "A": Quality.GOOD,
    "E": Quality.ESTIMATED,
    "F": Quality.ESTIMATED,
    "S": Quality.ESTIMATED,
    "N": Quality.MISSING,
}
VARIABLE: Final = "V"
"""The flag of a day whose records 400 tell the quality."""

_SUFFIX: Final = re.compile(r"[A-Z][0-9A-Z]|\d{2}", re.ASCII)
# What the first letter of a suffix says, seen from the network: E leaves it, B comes back.
_OF_LETTER: Final[Mapping[str, str]] = {
    "E": "energy_import_delta_wh",
    "B": "energy_export_delta_wh",
    "Q": "reactive_energy_import_delta_varh",
    "K": "reactive_energy_export_delta_varh",
    "V": "voltage_v",
}
_OF_DIRECTION: Final[Mapping[str, str]] = {
    "E": "energy_import_delta_wh",
    "I": "energy_export_delta_wh",
}
_SPELLED: Final[Mapping[str, str]] = {
    unit.lower(): unit for unit in ("Wh", "kWh", "MWh", "varh", "kvarh", "Mvarh", "V", "kV")
}
_NUMBER: Final = re.compile(r"[+-]?(\d{1,15}(\.\d{0,10})?|\.\d{1,10})", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1990, 2100


@dataclass(frozen=True, slots=True)
class Stream:
    """What the values under a record 200, or of a record 250, are."""

    device: str
    quantity: str
    conversion: Conversion
    minutes: int = 0
    """Length of its intervals [min]; 0 where each record tells its own."""

    @property
    def n_intervals(self) -> int:
        """Intervals of a day."""
        return MINUTES_OF_DAY // self.minutes


def read_stream(cells: Sequence[str]) -> Stream | Rejection:
    """The stream of a record 200."""
    if len(cells) < 9:
        return Rejection(ReasonCode.SYNTAX, f"record 200 has {len(cells)} cells, not 9 or 10")
    minutes = cells[8]
    if read_count(minutes) not in MINUTES:
        return Rejection(ReasonCode.SYNTAX, f"record 200 has intervals of {minutes[:10]!a} minutes")
    found = _describe(cells[1], cells[4], cells[7], _OF_LETTER.get(cells[4][:1].upper()))
    if isinstance(found, Rejection):
        return found
    return Stream(found.device, found.quantity, found.conversion, read_count(minutes))


def read_register_stream(cells: Sequence[str]) -> Stream | Rejection:
    """The stream of a record 250 (section 5.3)."""
    if len(cells) < 20:
        return Rejection(ReasonCode.SYNTAX, f"record 250 has {len(cells)} cells, not 23")
    return _describe(cells[1], cells[4], cells[19], _OF_DIRECTION.get(cells[7].upper()))


def _describe(nmi: str, suffix: str, unit: str, quantity: str | None) -> Stream | Rejection:
    """A stream by the point of connection, its suffix and unit."""
    suffix = suffix.upper()
    if not _SUFFIX.fullmatch(suffix) or quantity is None:
        detail = f"suffix {suffix[:10]!a} of {nmi[:20]!a} is not known"
        return Rejection(ReasonCode.UNKNOWN_FORMAT, detail)
    device = nmi if suffix[0].isalpha() and suffix[1] == "1" else f"{nmi}-{_number_of(suffix)}"
    if not is_safe_name(device):
        return Rejection(ReasonCode.BAD_NAME, f"{nmi[:40]!a} cannot be the key of a device")
    base = QUANTITIES[quantity].unit
    # Only volts are told without a unit.
    spelled = _SPELLED.get(unit.lower(), "V" if not unit and base == "V" else "")
    conversion = find_conversion(spelled, base)
    if conversion is None:
        detail = f"unit {unit[:10]!a} of suffix {suffix} is not one of {base}"
        return Rejection(ReasonCode.UNKNOWN_FORMAT, detail)
    return Stream(device, quantity, conversion)


def _number_of(suffix: str) -> str:
    """Which meter at the point of connection a suffix means."""
    return suffix[1:] if suffix[0].isalpha() else suffix


def read_quality(cell: str) -> Quality | str | None:
    """What a flag says: a mark, ``VARIABLE``, or None for what is no flag."""
    found = _QUALITY.fullmatch(cell.strip().upper())
    if found is None:
        return None
    return VARIABLE if found[1] == VARIABLE else _MARKS[found[1]]


def read_number(cell: str) -> float | None:
    """The number of a cell; None where it is none."""
    return float(cell) if _NUMBER.fullmatch(cell) else None


def read_count(cell: str) -> int:
    """A whole number; 0 where there is none."""
    return int(cell) if cell.isascii() and cell.isdigit() and len(cell) <= _MAX_DIGITS else 0


def read_day(cell: str) -> datetime | None:
    """Midnight at the beginning of a day, as market time."""
    return _read_time(cell, "%Y%m%d", 8)


def read_moment(cell: str) -> datetime | None:
    """A moment of market time."""
    return _read_time(cell, "%Y%m%d%H%M%S", 14)


def _read_time(cell: str, pattern: str, n_digits: int) -> datetime | None:
    if len(cell) != n_digits or not (cell.isascii() and cell.isdigit()):
        return None
    try:
        found = datetime.strptime(cell, pattern)  # noqa: DTZ007  # market time, placed by the zone
    except ValueError:
        return None
    return found if date(_FIRST_YEAR, 1, 1) <= found.date() < date(_LAST_YEAR, 1, 1) else None
