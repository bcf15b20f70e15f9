"""What a device's power is held against: its siblings, else the light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.expected_power import expect_power
from wattscope.compute.limits import Limits, find_limits
from wattscope.compute.peers import PeerOptions, PeerView, view_peers
from wattscope.compute.production import usable
from wattscope.compute.solar import clear_sky, find_sun
from wattscope.core.window import Matrix, Window

Flags = npt.NDArray[np.bool_]

_OUT = 0.05
"""Below this share of what it usually gives a device is out, which is another matter."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Power beside what it is held against; matrices of shape ``(n_devices, n_slots)``."""

    quantity: str
    power_w: Matrix
    """Produced [W], never below 0."""
    expected_w: Matrix
    """What siblings tell of the device, scaled to what it usually gives, else what the light
    tells [W]."""
    counted: Flags
    """Slots by day in which both are known, and the device was neither out nor at its limit."""
    limits: Limits
    has_peers: Flags
    """Whether it is the siblings that tell; shape ``(n_devices,)``."""

    @property
    def share(self) -> Matrix:
        """Power over what it is held against; NaN where it does not count."""
        share = np.full_like(self.power_w, np.nan)
        np.divide(self.power_w, self.expected_w, out=share, where=self.counted)
        return share


def find_reference(window: Window, options: PeerOptions | None = None) -> Reference | None:
    """The siblings where a device has enough, else measured light or a clear sky.

    None where no device has power.
    """
    options = options or PeerOptions()
    view = view_peers(window, options)
    if view is None:
        return None
    has_peers = view.n_peers > 0
    wanted, is_day = view.usual_w, view.is_day
    if not has_peers.all():
        told = expect_power(window)
        wanted = np.where(has_peers[:, None], wanted, told.expected_w)
        with np.errstate(invalid="ignore"):
            best = np.nanmax(told.expected_w, axis=1, initial=0.0)[:, None]
            is_lit = told.is_told & (told.expected_w >= options.day_share * best)
        is_day = np.where(has_peers[:, None], is_day, is_lit & (told.expected_w > 0.0))
    limits = find_limits(view.power_w, find_light(window, view), window.step_us)
    with np.errstate(invalid="ignore"):
        is_out = view.power_w <= _OUT * wanted
        counted = is_day & usable(view.power_w, wanted) & ~is_out & (wanted > 0.0)
    counted &= ~limits.is_at
    return Reference(view.quantity, view.power_w, wanted, counted, limits, has_peers)


def find_light(window: Window, view: PeerView) -> Matrix:
    """What tells the light at each device: its siblings, else a sensor, else a clear sky."""
    light = window.weather.get("irradiance_w_m2")
    site = window.site
    if light is None and site.latitude is not None and site.longitude is not None:
        middle_us = window.slot_us + window.step_us // 2
        light = clear_sky(find_sun(middle_us, site.latitude, site.longitude).elevation_deg)
    if light is None:
        return view.usual_w
    return np.where((view.n_peers > 0)[:, None], view.usual_w, light)
