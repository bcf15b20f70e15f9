"""The catalogue of everything that can be measured, in base units.

It promises that a name ends in its unit, that a value under that name is in that unit, and that
the plausible range is wide enough for every healthy device. It refuses to convert: see
``core.units``.

Sign: power that flows into the consumer is positive (passive sign convention). Import and export
registers are separate and never negative. What a generator makes has names of its own
(``production_power_w``), so that no sign has to be guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
        """Whether a value is an energy [Wh]."""
        return self.unit == "Wh"


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
        Quantity("energy_production_wh", "Wh", _COUNTER, 0.0, _MAX_WH, "Energy produced"),
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
        # 0 V is what a dead phase reads; 1 MV covers transmission.
        *_phased("voltage", "v", "V", _GAUGE, 0.0, _MEGA, "Voltage"),
        *_phased("current", "a", "A", _GAUGE, -1e5, 1e5, "Current"),
        Quantity("current_n_a", "A", _GAUGE, -1e5, 1e5, "Current, neutral"),
        Quantity("frequency_hz", "Hz", _GAUGE, 0.0, 500.0, "Frequency"),
        *_phased("power_factor", "ratio", "", _GAUGE, -1.0, 1.0, "Power factor"),
        Quantity("dc_power_w", "W", _GAUGE, -1e4, _GIGA, "DC power"),
        Quantity("dc_voltage_v", "V", _GAUGE, 0.0, 2000.0, "DC voltage"),
        Quantity("dc_current_a", "A", _GAUGE, -1e4, 1e4, "DC current"),
        Quantity("temperature_c", "°C", _GAUGE, -60.0, 200.0, "Temperature"),
        Quantity("irradiance_w_m2", "W/m²", _GAUGE, 0.0, 1600.0, "Irradiance"),
        Quantity("state_of_charge_pct", "%", _GAUGE, 0.0, 100.0, "State of charge"),
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
