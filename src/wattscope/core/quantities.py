"""The catalogue of everything that can be measured, in base units.

It promises that a name ends in its unit, that a value under that name is in that unit, and that
the plausible range is wide enough for every healthy device. It refuses to convert: see
``core.units``.

What a meter tells beyond the catalogue is a quantity of its own, whose name holds its unit after
two underscores: ``flow_rate__l_per_min`` (``own_quantity``).

Sign: power that flows into the consumer is positive (passive sign convention). Import and export
registers are separate and never negative. What a generator makes has names of its own
(``production_power_w``), so that no sign has to be guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class QuantityKind(Enum):
    """How successive values of a quantity relate to each other."""

    GAUGE = "gauge"
    """An instantaneous value or a mean over an interval; may rise and fall."""

    COUNTER = "counter"
    """A register that only grows, but for reset, rollover and swap of the meter."""

    DELTA = "delta"
    """An amount that belongs to the interval which begins at ``measured_at``."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is measured: name, unit, kind and plausible range."""

    name: str
    """Lower-case name that ends in the unit, such as ``active_power_w``."""
    unit: str
    """Base unit as printed, such as ``W``."""
    kind: QuantityKind
    low: float
    """Lowest plausible value [unit]; a value below is stored with the flag ``implausible``."""
    high: float
    """Highest plausible value [unit]."""
    title: str
    """Words for a screen."""

    @property
    def is_power(self) -> bool:
        """Whether the time integral of this gauge is an energy [Wh]."""
        return self.unit == "W"

    @property
    def is_energy(self) -> bool:
        """Whether it counts energy [Wh]; what a battery holds is a gauge, and counts nothing."""
        return self.unit == "Wh" and self.kind is not QuantityKind.GAUGE


_GAUGE, _COUNTER, _DELTA = QuantityKind.GAUGE, QuantityKind.COUNTER, QuantityKind.DELTA
_MEGA = 1e6
_GIGA = 1e9
# A register of a national grid connection stays below 1e15 Wh; a household's below 1e10 Wh.
_MAX_WH = 1e15


def _phased(  # noqa: PLR0913, PLR0917  # one parameter a column of the table below
    stem: str, unit_suffix: str, unit: str, kind: QuantityKind, low: float, high: float, title: str
) -> list[Quantity]:
    """The total and its three phases."""
    total = Quantity(f"{stem}_{unit_suffix}", unit, kind, low, high, title)
    phases = [
        Quantity(f"{stem}_l{n}_{unit_suffix}", unit, kind, low, high, f"{title}, phase L{n}")
        for n in (1, 2, 3)
    ]
    return [total, *phases]


def _reactive(stem: str, words: str) -> list[Quantity]:
    """Registers of reactive energy: total, phases, and two tariffs."""
    low = -_MAX_WH if stem == "total" else 0.0
    name, title = f"reactive_energy_{stem}", f"Reactive energy, {words}"
    tariffs = [
        Quantity(f"{name}_t{n}_varh", "varh", _COUNTER, low, _MAX_WH, f"{title}, tariff {n}")
        for n in (1, 2)
    ]
    return [*_phased(name, "varh", "varh", _COUNTER, low, _MAX_WH, title), *tariffs]


