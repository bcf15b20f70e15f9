"""A string, or a part of a panel, that drops out: from a day on a fixed part of the power is gone.

It is missing at all hours and in all light.

Where an inverter tells its strings apart, each is held against the others. Where not, the share of
the whole steps down by k of n equal parts and stays there. A shadow comes and goes with the sun,
dirt comes slowly: neither is a step at all hours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from wattscope.compute.peers import PeerOptions
from wattscope.compute.production import Days, cut_days
from wattscope.compute.reference import Reference, find_reference
from wattscope.compute.robust import median
from wattscope.compute.spans import find_spans
from wattscope.compute.steps_and_slopes import Step, find_steps
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.window import Matrix, View, Window

_STRING = re.compile(r"dc_(power|current)_s([1-9][0-9]?)_[wa]")
_MIN_STRINGS = 2


@dataclass(frozen=True, slots=True)
class StringOut:
    """Options of the detector ``string_out``."""

    name: str = "string_out"
    view: View = View("15m", 30 * US_PER_DAY, 3600.0)  # noqa: RUF009 - frozen
    peers: PeerOptions = field(default_factory=PeerOptions)
    min_part: float = 0.07
    """Least part of the power that must be missing."""
    max_part: float = 0.9
    """A larger one is an outage."""
    max_parts: int = 12
    """Most strings in one device that are told apart by their share."""
    tolerance: float = 0.012
    """How far the missing part may be from k of n."""
    steadiness: float = 0.85
    """Part of the hours by day at which it must be missing."""
    dead_share: float = 0.02
    """A string that gives less than this share of the best one is out."""
    min_dead_s: float = 3600.0
    """For at least so long by day, where strings are told apart [s]."""

    def find(self, window: Window) -> list[Finding]:
        """Strings that are out, by device, then start."""
        reference = find_reference(window, self.peers)
        if reference is None:
            return []
        days = cut_days(window)
        shares = days.compare(reference.power_w, reference.expected_w, reference.counted).share
        slot_share = reference.share
        strings = _find_strings(window)
        findings = []
        for row in range(len(window.devices)):
            if strings is not None and np.isfinite(strings[:, row]).any():
                findings += self._look_at_strings(window, row, strings[:, row], reference)
                continue
            for step in find_steps(shares[row], self.min_part):
                start = _refine(slot_share[row], days, step)
                found = self._judge(window, reference, row, (start, days.starts, step))
                if found is not None:
                    findings.append(found)
        return findings

    def _judge(
        self,
        window: Window,
        reference: Reference,
        row: int,
        found: tuple[int, np.ndarray[tuple[int], np.dtype[np.int64]], Step],
    ) -> Finding | None:
        start, day_starts, step = found
        end = int(day_starts[step.end]) if step.end < len(day_starts) else len(window.slot_us)
        share = reference.share[row, start:end] / step.before
        known = share[np.isfinite(share)]
        if not len(known):
            return None
        part = 1.0 - float(median(known))
        is_missing = known < 1.0 - part / 2.0
        fraction = find_fraction(part, self.max_parts, self.tolerance)
        if not self.min_part <= part <= self.max_part or fraction is None:
            return None
        if is_missing.mean() < self.steadiness:
            return None
        expected = np.where(
            reference.counted[row, start:end], reference.expected_w[row, start:end], 0.0
        )
        lost = float(expected.sum()) * step.before * part * window.step_us / US_PER_HOUR
        missing, of = fraction
        return Finding(
            "string_out",
            window.devices[row].id,
            int(window.slot_us[start]),
            int(window.slot_us[end - 1]) + window.step_us,
            f"{part:.1%} of the power is missing at all hours, as if {missing} of {of} parts were",
            {"missing_share": part, "missing_n": float(missing), "of_n": float(of)},
            reference.quantity,
            self.name,
            0.85,
            lost,
        )

    def _look_at_strings(
        self, window: Window, row: int, strings: Matrix, reference: Reference
    ) -> list[Finding]:
        """Strings of one inverter that give nothing while the best one does."""
        used = np.nanmax(strings, axis=1, initial=0.0) > 0.0
        if used.sum() < _MIN_STRINGS:
            return []
        with np.errstate(invalid="ignore"):
            best = np.nanmax(strings[used], axis=0, initial=0.0)
            is_day = best >= self.peers.day_share * best.max()
            is_dead = is_day & (strings <= self.dead_share * best)
        is_dead[~used] = False
        spans = find_spans(is_dead | ~is_day)
        least = self.min_dead_s * 1e6 / window.step_us
        n_used = int(used.sum())
        findings = []
        for string, start, end in zip(*spans, strict=True):
            dead = is_dead[string, start:end]
            if dead.sum() < max(least, 1):
                continue
            first = start + int(np.argmax(dead))
            last = end - int(np.argmax(dead[::-1]))
            given = np.nansum(np.where(is_day, reference.power_w[row], 0.0)[first:last])
            lost = float(given) / max(n_used - 1, 1) * window.step_us / US_PER_HOUR
            findings.append(
                Finding(
                    "string_out",
                    window.devices[row].id,
                    int(window.slot_us[first]),
                    int(window.slot_us[last - 1]) + window.step_us,
                    f"string {string + 1} gives nothing while others do",
                    {"string_n": float(string + 1), "missing_n": 1.0, "of_n": float(n_used)},
                    reference.quantity,
                    self.name,
                    0.98,
                    lost,
                )
            )
        return sorted(findings, key=lambda one: one.start_us)


def find_fraction(part: float, max_parts: int, tolerance: float) -> tuple[int, int] | None:
    """The k of n equal parts that a missing part is near to, one part rather than more.

    None where there is none.

    >>> find_fraction(0.333, 12, 0.012), find_fraction(0.08, 12, 0.012)
    ((1, 3), (1, 12))
    >>> find_fraction(0.395, 12, 0.012), find_fraction(0.03, 12, 0.012)
    ((2, 5), None)
    """
    for missing in range(1, max_parts):
        of = min(round(missing / part), max_parts) if part > 0.0 else 0
        if missing < of and abs(part - missing / of) <= tolerance:
            return missing, of
    return None


def _find_strings(window: Window) -> Matrix | None:
    """Powers, else currents, of DC inputs; shape ``(n_strings, n_devices, n_slots)``."""
    for kind in ("power", "current"):
        inputs = {
            int(match[2]): matrix
            for name, matrix in window.values.items()
            if (match := _STRING.fullmatch(name)) and match[1] == kind
        }
        if len(inputs) >= _MIN_STRINGS:
            empty = np.full((len(window.devices), len(window.slot_us)), np.nan)
            return np.stack([inputs.get(n, empty) for n in range(1, max(inputs) + 1)])
    return None


def _refine(share: np.ndarray[tuple[int], np.dtype[np.float64]], days: Days, step: Step) -> int:
    """The slot in which a step began: it may have been in the course of the day before."""
    begin = int(days.starts[max(step.start - 1, 0)])
    end = int(days.starts[step.start + 1]) if step.start + 1 < days.count else len(share)
    places = begin + np.flatnonzero(np.isfinite(share[begin:end]))
    if not len(places):
        return int(days.starts[step.start])
    # The cut that leaves least outside the two levels.
    is_low = share[places] < (step.before + step.after) / 2.0
    n_high_after = np.append(np.cumsum((~is_low)[::-1])[::-1], 0)
    wrong = np.append(0, np.cumsum(is_low)) + n_high_after
    cut = int(np.argmin(wrong))
    return int(places[min(cut, len(places) - 1)])
