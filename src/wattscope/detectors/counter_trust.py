"""Counters that fall again and again: what they say is no energy, so power is integrated instead.

A counter may begin again near zero, each midnight for all that matters here: its increases stay
right. One that falls to anything else, more than once or twice, is of no use.
"""

from __future__ import annotations

from dataclasses import dataclass

from wattscope.compute.counter_falls import count_falls
from wattscope.compute.production import POWER_QUANTITIES
from wattscope.core.findings import Finding
from wattscope.core.quantities import QuantityKind, find_quantity
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.window import View, Window


@dataclass(frozen=True, slots=True)
class CounterTrust:
    """Options of the detector ``counter_trust``."""

    name: str = "counter_trust"
    view: View = View("15m", 30 * US_PER_DAY, 6 * 3600.0)  # noqa: RUF009 - frozen
    min_falls: int = 3
    """One or two are a swap or a glitch, which the counter's own rules treat."""

    def find(self, window: Window) -> list[Finding]:
        """Counters that cannot be used, by device, then quantity."""
        counters = sorted(
            name
            for name in window.values
            if (found := find_quantity(name))
            and found.kind is QuantityKind.COUNTER
            # One that counts both ways may fall.
            and found.low >= 0.0
        )
        falls = {name: count_falls(window.values[name]) for name in counters}
        has_power = any(name in window.values for name in POWER_QUANTITIES)
        source = "energy comes from power" if has_power else "there is no power to take instead"
        return [
            Finding(
                "counter_unusable",
                device.id,
                int(window.slot_us[falls[name].first[row]]),
                int(window.slot_us[falls[name].last[row]]) + window.step_us,
                f"falls {int(falls[name].n_others[row])} times to something other than zero; "
                f"{source}",
                {
                    "falls_n": float(falls[name].n_others[row]),
                    "resets_n": float(falls[name].n_resets[row]),
                },
                name,
                self.name,
                0.95,
            )
            for row, device in enumerate(window.devices)
            for name in counters
            if falls[name].n_others[row] >= self.min_falls
        ]
