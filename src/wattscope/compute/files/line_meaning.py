"""What a point of the line protocol means: whose it is, and which quantities its fields are.

Most points of a sender differ in nothing but values and time. What they have in common is their
plan, a function of measurement, tags, names of fields and profile, worth to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from wattscope.compute.decode.route import MAX_NAME
from wattscope.compute.decode.values import share_names
from wattscope.compute.files.line_map import (
    ANY,
    LineMap,
    MappedMeasurement,
    OtherFields,
    find_measurement,
)
from wattscope.compute.files.line_protocol import FieldValue, Point
from wattscope.core.findings import Ignored, ReasonCode, Rejection
from wattscope.core.quantities import QUANTITIES, find_quantity, own_quantity
from wattscope.core.reading import Reading
from wattscope.core.topology import is_safe_name
from wattscope.core.units import Conversion, find_conversion

# Names that InfluxDB keeps for itself.
_RESERVED: Final = frozenset({"_time", "_field", "_measurement"})
MAX_INTEGER: Final = 2**53
"""Larger integers do not survive as floats."""
# 2000-01-01: older stamps come from a clock that was not set or a precision that was not told.
EARLIEST_NS: Final = 946_684_800 * 10**9
LATEST_NS: Final = 7_258_118_400 * 10**9
_ONLY_VALUE: Final = "value"
"""The field of measurements that have one: by convention the measurement is its name."""
_TEXTS_ONLY: Final = Ignored("the fields are texts")


class _Pick(NamedTuple):
    """One field that means something."""

    position: int
    """In the line."""
    quantity: str
    conversion: Conversion
    is_own: bool
    """Whether the profile does not name it; true and false then count as 1 and 0."""


class PointPlan(NamedTuple):
    """What the points with the same measurement, tags and names of fields have in common."""

    device: str
    site: str | None
    """Id of the site that a tag names."""
    quantities: tuple[str, ...]
    picks: tuple[_Pick, ...]
    """In the order of ``quantities``."""
    is_plain: bool
    """Whether every field is taken, in order and in base units."""


def read_point(point: Point, line_map: LineMap) -> Reading | Rejection | Ignored:
    """What a device said with a point, or why that cannot be known."""
    fields = _keep_fields(point, line_map)
    if not fields:
        return _TEXTS_ONLY
    plan = plan_point(point.measurement, point.tags, tuple(key for key, _ in fields), line_map)
    if isinstance(plan, Rejection):
        return plan
    refusal = check_time(point.time_ns)
    if refusal is not None:
        return refusal
    values = read_values(fields, plan)
    if isinstance(values, Rejection):
        return values
    measured_at_us = None if point.time_ns is None else point.time_ns // 1000
    return Reading(plan.device, measured_at_us, plan.quantities, values, site=plan.site)


def plan_point(
    measurement: str, tags: Sequence[tuple[str, str]], keys: tuple[str, ...], line_map: LineMap
) -> PointPlan | Rejection:
    """What points with these names mean, or why none of them does.

    Args:
        measurement: Without its escapes; likewise the others.
        tags: Each key once.
        keys: Names of the fields in the order of the line.
        line_map: The profile.
    """
    by_key = dict(tags)
    if len(set(keys)) < len(keys):
        return Rejection(ReasonCode.DUPLICATE_KEY, "a field stands twice in the line")
    if not _RESERVED.isdisjoint(by_key) or not _RESERVED.isdisjoint(keys):
        return Rejection(ReasonCode.BAD_NAME, "_time, _field and _measurement are reserved names")
    mapped = find_measurement(measurement, by_key, line_map)
    if mapped is None:
        detail = f"measurement {measurement[:40]!r} is not in the profile"
        return Rejection(ReasonCode.UNKNOWN_FORMAT, detail)
    device = _name_device(measurement, by_key, mapped)
    site = by_key.get(mapped.site_tag)
    if site is not None:
        # Two sites may have a device of the same name; a key is of one device.
        device = f"{site}/{device}"
    for name, what in ((site, "site"), (device, "device")):
        if name is not None and (len(name) > MAX_NAME or not is_safe_name(name)):
            return Rejection(ReasonCode.BAD_NAME, f"{name[:40]!r} cannot be the key of a {what}")
    picks = _pick_fields(measurement, keys, mapped)
    if isinstance(picks, Rejection):
        return picks
    return _make_plan(device, site, picks, len(keys))


def check_time(time_ns: int | None) -> Rejection | None:
    """Why an instant cannot be the one that was meant; None where it can."""
    if time_ns is None or EARLIEST_NS <= time_ns < LATEST_NS:
        return None
    return Rejection(
        ReasonCode.BAD_TIME,
        f"time {time_ns} ns is not between 2000 and 2200; "
        "is the precision of the sender another one?",
    )


def read_values(
    fields: Sequence[tuple[str, FieldValue]], plan: PointPlan
) -> tuple[float, ...] | Rejection:
    """The values of a plan's quantities in base units; one that is no number spoils the point.

    Args:
        fields: All that the plan was made for, in that order.
        plan: What they mean.
    """
    numbers: list[float] = []
    for position, _, conversion, is_own in plan.picks:
        key, raw = fields[position]
        if isinstance(raw, str) or (isinstance(raw, bool) and not is_own):
            detail = f"field {key[:40]} is a {type(raw).__name__}, not a number"
            return Rejection(ReasonCode.WRONG_TYPE, detail)
        if isinstance(raw, int) and abs(raw) > MAX_INTEGER:
            detail = f"field {key[:40]} is beyond 2^53"
            return Rejection(ReasonCode.RANGE, detail)
        number = conversion.to_base(float(raw))
        if number - number != 0.0:
            detail = f"field {key[:40]} is too large for its unit"
            return Rejection(ReasonCode.NOT_FINITE, detail)
        numbers.append(number)
    return tuple(numbers)


def _keep_fields(point: Point, line_map: LineMap) -> Sequence[tuple[str, FieldValue]]:
    """The fields without the texts that a profile takes no notice of."""
    if not any(isinstance(value, str) for _, value in point.fields):
        return point.fields
    mapped = find_measurement(point.measurement, dict(point.tags), line_map)
    if mapped is None or mapped.other_fields is OtherFields.LEAVE_OUT:
        return point.fields
    named = {entry.field for entry in mapped.fields}
    return [
        (key, value)
        for key, value in point.fields
        if not isinstance(value, str) or key in named or key in QUANTITIES
    ]


def _name_device(measurement: str, tags: Mapping[str, str], mapped: MappedMeasurement) -> str:
    """The device's key without its site."""
    own = tags.get(mapped.device_tag)
    if own:
        return own
    keys: Sequence[str] = mapped.device_tags
    if ANY in keys:
        keys = [key for key in sorted(tags) if key != mapped.site_tag]
    joined = "/".join(tags[key] for key in keys if key in tags)
    return joined or mapped.device or measurement


