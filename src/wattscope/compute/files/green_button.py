"""Interval energies of Green Button feeds (NAESB ESPI) as columns of instants and values.

It promises that nothing of a feed is given before all of it was read, that a value is only taken
with the unit, power of ten and direction that its own reading type states, and that everything
else is set aside with its line and the reason. A value belongs to the interval that begins at its
``start``, which is UTC; the feed's local time parameters are not needed for that.

A profile is TOML::

    decoder = "green_button"
    device = ""                # key of the usage point; empty is its id in the links of the feed
    power_of_ten_multiplier = 0 # of reading types that state none; left out: they are set aside
    flow_direction = 1         # of reading types that state none; left out: they are set aside
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from wattscope.compute.files.csv_table import RowGroup, ValueColumn
from wattscope.compute.files.espi_feed import Element, Entry, read_entries
from wattscope.compute.files.table_rows import MAX_EXCERPT, BadFile, BadRow
from wattscope.core.errors import SettingsError
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.reading import Quality
from wattscope.core.time_grid import US_PER_S
from wattscope.core.topology import is_safe_name

_QUANTITY_OF_FLOW = {1: "energy_import_delta_wh", 19: "energy_export_delta_wh"}
_UOM_WH = 72
_DELTA_DATA = 4
# Edited, estimated twice, derived, projected, mixed: ESPI's QualityOfReading.
_NOT_MEASURED = frozenset({"7", "8", "9", "11", "12", "13"})
_LARGEST_POWER = 12
_LONGEST_S = 366 * 86_400
_LATEST_S = 7_258_118_400
_INTEGER = re.compile(r"-?\d{1,15}", re.ASCII)
_USAGE_POINT = re.compile(r"/UsagePoint/([^/]+)")
_OF_BLOCK = "/IntervalBlock"


class FeedMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a feed is read; see the module for each key."""

    name: str = ""
    title: str = ""
    decoder: str = "green_button"
    device: str = ""
    power_of_ten_multiplier: int | None = None
    flow_direction: int | None = None

    def __post_init__(self) -> None:
        faults: list[str] = []
        if self.decoder != "green_button":
            faults.append(f"decoder: {self.decoder!r} does not read feeds; use green_button")
        if self.device and not is_safe_name(self.device):
            faults.append(f"device: {self.device!r} cannot be the key of a device")
        if abs(self.power_of_ten_multiplier or 0) > _LARGEST_POWER:
            faults.append(f"power_of_ten_multiplier: is beyond {_LARGEST_POWER}")
        if self.flow_direction not in {None, *_QUANTITY_OF_FLOW}:
            faults.append("flow_direction: must be 1 (import) or 19 (export)")
        if faults:
            raise SettingsError(faults, where=self.name or "feed map")


def parse_feed_map(table: Mapping[str, Any], *, where: str = "") -> FeedMap:
    """The map of a profile's TOML.

    Raises:
        SettingsError: An unknown key or a wrong value.
    """
    try:
        return msgspec.convert(dict(table), FeedMap)
    except msgspec.ValidationError as error:
        raise SettingsError([str(error)], where=where or str(table.get("name", ""))) from error


def decode_feed(
    blocks: Iterable[bytes], feed_map: FeedMap, *, group_size: int = 10_000
) -> Iterator[RowGroup | BadRow | BadFile]:
    """The interval energies of a feed, or one ``BadFile`` and nothing else.

    Args:
        blocks: The file in order, in pieces of any size.
        feed_map: What the feed leaves open.
        group_size: Most values in a group.
    """
    feed = _Feed()
    for entry in read_entries(blocks):
        if isinstance(entry, BadFile):
            yield entry
            return
        feed.add(entry)
    if not feed.blocks:
        yield BadFile(1, "holds no interval block of Green Button (namespace naesb.org/espi)")
        return
    taken: dict[tuple[str, str], str] = {}
    for address, entries in feed.blocks.items():
        meaning = _find_meaning(address, feed, feed_map)
        if isinstance(meaning, _Meaning):
            first = taken.setdefault((meaning.device, meaning.quantity), address)
            if first != address:
                detail = f"{meaning.quantity} of {meaning.device} is in {first} already"
                meaning = Rejection(ReasonCode.DUPLICATE_KEY, detail)
        if isinstance(meaning, Rejection):
            yield from (_reject_block(block, meaning, address) for block in entries)
        else:
            yield from _decode_blocks(entries, meaning, group_size)


