"""How evenly three phases carry a load, or how evenly a grid feeds them.

The measure is the largest deviation of a phase from the mean of the three, over that mean. For
voltages between phase and neutral, which meters give, this is the phase voltage unbalance rate of
IEEE Std 141-1993, section 3.8; NEMA MG 1, section 14.36, has the same formula over voltages between
phases. The IEC's measure (IEC 61000-4-30: negative over positive sequence) needs the angles between
the phases, which meters rarely tell. For currents, powers and energies the same formula is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

N_PHASES = 3


def find_imbalance(phases: Sequence[float | None]) -> float | None:
    """The largest deviation from the mean, over the mean; 0 is even, 2 is all on one phase.

    Args:
        phases: The three values; None or NaN where one is unknown.

    Returns:
        None where one is unknown, or where their mean is not above 0.

    >>> round(find_imbalance([462.0, 463.0, 455.0]), 4), find_imbalance([6.0, 0.0, 0.0])
    (0.0109, 2.0)
    """
    known = [one for one in phases if one is not None and math.isfinite(one)]
    if len(known) != N_PHASES or len(phases) != N_PHASES:
        return None
    mean = math.fsum(known) / N_PHASES
    if mean <= 0:
        return None
    return max(abs(one - mean) for one in known) / mean
