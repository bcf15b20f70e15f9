"""Faults of a simulated solar plant: what breaks, where, from when to when, and how badly.

A fault is a function of its words and of the seed, so that a restart goes on with the same one.
What was simulated is the truth beside which detectors are scored.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import Enum
from typing import Final, NamedTuple

import numpy as np

from wattscope.core.errors import QueryError, SettingsError
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, format_utc, parse_instant
from wattscope.core.topology import Device, DeviceKind
from wattscope.simulate.noise import hash_unit

ALWAYS: Final = -(2**62)
"""Start of a fault that was always there [µs]."""
NEVER: Final = 2**62
"""End of a fault that goes on [µs]."""

_TIME = r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?)?"
_WORDS = re.compile(rf"([a-z_]+):(.+?)(?::({_TIME}))?(?::({_TIME}))?")
_TRIES = 200
"""Places that are tried for a drawn fault before it is left out."""
# Independent draws of one world; the numbers are part of what a seed means.
_PLACE, _STRENGTH = 441, 442
_MONTH_US = 30 * US_PER_DAY


class FaultKind(Enum):
    """What can be wrong with a panel, its string, its inverter or its sensor."""

    SOILING = "soiling"
    """Each day gives a little less: 0.6 to 1.5 % a day, at most 35 %; a rain at its end."""
    SHADE = "shade"
    """A tree or a chimney: most of the beam is missing while the sun stands behind it."""
    STRING_OUT = "string_out"
    """The panels of a string are not connected: full voltage, no current."""
    INVERTER_TRIP = "inverter_trip"
    """The panels of an inverter give nothing while it is off."""
    SENSOR_STUCK = "sensor_stuck"
    """The sensor repeats what it said when it got stuck."""
    SENSOR_DRIFT = "sensor_drift"
    """The sensor's temperature rises by 0.8 to 2 °C a day, at most by 15 °C."""
    CLIPPING = "clipping"
    """Power is cut off at 45 to 65 % of the rating."""


class _Length(NamedTuple):
    """How long drawn faults of a kind last [days]."""

    low: float
    high: float


