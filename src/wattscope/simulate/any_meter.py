"""A load on three phases for a virtual meter of any type, with registers in closed form.

::

    P(t) = P₀ (1 + Σ aₖ sin(2πt/Tₖ + φₖ)),  Σ aₖ < 1        E(t) = ∫ P  from the epoch on, exactly

Nothing is summed from day to day, so that hundreds of meters cost little and start at once.
"""

from __future__ import annotations

import numpy as np

from wattscope.core.quantities import QuantityKind, find_quantity
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.registers import RegisterMap
from wattscope.core.time_grid import US_PER_S
from wattscope.simulate.mains import frequency_at, voltages_at
from wattscope.simulate.noise import hash_unit, smooth_noise
from wattscope.simulate.three_phase import PhaseState, Table, tell_production, tell_quantities

ID = "meter"
"""Name of the only device in its tables."""

_SIZE, _PHASE, _OWN = 401, 402, 410

EPOCH_S = 1_767_225_600
"""1 January 2026, 0:00 UTC: where the registers showed nothing [s since 1970]."""
_PERIODS_S = (86_400.0, 5_400.0, 610.0, 47.0)
_AMPLITUDES = (0.35, 0.22, 0.15, 0.05)
_POWER_FACTOR = 0.93
_NOMINAL_V = 230.0


class AnyMeter:
    """Answers every quantity that a register map names."""

    def __init__(self, register_map: RegisterMap, *, seed: int, mean_w: float = 3000.0) -> None:
        """Another ``seed`` is another load, about ``mean_w`` in size."""
        self._map = register_map
        self._seed = seed
        share = 0.5 + hash_unit(seed, _SIZE, np.arange(3))
        self._mean_w = mean_w * share / 3.0
        count = 3 * len(_PERIODS_S)
        angles = 2 * np.pi * hash_unit(seed, _PHASE, np.arange(count))
        self._angles = angles.reshape(3, len(_PERIODS_S))

    def tables_at(self, instants_us: Int64Column) -> dict[str, Table]:
        """Quantity to one value an instant, of ``ID``; instants in rising order [µs]."""
        seconds = instants_us / US_PER_S
        whole_s = instants_us // US_PER_S
        power_w = np.round(self._power(seconds), 1)
        energy_wh = self._energy(seconds)
        ratio = (1.0 / _POWER_FACTOR**2 - 1.0) ** 0.5
        nothing = np.zeros_like(energy_wh)
        gives = self._map.is_production
        state = PhaseState(
            power_w=0.0 - power_w if gives else power_w,
            reactive_var=np.round(ratio * power_w, 1),
            voltage_v=voltages_at(self._seed, whole_s, power_w, _NOMINAL_V),
            frequency_hz=frequency_at(self._seed, whole_s),
            import_wh=nothing if gives else energy_wh,
            export_wh=energy_wh if gives else nothing,
            reactive_import_varh=ratio * energy_wh,
            reactive_export_varh=nothing,
        )
        table = tell_quantities(state)
        if gives:
            table |= tell_production(table)
        wanted = [one.quantity for one in self._map.registers]
        known = {name: table[name] for name in wanted if name in table}
        others = [name for name in wanted if name not in table]
        return {ID: known | {name: self._make_up(name, whole_s) for name in others}}

    def _power(self, seconds: FloatColumn) -> FloatColumn:
        total = np.ones((3, len(seconds)))
        for n, (period_s, amplitude) in enumerate(zip(_PERIODS_S, _AMPLITUDES, strict=True)):
            turn = 2 * np.pi * seconds / period_s + self._angles[:, n, None]
            total += amplitude * np.sin(turn)
        return self._mean_w[:, None] * total

    def _energy(self, seconds: FloatColumn) -> FloatColumn:
        """The integral of the power since the epoch [Wh]."""
        total = np.tile(seconds - EPOCH_S, (3, 1))
        for n, (period_s, amplitude) in enumerate(zip(_PERIODS_S, _AMPLITUDES, strict=True)):
            speed = 2 * np.pi / period_s
            angle = self._angles[:, n, None]
            gained = np.cos(speed * EPOCH_S + angle) - np.cos(speed * seconds + angle)
            total += amplitude / speed * gained
        return self._mean_w[:, None] * total / 3600.0

    def _make_up(self, name: str, whole_s: Int64Column) -> FloatColumn:
        """Something for what no load tells: a counter climbs, all else is random."""
        found = find_quantity(name)
        channel = _OWN + sum(name.encode())
        if found is not None and found.kind is QuantityKind.COUNTER:
            return np.floor((whole_s - EPOCH_S) / 3600.0)
        if "__" in name:
            return np.floor(1001.0 * hash_unit(self._seed, channel, whole_s))
        return np.round(20.0 + 5.0 * smooth_noise(self._seed, channel, whole_s, 300), 1)
