"""What is kept aside for rows whose key already has another value."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wattscope.core.findings import ReasonCode
from wattscope.core.reading import Batch
from wattscope.core.time_grid import format_utc
from wattscope.ports import Quarantined


def describe_conflicts(rows: Batch, kept: npt.NDArray[np.float64]) -> tuple[Quarantined, ...]:
    """What is kept aside for rows whose key already has another value."""
    return tuple(
        Quarantined(
            source="store",
            topic=f"series/{series_id}",
            payload=repr(value).encode(),
            received_at_us=t,
            code=ReasonCode.CONFLICT.value,
            detail=f"series {series_id} at {format_utc(t)} already has {stored!r}, "
            f"{value!r} came later; the first is kept",
        )
        for series_id, t, value, stored in zip(
            rows.series_id.tolist(),
            rows.measured_at_us.tolist(),
            rows.value.tolist(),
            kept.tolist(),
            strict=True,
        )
    )
