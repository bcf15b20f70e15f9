"""Values that do not fit together as they use to, by an isolation forest for each device class.

One strange row says little: a forest calls a fixed share of healthy rows strange. What stays
strange for long is told. Nights and rows with missing values are never judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.compute.isolation_forest.model import AnomalyModel
from wattscope.compute.panel_features import (
    NIGHT_SHARE,
    POWER_RATIO,
    build_rows,
    list_quantities,
)
from wattscope.core.findings import Finding
from wattscope.core.quantities import unit_of
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_S
from wattscope.core.window import Matrix, Window

Floats = npt.NDArray[np.float64]


class _Run(NamedTuple):
    """Strange slots of a device with no healthy one between them."""

    device: int
    first: int
    last: int
    lowest: int
    """Slot of the lowest score."""
    n_slots: int
    """Strange ones."""


@dataclass(frozen=True, slots=True)
class IsolationForestDetector:
    """Finds runs of strange rows, of devices whose class has a model."""

    models: Mapping[str, AnomalyModel] = field(default_factory=dict)
    """By value of ``DeviceKind``; classes without one are not judged."""
    least_s: float = 3600.0
    """How long rows must stay strange [s]; also the longest stretch without a judged row that a
    run goes on over."""
    night_share: float = NIGHT_SHARE
    """Share of the rated power at and below which it is night."""
    name: str = "isolation_forest"

    def find(self, window: Window) -> list[Finding]:
        """Runs of strange rows, by device, then start."""
        model = self.models.get(window.devices[0].kind.value) if window.devices else None
        rows = None if model is None else self._build_window_rows(window, model)
        if model is None or rows is None:
            return []
        scores = _score_matrix(model, rows)
        runs = _find_runs(
            scores, model.cut, window.step_us, least_us=round(self.least_s * US_PER_S)
        )
        return self._describe(window, model, runs, rows, scores)

    def score(
        self, device_class: str, values: Mapping[str, FloatColumn], rating_w: FloatColumn
    ) -> FloatColumn:
        """Scores of devices at one instant, one row each: quick enough for every second.

        Args:
            device_class: Value of ``DeviceKind``.
            values: Quantity to values [base unit], shape ``(n_devices,)``; NaN where missing.
            rating_w: Rated power [W], NaN where not told; shape ``(n_devices,)``.

        Returns:
            Strange below ``models[device_class].cut``; NaN at night, where values are missing, and
            for a class without a model.
        """
        model = self.models.get(device_class)
        if model is None or not _has_all(model, values):
            return np.full(len(rating_w), np.nan)
        rows = build_rows(model.forest.features, values, self._find_night_w(model, rating_w))
        return _score_matrix(model, rows)

    def _build_window_rows(self, window: Window, model: AnomalyModel) -> Floats | None:
        if not _has_all(model, window.values):
            return None
        rating_w = np.array(
            [np.nan if one.rating_w is None else one.rating_w for one in window.devices]
        )
        night_w = self._find_night_w(model, rating_w)
        return build_rows(model.forest.features, window.values, night_w[:, None])

    def _find_night_w(self, model: AnomalyModel, rating_w: FloatColumn) -> FloatColumn:
        return self.night_share * np.where(np.isfinite(rating_w), rating_w, model.full_power_w)

    def _describe(
        self,
        window: Window,
        model: AnomalyModel,
        runs: list[_Run],
        rows: Floats,
        scores: Matrix,
    ) -> list[Finding]:
        strangest = np.array([rows[run.device, run.lowest] for run in runs])
        rises = _find_rises(model, strangest)
        return [
            self._word(window, model, run, strangest[n], rises[n], scores[run.device, run.lowest])
            for n, run in enumerate(runs)
        ]

    def _word(
        self,
        window: Window,
        model: AnomalyModel,
        run: _Run,
        row: FloatColumn,
        rises: FloatColumn,
        score: float,
    ) -> Finding:
        features = model.forest.features
        most = int(rises.argmax())
        feature = features[most]
        unit = unit_of(feature)
        seen, usual = (f"{one:.3g} {unit}".strip() for one in (row[most], model.medians[most]))
        evidence = {"score": float(score), "score_limit": model.cut, "score_rise": rises[most]}
        evidence |= dict(zip(features, row, strict=True))
        return Finding(
            kind="anomaly",
            device=window.devices[run.device].id,
            start_us=int(window.slot_us[run.first]),
            end_us=int(window.slot_us[run.last]) + window.step_us,
            detail=(
                f"values do not fit together: {feature} of {seen} stands out most (usually "
                f"{usual}); score {score:.3f}, limit {model.cut:.3f}"
            ),
            evidence={name: float(value) for name, value in evidence.items()},
            quantity="" if feature == POWER_RATIO else feature,
            detector=self.name,
            # One half at the limit, 1 for a row that every tree cuts off at once.
            confidence=float(0.5 + 0.5 * (model.cut - score) / (1.0 + model.cut + 1e-9)),
        )


def _has_all(model: AnomalyModel, values: Mapping[str, Floats]) -> bool:
    return all(name in values for name in list_quantities(model.forest.features))


def _score_matrix(model: AnomalyModel, rows: Floats) -> Floats:
    """Scores of rows of any shape; only those that are to be judged cost time."""
    scores = np.full(rows.shape[:-1], np.nan)
    is_judged = np.isfinite(rows[..., 0])
    scores[is_judged] = model.scorer.score(rows[is_judged])
    return scores


def _find_runs(scores: Matrix, cut: float, step_us: int, *, least_us: int) -> list[_Run]:
    """Strange slots that follow one another, and together last long enough."""
    device, slot = np.nonzero(np.isfinite(scores))
    if not len(device):
        return []
    is_strange = scores[device, slot] < cut
    begins = np.ones(len(device), np.bool_)
    begins[1:] = (
        (device[1:] != device[:-1])
        | (is_strange[1:] != is_strange[:-1])
        | ((slot[1:] - slot[:-1] - 1) * step_us > least_us)
    )
    starts = np.flatnonzero(begins)
    ends: Int64Column = np.append(starts[1:], len(device))
    is_long = is_strange[starts] & ((ends - starts) * step_us >= least_us)
    runs = []
    for start, end in zip(starts[is_long].tolist(), ends[is_long].tolist(), strict=True):
        number, slots = int(device[start]), slot[start:end]
        lowest = int(slots[scores[number, slots].argmin()])
        runs.append(_Run(number, int(slots[0]), int(slots[-1]), lowest, end - start))
    return runs


def _find_rises(model: AnomalyModel, rows: Floats) -> Floats:
    """How much each row's score would rise if one feature had its usual value."""
    if not len(rows):
        return np.empty((0, len(model.medians)))
    n_features = rows.shape[1]
    mended = np.repeat(rows[:, None, :], n_features, axis=1)
    places = np.arange(n_features)
    mended[:, places, places] = model.medians
    scores = model.scorer.score(mended.reshape(-1, n_features)).reshape(-1, n_features)
    rises: Floats = scores - model.scorer.score(rows)[:, None]
    return rises
