"""No power while the siblings produce; strings and inverters that fail as a whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.detectors.farm import POWER, build_farm, change
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.topology import Device, DeviceKind
from wattscope.core.window import Window
from wattscope.detectors.outage import Outage

STEPS = 96
NOON = 44  # 11:00 UTC in slots of a quarter of an hour


def switch_off(window: Window, rows: slice | list[int], start: int, end: int) -> Window:
    power = window.values[POWER].copy()
    power[rows, start:end] = 0.0
    return change(window, POWER, power)


def with_tree(window: Window, strings: int, per_inverter: int) -> Window:
    """The panels in strings of equal length, and these at inverters."""
    length = len(window.devices) // strings
    panels = tuple(
        replace(one, parent=f"string-{at // length}") for at, one in enumerate(window.devices)
    )
    above = {
        f"string-{at}": Device(
            f"string-{at}", "farm", "", DeviceKind.STRING, f"inverter-{at // per_inverter}"
        )
        for at in range(strings)
    }
    above |= {
        f"inverter-{at}": Device(f"inverter-{at}", "farm", "", DeviceKind.INVERTER)
        for at in range(-(-strings // per_inverter))
    }
    return replace(window, devices=panels, above=above)


def spans(window: Window, findings: list[Finding]) -> list[tuple[str, str, float, float]]:
    """Device, kind, start and end [slots]."""
    return [
        (
            one.device,
            one.kind,
            (one.start_us - int(window.slot_us[0])) / window.step_us,
            (one.end_us - int(window.slot_us[0])) / window.step_us,
        )
        for one in findings
    ]


@pytest.mark.parametrize("has_ratings", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_farm_without_faults_has_no_outages(seed: int, has_ratings: bool) -> None:  # noqa: FBT001 - a case
    assert Outage().find(build_farm(seed=seed, n_days=10, has_ratings=has_ratings)) == []


@pytest.mark.parametrize("has_ratings", [True, False])
def test_outage_is_found_to_the_slot_with_its_loss(has_ratings: bool) -> None:  # noqa: FBT001 - a case
    whole = build_farm(n_days=10, has_ratings=has_ratings)
    start, end = 3 * STEPS + NOON, 3 * STEPS + NOON + 8
    window = switch_off(whole, [4], start, end)
    findings = Outage().find(window)
    assert spans(window, findings) == [("panel-004", "outage", start, end)]
    lost = whole.values[POWER][4, start:end].sum() * window.step_us / US_PER_HOUR
    assert findings[0].lost_wh == pytest.approx(lost, rel=0.05)


def test_outage_over_several_days_is_one() -> None:
    window = switch_off(build_farm(n_days=10), [4], 3 * STEPS + NOON, 6 * STEPS + NOON)
    assert spans(window, Outage().find(window)) == [
        ("panel-004", "outage", 3 * STEPS + NOON, 6 * STEPS + NOON)
    ]


def test_outage_that_returns_soon_is_the_same_one() -> None:
    window = switch_off(build_farm(n_days=5), [4], 2 * STEPS + NOON, 2 * STEPS + NOON + 4)
    window = switch_off(window, [4], 2 * STEPS + NOON + 6, 2 * STEPS + NOON + 9)
    assert len(Outage().find(window)) == 1
    assert len(Outage(rejoin_s=0.0).find(window)) == 2


def test_night_gap_and_darkness_of_all_raise_nothing() -> None:
    window = build_farm(n_days=5)
    power = window.values[POWER].copy()
    power[3, 2 * STEPS + NOON : 2 * STEPS + NOON + 8] = np.nan
    power[:, 3 * STEPS : 4 * STEPS] = 0.0
    assert Outage().find(change(window, POWER, power)) == []


def test_device_that_never_worked_is_found() -> None:
    window = switch_off(build_farm(n_days=5), [4], 0, 5 * STEPS)
    findings = Outage().find(window)
    assert [one.device for one in findings] == ["panel-004"]
    assert findings[0].end_us - findings[0].start_us > 4 * US_PER_DAY


def test_inverter_that_trips_with_all_its_panels_is_seen_against_the_others() -> None:
    window = build_farm(24, 5)
    window = switch_off(window, slice(0, 12), 2 * STEPS + NOON, 2 * STEPS + NOON + 8)
    found = spans(window, Outage().find(window))
    assert {one[0] for one in found} == {f"panel-{at:03}" for at in range(12)}
    assert {one[1:] for one in found} == {("outage", 2 * STEPS + NOON, 2 * STEPS + NOON + 8)}


def test_string_that_is_out_alone_is_named_and_an_inverter_is_not() -> None:
    farm = with_tree(build_farm(24, 6), strings=6, per_inverter=3)
    window = switch_off(farm, slice(4, 8), 2 * STEPS + NOON, 2 * STEPS + NOON + 8)
    window = switch_off(window, slice(12, 24), 4 * STEPS + NOON, 4 * STEPS + NOON + 8)
    found = spans(window, Outage().find(window))
    assert {one[0] for one in found if one[1] == "string_out"} == {
        f"panel-{at:03}" for at in range(4, 8)
    }
    assert {one[0] for one in found if one[1] == "outage"} == {
        f"panel-{at:03}" for at in range(12, 24)
    }


def test_one_panel_of_a_string_is_no_string() -> None:
    farm = with_tree(build_farm(24, 5), strings=6, per_inverter=3)
    window = switch_off(farm, [5], 2 * STEPS + NOON, 2 * STEPS + NOON + 8)
    assert [one.kind for one in Outage().find(window)] == ["outage"]


def test_too_few_siblings_say_nothing() -> None:
    window = switch_off(build_farm(2, 5), [1], 2 * STEPS + NOON, 2 * STEPS + NOON + 8)
    assert Outage().find(window) == []


def test_stuck_sensor_is_no_outage_of_its_neighbours() -> None:
    window = build_farm(6, 5)
    stuck = {
        name: np.where(np.arange(5 * STEPS) > 2 * STEPS + NOON, matrix[:, [NOON]], matrix)
        for name, matrix in window.values.items()
    }
    values = {
        name: np.concatenate([stuck[name][:1], matrix[1:]])
        for name, matrix in window.values.items()
    }
    assert Outage().find(replace(window, values=values)) == []


@pytest.mark.parametrize("kind", [DeviceKind.METER, DeviceKind.HEAT_PUMP, DeviceKind.PLUG])
def test_what_does_not_produce_has_no_outage(kind: DeviceKind) -> None:
    window = switch_off(build_farm(4, 5), [1], 2 * STEPS + NOON, 2 * STEPS + NOON + 8)
    devices = tuple(replace(one, kind=kind) for one in window.devices)
    assert Outage().find(replace(window, devices=devices)) == []


def test_empty_window_gives_nothing() -> None:
    window = build_farm(4, 2)
    assert Outage().find(window.cut(0, 1)) == []
    assert Outage().find(replace(window, values={})) == []
