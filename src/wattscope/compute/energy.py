"""The energy balance of a site: what came, what was made, what was used, and from where.

::

    import ──▶┌──────┐◀── production
              │ site │
    export ◀──└──────┘──▶ consumption = import + production - export

Own use is what was produced and not exported. Self-sufficiency is the share of consumption that
own production covered, self-consumption the share of production that was used on the spot; both
as Home Assistant's energy page defines them without a battery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.core.topology import Device, DeviceKind
from wattscope.ports import Rollup

Floats = npt.NDArray[np.float64]

_IMPORTS = ("energy_import_wh", "energy_import_delta_wh", "energy_total_wh", "active_power_w")
_EXPORTS = ("energy_export_wh", "energy_export_delta_wh")
_PRODUCTIONS = ("energy_production_wh", "production_power_w", "dc_power_w")
_PRODUCERS = {DeviceKind.INVERTER, DeviceKind.PANEL}


@dataclass(frozen=True, slots=True)
class Roles:
    """Which series tell what of a site's energy; (device, quantity) pairs."""

    imports: tuple[tuple[str, str], ...]
    exports: tuple[tuple[str, str], ...]
    productions: tuple[tuple[str, str], ...]


def find_roles(devices: Sequence[Device], quantities: dict[str, set[str]]) -> Roles:
    """The best series for each role: registers before integrated power.

    Sub-meters and plugs are below a meter and count nowhere; panels below an inverter neither, at
    strings or not, unless the inverter tells nothing.

    Args:
        devices: Devices of one site.
        quantities: Names of the quantities that each device has.
    """
    imports, exports, productions = [], [], []
    above = {one.id: one.parent for one in devices}
    told = {
        one.id
        for one in devices
        if _is_producer(one) and _first(one.id, _PRODUCTIONS, quantities.get(one.id, set()))
    }
    for device in devices:
        has = quantities.get(device.id, set())
        if _is_producer(device):
            if not _is_below(device.parent, told, above):
                productions += _first(device.id, _PRODUCTIONS, has)
        elif device.kind is DeviceKind.METER and device.parent is None:
            imports += _first(device.id, _IMPORTS, has)
            exports += _first(device.id, _EXPORTS, has)
    return Roles(tuple(imports), tuple(exports), tuple(productions))


def _is_below(device: str | None, wanted: set[str], above: dict[str, str | None]) -> bool:
    """Whether one of some devices is this one or above it; a ring of parents ends."""
    seen: set[str] = set()
    while device is not None and device not in seen:
        if device in wanted:
            return True
        seen.add(device)
        device = above.get(device)
    return False


def _is_producer(device: Device) -> bool:
    return device.is_production or device.kind in _PRODUCERS


def _first(device: str, wanted: tuple[str, ...], has: set[str]) -> list[tuple[str, str]]:
    return next(([(device, name)] for name in wanted if name in has), [])


@dataclass(frozen=True, slots=True)
class Balance:
    """Energies by bucket [Wh], shape ``(n_buckets,)``; NaN where nothing is known."""

    imported: Floats
    exported: Floats
    produced: Floats
    consumed: Floats
    self_consumed: Floats
    coverage: Floats
    """Share of the bucket for which every series has data, 0 to 1."""


@dataclass(frozen=True, slots=True)
class RoleSeries:
    """Series ids by role; ``net`` are import series whose negative energy is export."""

    imports: tuple[int, ...]
    exports: tuple[int, ...]
    productions: tuple[int, ...]
    net: frozenset[int]

    def all(self) -> tuple[int, ...]:
        """Every series that takes part."""
        return self.imports + self.exports + self.productions


def balance_buckets(
    rollup: Rollup, series: RoleSeries, starts_us: npt.NDArray[np.int64]
) -> Balance:
    """The balance of each bucket that begins at ``starts_us``.

    Args:
        rollup: Buckets of the series, any of them missing.
        series: Who plays which role.
        starts_us: Starts of the wanted buckets, strictly rising [µs].
    """
    by_series = {one: spread_series(rollup, one, starts_us) for one in series.all()}
    energy = {one: pair[0] for one, pair in by_series.items()}
    positive = {
        one: np.maximum(energy[one], 0.0) if one in series.net else energy[one]
        for one in series.imports
    }
    imported = _total([positive[one] for one in series.imports], len(starts_us))
    produced = _total([energy[one] for one in series.productions], len(starts_us))
    given = [energy[one] for one in series.exports]
    given += [np.maximum(-energy[one], 0.0) for one in series.imports if one in series.net]
    exported = _total(given, len(starts_us)) if given else np.where(np.isnan(imported), np.nan, 0.0)
    if not series.productions:
        produced = np.where(np.isnan(imported), np.nan, 0.0)
        consumed = imported
    else:
        consumed = np.maximum(_zero(imported) + _zero(produced) - _zero(exported), 0.0)
        consumed = np.where(np.isnan(imported) & np.isnan(produced), np.nan, consumed)
    own = np.clip(_zero(produced) - _zero(exported), 0.0, _zero(consumed))
    covers = [pair[1] for pair in by_series.values()]
    coverage = np.min(covers, axis=0) if covers else np.zeros(len(starts_us))
    return Balance(
        imported, exported, produced, consumed, np.where(np.isnan(consumed), np.nan, own), coverage
    )


def spread_series(
    rollup: Rollup, series: int, starts_us: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Energy [Wh] and coverage of one series in the buckets that begin at ``starts_us``."""
    rows = np.flatnonzero(rollup.series_id == series)
    at = np.searchsorted(starts_us, rollup.bucket_start_us[rows])
    fits = at < len(starts_us)
    rows, at = rows[fits], at[fits]
    fits = starts_us[at] == rollup.bucket_start_us[rows]
    energy, coverage = np.full(len(starts_us), np.nan), np.zeros(len(starts_us))
    energy[at[fits]] = rollup.energy_wh[rows[fits]]
    coverage[at[fits]] = rollup.coverage[rows[fits]]
    return energy, coverage


def _total(parts: list[Floats], n_buckets: int) -> Floats:
    """Sum over series; NaN where no series has a number."""
    if not parts:
        return np.full(n_buckets, np.nan)
    stacked = np.vstack(parts)
    return np.where(np.isnan(stacked).all(axis=0), np.nan, np.nansum(stacked, axis=0))


def _zero(values: Floats) -> Floats:
    return np.nan_to_num(values, nan=0.0)


def share(part: float | None, whole: float | None) -> float | None:
    """A ratio within 0 to 1, or None where there is nothing to divide.

    >>> share(1.0, 4.0), share(1.0, 0.0)
    (0.25, None)
    """
    if part is None or whole is None or whole <= 0:
        return None
    return min(1.0, max(0.0, part / whole))
