"""Steps that divide a whole series, with its season or its trend taken into account.

One step after the other is added to a fit by least squares, each time the one that explains most::

    value  =  mean  +  yearly season (two harmonics; from 15 months on), else a bent trend
                    +  step at t1  +  step at t2  + ...

A cold week or a dark autumn is no step: it does not divide the series, and the season knows it.
The scan over all places costs no more than a running sum, because the part of a step that the
season cannot explain is known from sums of the orthonormal basis (Frisch, Waugh (1933), Partial
Time Regressions as Compared with Individual Trends, doi 10.2307/1907330).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import NORMAL_MAD, median

Floats = npt.NDArray[np.float64]

_YEAR_DAYS = 365.2425
_SEASON_DAYS = 1.25 * _YEAR_DAYS
_BEND_DAYS = _YEAR_DAYS / 4
"""The season bends once in so many days; a shorter series has a straight trend."""
_LEAST_OWN = 2.0
"""Days' worth of a step that season and trend must not be able to explain."""
_MOST_STEPS = 8
_CLIP = 4.0
"""Values further than so many deviations from the fit count as if they were there."""
_TINY = 1e-12
_WEATHER_DAYS = 3.0
"""Days of weather that count as one: neighbouring days are alike."""


class LastingStep(NamedTuple):
    """A step that divides a series."""

    place: int
    """First value after it."""
    size: float
    """After minus before, season apart [unit of the values]."""
    sureness: float
    """Size over its standard error."""


def find_lasting_steps(
    values: Floats, reach: int, *, least: float, sureness: float
) -> list[LastingStep]:
    """Steps by place.

    Args:
        values: One a day, NaN where unknown; shape ``(n_days,)``.
        reach: Known days that every part must have.
        least: Smallest step [unit of the values].
        sureness: Least size over the standard error.
    """
    places = np.flatnonzero(np.isfinite(values))
    known = values[places]
    if len(known) < 2 * reach:
        return []
    basis = _make_basis(places.astype(np.float64))
    cuts: list[int] = []
    for _ in range(_MOST_STEPS):
        found = _find_one(known, _with_steps(basis, cuts), cuts, reach)
        if found is None or abs(found.size) < least or found.sureness < sureness:
            break
        cuts.append(found.place)
    return _measure(known, basis, sorted(cuts), places, (least, sureness))


def _make_basis(days: Floats) -> Floats:
    """What is no step: the mean, and the season or the trend; shape ``(n, k)``."""
    span = float(days[-1] - days[0])
    columns = [np.ones_like(days)]
    if span >= _SEASON_DAYS:
        angle = 2.0 * np.pi * days / _YEAR_DAYS
        columns += [np.cos(angle), np.sin(angle), np.cos(2.0 * angle), np.sin(2.0 * angle)]
    else:
        part = 2.0 * (days - days[0]) / max(span, 1.0) - 1.0
        columns += [part**power for power in range(1, 2 + int(span // _BEND_DAYS))]
    return np.stack(columns, axis=1)


def _with_steps(basis: Floats, cuts: list[int]) -> Floats:
    rows = np.arange(len(basis))
    return np.column_stack([basis, *((rows >= cut).astype(np.float64) for cut in cuts)])


def _clip(known: Floats, basis: Floats) -> tuple[Floats, Floats]:
    """The basis made orthonormal, and what it leaves of the values without their far ones."""
    orthonormal = np.linalg.qr(basis)[0]
    rest = known - orthonormal @ (orthonormal.T @ known)
    farthest = _CLIP * _deviation(rest)
    kept = known - rest + np.clip(rest, -farthest, farthest)
    return orthonormal, kept - orthonormal @ (orthonormal.T @ kept)


def _deviation(rest: Floats) -> float:
    return NORMAL_MAD * float(median(np.abs(rest - median(rest))))


def _find_one(known: Floats, basis: Floats, cuts: list[int], reach: int) -> LastingStep | None:
    """The step that explains most of what is left; None where no part is long enough."""
    orthonormal, rest = _clip(known, basis)
    n = len(known)
    # Sums from each place to the end.
    left = np.cumsum(rest[::-1])[::-1]
    shadow = np.cumsum(orthonormal[::-1], axis=0)[::-1]
    own = np.arange(n, 0, -1) - (shadow**2).sum(1)
    allowed = np.ones(n, np.bool_)
    for edge in (0, *cuts, n):
        allowed[max(0, edge - reach + 1) : edge + reach] = False
    # The season nearly explains some steps; what is left of them says nothing.
    allowed &= own > _LEAST_OWN
    if not allowed.any():
        return None
    gain = np.where(allowed, left**2 / np.where(allowed, own, 1.0), -1.0)
    at = int(np.argmax(gain))
    size = float(left[at] / own[at])
    step = (np.arange(n) >= at).astype(np.float64)
    step -= orthonormal @ shadow[at]
    # What is left once the step is known says how sure it is.
    error = max(_deviation(rest - size * step), _TINY) * np.sqrt(_WEATHER_DAYS / own[at])
    return LastingStep(at, size, float(abs(size) / error))


def _measure(
    known: Floats,
    basis: Floats,
    cuts: list[int],
    places: npt.NDArray[np.int64],
    limits: tuple[float, float],
) -> list[LastingStep]:
    """All steps fitted together; those that are too small beside the others are left out."""
    if not cuts:
        return []
    full = _with_steps(basis, cuts)
    deviation = max(_deviation(_clip(known, full)[1]), _TINY)
    fit = np.linalg.lstsq(full, known, rcond=None)[0]
    inverse = np.linalg.pinv(full.T @ full)
    steps = []
    for number, cut in enumerate(cuts):
        column = basis.shape[1] + number
        error = deviation * float(np.sqrt(_WEATHER_DAYS * max(inverse[column, column], 1e-12)))
        size = float(fit[column])
        if abs(size) >= limits[0] and abs(size) / error >= limits[1]:
            steps.append(LastingStep(int(places[cut]), size, abs(size) / error))
    return steps