def _pick_fields(
    measurement: str, keys: tuple[str, ...], mapped: MappedMeasurement
) -> tuple[_Pick, ...] | Rejection:
    """The fields that mean something."""
    found = [*_pick_named(keys, mapped)]
    if mapped.other_fields is OtherFields.OWN:
        own = _pick_others(measurement, keys, {one.position for one in found})
        if isinstance(own, Rejection):
            return own
        found += own
    if not found:
        return Rejection(ReasonCode.NO_VALUE, "no field of the line is in the profile")
    if len({one.quantity for one in found}) < len(found):
        return Rejection(
            ReasonCode.DUPLICATE_KEY, "two fields would be one quantity; map them in the profile"
        )
    return tuple(found)


def _pick_named(keys: tuple[str, ...], mapped: MappedMeasurement) -> Iterator[_Pick]:
    """The fields that the profile or the catalogue names."""
    taken: set[str] = set()
    for entry in mapped.fields:
        if entry.field in keys:
            taken |= {entry.field, entry.quantity}
            yield _pick(keys.index(entry.field), entry.quantity, entry.unit)
    if mapped.fields_from_names:
        for position, name in enumerate(keys):
            if name not in taken and name in QUANTITIES:
                yield _pick(position, name)


def _pick_others(
    measurement: str, keys: tuple[str, ...], taken: set[int]
) -> list[_Pick] | Rejection:
    """All other fields, as quantities of their own."""
    found = []
    for position, key in enumerate(keys):
        if position in taken:
            continue
        quantity = find_quantity(key)
        if quantity is None:
            stem = measurement if key == _ONLY_VALUE else f"{measurement}_{key}"
            quantity = own_quantity(stem, "")
        if quantity is None:
            return Rejection(
                ReasonCode.BAD_NAME,
                f"field {key[:40]!r} of {measurement[:40]!r} cannot be a quantity of its own; map "
                "it in the profile",
            )
        found.append(_pick(position, quantity.name, is_own=True))
    return found


def _pick(position: int, name: str, unit: str = "", *, is_own: bool = False) -> _Pick:
    found = find_quantity(name)
    base = "" if found is None else found.unit
    conversion = find_conversion(unit or base, base)
    return _Pick(position, name, conversion or Conversion(base, 1.0), is_own)


def _make_plan(device: str, site: str | None, picks: tuple[_Pick, ...], n_keys: int) -> PointPlan:
    is_plain = len(picks) == n_keys and all(
        one.position == row and one.conversion.factor == 1.0 and one.conversion.offset == 0.0
        for row, one in enumerate(picks)
    )
    quantities = share_names(tuple(one.quantity for one in picks))
    return PointPlan(device, site, quantities, picks, is_plain)
