"""``[[arrays]]``: a few numbers that stand for the devices of a field of panels."""

from __future__ import annotations

import math

import msgspec

from wattscope.compute.panel_arrays import MAX_PANELS, PanelArray, has_counter, lay_out
from wattscope.core.topology import Device, is_safe_name
from wattscope.settings.tables import MAX_INTERVAL_S, ArraySettings, Settings


def list_array_devices(settings: Settings) -> list[Device]:
    """The devices of all arrays, those above before those below, each once.

    One that ``[[devices]]`` tells too is left out: what is told of it alone counts.
    """
    told = {one.id for one in settings.devices}
    found: dict[str, Device] = {}
    for array in settings.arrays:
        for device in lay_out(_plan(array, settings.site.id)):
            if device.id not in told:
                found.setdefault(device.id, device)
    return list(found.values())


def find_array_faults(settings: Settings) -> list[str]:
    """What is well formed in ``[[arrays]]`` but cannot be meant."""
    faults: list[str] = []
    seen: dict[str, Device] = {}
    for number, array in enumerate(settings.arrays, 1):
        at = f"arrays.{number}"
        wrong = _find_number_faults(array, at) + _find_name_faults(array, at)
        faults += wrong
        if not wrong:
            faults += _find_clashes(lay_out(_plan(array, settings.site.id)), at, seen)
    return faults


def _plan(array: ArraySettings, site: str) -> PanelArray:
    return PanelArray(site, **msgspec.structs.asdict(array))


def _find_number_faults(array: ArraySettings, at: str) -> list[str]:
    faults = []
    if not 1 <= array.count <= MAX_PANELS:
        faults.append(f"{at}.count: must be between 1 and {MAX_PANELS}")
    faults += [
        f"{at}.{name}: must be 0 or more"
        for name in ("first", "per_string", "strings_per_inverter")
        if getattr(array, name) < 0
    ]
    faults += [
        f"{at}.{name}: must be above 0"
        for name in ("rating_w", "inverter_rating_w")
        if getattr(array, name) is not None and not 0 < getattr(array, name) < math.inf
    ]
    if array.interval_s is not None and not 0 < array.interval_s <= MAX_INTERVAL_S:
        faults.append(f"{at}.interval_s: must be above 0 and at most {MAX_INTERVAL_S}")
    return faults + find_place_faults(array, at)


def find_place_faults(one: msgspec.Struct, at: str) -> list[str]:
    """Angles and coordinates of a device that do not exist."""
    limits = (
        ("tilt_deg", 0, 180),
        ("azimuth_deg", 0, 360),
        ("latitude", -90, 90),
        ("longitude", -180, 180),
    )
    return [
        f"{at}.{name}: {getattr(one, name)} is not between {low} and {high}"
        for name, low, high in limits
        if getattr(one, name) is not None and not low <= getattr(one, name) <= high
    ]


def _find_name_faults(array: ArraySettings, at: str) -> list[str]:
    n_strings = -(-array.count // array.per_string) if array.per_string > 0 else 0
    n_groups = n_strings or array.count
    step = array.strings_per_inverter
    n_inverters = -(-n_groups // step) if step > 0 else 1
    wanted = (
        ("panels", array.panels, array.count),
        ("strings", array.strings, n_strings),
        ("inverters", array.inverters, n_inverters if array.inverters else 0),
    )
    faults = [
        f"{at}.{name}: {pattern!r} names {number} alike; put one # where the number is to be"
        for name, pattern, number in wanted
        if number > 1 and not has_counter(pattern)
    ]
    faults += [
        f"{at}.{name}: {pattern!r} is no name; use letters, digits, - and _, and # for the number"
        for name, pattern, number in wanted
        if number and not is_safe_name(pattern.replace("#", "1"))
    ]
    if array.plant is not None and not is_safe_name(array.plant):
        faults.append(f"{at}.plant: {array.plant!r} is no name; use letters, digits, - and _")
    return faults


def _find_clashes(devices: list[Device], at: str, seen: dict[str, Device]) -> list[str]:
    """Devices that another array describes otherwise."""
    clashes = [one.id for one in devices if seen.setdefault(one.id, one) != one]
    if not clashes:
        return []
    return [f"{at}: {clashes[0]!r} is of another array too; name or number these otherwise"]
