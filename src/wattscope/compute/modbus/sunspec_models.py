"""What is read of SunSpec models: where a point lies, how it is written, and what it measures.

Offsets count registers from the ID of a model; its own registers begin at 2, after ID and length.
A value is ``(raw + plus) * 10 ** (scale factor + power)``. Offsets, types and scale factors are
those of the SunSpec Alliance's model definitions (models 1, 101-103, 111-113, 160, 201-204,
211-214, 701, 713, 714, 802); the choice of points and their quantities are ours.

An inverter's power is what it makes (``production_power_w``), a meter's has the sign of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

COMMON_ID: Final = 1
END_ID: Final = 0xFFFF
HEADER: Final = 2
"""Registers of ID and length."""


class PointType(Enum):
    """How a point is written."""

    INT16 = "int16"
    UINT16 = "uint16"
    ENUM16 = "enum16"
    UINT32 = "uint32"
    BITFIELD32 = "bitfield32"
    ACC32 = "acc32"
    """A counter that begins again at 0 after 2^32 - 1."""
    UINT64 = "uint64"
    FLOAT32 = "float32"

    @property
    def letter(self) -> str:
        """For ``struct``, big endian."""
        return _WRITTEN[self][0]

    @property
    def n_registers(self) -> int:
        """Registers of 16 bits that a value takes."""
        return _WRITTEN[self][1]

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers that stand for "no value"; a float that is none is not a number."""
        return _WRITTEN[self][2]


_WRITTEN: Final[dict[PointType, tuple[str, int, tuple[int, ...]]]] = {
    PointType.INT16: ("h", 1, (-0x8000,)),
    PointType.UINT16: ("H", 1, (0xFFFF,)),
    PointType.ENUM16: ("H", 1, (0xFFFF,)),
    PointType.UINT32: ("I", 2, (0xFFFFFFFF,)),
    PointType.BITFIELD32: ("I", 2, (0xFFFFFFFF, 0x80000000)),
    PointType.ACC32: ("I", 2, (0,)),
    PointType.UINT64: ("Q", 4, (0xFFFFFFFFFFFFFFFF,)),
    PointType.FLOAT32: ("f", 2, ()),
}
"""Source: SunSpec Information Model Specification 1.9, table of types."""


class Family(Enum):
    """Models that tell of the same thing, and may stand in for each other."""

    INVERTER = "inverter"
    STRINGS = "strings"
    METER = "meter"
    BATTERY = "battery"


class Point(NamedTuple):
    """A value of a model, or of one of its modules."""

    name: str
    """As the model names it."""
    offset: int
    """From the ID of the model, or from the start of the module."""
    type: PointType
    quantity: str
    """With ``{n}`` for the number of the module, from 1."""
    scale_at: int | None = None
    """Offset of its scale factor, from the ID of the model; None: it has none."""
    power: int = 0
    """Further power of ten: -2 makes a ratio of percent."""
    plus: int = 0
    """Added to the raw number."""


@dataclass(frozen=True, slots=True)
class Model:
    """What is read of the models of some ids."""

    family: Family
    length: int
    """Registers after ID and length; for a model with modules, those before the first."""
    points: tuple[Point, ...]
    module_length: int = 0
    """Registers of a module; 0: it has none."""
    module_points: tuple[Point, ...] = ()
    n_modules_at: int = 0
    """Offset of the number of modules."""


_I, _U, _F, _ACC = PointType.INT16, PointType.UINT16, PointType.FLOAT32, PointType.ACC32
_E, _B, _U32, _U64 = (
    PointType.ENUM16,
    PointType.BITFIELD32,
    PointType.UINT32,
    PointType.UINT64,
)

