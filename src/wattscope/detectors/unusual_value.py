"""Values of a device that do not fit together as they use to: for whatever no other rule knows.

::

    value     level of the last 3 days      usual day or week        rest
    ─────  −  ─────────────────────────  −  ─────────────────  =  ─────────
                                            (if it explains)         │
          ┌──────────────────────────────────────────────────────────┴──────────┐
     mean of 1.5 h: how far from usual               how much it moves in 4 h: more or less
          └──────────── each over what the past reached in 9 of 10 slots ───────┘
                            the larger of the two, for each quantity
                     root of the mean of squares over the device's quantities
               more than twice, for 1.5 h or longer; or more than two and a half times

The measure of "usual" is the edge of what the series itself did in nine tenths of its past, not a
standard deviation: what bursts every day is not unusual when it bursts. All but the usual day looks
back only, so that what was found is found again when more is known. A lasting shift is told once:
within three days it is the level.

Lengths are parts of a day. In a window shorter than a week a seventh of it stands for the day, so
that seconds of a machine are judged as months of a meter are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import median
from wattscope.compute.running import keep_sound, past_quantile, running_mean, running_median
from wattscope.compute.seasons import find_season
from wattscope.compute.spans import close_gaps, find_spans
from wattscope.core.findings import Finding
from wattscope.core.quantities import QuantityKind, find_quantity
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.topology import Device, DeviceKind
from wattscope.core.window import Matrix, View, Window

Floats = npt.NDArray[np.float64]

_DAYS_A_WINDOW = 7
_TINY = 1e-12


class _Scores(NamedTuple):
    """How unusual a quantity is; shape ``(n_devices, n_slots)``."""

    score: Matrix
    """1 is the edge of what is usual; NaN where it is not known."""
    mean: Matrix
    """Over the last hours [base unit]."""
    usual: Matrix
    """What it should be [base unit]."""


_OF_THE_SUN = frozenset({"irradiance_w_m2", "module_temperature_c"})
"""A dark day is nothing unusual."""


@dataclass(frozen=True, slots=True)
class UnusualValue:
    """Options of the detector ``unusual_value``."""

    name: str = "unusual_value"
    view: View = View("15m", 28 * US_PER_DAY, 3600.0)  # noqa: RUF009 - frozen
    limit: float = 2.0
    """How many times further than usual is unusual [x]."""
    usual_share: float = 0.9
    """Share of the past that counts as usual."""
    level_days: float = 3.0
    """What the level is the median of [days]."""
    mean_days: float = 1.5 / 24
    """Over how long values are averaged before they are judged [days]."""
    motion_days: float = 4 / 24
    """Over how long it is judged how much they move [days]."""
    at_once: float = 1.25
    """From so many times the limit on it is told even if it lasts for less than a mean [x]."""
    join_days: float = 0.5
    """Findings closer than this are one [days]."""
    season_gain: float = 0.7
    """A usual day or week counts when it shrinks the deviation below this part."""
    learning_share: float = 0.15
    """At the beginning of a window, where too little is known to judge."""
    left_out: frozenset[DeviceKind] = frozenset({DeviceKind.PANEL, DeviceKind.INVERTER})
    """What follows the sun is unlike itself under every cloud: others compare it with the light,
    with its siblings and with its own model."""
    both_ways_share: float = 0.02
    """From so much of the time each on, a power that flows in and out has a producer behind it."""
    min_slots: int = 100
    """Fewer slots tell nothing."""

    def find(self, window: Window) -> list[Finding]:
        """Stretches in which a device is unlike itself, by device, then start."""
        n_slots = len(window.slot_us)
        names = [one for one in sorted(window.values) if _is_gauge(one) and one not in _OF_THE_SUN]
        if n_slots < self.min_slots or not names or all(map(self._is_left_out, window.devices)):
            return []
        scores = {one: self._judge(window, keep_sound(window.values[one])) for one in names}
        scores = {name: self._leave_to_the_sun(name, one, window) for name, one in scores.items()}
        every = np.stack([one.score for one in scores.values()])
        known = np.isfinite(every)
        squares = np.where(known, every, 0.0) ** 2
        together = np.sqrt(squares.sum(0) / np.maximum(known.sum(0), 1))
        together[:, : round(self.learning_share * n_slots)] = 0.0
        together[[self._is_left_out(device) for device in window.devices]] = 0.0
        is_unusual = together > self.limit
        joined = close_gaps(is_unusual, self._slots(window, self.join_days))
        lasting = self._slots(window, self.mean_days)
        return [
            self._tell(window, scores, together, (row, start, end))
            for row, start, end in zip(*(one.tolist() for one in find_spans(joined)), strict=True)
            if end - start >= lasting or together[row, start:end].max() >= self.at_once * self.limit
        ]

    def _is_left_out(self, device: Device) -> bool:
        return device.kind in self.left_out or device.is_production

    def _leave_to_the_sun(self, name: str, scores: _Scores, window: Window) -> _Scores:
        """Without those devices through which a producer's power flows: they follow it."""
        if not name.startswith("active_power"):
            return scores
        values = window.values[name]
        least = self.both_ways_share * np.isfinite(values).sum(1)
        flows_both_ways = ((values > 0).sum(1) > least) & ((values < 0).sum(1) > least)
        return scores._replace(score=np.where(flows_both_ways[:, None], np.nan, scores.score))

    def _judge(self, window: Window, values: Matrix) -> _Scores:
        """How unusual one quantity of all devices is."""
        level = running_median(values, self._slots(window, self.level_days))
        rest = values - level
        season = find_season(
            rest, window.slot_us, window.step_us, window.site.time_zone, gain=self.season_gain
        )
        rest = rest - season
        coarse = 0.01 * _deviation(values)
        mean = running_mean(rest, self._slots(window, self.mean_days))
        far = self._measure(mean, coarse)
        moves = np.abs(np.diff(rest, axis=1, prepend=rest[:, :1]))
        motion = running_mean(moves, self._slots(window, self.motion_days))
        quiet = 0.1 * median(motion)[:, None] + 0.1 * coarse + _TINY
        score = np.fmax(far, self._measure(np.log(motion + quiet), np.array([[0.05]])))
        score = np.where(np.isfinite(values), score, np.nan)
        return _Scores(score, level + season + mean, level + season)

    def _measure(self, values: Matrix, least: Floats) -> Matrix:
        """Distance from the middle over what was usual so far."""
        first = round(self.learning_share * values.shape[1])
        apart = np.abs(values - median(values)[:, None])
        usual = past_quantile(apart, self.usual_share, first)
        return np.asarray(apart / np.maximum(np.nan_to_num(usual), least + _TINY), np.float64)

    def _slots(self, window: Window, days: float) -> int:
        """Slots of a length in days, or in sevenths of a short window."""
        whole_us = len(window.slot_us) * window.step_us
        day_us = min(US_PER_DAY, whole_us / _DAYS_A_WINDOW)
        return max(1, round(days * day_us / window.step_us))

    def _tell(
        self,
        window: Window,
        scores: dict[str, _Scores],
        together: Matrix,
        span: tuple[int, int, int],
    ) -> Finding:
        row, start, end = span
        worst = start + int(np.argmax(together[row, start:end]))
        at_worst = {
            name: float(np.nan_to_num(one.score[row, worst])) for name, one in scores.items()
        }
        quantity = max(at_worst, key=lambda name: at_worst[name])
        found = scores[quantity]
        times = float(together[row, worst])
        mean, usual = float(found.mean[row, worst]), float(found.usual[row, worst])
        unit = find_quantity(quantity)
        suffix = f" {unit.unit}" if unit is not None and unit.unit else ""
        return Finding(
            "anomaly",
            window.devices[row].id,
            int(window.slot_us[start]),
            int(window.slot_us[end - 1]) + window.step_us,
            f"{times:.1f} times further from usual than nine tenths of the time before; most of "
            f"all {quantity}: {mean:.4g}{suffix}, usual {usual:.4g}{suffix}",
            {"deviation_x": times, quantity: mean, f"usual_{quantity}": usual},
            quantity,
            self.name,
            min(0.9, 1.0 - self.limit / (2.0 * times)),
        )


def _is_gauge(name: str) -> bool:
    """Whether a quantity may be judged by its level; what counts up only grows."""
    quantity = find_quantity(name)
    return quantity is None or quantity.kind is QuantityKind.GAUGE


def _deviation(values: Matrix) -> Matrix:
    """Standard deviation of each row; shape ``(n_rows, 1)``; 0 where nothing is known."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(-1, keepdims=True), 1)
    middle = np.where(known, values, 0.0).sum(-1, keepdims=True) / count
    apart = np.where(known, values - middle, 0.0)
    return np.asarray(np.sqrt((apart**2).sum(-1, keepdims=True) / count), np.float64)
