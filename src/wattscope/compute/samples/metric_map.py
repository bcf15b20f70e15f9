"""Profiles of Prometheus' samples: which labels are sites and devices, which metrics quantities.

A profile is TOML::

    title = "Heat pump"              words for a screen
    decoder = "prometheus"
    kind = "heat_pump"               # of devices that register themselves: a DeviceKind
    interval_s = 30                  # expected time between their readings [s]
    [[metrics]]
    metric = "wago_power_total_kw"   # "wago_*" is all that begin so, "*" is any
    labels = { phase = "L1" }        # only samples that have these labels
    device = "{device|instance}"     # key of the device: text and labels; | is "or else"
    site = "{site}"                  # id of its site; left out: that of the settings
    quantity = "active_power_w"
    unit = "kW"                      # left out: the base unit
    meaning = "quantity"             # "wattscope": names of this program; "own": whatever it is

In ``device`` and ``site``, ``{*}`` stands for all labels but ``job``, joined by slashes. What no
entry names is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from wattscope.compute.named_quantity import judge_quantity
from wattscope.compute.samples.own_names import is_own_name
from wattscope.compute.samples.sample_line import NAME_LABEL, Labels
from wattscope.core.errors import SettingsError
from wattscope.core.quantities import own_quantity
from wattscope.core.topology import DeviceKind

DECODER: Final = "prometheus"
_ALL: Final = "*"
_NOT_TOLD: Final = frozenset({NAME_LABEL, "job"})
"""Labels that tell no device from another."""
_PARTS_OF_ONE: Final = frozenset({"le", "quantile"})
"""Labels of the parts of a distribution, which measure nothing each."""
_PLACE: Final = re.compile(r"\{((?:[a-zA-Z_][a-zA-Z0-9_]*)(?:\|[a-zA-Z_][a-zA-Z0-9_]*)*|\*)\}")


class Meaning(Enum):
    """How it is known what samples measure."""

    QUANTITY = "quantity"
    """The entry tells."""
    WATTSCOPE = "wattscope"
    """They have the names of this program's own page."""
    OWN = "own"
    """Each metric is a quantity of its own, without a unit; parts of distributions are left out."""


class MappedMetric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The samples of one metric or of some."""

    metric: str
    labels: dict[str, str] = {}
    """Labels that a sample must have to be meant."""
    device: str = "{instance}"
    site: str = ""
    quantity: str = ""
    unit: str = ""
    meaning: Meaning = Meaning.QUANTITY

    def knows(self, metric: str) -> bool:
        """Whether any sample of a name may be meant."""
        if not fnmatchcase(metric, self.metric):
            return False
        if self.meaning is Meaning.WATTSCOPE:
            return is_own_name(metric)
        return self.meaning is Meaning.QUANTITY or own_quantity(metric, "") is not None


class MetricMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How samples are read; the first entry that fits a sample counts."""

    name: str = ""
    title: str = ""
    decoder: str = DECODER
    kind: DeviceKind = DeviceKind.METER
    interval_s: float | None = None
    metrics: tuple[MappedMetric, ...] = ()

    def __post_init__(self) -> None:
        faults = list(_list_faults(self))
        if faults:
            raise SettingsError(faults, where=self.name or "metric map")

    def knows(self, metric: str) -> bool:
        """Whether any sample of a name may be meant."""
        return any(one.knows(metric) for one in self.metrics)

    def find(self, labels: Labels) -> MappedMetric | None:
        """The first entry for a sample."""
        for one in self.metrics:
            is_part = one.meaning is Meaning.OWN and not _PARTS_OF_ONE.isdisjoint(labels)
            if one.knows(labels[NAME_LABEL]) and one.labels.items() <= labels.items():
                return None if is_part else one
        return None


def parse_metric_map(table: Mapping[str, Any], *, where: str = "") -> MetricMap:
    """The map of a profile's TOML.

    Raises:
        SettingsError: Every unknown key and quantity and every wrong unit.
    """
    try:
        return msgspec.convert(dict(table), MetricMap)
    except msgspec.ValidationError as error:
        raise SettingsError([str(error)], where=where or str(table.get("name", ""))) from error


def fill_in(template: str, labels: Labels) -> str | None:
    """A template with the values of labels; None where one of them is missing.

    >>> fill_in("{site}/{device|instance}", {"site": "a", "instance": "b:1"})
    'a/b:1'
    >>> fill_in("{*}", {"__name__": "up", "job": "x", "instance": "b:1", "cpu": "0"})
    '0/b:1'
    """
    missing = False

    def replace(found: re.Match[str]) -> str:
        nonlocal missing
        if found[1] == _ALL:
            values = [labels[name] for name in sorted(labels) if name not in _NOT_TOLD]
            missing = missing or not values
            return "/".join(values)
        value = next((labels[name] for name in found[1].split("|") if name in labels), None)
        missing = missing or value is None
        return value or ""

    filled = _PLACE.sub(replace, template)
    return None if missing else filled


def _list_faults(metric_map: MetricMap) -> Iterator[str]:
    """Everything that contradicts itself or the catalogue."""
    if metric_map.decoder != DECODER:
        yield f"decoder: {metric_map.decoder!r} does not read samples; use {DECODER}"
    if not metric_map.metrics:
        yield "metrics: there are none; add [[metrics]]"
    if metric_map.interval_s is not None and not 0 < metric_map.interval_s < float("inf"):
        yield "interval_s: must be a number of seconds above 0"
    for one in metric_map.metrics:
        yield from _list_entry_faults(one)


def _list_entry_faults(one: MappedMetric) -> Iterator[str]:
    at = f"metric {one.metric}"
    if not one.metric:
        yield 'metrics: one has no name; "*" is any'
    if not one.device:
        yield f"{at}: device is empty; write a text, or a label as {{instance}}"
    for key, template in (("device", one.device), ("site", one.site)):
        if "{" in _PLACE.sub("", template) or "}" in _PLACE.sub("", template):
            yield f"{at}: {key} {template!r} is no template; write labels as {{instance}}"
    if one.meaning is not Meaning.QUANTITY:
        if one.quantity or one.unit:
            yield f"{at}: leave quantity and unit out, meaning {one.meaning.value!r} tells them"
        return
    if fault := judge_quantity(one.quantity, one.unit):
        yield f"{at}: {fault}"
