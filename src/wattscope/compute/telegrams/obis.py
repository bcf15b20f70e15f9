"""What the registers of a meter measure, by their OBIS codes (IEC 62056-6-1, tables 7 to 15).

A code is ``A-B:C.D.E*F``: medium, channel, what, how, tariff, billing period. Here it is the
three numbers C, D, E of electricity's own, as they are now (A = 1, F = 255).

It promises base units, power that is positive into the consumer, and that no value is made of
registers that were not sent together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

Code = tuple[int, int, int]
"""C, D, E."""

_NOW: Final = 7
_TOTAL: Final = 8
_TARIFFS: Final = (1, 2, 3, 4)


def _list_registers() -> dict[Code, str]:
    """Codes whose register is one quantity."""
    registers: dict[Code, str] = {
        (12, _NOW, 0): "voltage_v",
        (11, _NOW, 0): "current_a",
        (91, _NOW, 0): "current_n_a",
        (13, _NOW, 0): "power_factor",
        (14, _NOW, 0): "frequency_hz",
        (9, _NOW, 0): "apparent_power_va",
    }
    # What is of one phase has 20, 40 or 60 more than what is of all.
    for phase in (1, 2, 3):
        more = 20 * phase
        registers |= {
            (12 + more, _NOW, 0): f"voltage_l{phase}_v",
            (11 + more, _NOW, 0): f"current_l{phase}_a",
            (13 + more, _NOW, 0): f"power_factor_l{phase}",
            (9 + more, _NOW, 0): f"apparent_power_l{phase}_va",
            (1 + more, _TOTAL, 0): f"energy_import_l{phase}_wh",
            (2 + more, _TOTAL, 0): f"energy_export_l{phase}_wh",
        }
    for c, way in ((1, "import"), (2, "export")):
        registers[(c, _TOTAL, 0)] = f"energy_{way}_wh"
        registers |= {(c, _TOTAL, n): f"energy_{way}_t{n}_wh" for n in _TARIFFS}
    for c, way in ((3, "import"), (4, "export")):
        registers[(c, _TOTAL, 0)] = f"reactive_energy_{way}_varh"
        registers |= {(c, _TOTAL, n): f"reactive_energy_{way}_t{n}_varh" for n in (1, 2)}
    return registers


REGISTERS: Final[Mapping[Code, str]] = _list_registers()
"""Codes whose register is one quantity."""


class _Sides(NamedTuple):
    """Codes of a power that is told by its sides, or with its sign."""

    signed: tuple[Code, ...]
    drawn: Code
    given: Code


def _list_powers() -> dict[str, _Sides]:
    # Some EMH meters tell their power of both ways as 1-0:1.7.1.
    powers = {
        "active_power_w": _Sides(((16, _NOW, 0), (1, _NOW, 1)), (1, _NOW, 0), (2, _NOW, 0)),
        "reactive_power_var": _Sides((), (3, _NOW, 0), (4, _NOW, 0)),
    }
    for phase in (1, 2, 3):
        more = 20 * phase
        sides = _Sides(((16 + more, _NOW, 0),), (1 + more, _NOW, 0), (2 + more, _NOW, 0))
        powers[f"active_power_l{phase}_w"] = sides
        sides = _Sides((), (3 + more, _NOW, 0), (4 + more, _NOW, 0))
        powers[f"reactive_power_l{phase}_var"] = sides
    return powers


_POWERS: Final[Mapping[str, _Sides]] = _list_powers()
_ABSOLUTE: Final[Code] = (15, _NOW, 0)

UNITS: Final[Mapping[Code, str]] = {
    (_ABSOLUTE): "W",
    **{
        code: "W" if name.endswith("_w") else "var"
        for name, sides in _POWERS.items()
        for code in (*sides.signed, sides.drawn, sides.given)
    },
    **{
        code: {"wh": "Wh", "varh": "varh", "v": "V", "a": "A", "va": "VA", "hz": "Hz"}.get(
            name.rpartition("_")[2], ""
        )
        for code, name in REGISTERS.items()
    },
}
"""Codes that are read, with the base unit of each."""


def collect_quantities(values: Mapping[Code, float]) -> dict[str, float]:
    """The quantities of registers that were sent together.

    A total that is not sent is the sum of its two tariffs. A power without its sign counts where
    the meter has registers of one direction only, because that tells the sign.

    Args:
        values: In base units, codes of ``UNITS`` only.

    >>> collect_quantities({(1, 7, 0): 100.0, (2, 7, 0): 350.0})
    {'active_power_w': -250.0}
    >>> collect_quantities({(1, 8, 1): 1.0, (1, 8, 2): 2.0})["energy_import_wh"]
    3.0
    """
    found: dict[str, float] = {}
    for name, sides in _POWERS.items():
        power = _read_power(values, sides)
        if power is not None:
            found[name] = power
    if "active_power_w" not in found and _ABSOLUTE in values:
        sign = _find_sign(values)
        if sign:
            found["active_power_w"] = _add([sign * values[_ABSOLUTE]])
    found |= {REGISTERS[code]: value for code, value in values.items() if code in REGISTERS}
    for c, way in ((1, "import"), (2, "export")):
        tariffs = [values[one] for n in _TARIFFS if (one := (c, _TOTAL, n)) in values]
        if (c, _TOTAL, 0) not in values and {(c, _TOTAL, 1), (c, _TOTAL, 2)} <= values.keys():
            found[f"energy_{way}_wh"] = _add(tariffs)
    return found


def _read_power(values: Mapping[Code, float], sides: _Sides) -> float | None:
    """A power into the consumer; None where no register tells it."""
    signed = next((values[code] for code in sides.signed if code in values), None)
    if signed is not None:
        return signed
    drawn, given = values.get(sides.drawn), values.get(sides.given)
    if drawn is None and given is None:
        return None
    return _add([drawn or 0.0, -(given or 0.0)])


def _find_sign(values: Mapping[Code, float]) -> int:
    """1 of a meter that counts what is drawn alone, -1 of what is given alone, else 0."""
    has_drawn, has_given = (any((c, _TOTAL, n) in values for n in (0, *_TARIFFS)) for c in (1, 2))
    return int(has_drawn) - int(has_given)


def _add(values: list[float]) -> float:
    """A sum as the decimal that it is; never the zero below zero."""
    return float(f"{sum(values):.15g}") + 0.0
