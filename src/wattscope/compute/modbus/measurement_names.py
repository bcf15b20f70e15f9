"""What a measurement is called elsewhere, and which quantity it is here.

Register tables name their values freely: ``voltageL1``, ``VoltageL1``, ``Voltage L1``. Known are
the names of the seed's table and those that mbmd gives the values of its meters; whatever else
a table holds becomes a quantity of its own, named as it is with its unit (``own_quantity``).
"""

from __future__ import annotations

import re
from typing import Final

from wattscope.core.quantities import Quantity, find_quantity, own_quantity
from wattscope.core.units import Conversion, find_conversion

_STEMS: Final = {
    "voltage": ("voltage", "v"),
    "current": ("current", "a"),
    "power": ("active_power", "w"),
    "activepower": ("active_power", "w"),
    "apparentpower": ("apparent_power", "va"),
    "reactivepower": ("reactive_power", "var"),
    "cosphi": ("power_factor", ""),
    "powerfactor": ("power_factor", ""),
    "frequency": ("frequency", "hz"),
    "import": ("energy_import", "wh"),
    "importenergy": ("energy_import", "wh"),
    "importactiveenergy": ("energy_import", "wh"),
    "export": ("energy_export", "wh"),
    "exportenergy": ("energy_export", "wh"),
    "exportactiveenergy": ("energy_export", "wh"),
    "sum": ("energy_total", "wh"),
    "totalenergy": ("energy_total", "wh"),
    "totalactiveenergy": ("energy_total", "wh"),
    "reactiveimport": ("reactive_energy_import", "varh"),
    "reactiveexport": ("reactive_energy_export", "varh"),
    "reactivesum": ("reactive_energy_total", "varh"),
    "thd": ("thd", "pct"),
    "phaseangle": ("phase_angle", "deg"),
    "temperature": ("temperature", "c"),
    "dcpower": ("dc_power", "w"),
    "dcvoltage": ("dc_voltage", "v"),
    "dccurrent": ("dc_current", "a"),
    "heatsinktemp": ("heat_sink_temperature", "c"),
    "chargestate": ("state_of_charge", "pct"),
}
_SUFFIX: Final = re.compile(r"(.*?)(l[123]|t[1234]|s[1-9]|n)?")
_STRING: Final = re.compile(r"string([1-9])(power|voltage|current)")
"""What mbmd calls one of an inverter's DC inputs."""
_LEFT_OUT: Final = re.compile(r"[^a-z0-9]+")


def find_measurement(name: str, unit: str) -> tuple[Quantity, Conversion] | None:
    """The quantity that a register table means, and the conversion to its base unit.

    Args:
        name: As the table names the value, or a name of the catalogue.
        unit: As the table gives it; empty for a ratio.

    Returns:
        None when the name cannot be one, or the unit is not one of a known quantity.

    >>> quantity, conversion = find_measurement("ImportL2", "kWh")
    >>> quantity.name, conversion.factor
    ('energy_import_l2_wh', 1000.0)
    >>> find_measurement("test_measurement", "test_u")[0].name
    'test_measurement__test_u'
    """
    known = find_quantity(name) or find_quantity(_translate(name))
    if known is not None:
        conversion = find_conversion(unit, known.unit)
        if conversion is None and unit in {"", known.unit}:
            conversion = Conversion(known.unit, 1.0)
        if conversion is not None:
            return known, conversion
        if find_quantity(name) is not None:
            return None
    own = own_quantity(name, unit)
    return None if own is None else (own, Conversion(own.unit, 1.0))


def _translate(name: str) -> str:
    """The catalogue's name of a measurement, or something that is none."""
    word = _STRING.sub(r"dc\2s\1", _LEFT_OUT.sub("", name.lower()))
    match = _SUFFIX.fullmatch(word)
    if match is None:
        return ""
    stem, suffix = _STEMS.get(match[1]), match[2]
    if stem is None:
        return ""
    return "_".join(part for part in (stem[0], suffix, stem[1]) if part)
