"""From the history of like devices to a model, every device with the same say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.isolation_forest.model import AnomalyModel
from wattscope.compute.isolation_forest.scorer import Scorer
from wattscope.compute.isolation_forest.training import train
from wattscope.compute.panel_features import (
    NIGHT_SHARE,
    Floats,
    build_rows,
    choose_features,
    find_reference_power,
    list_quantities,
)
from wattscope.core.errors import QueryError
from wattscope.core.reading import Batch, FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_S

LIMIT_SHARE = 0.01
"""Share of the rows learned from that count as strange, at each reference power. One row says
nothing then; that three of four do by chance comes once in 250,000 times, at half or twice the
share in 2,000,000 or 30,000."""
_MOST_LIMITS = 10
_ROWS_PER_LIMIT = 200
LEAST_ROWS = 500
"""Fewer rows do not say what is usual: a forest of samples of 256 would learn them by heart."""
MAX_ROWS = 200_000
"""Rows of all devices that a model is learned from."""
_FULL_SHARE = 0.99
_TOGETHER_US = 60 * US_PER_S
"""Values of a device that are at most so far apart belong to one row."""

Span = tuple[int, int]
"""From an instant to before another [µs]."""


@dataclass(frozen=True, slots=True)
class DeviceHistory:
    """What one device measured."""

    device: str
    rating_w: float | None
    columns: Mapping[str, tuple[Int64Column, FloatColumn]]
    """Quantity to instants [µs], rising, and values [base unit]."""
    left_out: tuple[Span, ...] = ()
    """Known incidents: nothing is learned from them."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A model, and what it was made of."""

    model: AnomalyModel
    n_rows: int
    """Rows learned from."""
    n_read: int
    """Rows that were there."""
    n_night: int
    """Rows left out because it was night or a value was missing."""
    n_incident: int
    """Rows left out because of known incidents."""


def choose_class_features(quantities: Sequence[frozenset[str]]) -> tuple[str, ...]:
    """Features of a class: of the quantities that at least half of its devices have.

    >>> choose_class_features([frozenset({"active_power_w"})] * 2 + [frozenset({"voltage_v"})])
    ('active_power_w',)
    """
    names = {name for one in quantities for name in one}
    return choose_features(
        {name for name in names if 2 * sum(name in one for one in quantities) >= len(quantities)}
    )


def split_batch(
    batch: Batch, series: Mapping[int, tuple[str, str]]
) -> dict[str, dict[str, tuple[Int64Column, FloatColumn]]]:
    """Usable values by device and quantity.

    Args:
        batch: Ordered by series, then time.
        series: Id of each series to device and quantity.
    """
    usable = batch.take(batch.is_usable)
    found: dict[str, dict[str, tuple[Int64Column, FloatColumn]]] = {}
    for number, (device, quantity) in series.items():
        low, high = np.searchsorted(usable.series_id, (number, number + 1)).tolist()
        if low < high:
            columns = usable.measured_at_us[low:high], usable.value[low:high]
            found.setdefault(device, {})[quantity] = columns
    return found


def learn_model(
    device_class: str,
    histories: Sequence[DeviceHistory],
    features: tuple[str, ...],
    generator: np.random.Generator,
    *,
    trained_at_us: int,
) -> Learned:
    """Grow a forest from the days of all devices, and set its limit.

    Args:
        device_class: Value of ``DeviceKind``.
        histories: Those of the class that have all features; others must be left out before.
        features: As ``choose_class_features`` gave them.
        generator: All chance comes from here.
        trained_at_us: [µs]

    Raises:
        QueryError: There is too little to learn from.
    """
    parts, fulls, times = [], [], []
    n_read = n_night = n_incident = 0
    for history in histories:
        t, values = join_columns(history.columns, features)
        is_healthy = ~_is_within(t, history.left_out)
        reference = find_reference_power(features, values)
        full_w = float(np.nanquantile(reference, _FULL_SHARE)) if len(t) else 0.0
        night_w = NIGHT_SHARE * (history.rating_w or max(full_w, 0.0))
        rows = build_rows(features, values, night_w)
        is_day = np.isfinite(rows[:, 0])
        n_read += len(t)
        n_night += int((~is_day).sum())
        n_incident += int((is_day & ~is_healthy).sum())
        keep = np.flatnonzero(is_day & is_healthy)
        keep = _spread(keep, max(1, MAX_ROWS // len(histories)))
        parts.append(rows[keep])
        times.append(t[keep])
        fulls.append(full_w)
    rows = np.concatenate(parts) if parts else np.empty((0, len(features)))
    if len(rows) < LEAST_ROWS:
        raise QueryError(
            f"{device_class}: {len(rows)} rows by day with all of {', '.join(features)} are too "
            f"few to learn from; {LEAST_ROWS} are the least; wait, or give a longer --since"
        )
    forest = train(rows, features, generator)
    seen = np.concatenate(times)
    light_w, limits, usual = _find_limits(rows, features, Scorer(forest).score(rows))
    model = AnomalyModel(
        device_class=device_class,
        forest=forest,
        light_w=light_w,
        limits=limits,
        usual=usual,
        limit_share=LIMIT_SHARE,
        medians=np.median(rows, axis=0),
        full_power_w=float(np.median([one for one in fulls if one > 0])),
        n_devices=sum(len(part) > 0 for part in parts),
        start_us=int(seen.min()),
        end_us=int(seen.max()) + 1,
        trained_at_us=trained_at_us,
    )
    return Learned(model, len(rows), n_read, n_night, n_incident)


def join_columns(
    columns: Mapping[str, tuple[Int64Column, FloatColumn]], features: Sequence[str]
) -> tuple[Int64Column, dict[str, FloatColumn]]:
    """Values of one device side by side, at the instants of the first of its quantities.

    Beside each stands the newest value of the others, unless it is older than a minute: then NaN.
    """
    quantities = list_quantities(features)
    t = columns[quantities[0]][0]
    values = {}
    for name in quantities:
        own_t, own = columns[name]
        place = np.searchsorted(own_t, t, side="right") - 1
        is_near = (place >= 0) & (t - own_t[place] <= _TOGETHER_US)
        values[name] = np.where(is_near, own[place], np.nan)
    return t, values


def _find_limits(
    rows: Floats, features: tuple[str, ...], scores: FloatColumn
) -> tuple[FloatColumn, FloatColumn, FloatColumn]:
    """Limits and usual scores at reference powers that part the rows into groups of one size."""
    reference = find_reference_power(features, dict(zip(features, rows.T, strict=True)))
    n_groups = min(_MOST_LIMITS, max(1, len(rows) // _ROWS_PER_LIMIT))
    groups = np.array_split(np.argsort(reference, kind="stable"), n_groups)
    light_w = np.array([np.median(reference[group]) for group in groups])
    limits, usual = np.array([np.quantile(scores[group], (LIMIT_SHARE, 0.5)) for group in groups]).T
    # Powers that repeat (a limit of the inverter) give groups of one power: one of them is enough.
    light_w, places = np.unique(light_w, return_index=True)
    return light_w, limits[places], usual[places]


def _is_within(t: Int64Column, spans: Sequence[Span]) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(t), np.bool_)
    for start_us, end_us in spans:
        found |= (t >= start_us) & (t < end_us)
    return found


def _spread(places: npt.NDArray[np.intp], most: int) -> npt.NDArray[np.intp]:
    """At most so many of them, at even distances."""
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).astype(np.intp)]
