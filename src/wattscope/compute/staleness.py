"""When a value is old: a state of its own on every page, never an old number posing as live."""

from __future__ import annotations

from wattscope.core.topology import Device

DEFAULT_STALE_S = 300.0
"""For a device whose interval nobody told [s]."""
_MIN_STALE_S = 20.0
_MISSED = 3.0


def stale_after_s(device: Device) -> float:
    """Age at which a device's values are stale [s]: three intervals, at least 20 s."""
    if device.interval_s is None:
        return DEFAULT_STALE_S
    return stale_after_interval_s(device.interval_s)


def stale_after_interval_s(interval_s: float) -> float:
    """Age at which a value that comes once in an interval is stale [s]."""
    return max(_MIN_STALE_S, _MISSED * interval_s)
