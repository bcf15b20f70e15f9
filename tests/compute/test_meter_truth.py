"""What of a meter's values cannot be true."""

from __future__ import annotations

import pytest

from wattscope.compute.bands import Band, Bands
from wattscope.compute.meter_truth import find_contradictions, find_remainder
from wattscope.compute.phase_balance import find_imbalance

GOOD = {
    "active_power_w": 3000.0,
    "active_power_l1_w": 1000.0,
    "active_power_l2_w": 1200.0,
    "active_power_l3_w": 800.0,
    "voltage_l1_v": 230.0,
    "voltage_l2_v": 231.0,
    "voltage_l3_v": 229.0,
    "current_l1_a": 4.6,
    "current_l2_a": 5.5,
    "current_l3_a": 3.8,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"active_power_w": 3140.0}, None),
        ({"active_power_w": 1400.0}, "its phases make 3000 W, it says 1400 W"),
        # A current transformer that is turned round counts its phase backwards.
        ({"active_power_l3_w": -800.0}, "its phases make 1400 W, it says 3000 W"),
        ({"voltage_l2_v": 3.0, "current_l2_a": 500.0}, "no voltage on L2 (3 V)"),
        ({"voltage_l2_v": 0.0, "voltage_l1_v": 0.0, "voltage_l3_v": 0.0}, "allow 0 W"),
        # Kilowatts taken for watts, or currents without the ratio of their transformer.
        ({"current_l1_a": 0.1}, "L1 says 1000 W, but 230 V and 0.1 A allow 23 W"),
        ({"current_l1_a": 4.2}, None),
    ],
)
def test_contradictions_are_told_in_words(change: dict[str, float], words: str | None) -> None:
    found = find_contradictions(GOOD | change)
    if words is None:
        assert found == []
    else:
        assert any(words in one for one in found), found


def test_meter_that_tells_little_contradicts_nothing() -> None:
    assert find_contradictions({"active_power_w": 5.0, "voltage_l1_v": 230.0}) == []
    assert find_contradictions({}) == []


def test_rest_is_what_no_sub_meter_saw() -> None:
    remainder = find_remainder(3000.0, [1000.0, 500.0], is_producer=[False, False])
    assert remainder is not None
    assert remainder.rest == 1500.0
    assert not remainder.is_contradiction


def test_producer_below_a_meter_covers_what_its_neighbours_use() -> None:
    remainder = find_remainder(-1000.0, [1500.0, 3000.0], is_producer=[False, True])
    assert remainder is not None
    assert remainder.rest == 500.0


@pytest.mark.parametrize(("whole", "is_wrong"), [(1480.0, False), (1400.0, True), (0.0, True)])
def test_sub_meters_that_say_clearly_more_are_a_contradiction(
    whole: float, *, is_wrong: bool
) -> None:
    remainder = find_remainder(whole, [1000.0, 500.0], is_producer=[False, False])
    assert remainder is not None
    assert remainder.is_contradiction == is_wrong


def test_rest_is_unknown_while_one_meter_is() -> None:
    assert find_remainder(None, [1.0], is_producer=[False]) is None
    assert find_remainder(10.0, [1.0, None], is_producer=[False, False]) is None
    assert find_remainder(10.0, [], is_producer=[]) is None


# 203, 210 and 212 V is the usual example of makers of motor relays.
@pytest.mark.parametrize(
    ("phases", "share"),
    [((203.0, 210.0, 212.0), 0.0256), ((462.0, 463.0, 455.0), 0.0109), ((5.0, 5.0, 5.0), 0.0)],
)
def test_imbalance_is_the_largest_deviation_over_the_mean(
    phases: tuple[float, ...], share: float
) -> None:
    assert find_imbalance(phases) == pytest.approx(share, abs=5e-5)


@pytest.mark.parametrize(
    "phases", [(1.0, None, 1.0), (1.0, float("nan"), 1.0), (0.0, 0.0, 0.0), (1.0, 1.0)]
)
def test_imbalance_of_what_is_not_known_is_unknown(phases: tuple[float | None, ...]) -> None:
    assert find_imbalance(phases) is None


FREQUENCY = Bands.around(50.0, 0.2, 0.5)


@pytest.mark.parametrize(
    ("hertz", "band"),
    [
        (50.0, Band.GREEN),
        (49.8, Band.GREEN),
        (50.2, Band.GREEN),
        (50.21, Band.YELLOW),
        (49.7, Band.YELLOW),
        (50.4, Band.YELLOW),
        (49.5, Band.YELLOW),
        (49.49, Band.RED),
        (50.51, Band.RED),
    ],
)
def test_bands_of_the_frequency(hertz: float, band: Band) -> None:
    assert FREQUENCY.grade(hertz) is band


def test_band_without_limit_on_one_side() -> None:
    factor = Bands(red_low=0.7, green_low=0.85)
    assert [factor.grade(one).word for one in (1.0, 0.85, 0.84, 0.7, 0.69)] == [
        "green",
        "green",
        "yellow",
        "yellow",
        "red",
    ]