@dataclass(slots=True)
class _Feed:
    """The resources of a feed by their addresses; grows while it is read."""

    meter_readings: dict[str, list[str]] = field(default_factory=dict)
    """What each meter reading is related to."""
    reading_types: dict[str, Element] = field(default_factory=dict)
    blocks: dict[str, list[Element]] = field(default_factory=dict)
    """Interval blocks by the address of their meter reading; empty where they name none."""

    def add(self, entry: Entry) -> None:
        """Take in an entry."""
        own = next(iter(entry.list_links("self")), "")
        for resource in entry.resources:
            if resource.name == "MeterReading":
                self.meter_readings[own] = entry.list_links("related")
            elif resource.name == "ReadingType":
                self.reading_types[own] = resource
            elif resource.name == "IntervalBlock":
                above = next(iter(entry.list_links("up")), own).partition(_OF_BLOCK)[0]
                self.blocks.setdefault(above, []).append(resource)


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What the values of a meter reading are."""

    device: str
    quantity: str
    power: int
    """Values times ten to this power are Wh."""
    interval_s: int | None
    """Length of intervals that state none [s]."""


def _find_meaning(address: str, feed: _Feed, feed_map: FeedMap) -> _Meaning | Rejection:
    """What the values of a meter reading are, or why that cannot be known."""
    found = _USAGE_POINT.search(address)
    device = feed_map.device or (found[1] if found else "")
    if not is_safe_name(device):
        detail = f"the feed names no usage point ({device[:40]!r}); name it: device in the profile"
        return Rejection(ReasonCode.BAD_NAME, detail)
    related = feed.meter_readings.get(address, [])
    kind = next((feed.reading_types[one] for one in related if one in feed.reading_types), None)
    if kind is None:
        return Rejection(ReasonCode.MISSING_FIELD, "no reading type of the feed belongs to it")
    return _read_kind(kind, device, feed_map)


def _read_kind(kind: Element, device: str, feed_map: FeedMap) -> _Meaning | Rejection:
    """What a reading type says of values."""
    where = f"the reading type in line {kind.line_number}"
    uom = _integer(kind.read("uom"))
    if uom != _UOM_WH:
        detail = f"{where} has uom {kind.read('uom')[:20] or 'missing'}; only 72 (Wh) is read"
        return Rejection(ReasonCode.UNKNOWN_FORMAT, detail)
    behaviour = kind.read("accumulationBehaviour")
    if behaviour and _integer(behaviour) != _DELTA_DATA:
        detail = f"{where} has accumulationBehaviour {behaviour[:20]}; only 4 (per interval) is"
        return Rejection(ReasonCode.UNKNOWN_FORMAT, f"{detail} read")
    power = _read_or(kind, "powerOfTenMultiplier", feed_map.power_of_ten_multiplier)
    flow = _read_or(kind, "flowDirection", feed_map.flow_direction)
    if power is None or abs(power) > _LARGEST_POWER:
        text = kind.read("powerOfTenMultiplier")[:20]
        code = ReasonCode.RANGE if text else ReasonCode.MISSING_FIELD
        return Rejection(code, f"{where} has powerOfTenMultiplier {text or 'missing'}")
    if flow not in _QUANTITY_OF_FLOW:
        text = kind.read("flowDirection")[:20]
        code = ReasonCode.UNKNOWN_FORMAT if text else ReasonCode.MISSING_FIELD
        return Rejection(code, f"{where} has flowDirection {text or 'missing'}; 1 and 19 are read")
    return _Meaning(device, _QUANTITY_OF_FLOW[flow], power, _integer(kind.read("intervalLength")))


def _read_or(kind: Element, name: str, otherwise: int | None) -> int | None:
    """A number that a reading type states, or what the profile says where it states none."""
    text = kind.read(name)
    return _integer(text) if text else otherwise


def _integer(text: str) -> int | None:
    """The number, if the text is one."""
    return int(text) if _INTEGER.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class _Interval:
    """A value that can be trusted."""

    line_number: int
    start_us: int
    energy_wh: float
    quality: Quality


def _decode_blocks(
    blocks: Iterable[Element], meaning: _Meaning, group_size: int
) -> Iterator[RowGroup | BadRow]:
    """The values of the blocks of a meter reading, in groups."""
    good: list[_Interval] = []
    for block in blocks:
        for element in block.children:
            if element.name != "IntervalReading":
                continue
            found = _read_interval(element, meaning)
            if isinstance(found, Rejection):
                yield _reject_interval(element, found)
                continue
            good.append(found)
            if len(good) >= group_size:
                yield _group(good, meaning)
                good = []
    if good:
        yield _group(good, meaning)


def _read_interval(element: Element, meaning: _Meaning) -> _Interval | Rejection:
    """The energy of an interval, or why it cannot be trusted."""
    start = _integer(element.read("timePeriod", "start"))
    if start is None or not 0 <= start < _LATEST_S:
        return Rejection(ReasonCode.BAD_TIME, "the interval has no start in seconds since 1970")
    text = element.read("timePeriod", "duration")
    duration = _integer(text) if text else meaning.interval_s
    if duration is None or not 0 < duration <= _LONGEST_S:
        return Rejection(ReasonCode.BAD_TIME, "the interval has no duration within 1 s to a year")
    text = element.read("value")
    value = _integer(text)
    if value is None:
        code = ReasonCode.NOT_NUMBER if text else ReasonCode.NO_VALUE
        return Rejection(code, f"value {text[:20]!r} is not an integer")
    # Division by a power of ten is exact to the last bit, multiplication by its inverse is not.
    energy_wh = value * 10**meaning.power if meaning.power >= 0 else value / 10**-meaning.power
    is_measured = element.read("ReadingQuality", "quality") not in _NOT_MEASURED
    quality = Quality.GOOD if is_measured else Quality.ESTIMATED
    return _Interval(element.line_number, start * US_PER_S, float(energy_wh), quality)


def _group(good: list[_Interval], meaning: _Meaning) -> RowGroup:
    """Values as columns."""
    column = ValueColumn(
        meaning.device,
        meaning.quantity,
        np.array([one.energy_wh for one in good], np.float64),
        np.array([one.quality for one in good], np.uint8),
    )
    at_us = np.array([one.start_us for one in good], np.int64)
    return RowGroup(good[0].line_number, good[-1].line_number, at_us, (column,))


def _reject_block(block: Element, why: Rejection, address: str) -> BadRow:
    """A whole interval block set aside."""
    n_readings = sum(child.name == "IntervalReading" for child in block.children)
    text = f"IntervalBlock of {address}"[:MAX_EXCERPT]
    detail = f"{n_readings} readings: {why.detail}"
    return BadRow(block.line_number, why.code, detail, text, text.encode())


def _reject_interval(element: Element, why: Rejection) -> BadRow:
    """One reading set aside."""
    parts = (("timePeriod", "start"), ("timePeriod", "duration"), ("value",))
    text = " ".join(f"{path[-1]}={element.read(*path)[:40]!r}" for path in parts)[:MAX_EXCERPT]
    return BadRow(element.line_number, why.code, why.detail, text, text.encode())
