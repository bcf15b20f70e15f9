"""From a name of this program's own ``/metrics`` page back to the quantity that it shows.

The inverse of ``prometheus_names.py``: what another Wattscope shows, or a Prometheus hands on,
comes back as the quantity it was. Energy today, and how devices and the program stand, are no
readings and have no way back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from wattscope.compute.prometheus_names import OWN_NAME, Scale, expose_quantity
from wattscope.core.quantities import MAX_STRINGS, QUANTITIES, Quantity, find_quantity

_PART_LABELS: Final = ("phase", "tariff", "string")
_STEMS: Final = ("dc_power_s{}_w", "dc_voltage_s{}_v", "dc_current_s{}_a")


class Origin(NamedTuple):
    """What a sample shows."""

    quantity: str
    scale: Scale


def is_own_name(metric: str) -> bool:
    """Whether samples of this name are readings that a Wattscope shows."""
    return metric == OWN_NAME or metric in _index_names()[0]


def find_origin(metric: str, labels: Mapping[str, str]) -> Origin | None:
    """The quantity of a sample; None where it is none of ours.

    >>> find_origin("wattscope_phase_voltage_volts", {"phase": "l2"}).quantity
    'voltage_l2_v'
    """
    if metric == OWN_NAME:
        unit = labels.get("unit", "").replace("/", "_per_")
        found = find_quantity(f"{labels.get('quantity', '')}__{unit}")
        return None if found is None else Origin(found.name, Scale())
    part = tuple((name, labels[name]) for name in _PART_LABELS if name in labels)
    return _index_names()[1].get((metric, part))


def restore(shown: float, scale: Scale) -> float:
    """The value behind a shown one: the shortest decimal that is shown like this.

    Multiplying by 3600 and dividing again may miss the last bit; a value of 15 digits or fewer,
    which is what meters say, comes back exactly.
    """
    if scale == Scale():
        return shown
    value = shown * scale.divisor / scale.factor + scale.offset
    decimal = float(f"{value:.15g}")
    is_same = (decimal - scale.offset) * scale.factor / scale.divisor == shown
    return decimal if is_same else value


@lru_cache(maxsize=1)
def _index_names() -> tuple[frozenset[str], dict[tuple[str, tuple[tuple[str, str], ...]], Origin]]:
    """All names, and the quantity by name and further labels."""
    found = {}
    for quantity in _list_quantities():
        shown = expose_quantity(quantity)
        found[shown.family.name, shown.labels] = Origin(quantity.name, shown.scale)
    return frozenset(name for name, _ in found), found


def _list_quantities() -> Iterator[Quantity]:
    yield from QUANTITIES.values()
    for stem in _STEMS:
        for number in range(1, MAX_STRINGS + 1):
            one = find_quantity(stem.format(number))
            if one is not None:
                yield one
