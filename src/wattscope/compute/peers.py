"""What a device should give, told by like devices at the same instant under the same sky.

::

    power of each device over its size ─▶ median of the siblings: the profile of their sky
    profile × size                     ─▶ what the device should give (fair)
    profile × its own usual share      ─▶ what it gives on a usual day (usual)

No sun, no weather and no model is needed. A night is where the siblings themselves hardly produce.
A string or inverter that fails with all its panels is seen too: where all siblings of one parent
fall far below those of the other parents, these stand in for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.production import find_power
from wattscope.compute.robust import median, quantile, spread
from wattscope.core.topology import Device
from wattscope.core.window import Matrix, Window

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ALIKE_SPREAD = 0.05
"""Devices of unknown rating count as of one size where their usual powers spread by less."""

# A group that gives less than this of what the other groups tell has failed as a whole.
_FALLEN = 0.2
# A share is taken over slots in which the device gives at least this of it.
_ALIVE = 0.1
_MIN_GROUPS = 2
# Of so few groups the best one tells, as it may be the only one that has not fallen.
_FEW_GROUPS = 5


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """What counts as a sibling and as day."""

    min_peers: int = 3
    """Fewer siblings, the device itself among them, say nothing about each other."""
    day_share: float = 0.05
    """It is day where the siblings give at least this share of their rating, or, without one, of
    their own best hours; 0 switches the night's rule off."""
    day_w: float = 2.0
    """And where they give at least this [W]; meters of inverters that sleep waver by as much."""


@dataclass(frozen=True, slots=True)
class PeerView:
    """Devices of a window beside their siblings; matrices of shape ``(n_devices, n_slots)``."""

    quantity: str
    power_w: Matrix
    """Produced [W], never below 0; NaN where unknown."""
    fair_w: Matrix
    """What siblings of its size give [W]; NaN where there are too few of them."""
    usual_w: Matrix
    """What they give, scaled to what this device usually gives beside them [W]."""
    is_day: Flags
    """Whether the siblings produce."""
    is_size_known: Flags
    """Whether ``fair_w`` rests on ratings or on siblings that are all alike; shape
    ``(n_devices,)``. Where it does not, it equals ``usual_w``."""
    n_peers: Ints
    """Size of the device's group; shape ``(n_devices,)``."""
    spread: Floats
    """How far siblings usually lie apart at one instant, as a share; shape ``(n_devices,)``."""


def view_peers(window: Window, options: PeerOptions | None = None) -> PeerView | None:
    """The devices of a window beside their siblings; None where no device has power."""
    found = find_power(window)
    if found is None:
        return None
    options = options or PeerOptions()
    quantity, power = found
    groups = group_siblings(window.devices, options.min_peers)
    profiles = [_profile(window, power, rows, options) for rows in groups]
    profiles = _stand_in(window, groups, profiles, options)
    n_devices = power.shape[0]
    fair, usual = np.full_like(power, np.nan), np.full_like(power, np.nan)
    is_day = np.zeros(power.shape, np.bool_)
    is_known = np.zeros(n_devices, np.bool_)
    n_peers = np.zeros(n_devices, np.int64)
    apart = np.full(n_devices, np.nan)
    for rows, profile in zip(groups, profiles, strict=True):
        usual[rows] = profile.middle * profile.share[:, None]
        fair[rows] = profile.middle * profile.size[:, None]
        is_day[rows] = profile.is_day & np.isfinite(profile.middle)
        is_known[rows], n_peers[rows] = profile.is_size_known, len(rows)
        apart[rows] = _usual_spread(power[rows], usual[rows], profile.is_day)
    return PeerView(quantity, power, fair, usual, is_day, is_known, n_peers, apart)


def group_siblings(devices: Sequence[Device], min_peers: int) -> list[Ints]:
    """Rows of devices that belong together: of one parent, else of one kind, looking one way.

    Devices whose parent has too few of them are put together by kind; groups that are still too
    small are left out.
    """
    by_parent: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for row, device in enumerate(devices):
        by_parent[device.kind, device.tilt_deg, device.azimuth_deg, device.parent].append(row)
    by_kind: dict[tuple[object, ...], list[int]] = defaultdict(list)
    groups = []
    for key, rows in by_parent.items():
        if len(rows) >= min_peers:
            groups.append(rows)
        else:
            by_kind[key[:-1]] += rows
    groups += [rows for rows in by_kind.values() if len(rows) >= min_peers]
    return [np.array(rows, np.int64) for rows in groups]


