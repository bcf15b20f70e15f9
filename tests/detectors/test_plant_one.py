"""Checks 3, 4 and 5 on the real plant: 22 inverters, 34 days, and what is known of them.

What is expected is computed from the files here, beside the program; numbers and names that stand
in the test are those of the published checks.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tests.detectors.plant_one import (
    DAILY_YIELD,
    N_DAYS,
    SLOTS_PER_DAY,
    STEP_US,
    W_PER_KW,
    ZONE,
    Score,
    instant_us,
    read_plant,
)
from tests.detectors.solar_detectors import SOLAR_DETECTORS
from wattscope.compute.counter_falls import grow_by_day
from wattscope.compute.peers import PeerOptions
from wattscope.compute.production import cut_days
from wattscope.compute.robust import median, spread
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_HOUR, load_zone, local_date
from wattscope.core.window import Matrix, Window
from wattscope.detectors.counter_trust import CounterTrust
from wattscope.detectors.incomplete_day import IncompleteDay
from wattscope.detectors.outage import Outage
from wattscope.detectors.peer_comparison import PeerComparison
from wattscope.detectors.unit_slip import UnitSlip

BAD = ("bvBOhCH3iADSZry", "1BY6WEcLGh8j5v7")
# Inverter, first slot without power, last slot without power: check 4.
NAMED = (
    ("bvBOhCH3iADSZry", "06-14 11:15", "06-14 14:00", 12),
    ("1BY6WEcLGh8j5v7", "06-14 11:15", "06-14 14:00", 12),
    ("bvBOhCH3iADSZry", "06-07 12:15", "06-07 14:30", 8),
    ("1BY6WEcLGh8j5v7", "06-07 12:30", "06-07 14:30", 7),
    ("z9Y9gH1T5YWrNuG", "06-07 12:30", "06-07 13:45", 6),
    ("wCURE6d3bPkepu2", "06-07 12:30", "06-07 13:30", 5),
    ("sjndEbLyjtCKgGv", "06-07 13:00", "06-07 13:30", 3),
    ("McdE0feGgRqW7Ca", "06-07 13:00", "06-07 13:30", 3),
)
INCOMPLETE_DAYS = {date(2020, 5, 19): 21, date(2020, 5, 20): 22}
POWER_KINDS = ("outage", "underperformance", "string_out", "shade", "soiling", "clipping")


@pytest.fixture(scope="module")
def plant(shared_data: Path) -> Window:
    return read_plant(shared_data / "solar-plant-1")


def energy_kwh(plant: Window) -> Matrix:
    """Of each inverter and day, from power [kWh]; ``(22, 34)``."""
    power = plant.values["active_power_w"].reshape(-1, N_DAYS, SLOTS_PER_DAY)
    return np.asarray(np.nansum(power, axis=2) * STEP_US / US_PER_HOUR / W_PER_KW)


def span_of(named: tuple[str, str, str, int]) -> tuple[str, int, int]:
    device, first, last, _ = named
    return device, instant_us(first), instant_us(last) + STEP_US


# ------------------------------------------------------------------ check 3
def test_energy_of_power_and_best_day_agree_with_the_counter(plant: Window) -> None:
    days = cut_days(plant)
    by_day = days.sum(plant.values["active_power_w"]) * STEP_US / US_PER_HOUR / W_PER_KW
    assert by_day == pytest.approx(energy_kwh(plant))
    assert by_day.sum() == pytest.approx(5_292_514.4, rel=1e-6)
    growth = grow_by_day(plant.values["energy_production_wh"], days) / W_PER_KW
    best = int(by_day.sum(0).argmax())
    assert local_date(int(days.edges_us[best]), load_zone(ZONE)) == date(2020, 5, 25)
    assert by_day[:, best].sum() == pytest.approx(192_894.0, rel=1e-6)
    assert growth[:, best].sum() == pytest.approx(192_862.0, rel=1e-6)
    share = by_day / growth
    assert share.size == 748
    assert (np.abs(share - 1.0) < 0.02).sum() == 660


def test_exactly_the_days_that_lack_slots_are_incomplete(plant: Window) -> None:
    findings = IncompleteDay().find(plant)
    zone = load_zone(ZONE)
    found = Counter(local_date(one.start_us, zone) for one in findings)
    assert found == INCOMPLETE_DAYS
    # The counter that never falls, straight from the file.
    counter = plant.values["energy_production_wh"].reshape(-1, N_DAYS, SLOTS_PER_DAY) / W_PER_KW
    share = energy_kwh(plant) / (np.nanmax(counter, axis=2) - np.nanmin(counter, axis=2))
    expected = {
        (plant.devices[row].id, date(2020, 5, 15 + day))
        for row, day in np.argwhere(share < 0.9).tolist()
    }
    assert len(expected) == 43
    assert {(one.device, local_date(one.start_us, zone)) for one in findings} == expected


# ------------------------------------------------------------------ check 4
def test_the_two_bad_inverters_are_found_and_ranked(plant: Window) -> None:
    findings = PeerComparison().find(plant)
    assert {one.device for one in findings} == set(BAD)
    lost: Counter[str] = Counter()
    for one in findings + Outage().find(plant):
        lost[one.device] += one.lost_wh  # type: ignore[assignment]  # a sum of floats
    assert tuple(device for device, _ in lost.most_common(2)) == BAD
    energy = energy_kwh(plant).sum(1)
    order = [plant.devices[row].id for row in np.argsort(energy).tolist()]
    assert tuple(order[:2]) == BAD
    assert energy[np.argsort(energy)][:3] == pytest.approx(
        [218_309.4, 221_666.3, 237_068.1], rel=1e-6
    )


def test_named_outages_are_found_to_the_slot(plant: Window) -> None:
    found = {(one.device, one.start_us, one.end_us): one for one in Outage().find(plant)}
    assert {span_of(one) for one in NAMED} <= set(found)
    for named in NAMED:
        hours = found[span_of(named)].evidence["without_power_h"]
        assert hours * US_PER_HOUR / STEP_US == named[3]


def test_outages_that_nobody_named_are_real(plant: Window) -> None:
    """The counter, which no detector of outages sees, moved least of all."""
    named = {span_of(one) for one in NAMED}
    others = [
        one for one in Outage().find(plant) if (one.device, one.start_us, one.end_us) not in named
    ]
    assert {one.start_us for one in others} == {
        instant_us(text)
        for text in ("05-15 09:15", "05-24 15:15", "05-25 10:15", "06-09 10:00", "06-16 12:30")
    }
    counter = plant.values["energy_production_wh"]
    rows = {device.id: row for row, device in enumerate(plant.devices)}
    for one in others:
        low, high = np.searchsorted(plant.slot_us, (one.start_us, one.end_us))
        grown = counter[:, high - 1] - counter[:, low - 1]
        own = grown[rows[one.device]]
        assert own == np.nanmin(grown), one
        assert own < median(grown) - 4.0 * spread(grown), one


def test_no_alarm_is_raised_at_night(plant: Window) -> None:
    light = plant.weather["irradiance_w_m2"]
    assert (plant.values["active_power_w"][:, light == 0] > 0).sum() == 0
    power_findings = [
        one
        for detector in SOLAR_DETECTORS
        for one in detector.find(plant)
        if one.kind in POWER_KINDS
    ]
    assert len(power_findings) > 10
    for one in power_findings:
        assert _is_lit(plant, one.start_us), one
        assert _is_lit(plant, one.end_us - STEP_US), one


def test_alarms_at_night_appear_without_the_rule_of_the_night(plant: Window) -> None:
    blind = Outage(peers=PeerOptions(day_share=0.0, day_w=0.0))
    at_night = [one for one in blind.find(plant) if not _is_lit(plant, one.start_us)]
    assert {one.device for one in at_night} == {device.id for device in plant.devices}


@pytest.mark.parametrize(
    "moved",
    [
        Outage(no_power_share=0.01),
        Outage(no_power_share=0.04),
        Outage(recovered_share=0.25),
        Outage(min_outage_s=300.0),
        Outage(rejoin_s=3600.0),
        Outage(peers=PeerOptions(day_share=0.025)),
        Outage(peers=PeerOptions(day_share=0.1)),
    ],
    ids=repr,
)
def test_named_outages_do_not_hang_on_a_threshold(plant: Window, moved: Outage) -> None:
    found = {(one.device, one.start_us, one.end_us) for one in moved.find(plant)}
    assert {span_of(one) for one in NAMED} <= found
    assert len(found) <= 16


# ------------------------------------------------------------------ check 5
def test_dc_is_reported_as_scaled_by_ten(plant: Window) -> None:
    findings = UnitSlip().find(plant)
    assert [one.device for one in findings] == [device.id for device in plant.devices]
    assert {one.quantity for one in findings} == {"dc_power_w"}
    assert {one.evidence["factor_ratio"] for one in findings} == {10.0}
    assert np.mean([one.evidence["ratio"] for one in findings]) == pytest.approx(0.0977, abs=5e-4)


def test_right_unit_gives_no_report(plant: Window) -> None:
    right = {**plant.values, "dc_power_w": plant.values["dc_power_w"] / 10.0}
    assert UnitSlip().find(replace(plant, values=right)) == []


def test_counter_that_falls_is_unusable_and_the_other_is_not(plant: Window) -> None:
    assert CounterTrust().find(plant) == []
    daily = {**plant.values, "energy_production_wh": plant.values[DAILY_YIELD]}
    findings = CounterTrust().find(replace(plant, values=daily))
    assert [one.device for one in findings] == [device.id for device in plant.devices]
    assert all("energy comes from power" in one.detail for one in findings)


# ------------------------------------------------------------------ all of them
def test_precision_and_recall(plant: Window, capsys: pytest.CaptureFixture[str]) -> None:
    """Against what the checks name; outages beyond it are shown to be real above."""
    found = {detector.name: detector.find(plant) for detector in SOLAR_DETECTORS}
    truths: dict[str, set[object]] = {
        "peer_comparison": set(BAD),
        "outage": {span_of(one)[:2] for one in NAMED},
        "incomplete_day": {(one.device, one.start_us) for one in found["incomplete_day"]},
        "unit_slip": {device.id for device in plant.devices},
    }
    scores = [_score(name, found[name], truths.get(name, set())) for name in sorted(found)]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(map(str, scores)) + "\n")
    by_name = {one.detector: one for one in scores}
    for name in truths:
        assert by_name[name].recall == 1.0
    for name in set(found) - {"outage"}:
        assert by_name[name].precision == 1.0, name
    assert by_name["outage"].found - by_name["outage"].right == 5


def _score(name: str, findings: list[Finding], truth: set[object]) -> Score:
    """Findings by what the truth of a detector tells: a device, or a device and its start."""
    keys: set[object] = {
        key
        for one in findings
        for key in (one.device, (one.device, one.start_us))
        if not truth or isinstance(key, type(next(iter(truth))))
    }
    return Score(name, len(keys), len(truth), len(keys & truth))


def _is_lit(plant: Window, instant: int) -> bool:
    """Whether there was light in the slot, or, where the sensor was silent, around it."""
    at = int(np.searchsorted(plant.slot_us, instant, side="right")) - 1
    return bool(np.nanmax(plant.weather["irradiance_w_m2"][max(0, at - 2) : at + 3]) > 0.0)
