"""Labelled series as windows, the naive baseline, and how alarms are counted.

Alarms at most two hours (24 slots) apart are one group. A labelled stretch is found when any alarm
lies in it; a group is false when none of its alarms lies in any. ``naive_alarms`` is the baseline
that the product must beat: a value further than 8 median deviations from the median of the 288
slots around it; the deviation is the median of the last-named distances over the same 288 slots.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.core.findings import Finding
from wattscope.core.time_grid import to_us
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.core.window import Window

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

NAIVE_SLOTS = 288
NAIVE_SIGMAS = 8.0
GROUP_SLOTS = 24
"""Two hours of five-minute readings."""
_LABELS = ("anomaly", "changepoint", "label", "outlier", "stale_data_mask")


class Stretch(NamedTuple):
    """A labelled stretch, both ends included [µs]."""

    first_us: int
    last_us: int


@dataclass(frozen=True)
class Labelled:
    """A window of one device with what is known to be wrong in it."""

    name: str
    window: Window
    stretches: tuple[Stretch, ...]
    group_us: int
    """Alarms closer than this are one group."""
    read: Flags
    """Slots that have a row in the file; shape ``(n_slots,)``."""
    labels: Flags
    """The column that marks what is wrong, if the file has one; shape ``(n_slots,)``."""


class Count(NamedTuple):
    """What alarms were worth."""

    found: int
    stretches: int
    false_groups: int


def read_stamp(text: str) -> int:
    """An instant as the sets write it; without offset it is taken for UTC."""
    if "/" in text:
        form = "%m/%d/%Y %H:%M" if ":" in text else "%m/%d/%Y"
        return to_us(datetime.strptime(text, form).replace(tzinfo=UTC))
    stamp = datetime.fromisoformat(text)
    return to_us(stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC))


def read_window(
    path: Path,
    columns: dict[str, str] | None = None,
    *,
    kind: DeviceKind = DeviceKind.METER,
    time_zone: str = "UTC",
) -> Labelled:
    """A file as the window of one device on its own interval.

    Args:
        path: Gzip CSV whose first column is the time.
        columns: Column to quantity; None takes all but labels, as quantities without unit.
        kind: Of the device.
        time_zone: Of the site.
    """
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        head = file.readline()
        delimiter = ";" if ";" in head else ","
        names = [name.strip() for name in head.strip().split(delimiter)]
        rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
    at_us = np.array([read_stamp(row[0]) for row in rows], np.int64)
    step_us = int(np.median(np.diff(at_us)))
    slot = (at_us - at_us[0]) // step_us
    n_slots = int(slot.max()) + 1
    if columns is None:
        columns = {name: _name_quantity(name) for name in names[1:] if name not in _LABELS}
    values = {
        quantity: _mean_slots(rows, names.index(name), slot, n_slots)[None]
        for name, quantity in columns.items()
    }
    labels = np.zeros(n_slots, np.bool_)
    told = next((names.index(name) for name in _LABELS if name in names), None)
    if told is not None:
        labels[slot] = [row[told].lower() in {"1", "1.0", "true"} for row in rows]
    read = np.zeros(n_slots, np.bool_)
    read[slot] = True
    name = f"{path.parent.name}/{path.name.removesuffix('.gz')}"
    window = Window(
        Site("site", "Site", time_zone),
        (Device(name, "site", name, kind),),
        at_us[0] + np.arange(n_slots, dtype=np.int64) * step_us,
        step_us,
        values,
    )
    return Labelled(
        name, window, _stretches_of(window, read, labels), GROUP_SLOTS * step_us, read, labels
    )


def _name_quantity(column: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in column.lower()).split()) + "__1"


def _mean_slots(rows: list[list[str]], place: int, slot: npt.NDArray[np.int64], n: int) -> Floats:
    value = np.array([float(row[place] or "nan") for row in rows])
    known = np.isfinite(value)
    count = np.bincount(slot[known], minlength=n)
    total = np.bincount(slot[known], value[known], minlength=n)
    means = np.full(n, np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means


def _stretches_of(window: Window, read: Flags, labels: Flags) -> tuple[Stretch, ...]:
    """Rows that are marked one after the other."""
    slot_us, marked = window.slot_us[read], labels[read]
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marked, [False])).astype(np.int8)))
    return tuple(
        Stretch(int(slot_us[first]), int(slot_us[past - 1]))
        for first, past in edges.reshape(-1, 2).tolist()
    )


@cache
def read_nab(folder: Path) -> tuple[Labelled, ...]:
    """The Numenta series that are there, each with its scoring windows; groups are two hours."""
    windows = json.loads((folder / "windows.json").read_text())
    found = []
    for name, told in windows.items():
        one = read_window(folder / f"{name}.gz")
        stretches = tuple(Stretch(read_stamp(a), read_stamp(b)) for a, b in told)
        found.append(Labelled(name, one.window, stretches, 2 * 3_600_000_000, one.read, one.labels))
    return tuple(found)


@cache
def read_skab(folder: Path) -> tuple[Labelled, ...]:
    """The test bench: stretches are where the column ``anomaly`` is 1."""
    return tuple(read_window(path) for path in sorted(folder.glob("*/*.csv.gz")))


def naive_alarms(one: Labelled) -> list[int]:
    """Instants at which the baseline raises an alarm, on the rows as they stand in the file."""
    at = np.zeros(int(one.read.sum()), np.bool_)
    for matrix in one.window.values.values():
        values = matrix[0, one.read]
        middle = _centred_median(values)
        apart = np.abs(values - middle)
        usual = _centred_median(apart)
        with np.errstate(invalid="ignore"):
            at |= (apart > NAIVE_SIGMAS * usual) & (usual > 0.0)
    return [int(instant) for instant in one.window.slot_us[one.read][at]]


def _centred_median(values: Floats) -> Floats:
    """The median of the 288 rows around each one, fewer at the ends; 144 before, 143 after."""
    half = NAIVE_SLOTS // 2
    padded = np.concatenate((np.full(half, np.nan), values, np.full(half - 1, np.nan)))
    around = np.lib.stride_tricks.sliding_window_view(padded, NAIVE_SLOTS)
    known = np.isfinite(around).sum(-1)
    ordered = np.sort(around, axis=-1)
    rows = np.arange(len(values))
    low, high = np.maximum(known - 1, 0) // 2, known // 2
    return np.asarray((ordered[rows, low] + ordered[rows, high]) / 2.0, np.float64)


def finding_alarms(one: Labelled, findings: Iterable[Finding], *, starts_only: bool) -> list[int]:
    """Instants of findings: where they begin, or every slot of them."""
    slot_us = one.window.slot_us
    at = np.zeros(len(slot_us), np.bool_)
    for finding in findings:
        first, past = np.searchsorted(slot_us, (finding.start_us, finding.end_us)).tolist()
        at[first : first + 1 if starts_only else past] = True
    return [int(instant) for instant in slot_us[at]]


def count_alarms(one: Labelled, alarms: Iterable[int]) -> Count:
    """How many stretches were found, and how many groups of alarms are false."""
    at = np.array(sorted(alarms), np.int64)
    inside = [(at >= stretch.first_us) & (at <= stretch.last_us) for stretch in one.stretches]
    if not len(at):
        return Count(0, len(one.stretches), 0)
    group = np.concatenate(([0], np.cumsum(np.diff(at) > one.group_us)))
    any_inside = np.any(inside, axis=0) if inside else np.zeros(len(at), np.bool_)
    true_groups = len(np.unique(group[any_inside]))
    found = sum(bool(hit.any()) for hit in inside)
    return Count(found, len(one.stretches), int(group[-1]) + 1 - true_groups)


def add_up(counts: Iterable[Count]) -> Count:
    """Counts of several series as one."""
    return Count(*(sum(column) for column in zip(*counts, strict=True)))
