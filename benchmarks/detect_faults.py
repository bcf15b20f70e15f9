"""Faults of a simulated plant, found as they would have been found while they happened.

Each look sees what had been measured by then and nothing later; the windows are those that the
program makes, from a plant in memory instead of a store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.rows import OURS, Limit, Row
from wattscope.assembly.detection import build_detectors
from wattscope.compute.detection_score import KindScore, Raised, Score, Truth, score_incidents
from wattscope.compute.panel_arrays import PanelArray, lay_out
from wattscope.core.incidents import Incident
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.core.window import Matrix, Window
from wattscope.incidents import merge_findings
from wattscope.pipeline.windows import LEVEL_STEPS, NATIVE
from wattscope.ports import Detector
from wattscope.simulate.panel_plant import PanelPlant
from wattscope.simulate.solar_faults import Branches, draw_faults
from wattscope.simulate.solar_settings import SolarSimulation

CASE = "detect"
SITE = Site("plant", "Plant", "Europe/Berlin", "EUR", 48.14, 11.58)
STEP_US = 5 * US_PER_MINUTE
FIRST_DAY_US = 1_778_803_200_000_000
"""2026-05-15."""
_LOOK_EVERY_US = 6 * US_PER_HOUR


@dataclass(frozen=True, slots=True)
class FaultSet:
    """A plant, a past of it, and what was wrong."""

    devices: tuple[Device, ...]
    windows: tuple[Window, ...]
    """Panels, then inverters, over the whole past."""
    truths: tuple[Truth, ...]
    start_us: int
    end_us: int

    @property
    def device_days(self) -> float:
        """Days that panels were looked at, added up [d]."""
        n_panels = sum(one.kind is DeviceKind.PANEL for one in self.devices)
        return n_panels * (self.end_us - self.start_us) / US_PER_DAY


def make_faults(
    *, seed: int = 1, n_panels: int = 100, n_days: int = 30, n_faults: int = 28
) -> FaultSet:
    """A plant of 25 panels an inverter, 5 strings each, with faults of all kinds in turn."""
    array = PanelArray(
        SITE.id,
        count=n_panels,
        per_string=5,
        strings_per_inverter=5,
        rating_w=430.0,
        inverter_rating_w=25 * 430.0,
        tilt_deg=30.0,
        azimuth_deg=180.0,
        interval_s=STEP_US / 1e6,
    )
    devices = tuple(lay_out(array))
    start_us, end_us = FIRST_DAY_US, FIRST_DAY_US + n_days * US_PER_DAY
    branches = Branches(devices, longitude=SITE.longitude or 0.0)
    faults = draw_faults(branches, start_us, end_us, seed=seed, count=n_faults)
    settings = SolarSimulation(time_zone=SITE.time_zone, seed=seed)
    made = PanelPlant(SITE, devices, settings).generate(start_us, end_us, STEP_US, faults)
    truths = tuple(
        Truth(
            fault.kind.value,
            _list_members(branches, branches.hit(fault)),
            max(fault.start_us, start_us),
            min(fault.end_us, end_us),
        )
        for fault in faults
        if branches.hit(fault)
    )
    return FaultSet(devices, (made.panels, made.inverters), truths, start_us, end_us)


def _list_members(branches: Branches, hit: Sequence[int]) -> frozenset[str]:
    """The panels of a fault and all above them: an inverter misses what one of its strings does."""
    members = {branches.panels[one].id for one in hit}
    for kind in (DeviceKind.STRING, DeviceKind.INVERTER, DeviceKind.PLANT):
        above = {branches.above(branches.panels[one].id, kind) for one in hit}
        members |= {one for one in above if one is not None}
    return frozenset(members | {SITE.id})


def watch(faults: FaultSet, detectors: Sequence[Detector]) -> list[Raised]:
    """All incidents, each as it ended, with the look that first told of it."""
    told_at: dict[str, int] = {}
    known: dict[str, Incident] = {}
    ended: dict[str, Incident] = {}
    coarse = {level: _coarsen_all(faults.windows, step) for level, step in LEVEL_STEPS.items()}
    due: dict[str, int] = {}
    for now_us in range(faults.start_us + US_PER_DAY, faults.end_us + 1, _LOOK_EVERY_US):
        found = []
        for detector in detectors:
            if due.get(detector.name, 0) > now_us:
                continue
            due[detector.name] = now_us + int(detector.view.every_s * 1e6)
            level = detector.view.level
            for window in faults.windows if level == NATIVE else coarse[level]:
                cut = window.cut(now_us - detector.view.span_us, now_us)
                found += detector.find(cut)
        for one in merge_findings(found, tuple(known.values()), faults.devices, None, now_us):
            told_at.setdefault(one.id, now_us)
            known[one.id] = ended[one.id] = one
        known = {name: one for name, one in known.items() if not one.is_over}
    return [Raised(one, told_at[name]) for name, one in ended.items()]


def score(faults: FaultSet, detectors: Sequence[Detector]) -> Score:
    """How well detectors find the faults of a plant."""
    return score_incidents(watch(faults, detectors), faults.truths, faults.device_days)


def _coarsen_all(windows: Iterable[Window], step_us: int) -> tuple[Window, ...]:
    return tuple(coarsen(one, step_us) for one in windows)


def coarsen(window: Window, step_us: int) -> Window:
    """Means over longer slots; a window that is as coarse already stays."""
    if window.step_us >= step_us or not len(window.slot_us):
        return window
    per_slot = step_us // window.step_us
    n_slots = len(window.slot_us) // per_slot
    return replace(
        window,
        slot_us=window.slot_us[: n_slots * per_slot : per_slot],
        step_us=step_us,
        values=_coarsen(window.values, per_slot, n_slots),
        weather={
            name: _mean(column[np.newaxis, :], per_slot, n_slots)[0]
            for name, column in window.weather.items()
        },
    )


def _coarsen(values: Mapping[str, Matrix], per_slot: int, n_slots: int) -> dict[str, Matrix]:
    return {name: _mean(matrix, per_slot, n_slots) for name, matrix in values.items()}


def _mean(matrix: Matrix, per_slot: int, n_slots: int) -> Matrix:
    parts = matrix[:, : n_slots * per_slot].reshape(len(matrix), n_slots, per_slot)
    count = np.isfinite(parts).sum(axis=2)
    means = np.full(count.shape, np.nan)
    np.divide(np.nansum(parts, axis=2), count, out=means, where=count > 0)
    return means


def measure_faults(*, quick: bool, say: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Thirty days of a hundred panels with faults of seven kinds: found, named, false alarms."""
    n_panels, n_days, n_faults = (50, 20, 7) if quick else (100, 30, 28)
    faults = make_faults(n_panels=n_panels, n_days=n_days, n_faults=n_faults)
    found = score(faults, build_detectors())
    say(f"  faults: {found.detected:.0%} detected, {found.named:.0%} named rightly")
    rows = [row for one in found.kinds for row in _list_kind(one)]
    false_alarms = found.false_per_100_device_days
    of_detected, of_named = Limit(0.9, is_least=True), Limit(0.8, is_least=True)
    rows += [
        of_detected.mark(Row(CASE, OURS, "faults: detected", found.detected, "share")),
        of_named.mark(Row(CASE, OURS, "faults: cause named rightly", found.named, "share")),
        Limit(1.0).mark(
            Row(CASE, OURS, "faults: false alarms in 100 panel-days", false_alarms, "alarms")
        ),
    ]
    note = (
        f"faults: {n_panels} panels, {n_days} days, a reading each 5 minutes, {n_faults} faults of "
        "seven kinds in turn; looks every 6 hours that see nothing of the future"
    )
    return rows, [note]


def _list_kind(one: KindScore) -> list[Row]:
    words = f"faults, {one.kind.replace('_', ' ')}"
    return [
        Row(CASE, OURS, f"{words}: detected", one.n_detected / one.n_faults, "share"),
        Row(CASE, OURS, f"{words}: named rightly", one.n_named / one.n_faults, "share"),
        Row(CASE, OURS, f"{words}: hours until told, median", one.hours_to_detect, "h"),
    ]
