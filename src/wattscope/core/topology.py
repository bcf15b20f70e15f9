"""Places and things: sites, the devices at them, and the series that devices give."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from wattscope.core.counter_steps import CounterDecision
from wattscope.core.quantities import Quantity

_NAME = re.compile(r"[A-Za-z0-9À-ɏ][A-Za-z0-9À-ɏ _.:@+\-/]{0,127}")


class DeviceKind(Enum):
    """What a device is; pages choose their drawing by it."""

    METER = "meter"
    """A meter at the connection to the grid, or a sub-meter below one."""
    PLANT = "plant"
    """A group of inverters, or of anything else; it measures nothing itself."""
    INVERTER = "inverter"
    STRING = "string"
    """Panels in a row at one input of an inverter; it measures nothing itself."""
    PANEL = "panel"
    BATTERY = "battery"
    HEAT_PUMP = "heat_pump"
    PLUG = "plug"
    SENSOR = "sensor"


class Sampling(Enum):
    """What a gauge's value stands for."""

    INSTANT = "instant"
    """The value at ``measured_at``; energy is the trapezium between neighbours."""
    MEAN = "mean"
    """The mean over the ``interval_s`` that begins at ``measured_at``; energy is the rectangle."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place with a time zone and a currency."""

    id: str
    name: str
    time_zone: str
    """IANA name, such as ``Europe/Paris``; local days of rollups and pages follow it."""
    currency: str = "EUR"
    latitude: float | None = None
    """[degrees, north positive]; None when not told."""
    longitude: float | None = None
    """[degrees, east positive]; None when not told."""


@dataclass(frozen=True, slots=True)
class Device:
    """A meter, inverter, panel, battery or heat pump at a site."""

    id: str
    site: str
    name: str
    kind: DeviceKind
    parent: str | None = None
    """Id of the device above in the meter tree; None at the top."""
    rating_w: float | None = None
    """Rated power [W]; None when not told."""
    interval_s: float | None = None
    """Expected time between readings [s]; None lets the data tell."""
    sampling: Sampling = Sampling.INSTANT
    is_production: bool = False
    """Whether what the device counts is generated rather than used."""
    is_direction_swapped: bool = False
    """Whether the device's import register counts export and the other way round."""
    rollover_wh: float | None = None
    """At what its registers of energy begin again at zero [Wh]; None when they never do."""
    tilt_deg: float | None = None
    """Of a panel: 0 lies level, 90 stands upright [degrees]; None when not told."""
    azimuth_deg: float | None = None
    """Where a panel looks to: 0 north, 90 east, 180 south [degrees]; None when not told."""
    latitude: float | None = None
    """Where it is [degrees, north positive]; None: where its site is."""
    longitude: float | None = None
    """[degrees, east positive]; None: where its site is."""


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity of one device."""

    id: int
    site: str
    device: str
    quantity: Quantity
    decisions: tuple[CounterDecision, ...] = ()
    """What people decided about steps of this counter, by instant."""


def is_place(place: tuple[float, float]) -> bool:
    """Whether there is such a latitude and longitude [degrees].

    >>> is_place((48.1, 11.6)), is_place((11.6, 481.0)), is_place((float("nan"), 0.0))
    (True, False, False)
    """
    return -90.0 <= place[0] <= 90.0 and -180.0 <= place[1] <= 180.0


def is_safe_name(text: str) -> bool:
    """Whether a name from a device may be kept as it is: printable, short, no control characters.

    >>> is_safe_name("kitchen plug 2"), is_safe_name("../etc"), is_safe_name("<script>")
    (True, False, False)
    """
    return _NAME.fullmatch(text) is not None and ".." not in text and "//" not in text
