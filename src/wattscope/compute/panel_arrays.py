"""The devices of a field of like panels: a few numbers instead of a table for each panel.

::

    plant ─▶ inverter-1 ─▶ string-1 ─▶ panel-001 ... panel-010
          │              └ string-2 ─▶ panel-011 ... panel-020
          └▶ inverter-2 ─▶ string-3 ...
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wattscope.core.topology import Device, DeviceKind

_COUNTER = re.compile(r"#+")
MAX_PANELS = 100_000


@dataclass(frozen=True, slots=True)
class PanelArray:
    """Panels of one kind that look the same way."""

    site: str
    panels: str = "Panel-###"
    """Ids of the panels; the number signs become their number with at least so many digits."""
    count: int = 1
    first: int = 1
    """Number of the first panel."""
    strings: str = "String-#"
    """Ids of the strings, numbered from 1."""
    per_string: int = 0
    """Panels of a string; 0: there are no strings."""
    inverters: str = "Inverter-#"
    """Ids of the inverters, numbered from 1; empty: there are none."""
    strings_per_inverter: int = 0
    """Strings of an inverter (panels, where there are no strings); 0: all are at one."""
    plant: str | None = None
    """Id of the device above the inverters; None: they are at the top."""
    rating_w: float | None = None
    """Of one panel [W]."""
    inverter_rating_w: float | None = None
    """Of one inverter [W]."""
    tilt_deg: float | None = None
    azimuth_deg: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    interval_s: float | None = None
    """Expected time between the readings of a panel [s]."""


def number_name(pattern: str, number: int) -> str:
    """The name of one of many.

    >>> number_name("Panel-###", 7), number_name("roof/#", 12)
    ('Panel-007', 'roof/12')
    """
    return _COUNTER.sub(lambda found: str(number).zfill(len(found[0])), pattern, count=1)


def has_counter(pattern: str) -> bool:
    """Whether a pattern gives different numbers different names.

    >>> has_counter("Panel-#"), has_counter("Panel"), has_counter("#-#")
    (True, False, False)
    """
    return len(_COUNTER.findall(pattern)) == 1


def lay_out(array: PanelArray) -> list[Device]:
    """All devices of an array, those above before those below.

    >>> [one.id for one in lay_out(PanelArray("roof", count=3, per_string=2))]
    ['Inverter-1', 'String-1', 'Panel-001', 'Panel-002', 'String-2', 'Panel-003']
    """
    found: dict[str, Device] = {}
    if array.plant is not None:
        found[array.plant] = Device(array.plant, array.site, array.plant, DeviceKind.PLANT)
    for index in range(array.count):
        group = index // array.per_string if array.per_string else index
        above = array.plant
        if array.inverters:
            step = array.strings_per_inverter
            number = 1 + (group // step if step else 0)
            inverter = _inverter(array, number_name(array.inverters, number))
            found.setdefault(inverter.id, inverter)
            above = inverter.id
        if array.per_string:
            name = number_name(array.strings, 1 + group)
            found.setdefault(name, Device(name, array.site, name, DeviceKind.STRING, above))
            above = name
        panel = _panel(array, number_name(array.panels, array.first + index), above)
        found.setdefault(panel.id, panel)
    return list(found.values())


def _inverter(array: PanelArray, name: str) -> Device:
    return Device(
        id=name,
        site=array.site,
        name=name,
        kind=DeviceKind.INVERTER,
        parent=array.plant,
        rating_w=array.inverter_rating_w,
        is_production=True,
    )


def _panel(array: PanelArray, name: str, above: str | None) -> Device:
    return Device(
        id=name,
        site=array.site,
        name=name,
        kind=DeviceKind.PANEL,
        parent=above,
        rating_w=array.rating_w,
        interval_s=array.interval_s,
        is_production=True,
        tilt_deg=array.tilt_deg,
        azimuth_deg=array.azimuth_deg,
        latitude=array.latitude,
        longitude=array.longitude,
    )
