"""Gathers the values of one message into the columns of a reading.

It promises base units and that null is left out as a gap. A value that is no number spoils the
whole message, because what stands beside it can then not be trusted either.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from wattscope.compute.decode.clock import read_optional_instant
from wattscope.compute.decode.json_path import ABSENT, find
from wattscope.compute.decode.route import Route, ValuePath
from wattscope.compute.decode.strict_json import read_bare_number, read_number
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.reading import Reading
from wattscope.core.units import Conversion


class Found(NamedTuple):
    """A raw value with what it means."""

    name: str
    """What the device calls it, for rejections."""
    quantity: str
    conversion: Conversion
    raw: object


class Columns(NamedTuple):
    """Quantities and their values in base units, of equal length."""

    quantities: tuple[str, ...]
    values: tuple[float, ...]


def found(value: ValuePath, raw: object) -> Found:
    """What a profile's value path points at."""
    return Found(value.source, value.quantity, value.conversion, raw)


def collect(parts: Iterable[Found]) -> Columns | Rejection | None:
    """The columns of one reading; None when there were no parts at all.

    Where two parts give the same quantity, the first that is not null stands.
    """
    columns: dict[str, float] = {}
    is_empty = True
    for name, quantity, conversion, raw in parts:
        is_empty = False
        number = read_number(raw, name)
        if isinstance(number, Rejection):
            return number
        if number is None or quantity in columns:
            continue
        value = conversion.to_base(number)
        if value - value != 0.0:
            return Rejection(ReasonCode.NOT_FINITE, f"{name} is too large for its unit")
        columns[quantity] = value
    if is_empty:
        return None
    if not columns:
        return Rejection(ReasonCode.NO_VALUE, "every value is null")
    return Columns(share_names(tuple(columns)), tuple(columns.values()))


@lru_cache(maxsize=4096)
def share_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The first tuple that had these names, so that all readings of a format share one."""
    return names


def build_reading(
    device: str, stamp: object, columns: Columns | Rejection, route: Route
) -> Reading | Rejection:
    """One reading of values that share an instant.

    Args:
        device: The device's key.
        stamp: What the message states as its instant; None or ``ABSENT`` when it states none.
        columns: The values, or why they cannot be trusted.
        route: The route of the message.
    """
    if isinstance(columns, Rejection):
        return columns
    measured_at_us = read_optional_instant(stamp, route.clock.unit, route.zone)
    if isinstance(measured_at_us, Rejection):
        return measured_at_us
    return Reading(device, measured_at_us, columns.quantities, columns.values)


def build_bare_reading(
    device: str, payload: bytes, quantity: str, conversion: Conversion
) -> tuple[Reading] | Rejection:
    """The reading of a payload that is one bare number; such messages state no instant."""
    number = read_bare_number(payload)
    if isinstance(number, Rejection):
        return number
    value = conversion.to_base(number)
    if value - value != 0.0:
        return Rejection(ReasonCode.NOT_FINITE, "the number is too large for its unit")
    return (Reading(device, None, share_names((quantity,)), (value,)),)


def find_all(document: object, route: Route) -> list[Found]:
    """The values of the profile's paths that a document has, null or not."""
    return [
        found(value, raw)
        for value in route.values
        if (raw := find(document, value.path)) is not ABSENT
    ]
