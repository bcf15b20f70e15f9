"""How the query API of Prometheus is answered."""

from __future__ import annotations

from dataclasses import dataclass, field

from wattscope.compute.prometheus_renames import Rename
from wattscope.compute.promql.evaluate import LOOKBACK_US
from wattscope.compute.promql.sampling import Bounds
from wattscope.compute.promql.tree import Edition


@dataclass(frozen=True, slots=True)
class PrometheusOptions:
    """What is the same for all questions."""

    renames: tuple[Rename, ...] = ()
    """Names of one's own, as ``/metrics`` has them; without fault."""
    edition: Edition = Edition.V3
    """Whose rules count where the versions of Prometheus differ."""
    lookback_us: int = LOOKBACK_US
    """How old the newest value of a series may be [µs]; a question may say otherwise."""
    bounds: Bounds = field(default_factory=Bounds)
    n_at_once: int = 4
    """Questions that are worked on at once; more wait."""
