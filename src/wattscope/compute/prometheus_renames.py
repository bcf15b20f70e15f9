"""Names of one's own for single series: those of a dashboard that is already there.

A register that counts is given twice where its name does not end in ``_total``::

    wago_energy_total_kwh         untyped    the name that panels ask for
    wago_energy_total_kwh_total   counter    the same number, named as a counter must be

Prometheus' linter refuses a counter without ``_total`` and takes an untyped name for what it is;
queries do not look at types, so ``increase(wago_energy_total_kwh[1d])`` answers.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from wattscope.compute.prometheus_names import PREFIX, Exposition, Family, MetricType, Scale
from wattscope.core.quantities import QUANTITIES, Quantity, QuantityKind, find_quantity
from wattscope.core.units import find_conversion, list_units

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TOTAL = "_total"


@dataclass(frozen=True, slots=True)
class Rename:
    """One name of one's own."""

    name: str
    device: str
    quantity: str
    unit: str | None = None
    """Unit that is shown; None for the quantity's own."""


def list_rename_faults(renames: Iterable[Rename]) -> list[str]:
    """What cannot be meant, each with its name first."""
    faults: list[str] = []
    taken: dict[str, str] = {}
    for one in renames:
        found = _find_faults(one)
        for name in () if found else [shown.family.name for shown in expose_renamed(one)]:
            if taken.setdefault(name, one.name) != one.name:
                found.append(f"{name} is given by {taken[name]} already; choose another name")
        faults += [f"{one.name}: {fault}" for fault in found]
    return faults


def _find_faults(one: Rename) -> list[str]:
    quantity = find_quantity(one.quantity)
    faults = []
    if not _NAME.fullmatch(one.name):
        faults.append("is no name of a metric; use letters, digits and _")
    if one.name.startswith(PREFIX):
        faults.append(f"names that begin with {PREFIX} are the program's own; choose another")
    if quantity is None:
        near = difflib.get_close_matches(one.quantity, QUANTITIES, n=1)
        hint = f"did you mean {near[0]}?" if near else "see docs/GLOSSARY.md"
        return [*faults, f"quantity {one.quantity!r} is unknown; {hint}"]
    if _find_scale(quantity, one.unit) is None:
        valid = ", ".join(list_units(quantity.unit)) or quantity.unit
        faults.append(f"{one.quantity} cannot be shown in {one.unit!r}; valid are {valid}")
    if one.name.endswith(_TOTAL) and quantity.kind is not QuantityKind.COUNTER:
        faults.append(f"only counters end in {_TOTAL}, and {one.quantity} is none")
    return faults


def expose_renamed(one: Rename) -> tuple[Exposition, ...]:
    """The samples of a name that has no fault; a counter's may be two."""
    quantity = find_quantity(one.quantity)
    scale = None if quantity is None else _find_scale(quantity, one.unit)
    if quantity is None or scale is None:
        return ()
    unit = one.unit or quantity.unit
    words = f"{quantity.title} of {one.device}" + (f" [{unit}]." if unit else ".")
    if quantity.kind is not QuantityKind.COUNTER:
        return (Exposition(Family(one.name, MetricType.GAUGE, words), (), scale),)
    name = one.name if one.name.endswith(_TOTAL) else f"{one.name}{_TOTAL}"
    counter = Exposition(Family(name, MetricType.COUNTER, words), (), scale)
    if name == one.name:
        return (counter,)
    alias = Family(one.name, MetricType.UNTYPED, f"{words} The counter is {name}.")
    return Exposition(alias, (), scale), counter


def _find_scale(quantity: Quantity, unit: str | None) -> Scale | None:
    """From the quantity's unit to the wanted one; None when that cannot be."""
    if unit is None or unit == quantity.unit:
        return Scale()
    found = find_conversion(unit, quantity.unit)
    if found is None:
        return None
    if found.factor >= 1:
        return Scale(divisor=found.factor, offset=found.offset)
    return Scale(1 / found.factor, offset=found.offset)