@dataclass(frozen=True, slots=True)
class _Profile:
    """The sky as one group sees it."""

    middle: Floats
    """Median of power over size [1]; shape ``(n_slots,)``."""
    is_day: Flags
    share: Floats
    """What each device usually gives for each unit of the profile [W]."""
    size: Floats
    """What it should give [W]."""
    is_size_known: bool


def _profile(window: Window, power: Matrix, rows: Ints, options: PeerOptions) -> _Profile:
    """Median over a group, each device over its rating, or over its own best hours."""
    own = power[rows]
    ratings = np.array([window.devices[row].rating_w or np.nan for row in rows.tolist()])
    has_ratings = bool(np.isfinite(ratings).all())
    unit = ratings if has_ratings else _best_hours(own, options.day_w)
    relative = own / unit[:, None]
    middle = median(relative, 0)
    known = np.isfinite(relative).sum(0)
    middle = np.where(known >= options.min_peers, middle, np.nan)
    best = 1.0 if has_ratings else float(quantile(middle, 0.98))
    is_day = _is_day(middle, best, float(median(unit)), options)
    share = _usual_share(relative, middle, is_day) * unit
    if has_ratings:
        return _Profile(middle, is_day, share, unit, is_size_known=True)
    typical = float(median(share))
    is_alike = bool(spread(share) < ALIKE_SPREAD * typical)
    size = np.full_like(share, typical) if is_alike else share
    return _Profile(middle, is_day, share, size, is_size_known=is_alike)


def _best_hours(own: Matrix, least_w: float) -> Floats:
    """A device's size without a rating: what it exceeds in 2 % of the time; dead ones as others."""
    best = quantile(own, 0.98)
    best = np.where(best > least_w, best, np.nan)
    typical = float(median(best))
    return np.where(np.isfinite(best), best, typical if np.isfinite(typical) else 1.0)


def _is_day(middle: Floats, best: float, unit_w: float, options: PeerOptions) -> Flags:
    with np.errstate(invalid="ignore"):
        is_high = middle >= options.day_share * best
        return np.asarray(is_high & (middle * unit_w >= options.day_w), np.bool_)


def _usual_share(relative: Matrix, middle: Floats, is_day: Flags) -> Floats:
    """Each device's usual part of the profile; of one that was hardly ever alive, the group's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = relative[:, is_day] / middle[is_day]
    ratio = np.where(ratio >= _ALIVE, ratio, np.nan)
    share = np.where(np.isfinite(ratio).sum(1) >= 0.1 * ratio.shape[1], median(ratio, 1), np.nan)
    typical = float(median(share))
    return np.where(np.isfinite(share), share, typical if np.isfinite(typical) else 1.0)


def _stand_in(
    window: Window, groups: list[Ints], profiles: list[_Profile], options: PeerOptions
) -> list[_Profile]:
    """Where a whole group has fallen, the profile of the other groups of its kind takes over."""
    by_kind: dict[str, list[int]] = defaultdict(list)
    for at, rows in enumerate(groups):
        by_kind[window.devices[int(rows[0])].kind.value].append(at)
    mended = list(profiles)
    for places in by_kind.values():
        if len(places) < _MIN_GROUPS:
            continue
        skies = np.array([profiles[at].middle for at in places])
        best = quantile(skies, 0.98)
        skies /= np.where(best > 0.0, best, np.nan)[:, None]
        # Half of all groups may stand at one inverter that has fallen: the better ones tell.
        whole = quantile(skies, 0.8, 0) if len(places) > _FEW_GROUPS else skies.max(0)
        for at, sky, own_best in zip(places, skies, best, strict=True):
            with np.errstate(invalid="ignore"):
                has_fallen = (whole >= options.day_share) & (sky < _FALLEN * whole)
            if options.day_share > 0.0 and has_fallen.any():
                mended[at] = _replace_sky(profiles[at], has_fallen, whole * own_best)
    return mended


def _replace_sky(profile: _Profile, has_fallen: Flags, other: Floats) -> _Profile:
    return _Profile(
        np.where(has_fallen, other, profile.middle),
        profile.is_day | has_fallen,
        profile.share,
        profile.size,
        profile.is_size_known,
    )


def _usual_spread(power: Matrix, usual: Matrix, is_day: Flags) -> float:
    """How far siblings lie apart at one instant by day, as a share of what they give."""
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = spread(power[:, is_day] / usual[:, is_day], 0)
    return float(median(apart))