_INVERTER: Final = Model(
    Family.INVERTER,
    50,
    (
        Point("A", 2, _U, "current_a", 6),
        Point("AphA", 3, _U, "current_l1_a", 6),
        Point("AphB", 4, _U, "current_l2_a", 6),
        Point("AphC", 5, _U, "current_l3_a", 6),
        Point("PhVphA", 10, _U, "voltage_l1_v", 13),
        Point("PhVphB", 11, _U, "voltage_l2_v", 13),
        Point("PhVphC", 12, _U, "voltage_l3_v", 13),
        Point("W", 14, _I, "production_power_w", 15),
        Point("Hz", 16, _U, "frequency_hz", 17),
        Point("VA", 18, _I, "apparent_power_va", 19),
        Point("VAr", 20, _I, "reactive_power_var", 21),
        Point("PF", 22, _I, "power_factor", 23, -2),
        Point("WH", 24, _ACC, "energy_production_wh", 26),
        Point("DCA", 27, _U, "dc_current_a", 28),
        Point("DCV", 29, _U, "dc_voltage_v", 30),
        Point("DCW", 31, _I, "dc_power_w", 32),
        Point("TmpCab", 33, _I, "temperature_c", 37),
        Point("TmpSnk", 34, _I, "heat_sink_temperature_c", 37),
        Point("St", 38, _E, "operating_state"),
        Point("Evt1", 40, _B, "event_flags"),
    ),
)
_INVERTER_FLOAT: Final = Model(
    Family.INVERTER,
    60,
    (
        Point("A", 2, _F, "current_a"),
        Point("AphA", 4, _F, "current_l1_a"),
        Point("AphB", 6, _F, "current_l2_a"),
        Point("AphC", 8, _F, "current_l3_a"),
        Point("PhVphA", 16, _F, "voltage_l1_v"),
        Point("PhVphB", 18, _F, "voltage_l2_v"),
        Point("PhVphC", 20, _F, "voltage_l3_v"),
        Point("W", 22, _F, "production_power_w"),
        Point("Hz", 24, _F, "frequency_hz"),
        Point("VA", 26, _F, "apparent_power_va"),
        Point("VAr", 28, _F, "reactive_power_var"),
        Point("PF", 30, _F, "power_factor", None, -2),
        Point("WH", 32, _F, "energy_production_wh"),
        Point("DCA", 34, _F, "dc_current_a"),
        Point("DCV", 36, _F, "dc_voltage_v"),
        Point("DCW", 38, _F, "dc_power_w"),
        Point("TmpCab", 40, _F, "temperature_c"),
        Point("TmpSnk", 42, _F, "heat_sink_temperature_c"),
        Point("St", 48, _E, "operating_state"),
        Point("Evt1", 50, _B, "event_flags"),
    ),
)
_METER: Final = Model(
    Family.METER,
    105,
    (
        Point("A", 2, _I, "current_a", 6),
        Point("AphA", 3, _I, "current_l1_a", 6),
        Point("AphB", 4, _I, "current_l2_a", 6),
        Point("AphC", 5, _I, "current_l3_a", 6),
        Point("PhV", 7, _I, "voltage_v", 15),
        Point("PhVphA", 8, _I, "voltage_l1_v", 15),
        Point("PhVphB", 9, _I, "voltage_l2_v", 15),
        Point("PhVphC", 10, _I, "voltage_l3_v", 15),
        Point("Hz", 16, _I, "frequency_hz", 17),
        Point("W", 18, _I, "active_power_w", 22),
        Point("WphA", 19, _I, "active_power_l1_w", 22),
        Point("WphB", 20, _I, "active_power_l2_w", 22),
        Point("WphC", 21, _I, "active_power_l3_w", 22),
        Point("VA", 23, _I, "apparent_power_va", 27),
        Point("VAphA", 24, _I, "apparent_power_l1_va", 27),
        Point("VAphB", 25, _I, "apparent_power_l2_va", 27),
        Point("VAphC", 26, _I, "apparent_power_l3_va", 27),
        Point("VAR", 28, _I, "reactive_power_var", 32),
        Point("VARphA", 29, _I, "reactive_power_l1_var", 32),
        Point("VARphB", 30, _I, "reactive_power_l2_var", 32),
        Point("VARphC", 31, _I, "reactive_power_l3_var", 32),
        Point("PF", 33, _I, "power_factor", 37, -2),
        Point("PFphA", 34, _I, "power_factor_l1", 37, -2),
        Point("PFphB", 35, _I, "power_factor_l2", 37, -2),
        Point("PFphC", 36, _I, "power_factor_l3", 37, -2),
        Point("TotWhExp", 38, _ACC, "energy_export_wh", 54),
        Point("TotWhExpPhA", 40, _ACC, "energy_export_l1_wh", 54),
        Point("TotWhExpPhB", 42, _ACC, "energy_export_l2_wh", 54),
        Point("TotWhExpPhC", 44, _ACC, "energy_export_l3_wh", 54),
        Point("TotWhImp", 46, _ACC, "energy_import_wh", 54),
        Point("TotWhImpPhA", 48, _ACC, "energy_import_l1_wh", 54),
        Point("TotWhImpPhB", 50, _ACC, "energy_import_l2_wh", 54),
        Point("TotWhImpPhC", 52, _ACC, "energy_import_l3_wh", 54),
    ),
)
_METER_FLOAT: Final = Model(
    Family.METER,
    124,
    (
        Point("A", 2, _F, "current_a"),
        Point("AphA", 4, _F, "current_l1_a"),
        Point("AphB", 6, _F, "current_l2_a"),
        Point("AphC", 8, _F, "current_l3_a"),
        Point("PhV", 10, _F, "voltage_v"),
        Point("PhVphA", 12, _F, "voltage_l1_v"),
        Point("PhVphB", 14, _F, "voltage_l2_v"),
        Point("PhVphC", 16, _F, "voltage_l3_v"),
        Point("Hz", 26, _F, "frequency_hz"),
        Point("W", 28, _F, "active_power_w"),
        Point("WphA", 30, _F, "active_power_l1_w"),
        Point("WphB", 32, _F, "active_power_l2_w"),
        Point("WphC", 34, _F, "active_power_l3_w"),
        Point("VA", 36, _F, "apparent_power_va"),
        Point("VAphA", 38, _F, "apparent_power_l1_va"),
        Point("VAphB", 40, _F, "apparent_power_l2_va"),
        Point("VAphC", 42, _F, "apparent_power_l3_va"),
        Point("VAR", 44, _F, "reactive_power_var"),
        Point("VARphA", 46, _F, "reactive_power_l1_var"),
        Point("VARphB", 48, _F, "reactive_power_l2_var"),
        Point("VARphC", 50, _F, "reactive_power_l3_var"),
        Point("PF", 52, _F, "power_factor"),
        Point("PFphA", 54, _F, "power_factor_l1"),
        Point("PFphB", 56, _F, "power_factor_l2"),
        Point("PFphC", 58, _F, "power_factor_l3"),
        Point("TotWhExp", 60, _F, "energy_export_wh"),
        Point("TotWhExpPhA", 62, _F, "energy_export_l1_wh"),
        Point("TotWhExpPhB", 64, _F, "energy_export_l2_wh"),
        Point("TotWhExpPhC", 66, _F, "energy_export_l3_wh"),
        Point("TotWhImp", 68, _F, "energy_import_wh"),
        Point("TotWhImpPhA", 70, _F, "energy_import_l1_wh"),
        Point("TotWhImpPhB", 72, _F, "energy_import_l2_wh"),
        Point("TotWhImpPhC", 74, _F, "energy_import_l3_wh"),
    ),
)
_MPPT: Final = Model(
    Family.STRINGS,
    8,
    (),
    module_length=20,
    module_points=(
        Point("DCA", 9, _U, "dc_current_s{n}_a", 2),
        Point("DCV", 10, _U, "dc_voltage_s{n}_v", 3),
        Point("DCW", 11, _U, "dc_power_s{n}_w", 4),
    ),
    n_modules_at=8,
)
_DER_AC: Final = Model(
    Family.INVERTER,
    153,
    (
        # Its states are those of model 101, counted from 0.
        Point("InvSt", 4, _E, "operating_state", None, 0, 1),
        Point("Alrm", 6, _B, "event_flags"),
        Point("W", 10, _I, "production_power_w", 116),
        Point("VA", 11, _I, "apparent_power_va", 118),
        Point("Var", 12, _I, "reactive_power_var", 119),
        Point("PF", 13, _I, "power_factor", 117),
        Point("A", 14, _I, "current_a", 113),
        Point("LNV", 16, _U, "voltage_v", 114),
        Point("Hz", 17, _U32, "frequency_hz", 115),
        Point("TotWhInj", 19, _U64, "energy_production_wh", 120),
        Point("TotWhAbs", 23, _U64, "energy_import_wh", 120),
        Point("TotVarhInj", 27, _U64, "reactive_energy_export_varh", 121),
        Point("TotVarhAbs", 31, _U64, "reactive_energy_import_varh", 121),
        Point("TmpCab", 36, _I, "temperature_c", 122),
        Point("TmpSnk", 37, _I, "heat_sink_temperature_c", 122),
        Point("WL1", 41, _I, "production_power_l1_w", 116),
        Point("VAL1", 42, _I, "apparent_power_l1_va", 118),
        Point("VarL1", 43, _I, "reactive_power_l1_var", 119),
        Point("PFL1", 44, _I, "power_factor_l1", 117),
        Point("AL1", 45, _I, "current_l1_a", 113),
        Point("VL1", 47, _U, "voltage_l1_v", 114),
        Point("WL2", 64, _I, "production_power_l2_w", 116),
        Point("VAL2", 65, _I, "apparent_power_l2_va", 118),
        Point("VarL2", 66, _I, "reactive_power_l2_var", 119),
        Point("PFL2", 67, _I, "power_factor_l2", 117),
        Point("AL2", 68, _I, "current_l2_a", 113),
        Point("VL2", 70, _U, "voltage_l2_v", 114),
        Point("WL3", 87, _I, "production_power_l3_w", 116),
        Point("VAL3", 88, _I, "apparent_power_l3_va", 118),
        Point("VarL3", 89, _I, "reactive_power_l3_var", 119),
        Point("PFL3", 90, _I, "power_factor_l3", 117),
        Point("AL3", 91, _I, "current_l3_a", 113),
        Point("VL3", 93, _U, "voltage_l3_v", 114),
    ),
)
_STORAGE: Final = Model(
    Family.BATTERY,
    7,
    (
        Point("WHRtg", 2, _U, "energy_capacity_wh", 7),
        Point("WHAvail", 3, _U, "energy_stored_wh", 7),
        Point("SoC", 4, _U, "state_of_charge_pct", 8),
        Point("SoH", 5, _U, "state_of_health_pct", 8),
    ),
)
_DER_DC: Final = Model(
    Family.STRINGS,
    18,
    (
        Point("DCA", 5, _I, "dc_current_a", 15),
        Point("DCW", 6, _I, "dc_power_w", 17),
    ),
    module_length=25,
    module_points=(
        Point("DCA", 10, _I, "dc_current_s{n}_a", 15),
        Point("DCV", 11, _U, "dc_voltage_s{n}_v", 16),
        Point("DCW", 12, _I, "dc_power_s{n}_w", 17),
    ),
    n_modules_at=4,
)
_BATTERY: Final = Model(
    Family.BATTERY,
    62,
    # Power and current of the bank are left out: the model does not say which way is positive.
    (
        Point("WHRtg", 3, _U, "energy_capacity_wh", 53),
        Point("SoC", 11, _U, "state_of_charge_pct", 56),
        Point("SoH", 13, _U, "state_of_health_pct", 58),
        Point("V", 34, _U, "dc_voltage_v", 59),
    ),
)

MODELS: Final[dict[int, Model]] = (
    dict.fromkeys((103, 102, 101), _INVERTER)
    | dict.fromkeys((113, 112, 111), _INVERTER_FLOAT)
    | dict.fromkeys((203, 204, 202, 201), _METER)
    | dict.fromkeys((213, 214, 212, 211), _METER_FLOAT)
    | {701: _DER_AC, 160: _MPPT, 714: _DER_DC, 713: _STORAGE, 802: _BATTERY}
)
"""By id; where two tell the same quantity, the one that comes first here counts."""
