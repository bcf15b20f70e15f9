"""Plants that give less than their light allows: what siblings cannot show, because all share it.

Where at least three devices can be compared with each other, the plant is looked at as a whole;
fewer are looked at one by one. Snow and a limit from outside are told as what they are. Without
measured light, and on other than clear days, nothing is said: no weather raises no alarm.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from wattscope.compute.expected_power import Expected, expect_power
from wattscope.compute.plant_states import (
    CurtailmentOptions,
    PlantPower,
    SnowOptions,
    find_curtailment,
    find_snow_days,
    name_plant,
    sum_plant,
)
from wattscope.compute.production import Days, cut_days, find_power
from wattscope.compute.robust import median, spread
from wattscope.compute.spans import find_spans, keep_marked
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S
from wattscope.core.window import Matrix, View, Window

Flags = npt.NDArray[np.bool_]

_SNOW = "as little power as under snow"
_HELD = "all devices held at one level at one time"
_DARK = "no power in the light, like the whole plant"


@dataclass(frozen=True, slots=True)
class ExpectedPower:
    """Options of the detector ``expected_power``."""

    name: str = "expected_power"
    view: View = View("15m", 30 * US_PER_DAY, 3600.0)  # noqa: RUF009 - frozen
    min_plant: int = 3
    """From so many devices on they are looked at together."""
    min_loss: float = 0.1
    """Least part of a day's energy that must be missing."""
    n_spreads: float = 4.0
    """How many spreads of the days' shares it must be."""
    min_days: int = 2
    """On how many days in a row."""
    min_good_days: int = 3
    """Days without such a loss that the window must have; fewer tell nothing of what is usual."""
    dark_share: float = 0.02
    """The plant as a whole is out below this share of what it should give."""
    dark_s: float = 1800.0
    """For at least this time [s]."""
    min_light_w_m2: float = 200.0
    """Under at least this light [W/m²]."""
    min_height: float = 0.5
    """Without a sensor: while a clear sky would give this share of its best hours; lower down hills
    and houses may hide the sun."""
    snow: SnowOptions = field(default_factory=SnowOptions)
    curtailment: CurtailmentOptions = field(default_factory=CurtailmentOptions)

    def find(self, window: Window) -> list[Finding]:
        """Underperformance, outages, snow and curtailment of plants, by device, then start."""
        found = find_power(window)
        if found is None:
            return []
        quantity, power = found
        expected = expect_power(window)
        if not expected.is_told.any():
            return []
        days = cut_days(window)
        n_devices = len(window.devices)
        units = [np.arange(n_devices)]
        if n_devices < self.min_plant:
            units = [np.array([row]) for row in range(n_devices)]
        findings = []
        for rows in units:
            own = _cut(expected, rows)
            findings += self._judge(window, rows, power[rows], own, days)
        return [replace(one, quantity=quantity, detector=self.name) for one in findings]

    def _judge(
        self,
        window: Window,
        rows: npt.NDArray[np.int64],
        power: Matrix,
        expected: Expected,
        days: Days,
    ) -> list[Finding]:
        device = name_plant(window) if len(rows) > 1 else window.devices[rows[0]].id
        plant = sum_plant(power, expected)
        is_known = np.isfinite(plant.given_w) & np.isfinite(plant.expected_w)
        with np.errstate(invalid="ignore"):
            is_lit = plant.expected_w > 0.0
        is_snow = find_snow_days(window, plant, days, self.snow)
        is_cut = find_curtailment(power, plant, self.curtailment) & ~is_snow[days.of_slot]
        is_bright = self._find_bright(window, plant)
        is_dark = self._find_dark(window, plant, is_bright) & ~is_snow[days.of_slot]
        findings = []
        for start, end in _list_spans(is_snow[days.of_slot] & is_lit, ~is_lit):
            findings.append(_tell(window, (device, "snow", _SNOW, 0.7), plant, start, end))
        for start, end in _list_spans(is_cut, is_cut):
            findings.append(_tell(window, (device, "curtailment", _HELD, 0.8), plant, start, end))
        with np.errstate(invalid="ignore"):
            gives_nothing = ~(plant.given_w > self.dark_share * np.nanmax(power, initial=0.0))
        for start, end in _list_spans(is_dark, ~is_bright & gives_nothing):
            # Each device is out: incidents put them together by the meter tree.
            findings += [
                _tell(
                    window,
                    (window.devices[row].id, "outage", _DARK, 0.95),
                    PlantPower(power[at], expected.expected_w[at]),
                    start,
                    end,
                )
                for at, row in enumerate(rows.tolist())
            ]
        counted = is_known & ~is_cut & ~is_dark & ~is_snow[days.of_slot]
        findings += self._find_losses(window, device, plant, days, counted)
        order = {one.id: row for row, one in enumerate(window.devices)}
        return sorted(findings, key=lambda one: (order.get(one.device, -1), one.start_us))

    def _find_bright(self, window: Window, plant: PlantPower) -> Flags:
        """Where there is light enough that a plant without power must be out."""
        light = window.weather.get("irradiance_w_m2")
        with np.errstate(invalid="ignore"):
            if light is not None:
                return np.asarray(light >= self.min_light_w_m2, np.bool_)
            peak = np.nanmax(plant.expected_w, initial=0.0)
            return np.asarray(plant.expected_w >= self.min_height * peak, np.bool_)

    def _find_dark(self, window: Window, plant: PlantPower, is_bright: Flags) -> Flags:
        with np.errstate(invalid="ignore"):
            is_dark = is_bright & (plant.given_w <= self.dark_share * plant.expected_w)
            is_dark &= plant.expected_w > 0.0
        least = max(1, int(self.dark_s * US_PER_S / window.step_us))
        flags = np.zeros_like(is_dark)
        spans = find_spans(is_dark[None], least)
        for start, end in zip(spans.start, spans.end, strict=True):
            flags[start:end] = True
        return flags

    def _find_losses(
        self, window: Window, device: str, plant: PlantPower, days: Days, counted: Flags
    ) -> list[Finding]:
        """Days in a row on which the plant as a whole gave too little."""
        shares = days.compare(plant.given_w[None], plant.expected_w[None], counted[None])
        share = shares.share[0]
        with np.errstate(invalid="ignore"):
            good = share[share > 1.0 - self.min_loss]
        if len(good) < self.min_good_days:
            return []
        usual, apart = float(median(good)), float(spread(good))
        limit = min(usual, 1.0) - max(self.min_loss, self.n_spreads * apart)
        with np.errstate(invalid="ignore"):
            is_below = share < limit
            goes_on = (share < (usual + limit) / 2.0) | ~np.isfinite(share)
        spans = keep_marked(goes_on[None], is_below[None])
        findings = []
        for start, end in zip(spans.start, spans.end, strict=True):
            wanted = float(shares.expected[0, start:end].sum())
            missing = wanted - float(shares.given[0, start:end].sum())
            if end - start < self.min_days or missing <= self.min_loss * wanted:
                continue
            findings.append(
                Finding(
                    "underperformance",
                    device,
                    *days.find_span(window, counted, start, end),
                    f"{missing / wanted:.1%} less energy than the light should give",
                    {"loss_share": missing / wanted, "usual_spread_share": apart},
                    confidence=0.5,
                    lost_wh=missing * window.step_us / US_PER_HOUR,
                )
            )
        return findings