def _build_catalogue() -> dict[str, Quantity]:
    """Every quantity by name, in the order in which screens list them."""
    rows = [
        *_phased("active_power", "w", "W", _GAUGE, -_GIGA, _GIGA, "Active power"),
        *_phased("production_power", "w", "W", _GAUGE, -1e4, _GIGA, "Power produced"),
        *_phased("apparent_power", "va", "VA", _GAUGE, -_GIGA, _GIGA, "Apparent power"),
        *_phased("reactive_power", "var", "var", _GAUGE, -_GIGA, _GIGA, "Reactive power"),
        *_phased("energy_import", "wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy imported"),
        *_phased("energy_export", "wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy exported"),
        *_phased("energy_total", "wh", "Wh", _COUNTER, -_MAX_WH, _MAX_WH, "Energy, both ways"),
        *(
            Quantity(f"energy_total_t{n}_wh", "Wh", _COUNTER, -_MAX_WH, _MAX_WH, f"{title} {n}")
            for n, title in ((1, "Energy, both ways, tariff"), (2, "Energy, both ways, tariff"))
        ),
        *_reactive("import", "imported"),
        *_reactive("export", "exported"),
        *_reactive("total", "both ways"),
        Quantity("energy_production_wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy produced"),
        # Begins again at zero each day, at an hour that the inverter chooses.
        Quantity("energy_today_wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy produced today"),
        Quantity("energy_import_t1_wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy imported, tariff 1"),
        Quantity("energy_import_t2_wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy imported, tariff 2"),
        Quantity("energy_import_t3_wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy imported, tariff 3"),
        Quantity("energy_import_t4_wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy imported, tariff 4"),
        Quantity("energy_export_t1_wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy exported, tariff 1"),
        Quantity("energy_export_t2_wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy exported, tariff 2"),
        Quantity("energy_export_t3_wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy exported, tariff 3"),
        Quantity("energy_export_t4_wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy exported, tariff 4"),
        Quantity("energy_import_delta_wh", "Wh", _DELTA, 0.0, _MAX_WH, "Energy per interval"),
        Quantity("energy_export_delta_wh", "Wh", _DELTA, 0.0, _MAX_WH, "Export per interval"),
        *(
            Quantity(f"reactive_energy_{way}_delta_varh", "varh", _DELTA, 0.0, _MAX_WH, title)
            for way, title in (
                ("import", "Reactive energy per interval"),
                ("export", "Reactive export per interval"),
            )
        ),
        # 0 V is what a dead phase reads; 1 MV covers transmission.
        *_phased("voltage", "v", "V", _GAUGE, 0.0, _MEGA, "Voltage"),
        *_phased("current", "a", "A", _GAUGE, -1e5, 1e5, "Current"),
        Quantity("current_n_a", "A", _GAUGE, -1e5, 1e5, "Current, neutral"),
        Quantity("frequency_hz", "Hz", _GAUGE, 0.0, 500.0, "Frequency"),
        *_phased("power_factor", "ratio", "", _GAUGE, -1.0, 1.0, "Power factor"),
        *_phased("thd", "pct", "%", _GAUGE, 0.0, 1000.0, "Harmonic distortion"),
        Quantity("phase_angle_deg", "°", _GAUGE, -360.0, 360.0, "Phase angle"),
        Quantity("dc_power_w", "W", _GAUGE, -1e4, _GIGA, "DC power"),
        Quantity("dc_voltage_v", "V", _GAUGE, 0.0, 2000.0, "DC voltage"),
        Quantity("dc_current_a", "A", _GAUGE, -1e4, 1e4, "DC current"),
        Quantity("temperature_c", "°C", _GAUGE, -60.0, 200.0, "Temperature"),
        Quantity("module_temperature_c", "°C", _GAUGE, -60.0, 200.0, "Temperature, solar panels"),
        Quantity("heat_sink_temperature_c", "°C", _GAUGE, -60.0, 200.0, "Temperature, heat sink"),
        Quantity("irradiance_w_m2", "W/m²", _GAUGE, 0.0, 1600.0, "Irradiance"),
        Quantity("state_of_charge_pct", "%", _GAUGE, 0.0, 100.0, "State of charge"),
        Quantity("state_of_health_pct", "%", _GAUGE, 0.0, 100.0, "State of health"),
        Quantity("energy_capacity_wh", "Wh", _GAUGE, 0.0, _MAX_WH, "Capacity of the battery"),
        Quantity("energy_stored_wh", "Wh", _GAUGE, 0.0, _MAX_WH, "Energy stored"),
        Quantity("operating_state", "", _GAUGE, 0.0, 65535.0, "Operating state, as a number"),
        Quantity("event_flags", "", _GAUGE, 0.0, 4294967295.0, "Events, as bits"),
        Quantity("battery_power_w", "W", _GAUGE, -_GIGA, _GIGA, "Battery power, into the battery"),
        Quantity("co2_emission_delta_kg", "kg", _DELTA, 0.0, 1e12, "CO₂ emitted per interval"),
        Quantity("gas_import_m3", "m³", _COUNTER, 0.0, 1e9, "Gas"),
        Quantity("water_import_m3", "m³", _COUNTER, 0.0, 1e9, "Water"),
    ]
    # DESIGN's name for the ratio carries no suffix: a ratio has no unit to end in.
    renamed = [
        Quantity(q.name.removesuffix("_ratio"), q.unit, q.kind, q.low, q.high, q.title)
        if q.name.endswith("_ratio")
        else q
        for q in rows
    ]
    return {quantity.name: quantity for quantity in renamed}


