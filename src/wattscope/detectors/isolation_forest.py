"""Values that do not fit together as they use to, by an isolation forest for each device class.

One strange row says little: a fixed share of healthy rows is called strange. A device that stays
strange for long is told. Nights and rows with missing values are never judged.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.compute.isolation_forest.model import AnomalyModel
from wattscope.compute.panel_features import (
    NIGHT_SHARE,
    POWER_RATIO,
    Floats,
    build_rows,
    list_quantities,
)
from wattscope.core.findings import Finding
from wattscope.core.quantities import unit_of
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_S
from wattscope.core.window import View, Window

Flags = npt.NDArray[np.bool_]

STRANGE_SHARE = 0.75
"""Share of the rows of ``least_s`` that must be strange: six of eight quarter hours."""


_LEAST_PEERS = 3
"""Of fewer devices none is the one in the middle."""


class Scores(NamedTuple):
    """What a model says of rows; NaN where it says nothing."""

    score: Floats
    """As scikit-learn's ``score_samples``: from -1, strange, to 0."""
    limit: Floats
    """The row is strange when its score is below."""
    usual: Floats
    """Score of the row in the middle of those that were learned from at as much light."""


class _Run(NamedTuple):
    """A stretch in which a device was strange."""

    device: int
    first: int
    last: int
    worst: int
    """The slot furthest below its limit."""


@dataclass(frozen=True, slots=True)
class IsolationForestDetector:
    """Finds stretches in which devices are strange, of classes that have a model."""

    models: Mapping[str, AnomalyModel] = field(default_factory=dict)
    """By value of ``DeviceKind``; classes without one are not judged."""
    least_s: float = 7200.0
    """How long a device must be strange [s]; where so much time has no judged row, a stretch
    ends."""
    night_share: float = NIGHT_SHARE
    """Share of the rated power at and below which it is night."""
    view: View = View("15m", 2 * US_PER_DAY, 900.0)  # noqa: RUF009  # frozen
    name: str = "isolation_forest"

    def find(self, window: Window) -> list[Finding]:
        """Stretches in which devices are strange, by device, then start."""
        model = self.models.get(window.devices[0].kind.value) if window.devices else None
        if model is None or not _has_all(model, window.values):
            return []
        rating_w = np.array(
            [np.nan if one.rating_w is None else one.rating_w for one in window.devices]
        )
        night_w = self._find_night_w(model, rating_w)[:, None]
        rows = build_rows(model.forest.features, window.values, night_w)
        scores = _leave_out_weather(_score_rows(model, rows))
        runs = _find_runs(scores, window.step_us, round(self.least_s * US_PER_S))
        return self._describe(window, model, runs, rows, scores)

    def score(
        self, device_class: str, values: Mapping[str, FloatColumn], rating_w: FloatColumn
    ) -> Scores:
        """Scores of devices at one instant, one row each: quick enough for every second.

        Args:
            device_class: Value of ``DeviceKind``.
            values: Quantity to values [base unit], shape ``(n_devices,)``; NaN where missing.
            rating_w: Rated power [W], NaN where not told; shape ``(n_devices,)``.

        Returns:
            NaN at night, where values are missing, and for a class without a model.
        """
        model = self.models.get(device_class)
        if model is None or not _has_all(model, values):
            nothing = np.full(len(rating_w), np.nan)
            return Scores(nothing, nothing, nothing)
        rows = build_rows(model.forest.features, values, self._find_night_w(model, rating_w))
        return _leave_out_weather(_score_rows(model, rows))

    def _find_night_w(self, model: AnomalyModel, rating_w: FloatColumn) -> FloatColumn:
        return self.night_share * np.where(np.isfinite(rating_w), rating_w, model.full_power_w)

    def _describe(
        self, window: Window, model: AnomalyModel, runs: list[_Run], rows: Floats, scores: Scores
    ) -> list[Finding]:
        worst = np.array([rows[run.device, run.worst] for run in runs])
        rises = _find_rises(model, worst)
        findings = []
        for run, row, rise in zip(runs, worst, rises, strict=True):
            place = run.device, run.worst
            most = int(rise.argmax())
            findings.append(
                Finding(
                    kind="anomaly",
                    device=window.devices[run.device].id,
                    start_us=int(window.slot_us[run.first]),
                    end_us=int(window.slot_us[run.last]) + window.step_us,
                    detail=_word(model, row, most, scores.score[place], scores.limit[place]),
                    evidence={
                        "score": float(scores.score[place]),
                        "score_limit": float(scores.limit[place]),
                        "score_rise": float(rise[most]),
                        **dict(zip(model.forest.features, row.tolist(), strict=True)),
                    },
                    quantity=model.forest.features[most].replace(POWER_RATIO, ""),
                    detector=self.name,
                    confidence=_find_confidence(scores, run),
                )
            )
        return findings