_LENGTHS: Final[Mapping[FaultKind, _Length]] = {
    FaultKind.SOILING: _Length(14.0, 25.0),
    FaultKind.SHADE: _Length(8.0, 20.0),
    FaultKind.STRING_OUT: _Length(1.5, 5.0),
    FaultKind.INVERTER_TRIP: _Length(0.4, 1.5),
    FaultKind.SENSOR_STUCK: _Length(1.0, 4.0),
    FaultKind.SENSOR_DRIFT: _Length(10.0, 20.0),
    FaultKind.CLIPPING: _Length(6.0, 15.0),
}
_BY_DAY: Final = frozenset({FaultKind.INVERTER_TRIP, FaultKind.SENSOR_STUCK})
"""Drawn faults of these kinds begin by day."""
_WIDE: Final = {
    FaultKind.STRING_OUT: DeviceKind.STRING,
    FaultKind.INVERTER_TRIP: DeviceKind.INVERTER,
}
"""Faults of more than one panel, and what breaks."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    kind: FaultKind
    device: str
    """Id of a panel; of faults of a string or an inverter its id, or that of a panel below it."""
    start_us: int = ALWAYS
    """[µs since 1970, UTC]"""
    end_us: int = NEVER
    """First instant at which all is well again [µs since 1970, UTC]."""


class Truth(NamedTuple):
    """What was wrong with one device, for scoring."""

    kind: FaultKind
    device: str
    start_us: int
    end_us: int
    fault: int
    """Number of the fault; one of a string has a truth for each of its panels."""


class Branches:
    """Who is at which string and inverter."""

    def __init__(self, devices: Sequence[Device], *, longitude: float = 0.0) -> None:
        """``longitude``: of the site, whose midday it tells [degrees, east positive]."""
        self.midday_us = int((0.5 - longitude / 360.0) * US_PER_DAY)
        """When the sun is highest, within 17 minutes [µs after midnight UTC]."""
        self._devices = {one.id: one for one in devices}
        self.panels = tuple(one for one in devices if one.kind is DeviceKind.PANEL)
        self._numbers = {one.id: number for number, one in enumerate(self.panels)}

    def above(self, device: str, kind: DeviceKind) -> str | None:
        """The nearest device of a kind at or above one."""
        seen = set()
        found: Device | None = self._devices.get(device)
        while found is not None and found.kind is not kind and found.id not in seen:
            seen.add(found.id)
            found = self._devices.get(found.parent or "")
        return found.id if found is not None and found.kind is kind else None

    def below(self, device: str, kind: DeviceKind) -> tuple[int, ...]:
        """Numbers of the panels whose nearest device of a kind this is."""
        return tuple(
            self._numbers[one.id] for one in self.panels if self.above(one.id, kind) == device
        )

    def hit(self, fault: Fault) -> tuple[int, ...]:
        """Numbers of the panels that a fault concerns; empty where there is no such device."""
        wide = _WIDE.get(fault.kind)
        branch = None if wide is None else self.above(fault.device, wide)
        if wide is not None and branch is not None:
            return self.below(branch, wide)
        number = self._numbers.get(fault.device)
        return () if number is None else (number,)


def parse_fault(words: str, zone: tzinfo) -> Fault:
    """The fault that ``KIND:DEVICE[:START[:END]]`` tells.

    Args:
        words: Such as ``soiling:Panel-003:2026-05-01:2026-06-01T12:00``.
        zone: Of instants without an offset.

    Raises:
        SettingsError: Not such words.

    >>> from datetime import UTC
    >>> parse_fault("shade:Panel-003", UTC).kind
    <FaultKind.SHADE: 'shade'>
    """
    found = _WORDS.fullmatch(words)
    kinds = [kind.value for kind in FaultKind]
    if found is None or found[1] not in kinds:
        example = "soiling:Panel-003:2026-05-01:2026-06-01"
        raise SettingsError(
            [f"fault {words!r} is not KIND:PANEL:START:END as {example}; kinds: {', '.join(kinds)}"]
        )
    try:
        start_us = ALWAYS if found[3] is None else parse_instant(found[3], zone)
        end_us = NEVER if found[4] is None else parse_instant(found[4], zone)
    except QueryError as error:
        raise SettingsError([f"fault {words!r}: {error}"]) from error
    if start_us >= end_us:
        raise SettingsError([f"fault {words!r}: ends before it starts"])
    return Fault(FaultKind(found[1]), found[2], start_us, end_us)


def draw_faults(
    branches: Branches,
    start_us: int,
    end_us: int,
    *,
    seed: int,
    count: int,
    kinds: Sequence[FaultKind] = tuple(FaultKind),
) -> list[Fault]:
    """Faults of all kinds in turn, at panels and times that chance chooses.

    No panel has two of them at once. None begins in the first tenth of the span, so that there is
    something to compare with; inverters trip and sensors get stuck by day. Where no free place is
    found for one it is left out.

    Args:
        branches: The plant.
        start_us: Begin of the span [µs].
        end_us: Its end [µs].
        seed: Chooses.
        count: Faults that are wanted.
        kinds: Their kinds in turn.
    """
    faults: list[Fault] = []
    taken: list[tuple[frozenset[int], int, int]] = []
    for number in range(count if branches.panels else 0):
        kind = kinds[number % len(kinds)]
        for attempt in range(_TRIES):
            # Days since 1970, so that spans of one seed do not repeat each other.
            where = np.array([(start_us // US_PER_DAY * 4096 + number) * _TRIES + attempt])
            fault = _place(branches, kind, start_us, end_us, _draw(seed, where))
            hit = frozenset(branches.hit(fault))
            if not any(hit & h and fault.start_us < e and s < fault.end_us for h, s, e in taken):
                taken.append((hit, fault.start_us, fault.end_us))
                faults.append(fault)
                break
    return faults


def draw_monthly(
    branches: Branches, start_us: int, end_us: int, *, seed: int, per_month: int
) -> list[Fault]:
    """The faults of each 30 days since 1970 that touch ``[start, end)``; asked often, the same."""
    months = range(start_us // _MONTH_US, -(-end_us // _MONTH_US)) if per_month else range(0)
    return [
        fault
        for month in months
        for fault in draw_faults(
            branches, month * _MONTH_US, (month + 1) * _MONTH_US, seed=seed, count=per_month
        )
        if fault.start_us < end_us and fault.end_us > start_us
    ]


def draw_strength(seed: int, fault: Fault) -> float:
    """How bad a fault is, between 0 and 1; the same whenever it is asked."""
    mark = sum(ord(letter) * 31**place for place, letter in enumerate(fault.device[-12:]))
    index = (fault.start_us // US_PER_HOUR * 8 + list(FaultKind).index(fault.kind)) ^ mark
    return float(hash_unit(seed, _STRENGTH, np.array([index % 2**62]))[0])


def list_truths(
    branches: Branches, faults: Iterable[Fault], start_us: int, end_us: int
) -> list[Truth]:
    """What was wrong within ``[start, end)``, one row for each panel."""
    return [
        Truth(
            fault.kind,
            branches.panels[panel].id,
            max(fault.start_us, start_us),
            min(fault.end_us, end_us),
            number,
        )
        for number, fault in enumerate(faults)
        if fault.start_us < end_us and fault.end_us > start_us
        for panel in branches.hit(fault)
    ]


def write_truths(truths: Iterable[Truth]) -> str:
    """Truths as CSV: kind, device, start, end, fault."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("kind", "device", "start", "end", "fault"))
    table.writerows(_list_cells(truths))
    return text.getvalue()


def _list_cells(truths: Iterable[Truth]) -> Iterator[tuple[str, ...]]:
    for one in truths:
        start, end = format_utc(one.start_us), format_utc(one.end_us)
        yield one.kind.value, one.device, start, end, str(one.fault)


def _draw(seed: int, where: np.ndarray) -> tuple[float, float, float]:
    """Three independent numbers in [0, 1)."""
    first, second, third = (float(hash_unit(seed, _PLACE + 10 * n, where)[0]) for n in range(3))
    return first, second, third


def _place(
    branches: Branches,
    kind: FaultKind,
    start_us: int,
    end_us: int,
    draw: tuple[float, float, float],
) -> Fault:
    """A fault of a kind somewhere in a span."""
    at, when, length = draw
    panel = branches.panels[int(at * len(branches.panels))].id
    wide = _WIDE.get(kind)
    device = panel if wide is None else branches.above(panel, wide) or panel
    low, high = _LENGTHS[kind]
    span_us = end_us - start_us
    lasts_us = int(min((low + (high - low) * length) * US_PER_DAY, 0.7 * span_us))
    first_us = start_us + span_us // 10
    begin_us = first_us + int(when * max(0, end_us - first_us - lasts_us))
    if kind in _BY_DAY:
        # Within three hours of midday: nobody can see at night that an inverter is off.
        around_us = int((at * 8.0 % 1.0 - 0.5) * 6 * US_PER_HOUR)
        begin_us = begin_us // US_PER_DAY * US_PER_DAY + branches.midday_us + around_us
        begin_us = min(begin_us, end_us - US_PER_HOUR)
    return Fault(kind, device, begin_us, min(begin_us + lasts_us, end_us))
