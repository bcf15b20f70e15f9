"""Numbers that stand for "no value" without anybody having said so: -999, 32767, -1000000.

Loggers write them where a sensor did not answer. Each of them may also be measured; so a number is
taken for one only where it does not go with the rest of its column: ten times larger than every
other value, or the one negative among values that never are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import FloatColumn

SENTINELS = np.array(
    sorted(
        {sign * (10.0**digits - 1.0) for digits in range(3, 10) for sign in (1.0, -1.0)}
        | {sign * 10.0**digits for digits in range(4, 10) for sign in (1.0, -1.0)}
        | {999.9, -999.9, 9999.9, -9999.9}
        # The ends of binary numbers of 16 and 32 bits, with and without sign.
        | {32767.0, -32768.0, 65535.0, 2147483647.0, -2147483648.0, 4294967295.0}
    )
)
"""What loggers write for "no value", rising."""
_TIMES_LARGER = 10.0


def find_sentinels(raw: FloatColumn) -> npt.NDArray[np.bool_]:
    """Which numbers of a column, as they were written, stand for no value.

    Without any other number there is nothing to tell them by, and none is one.

    >>> find_sentinels(np.array([0.0, 7.03, -1000000.0, np.nan])).tolist()
    [False, False, True, False]
    >>> find_sentinels(np.array([9990.0, 9999.0])).tolist()
    [False, False]
    """
    place = np.minimum(np.searchsorted(SENTINELS, raw), len(SENTINELS) - 1)
    is_one = SENTINELS[place] == raw
    others = raw[~is_one & np.isfinite(raw)]
    if not is_one.any() or not len(others):
        return np.zeros(raw.shape, np.bool_)
    largest = float(np.abs(others).max())
    is_far = (np.abs(raw) >= _TIMES_LARGER * largest) & (largest > 0.0)
    is_only_negative = (raw < -largest) & bool((others >= 0.0).all())
    found: npt.NDArray[np.bool_] = is_one & (is_far | is_only_negative)
    return found