def _has_all(model: AnomalyModel, values: Mapping[str, Floats]) -> bool:
    return all(name in values for name in list_quantities(model.forest.features))


def _score_rows(model: AnomalyModel, rows: Floats) -> Scores:
    """Scores of rows of any shape; only those that are to be judged cost time."""
    score, limit, usual = (np.full(rows.shape[:-1], np.nan) for _ in Scores._fields)
    is_judged = np.isfinite(rows[..., 0])
    judged = rows[is_judged]
    score[is_judged] = model.scorer.score(judged)
    limit[is_judged], usual[is_judged] = model.find_limits(judged)
    return Scores(score, limit, usual)


def _leave_out_weather(scores: Scores) -> Scores:
    """Limits lowered by as much as the device in the middle is below what is usual.

    Where most score low at once, it is the sky that is new, not the devices. Shape
    ``(n_devices, ...)``.
    """
    below = scores.usual - scores.score
    is_many = np.asarray(np.count_nonzero(np.isfinite(below), axis=0) >= _LEAST_PEERS)
    middle = np.zeros(below.shape[1:])
    middle[is_many] = np.nanmedian(below[:, is_many], axis=0)
    return scores._replace(limit=scores.limit - np.maximum(middle, 0.0))


def _find_runs(scores: Scores, step_us: int, least_us: int) -> list[_Run]:
    """Stretches of rows that each lie in a ``least_us`` of mostly strange ones."""
    device, slot = np.nonzero(np.isfinite(scores.score))
    depth = (scores.limit - scores.score)[device, slot]
    # Judged rows of one device with no long break between them belong together.
    is_new = np.ones(len(device), np.bool_)
    is_new[1:] = (device[1:] != device[:-1]) | ((slot[1:] - slot[:-1] - 1) * step_us >= least_us)
    part = np.cumsum(is_new, dtype=np.int64)
    is_within = _mark_strange(depth > 0, part, max(1, -(-least_us // step_us)))
    bounds = np.flatnonzero(np.diff(np.where(is_within, part, 0), prepend=0, append=0))
    runs = []
    for start, end in itertools.pairwise(bounds.tolist()):
        if is_within[start]:
            strange = start + np.flatnonzero(depth[start:end] > 0)
            worst = strange[depth[strange].argmax()]
            first, last = slot[strange[[0, -1]]].tolist()
            runs.append(_Run(int(device[start]), first, last, int(slot[worst])))
    return runs


def _mark_strange(is_strange: Flags, part: Int64Column, n_rows: int) -> Flags:
    """Rows of all groups of ``n_rows`` in a row, within one part, that are mostly strange."""
    if len(is_strange) < n_rows:
        return np.zeros(len(is_strange), np.bool_)
    sums = np.concatenate([[0], np.cumsum(is_strange)])
    is_met = sums[n_rows:] - sums[:-n_rows] >= STRANGE_SHARE * n_rows
    is_met &= part[n_rows - 1 :] == part[: len(part) - n_rows + 1]
    # One more where a group begins, one less behind its end.
    edges = np.zeros(len(is_strange) + 1, np.int64)
    edges[: len(is_met)] += is_met
    edges[n_rows:] -= is_met
    return np.cumsum(edges[:-1]) > 0


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


def _word(model: AnomalyModel, row: FloatColumn, most: int, score: float, limit: float) -> str:
    feature = model.forest.features[most]
    unit = unit_of(feature)
    seen, usual = (f"{one:.3g} {unit}".strip() for one in (row[most], model.medians[most]))
    return (
        f"values do not fit together: {feature} of {seen} stands out most (usually {usual}); "
        f"score {score:.3f}, limit {limit:.3f}"
    )


def _find_confidence(scores: Scores, run: _Run) -> float:
    """One half at the limit, 1 for a row that every tree cuts off at once."""
    limit, score = (one[run.device, run.worst] for one in (scores.limit, scores.score))
    return float(0.5 + 0.5 * (limit - score) / max(1e-9, 1.0 + limit))
