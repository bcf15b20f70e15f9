"""Decodes samples by a profile; what series have in common is worked out once for each.

It never raises, whatever the bytes are. A value that is not a number (NaN), with which an exporter
says that there is none and Prometheus that a series has ended, is a missing value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from wattscope.compute.decode.route import MAX_NAME, Decoded
from wattscope.compute.decode.values import share_names
from wattscope.compute.samples.metric_map import MappedMetric, Meaning, MetricMap, fill_in
from wattscope.compute.samples.own_names import find_origin, restore
from wattscope.compute.samples.sample_line import HISTOGRAM, NAME_LABEL, Labels, read_head
from wattscope.core.findings import Ignored, ReasonCode, Rejection
from wattscope.core.quantities import find_quantity, own_quantity
from wattscope.core.reading import Reading
from wattscope.core.topology import is_safe_name
from wattscope.core.units import Conversion, find_conversion
from wattscope.ports import RawMessage

MAX_PLANS: Final = 100_000
"""Series that are remembered; beyond, all are forgotten and learnt again."""
# 2000 and 2200: beyond, a clock was not set, or the unit is another one.
EARLIEST_MS: Final = 946_684_800_000
LATEST_MS: Final = 7_258_118_400_000
_VALUE: Final = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?Inf|NaN")
_TIME: Final = re.compile(rb"-?[0-9]{1,18}")
_MAX_NUMBER: Final = 64
"""Longest text of a value [bytes]."""
_LEFT_OUT: Final = Ignored("no entry of the profile means this sample")
_NAN: Final = float("nan")
_HISTOGRAM: Final = HISTOGRAM.encode()
_NO_HISTOGRAMS: Final = Rejection(
    ReasonCode.WRONG_TYPE,
    "native histograms are not kept; have the sender leave them out "
    "(send_native_histograms: false)",
)


class _Plan(NamedTuple):
    """What all samples of a series have in common."""

    device: str
    site: str | None
    quantities: tuple[str]
    to_base: Callable[[float], float]


class SampleDecoder:
    """Decodes the samples of one profile; remembers nothing but plans."""

    def __init__(self, metric_map: MetricMap) -> None:
        self._map = metric_map
        self._plans: dict[bytes, _Plan | Rejection | Ignored] = {}

    def decode(self, message: RawMessage) -> Decoded:  # noqa: PLR0911  # one for each refusal
        """The reading of a sample, or why it cannot be trusted."""
        parts = message.payload.rsplit(b" ", 2)
        if len(parts) != 3:
            return Rejection(ReasonCode.SYNTAX, "a sample is a series, a value and a time")
        head, number, time = parts
        if number == _HISTOGRAM:
            return _NO_HISTOGRAMS
        plan = self._plans.get(head) or self._learn(head)
        if not isinstance(plan, _Plan):
            return plan
        time_ms, value = _read_time(time), _read_value(number)
        if isinstance(time_ms, Rejection):
            return time_ms
        if isinstance(value, Rejection):
            return value
        base = _NAN if math.isnan(value) else plan.to_base(value)
        if math.isinf(base):
            return Rejection(
                ReasonCode.NOT_FINITE, f"{number[:40]!r} is no number that can be kept"
            )
        return (Reading(plan.device, time_ms * 1000, plan.quantities, (base,), None, plan.site),)

    def _learn(self, head: bytes) -> _Plan | Rejection | Ignored:
        labels = read_head(head)
        plan = labels if isinstance(labels, Rejection) else plan_series(labels, self._map)
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
        if len(head) <= 2048:
            self._plans[head] = plan
        return plan


def plan_series(labels: Labels, metric_map: MetricMap) -> _Plan | Rejection | Ignored:
    """Whose samples these are, of what, and how they become base units."""
    mapped = metric_map.find(labels)
    if mapped is None:
        return _LEFT_OUT
    names = [_name(mapped.device, labels, "device")]
    if mapped.site:
        names.append(_name(mapped.site, labels, "site"))
    for name in names:
        if isinstance(name, Rejection):
            return name
    device, site = str(names[0]), str(names[1]) if mapped.site else None
    meant = _find_meaning(labels, mapped)
    if isinstance(meant, Rejection):
        return meant
    quantity, to_base = meant
    shared = share_names((quantity,))
    return _Plan(device, site, (shared[0],), to_base)


def _name(template: str, labels: Labels, what: str) -> str | Rejection:
    name = fill_in(template, labels)
    if name is None:
        return Rejection(
            ReasonCode.MISSING_FIELD, f"labels of {template!r} are missing; no {what} is known"
        )
    if len(name) > MAX_NAME or not is_safe_name(name):
        return Rejection(ReasonCode.BAD_NAME, f"{name[:40]!r} cannot be the key of a {what}")
    return name


def _find_meaning(
    labels: Labels, mapped: MappedMetric
) -> tuple[str, Callable[[float], float]] | Rejection:
    metric = labels[NAME_LABEL]
    if mapped.meaning is Meaning.QUANTITY:
        found = find_quantity(mapped.quantity)
        base = "" if found is None else found.unit
        conversion = find_conversion(mapped.unit or base, base) or Conversion(base, 1.0)
        return mapped.quantity, conversion.to_base
    if mapped.meaning is Meaning.WATTSCOPE:
        origin = find_origin(metric, labels)
        if origin is None:
            detail = f"the labels of {metric[:60]!r} name no quantity of this program"
            return Rejection(ReasonCode.UNKNOWN_FORMAT, detail)
        return origin.quantity, lambda shown: restore(shown, origin.scale)
    own = own_quantity(metric, "")
    if own is None:
        return Rejection(ReasonCode.BAD_NAME, f"{metric[:40]!r} cannot be a quantity of its own")
    return own.name, float


def _read_time(text: bytes) -> int | Rejection:
    """An instant that can be meant [ms since 1970]."""
    if not _TIME.fullmatch(text):
        return Rejection(ReasonCode.BAD_TIME, f"{text[:40]!r} is no time in milliseconds")
    time_ms = int(text)
    if EARLIEST_MS <= time_ms < LATEST_MS:
        return time_ms
    detail = f"time {time_ms} ms is not between 2000 and 2200; see to the sender's clock"
    return Rejection(ReasonCode.BAD_TIME, detail)


def _read_value(text: bytes) -> float | Rejection:
    if len(text) <= _MAX_NUMBER and _VALUE.fullmatch(text):
        return float(text)
    return Rejection(ReasonCode.NOT_NUMBER, f"{text[:40]!r} is no number")