QUANTITIES: dict[str, Quantity] = _build_catalogue()
"""The catalogue: name to quantity."""

MAX_STRINGS = 64
"""Most DC inputs of an inverter."""
_STRING_NAME = re.compile(r"(dc_power|dc_voltage|dc_current)_s([1-9][0-9]?)_([a-z]+)")
_OWN_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OWN_UNIT = re.compile(r"[A-Za-z0-9%°µ²³Ω]{1,12}(?:_[A-Za-z0-9%°µ²³Ω]{1,12}){0,3}")
_NO_UNIT = "1"
_PER = "_per_"


def find_quantity(name: str) -> Quantity | None:
    """The quantity of a name: of the catalogue, of one DC input, or a meter's own with its unit.

    >>> find_quantity("voltage_v").unit, find_quantity("flow_rate__l_per_min").unit
    ('V', 'l/min')
    >>> find_quantity("dc_power_s2_w").title
    'DC power, string 2'
    >>> find_quantity("voltage") is None
    True
    """
    return QUANTITIES.get(name) or _find_string(name) or _find_own(name)


def unit_of(name: str) -> str:
    """The unit of a quantity as printed; empty for a ratio, and for a name that is unknown."""
    found = find_quantity(name)
    return "" if found is None else found.unit


@lru_cache(maxsize=512)
def _find_string(name: str) -> Quantity | None:
    """What one of an inverter's DC inputs ("string") gives: as the quantity of all of them."""
    match = _STRING_NAME.fullmatch(name)
    if match is None or int(match[2]) > MAX_STRINGS or f"{match[1]}_{match[3]}" not in QUANTITIES:
        return None
    whole = QUANTITIES[f"{match[1]}_{match[3]}"]
    title = f"{whole.title}, string {match[2]}"
    return Quantity(name, whole.unit, whole.kind, whole.low, whole.high, title)


@lru_cache(maxsize=4096)
def _find_own(name: str) -> Quantity | None:
    stem, parted, unit = name.rpartition("__")
    if not parted or not _OWN_NAME.fullmatch(stem) or not _OWN_UNIT.fullmatch(unit):
        return None
    shown = "" if unit == _NO_UNIT else unit.replace(_PER, "/")
    title = stem.replace("_", " ").strip().capitalize()
    return Quantity(name, shown, _GAUGE, -float("inf"), float("inf"), title)


def own_quantity(measurement: str, unit: str) -> Quantity | None:
    """A quantity for what the catalogue does not know, named by its measurement and unit.

    It is a gauge of any value. None when no name can be made of the words.

    >>> own_quantity("Flow Rate", "l/min").name, own_quantity("Valve", "").name
    ('flow_rate__l_per_min', 'valve__1')
    """
    stem = re.sub(r"[^a-z0-9]+", "_", measurement.lower()).strip("_")
    return _find_own(f"{stem}__{unit.strip().replace('/', _PER) or _NO_UNIT}")
