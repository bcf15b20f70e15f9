"""What a profile may say of a value: the name of a quantity, and the unit that it comes in."""

from __future__ import annotations

import difflib

from wattscope.core.quantities import QUANTITIES, find_quantity
from wattscope.core.units import find_conversion, list_units


def judge_quantity(name: str, unit: str) -> str:
    """What is wrong with a quantity and its unit; empty when nothing is.

    >>> judge_quantity("active_power_w", "kW"), judge_quantity("active_power", "")
    ('', "no such quantity 'active_power'; is it active_power_w?")

    Args:
        name: As the catalogue has it.
        unit: What values come in; empty: the unit of the quantity itself.
    """
    quantity = find_quantity(name)
    if quantity is None:
        near = difflib.get_close_matches(name, QUANTITIES, n=1)
        hint = f"; is it {near[0]}?" if near else ""
        return f"no such quantity {name!r}{hint}"
    if unit and find_conversion(unit, quantity.unit) is None:
        units = ", ".join(list_units(quantity.unit)) or quantity.unit or "none"
        return f"{unit!r} is no unit of {quantity.name}; use {units}"
    return ""
