"""What a meter on three phases tells, from the power of each phase: currents, factors, energies.

::

    S = √(P² + Q²)      I = S / V        PF = P / S                 of each phase
    P = ΣP   Q = ΣQ     S = √(P² + Q²)   PF = P / S   I = ΣI        of all (vector apparent power,
                                                                    IEEE Std 1459-2010, 3.2.2.6)

Energies of all phases are the sums of the phases', each of which counts its two directions by
itself. Values have the decimals that meters print.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wattscope.core.reading import FloatColumn

PHASES = ("l1", "l2", "l3")

Table = dict[str, FloatColumn]
"""Quantity to one value an instant [base unit]."""


class PhaseState(NamedTuple):
    """Columns of shape ``(3, n)``, a row for each phase; only the frequency is ``(n,)``."""

    power_w: FloatColumn
    """Into the consumer positive [W]."""
    reactive_var: FloatColumn
    """Inductive positive [var]."""
    voltage_v: FloatColumn
    """Phase to neutral [V]."""
    frequency_hz: FloatColumn
    import_wh: FloatColumn
    """Registers of energy [Wh, varh]."""
    export_wh: FloatColumn
    reactive_import_varh: FloatColumn
    reactive_export_varh: FloatColumn


def tell_quantities(state: PhaseState) -> Table:
    """Every quantity of the catalogue that a three-phase meter may have."""
    power, reactive = state.power_w, state.reactive_var
    apparent = np.hypot(power, reactive)
    voltage = np.round(state.voltage_v, 2)
    current = np.round(apparent / voltage, 3)
    total_apparent = np.hypot(power.sum(axis=0), reactive.sum(axis=0))
    table: Table = {
        "frequency_hz": np.round(state.frequency_hz, 3),
        "current_n_a": np.round(_neutral_current(current), 3),
        "phase_angle_deg": np.round(
            np.degrees(np.arctan2(reactive.sum(axis=0), power.sum(axis=0))), 1
        ),
    }
    _put(table, "active_power", "w", power, np.round(power.sum(axis=0), 1))
    _put(table, "reactive_power", "var", reactive, np.round(reactive.sum(axis=0), 1))
    _put(table, "apparent_power", "va", _round(apparent, 1), _round(total_apparent, 1))
    _put(table, "voltage", "v", voltage, np.round(voltage.mean(axis=0), 2))
    _put(table, "current", "a", current, np.round(current.sum(axis=0), 3))
    _put(
        table,
        "power_factor",
        "",
        _factor(power, apparent),
        _factor(power.sum(axis=0), total_apparent),
    )
    # Distortion of the voltage follows how far it is from its nominal value.
    distortion: FloatColumn = np.round(1.5 + 0.1 * np.abs(voltage - 230.0), 2)
    _put(table, "thd", "pct", distortion, np.round(distortion.mean(axis=0), 2))
    _put_energies(table, state)
    return table


def tell_production(table: Table) -> Table:
    """What an inverter tells of the same state: what it gives, without a sign to be guessed."""
    told = {
        name: column
        for name, column in table.items()
        if name.startswith(("voltage", "current", "frequency", "power_factor", "apparent"))
    }
    for suffix in ("", *(f"_{phase}" for phase in PHASES)):
        told[f"production_power{suffix}_w"] = 0.0 - table[f"active_power{suffix}_w"]
        factor = f"power_factor{suffix}"
        told[factor] = np.abs(table[factor])
    told["reactive_power_var"] = table["reactive_power_var"]
    told["energy_production_wh"] = table["energy_export_wh"]
    return told


def _put(table: Table, stem: str, unit: str, phases: FloatColumn, total: FloatColumn) -> None:
    """A quantity of all phases and of each."""
    ending = f"_{unit}" if unit else ""
    table[f"{stem}{ending}"] = total
    for phase, column in zip(PHASES, phases, strict=True):
        table[f"{stem}_{phase}{ending}"] = column


def _put_energies(table: Table, state: PhaseState) -> None:
    """Registers show what is complete: whole Wh and varh."""
    for stem, unit, gained, given in (
        ("energy", "wh", state.import_wh, state.export_wh),
        ("reactive_energy", "varh", state.reactive_import_varh, state.reactive_export_varh),
    ):
        taken, lent = np.floor(gained), np.floor(given)
        _put(table, f"{stem}_import", unit, taken, taken.sum(axis=0))
        _put(table, f"{stem}_export", unit, lent, lent.sum(axis=0))
        both = taken + lent
        _put(table, f"{stem}_total", unit, both, both.sum(axis=0))
    for stem in ("energy_import", "energy_export", "energy_total"):
        whole = table[f"{stem}_wh"]
        table[f"{stem}_t1_wh"] = np.floor(0.6 * whole)
        table[f"{stem}_t2_wh"] = whole - table[f"{stem}_t1_wh"]


def _factor(power: FloatColumn, apparent: FloatColumn) -> FloatColumn:
    """P / S, and 1 where nothing flows."""
    flows = apparent > 0
    ratio: FloatColumn = np.divide(power, apparent, out=np.ones_like(power), where=flows)
    return _round(ratio, 3)


def _round(column: FloatColumn, n_decimals: int) -> FloatColumn:
    rounded: FloatColumn = np.round(column, n_decimals)
    return rounded


def _neutral_current(current: FloatColumn) -> FloatColumn:
    """Sum of three currents 120° apart [A], shape ``(n,)``."""
    a, b, c = current
    sum_squared: FloatColumn = a * a + b * b + c * c - a * b - b * c - c * a
    return np.asarray(np.sqrt(np.maximum(0.0, sum_squared)))
