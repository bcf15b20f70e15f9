"""How a quantity is called in Prometheus: name, type, labels, and the factor to its unit.

::

    active_power_w       wattscope_active_power_watts{site,device}
    active_power_l1_w    wattscope_phase_active_power_watts{site,device,phase="l1"}
    energy_import_wh     wattscope_energy_import_joules_total{site,device}
    energy_import_t2_wh  wattscope_tariff_energy_import_joules_total{site,device,tariff="2"}
    flow_rate__l_per_min     wattscope_own_quantity{site,device,quantity,unit}

It promises names that keep Prometheus' rules ("Metric and label naming") and its linter's: base
units in the plural, ``_total`` on counters and on nothing else, and a sum over all labels of a
name that counts nothing twice; so a meter's total and its phases have names of their own. Energy
is in joules, which the rules call the base unit: the rate of such a counter is in watts.

What a meter calls its own words never becomes a name, only a label.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from wattscope.core.quantities import QUANTITIES, Quantity, QuantityKind

PREFIX = "wattscope_"
OWN_NAME = f"{PREFIX}own_quantity"
"""All quantities that the catalogue does not know."""
_SECONDS_PER_HOUR = 3600.0
_PART = re.compile(r"_(l[123]|t[1-9]|s[1-9][0-9]?)(?=_|$)")
_PART_LABELS = {"l": "phase", "t": "tariff", "s": "string"}


class MetricType(Enum):
    """Types of the text format that are used here."""

    GAUGE = "gauge"
    COUNTER = "counter"
    UNTYPED = "untyped"


@dataclass(frozen=True, slots=True)
class Family:
    """What all samples of one name share."""

    name: str
    type: MetricType
    help: str
    unit: str = ""
    """As OpenMetrics names it, such as ``watts``; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Scale:
    """``shown = (value - offset) * factor / divisor``; with whole numbers nothing is lost twice."""

    factor: float = 1.0
    divisor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Exposition:
    """How the values of one series are shown."""

    family: Family
    labels: tuple[tuple[str, str], ...]
    scale: Scale = Scale()


@dataclass(frozen=True, slots=True)
class _Unit:
    ending: str
    """How our names end in it."""
    word: str
    """How Prometheus' names end in it."""
    scale: Scale = Scale()


_UNITS: dict[str, _Unit] = {
    "W": _Unit("_w", "_watts"),
    "Wh": _Unit("_wh", "_joules", Scale(_SECONDS_PER_HOUR)),
    "VA": _Unit("_va", "_volt_amperes"),
    "var": _Unit("_var", "_vars"),
    "varh": _Unit("_varh", "_var_seconds", Scale(_SECONDS_PER_HOUR)),
    "V": _Unit("_v", "_volts"),
    "A": _Unit("_a", "_amperes"),
    "Hz": _Unit("_hz", "_hertz"),
    "%": _Unit("_pct", "_ratio", Scale(divisor=100.0)),
    "°": _Unit("_deg", "_degrees"),
    "°C": _Unit("_c", "_celsius"),
    "W/m²": _Unit("_w_m2", "_watts_per_square_meter"),
    "kg": _Unit("_kg", "_grams", Scale(1000.0)),
    "m³": _Unit("_m3", "_cubic_meters"),
}
_RATIO = _Unit("", "_ratio")
_CODE = _Unit("", "")


@lru_cache(maxsize=4096)
def expose_quantity(quantity: Quantity) -> Exposition:
    """Name, type, further labels and factor of a quantity.

    >>> from wattscope.core.quantities import find_quantity
    >>> shown = expose_quantity(find_quantity("energy_import_l2_wh"))
    >>> shown.family.name, shown.family.type.value, shown.labels, shown.scale.factor
    ('wattscope_phase_energy_import_joules_total', 'counter', (('phase', 'l2'),), 3600.0)
    """
    if "__" in quantity.name:
        unit = quantity.unit or "1"
        return Exposition(
            Family(OWN_NAME, MetricType.GAUGE, "Quantities of a meter's own, in its own units."),
            (("quantity", quantity.name.rpartition("__")[0]), ("unit", unit)),
        )
    return _expose(quantity, "", is_total=quantity.kind is QuantityKind.COUNTER)


@lru_cache(maxsize=4096)
def expose_today(quantity: Quantity) -> Exposition:
    """Likewise the energy of the local day so far, of a register or of a power.

    >>> from wattscope.core.quantities import find_quantity
    >>> expose_today(find_quantity("energy_total_wh")).family.name
    'wattscope_energy_total_today_joules'
    >>> expose_today(find_quantity("active_power_w")).family.name
    'wattscope_active_energy_today_joules'
    """
    name = quantity.name
    if quantity.is_power:
        name = f"{name.removesuffix('_w').replace('power', 'energy')}_wh"
    energy = Quantity(name, "Wh", QuantityKind.GAUGE, 0.0, 0.0, quantity.title)
    return _expose(energy, "_today", is_total=False)


def _expose(quantity: Quantity, span: str, *, is_total: bool) -> Exposition:
    unit = _unit_of(quantity)
    stem = quantity.name.removesuffix(unit.ending) if unit.ending else quantity.name
    part = _PART.search(stem)
    labels: tuple[tuple[str, str], ...] = ()
    if part is not None:
        label = _PART_LABELS[part[1][0]]
        labels = ((label, part[1] if label == "phase" else part[1][1:]),)
        stem = f"{label}_{stem[: part.start()]}{stem[part.end() :]}"
    ending = "_total" if is_total else ""
    family = Family(
        f"{PREFIX}{stem}{span}{unit.word}{ending}",
        MetricType.COUNTER if is_total else MetricType.GAUGE,
        _word_help(quantity, labels, span, unit),
        unit.word.strip("_"),
    )
    return Exposition(family, labels, unit.scale)


def _unit_of(quantity: Quantity) -> _Unit:
    if quantity.unit:
        return _UNITS[quantity.unit]
    return _RATIO if quantity.name.startswith("power_factor") else _CODE


def _word_help(
    quantity: Quantity, labels: tuple[tuple[str, str], ...], span: str, unit: _Unit
) -> str:
    """The same words for all series of a name: those of the whole, not of one phase."""
    whole = _PART.sub("", quantity.name)
    title = QUANTITIES[whole].title if whole in QUANTITIES else quantity.title
    by = f", by {labels[0][0]}" if labels else ""
    when = ", since local midnight" if span else ""
    last = ", of the newest interval" if quantity.kind is QuantityKind.DELTA else ""
    measured = f" [{unit.word.strip('_').replace('_', ' ')}]" if unit.word else ""
    return f"{title}{by}{when}{last}{measured}."


def escape_label(value: str) -> str:
    r"""A label value as the text format writes it.

    >>> print(escape_label('a"b\\c'))
    a\"b\\c
    """
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def format_sample(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    """A sample without its value.

    >>> format_sample("up", ()), format_sample("up", (("device", "a"),))
    ('up ', 'up{device="a"} ')
    """
    if not labels:
        return f"{name} "
    return f"{name}{{{','.join([_format_label(*one) for one in labels])}}} "


@lru_cache(maxsize=65_536)
def _format_label(label: str, value: str) -> str:
    """Remembered, for a device's labels are those of all its series."""
    return f'{label}="{escape_label(value)}"'
