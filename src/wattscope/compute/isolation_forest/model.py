"""A forest for one class of devices, with what is needed to judge by it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wattscope.compute.isolation_forest.forest import Forest, list_faults
from wattscope.compute.isolation_forest.scorer import Scorer
from wattscope.compute.panel_features import Floats, find_reference_power, is_choice
from wattscope.core.reading import FloatColumn
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.topology import DeviceKind


@dataclass(frozen=True, eq=False)
class AnomalyModel:
    """What was learned from the history of like devices."""

    device_class: str
    """Value of a ``DeviceKind``."""
    forest: Forest
    light_w: FloatColumn
    """Reference powers at which limits were learned, rising [W]; shape ``(n_limits,)``."""
    limits: FloatColumn
    """Scores below are strange at that reference power; between them straight lines."""
    usual: FloatColumn
    """Scores of the row in the middle at these reference powers."""
    limit_share: float
    """Share of the rows learned from that score below the limit."""
    medians: FloatColumn
    """Of each feature over the rows learned from; shape ``(n_features,)``."""
    full_power_w: float
    """Reference power that the rows learned from seldom exceed [W]; tells the night of devices
    without a rating."""
    n_devices: int
    """Devices learned from."""
    start_us: int
    """The history learned from [µs since 1970, UTC]."""
    end_us: int
    trained_at_us: int

    def find_limits(self, rows: Floats) -> tuple[FloatColumn, FloatColumn]:
        """Scores below which rows are strange, and usual scores; shape ``(n_rows,)`` each.

        A forest calls rows at the edge of what it has seen stranger than those amid it, and noon
        is always at the edge: so each row is held against others of as much light.
        """
        columns = dict(zip(self.forest.features, rows.T, strict=True))
        reference = find_reference_power(self.forest.features, columns)
        return (
            np.interp(reference, self.light_w, self.limits),
            np.interp(reference, self.light_w, self.usual),
        )

    @cached_property
    def scorer(self) -> Scorer:
        """Made at the first use, and kept."""
        return Scorer(self.forest)


def list_model_faults(model: AnomalyModel) -> list[str]:
    """What keeps a model from being used; nothing for a sound one."""
    faults = list_faults(model.forest)
    if model.device_class not in {kind.value for kind in DeviceKind}:
        faults.append(f"there is no class of devices {model.device_class!r}")
    if not is_choice(model.forest.features):
        faults.append("its features are not those of this program")
    if not 0 < len(model.light_w) == len(model.limits) == len(model.usual) or not _rises(
        model.light_w
    ):
        faults.append("the reference powers of the limits do not rise")
    if not all(np.all((one >= -1.0) & (one <= 0.0)) for one in (model.limits, model.usual)):
        faults.append("a limit of scores is not within -1 to 0")
    if not 0.0 <= model.limit_share <= 1.0:
        faults.append("the share of strange rows is not within 0 to 1")
    if len(model.medians) != len(model.forest.features) or not np.isfinite(model.medians).all():
        faults.append("the medians of the features are not numbers")
    if not (np.isfinite(model.full_power_w) and model.full_power_w > 0):
        faults.append("the full power is not above 0")
    return faults


def _rises(column: FloatColumn) -> bool:
    return bool(np.isfinite(column).all() and (column[1:] > column[:-1]).all())


def is_model_due(trained_at_us: int | None, now_us: int, retrain_days: float) -> bool:
    """Whether a class should be trained again.

    Args:
        trained_at_us: When it was last [µs]; None: never. A time in the future counts as never:
            the clock was wrong, then or now.
        now_us: [µs]
        retrain_days: 0 or less: never again by itself.

    >>> is_model_due(None, 0, 7), is_model_due(0, 8 * US_PER_DAY, 7), is_model_due(None, 0, 0)
    (True, True, False)
    """
    if retrain_days <= 0:
        return False
    if trained_at_us is None or trained_at_us > now_us:
        return True
    return now_us - trained_at_us >= retrain_days * US_PER_DAY