def _cut(expected: Expected, rows: npt.NDArray[np.int64]) -> Expected:
    return replace(
        expected,
        low_w=expected.low_w[rows],
        expected_w=expected.expected_w[rows],
        high_w=expected.high_w[rows],
    )


def _list_spans(flags: Flags, through: Flags) -> list[tuple[int, int]]:
    """Runs of flags, put together where only ``through`` lies between."""
    spans = keep_marked((flags | through)[None], flags[None])
    return list(zip(spans.start.tolist(), spans.end.tolist(), strict=True))


def _tell(
    window: Window, words: tuple[str, str, str, float], plant: PlantPower, start: int, end: int
) -> Finding:
    """A finding out of device, kind, words and sureness."""
    device, kind, detail, confidence = words
    wanted = float(np.nansum(plant.expected_w[start:end])) * window.step_us / US_PER_HOUR
    given = float(np.nansum(plant.given_w[start:end])) * window.step_us / US_PER_HOUR
    return Finding(
        kind,
        device,
        int(window.slot_us[start]),
        int(window.slot_us[end - 1]) + window.step_us,
        f"{detail}: {given / 1000:.3g} of {wanted / 1000:.3g} kWh",
        {"given_wh": given, "expected_wh": wanted},
        confidence=confidence,
        lost_wh=max(wanted - given, 0.0),
    )
