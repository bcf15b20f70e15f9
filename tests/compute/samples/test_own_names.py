"""What this program shows comes back as what it was."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.prometheus_names import Scale, expose_quantity, expose_today, format_sample
from wattscope.compute.sample_routing import SampleRouter, make_topic
from wattscope.compute.samples.metric_map import parse_metric_map
from wattscope.compute.samples.own_names import find_origin, is_own_name, restore
from wattscope.core.quantities import QUANTITIES, Quantity, find_quantity
from wattscope.ports import RawMessage
from wattscope.registry.profile_library import ProfileLibrary

_OTHERS = ("dc_power_s1_w", "dc_voltage_s64_v", "dc_current_s10_a")
_OWN = ("flow_rate__l_per_min", "valve__1", "a__b__1", "heat__kWh_per_m³")
NAMES = [*QUANTITIES, *_OTHERS, *_OWN]
T = 1_760_000_000_000


def show(quantity: Quantity, value: float) -> tuple[str, str]:
    """Series and value as ``prometheus_page`` writes them."""
    shown = expose_quantity(quantity)
    labels = (("site", "house"), ("device", "pump"), *shown.labels)
    number = (value - shown.scale.offset) * shown.scale.factor / shown.scale.divisor
    return format_sample(shown.family.name, labels).strip(), repr(number)


@pytest.fixture(scope="module")
def router() -> SampleRouter:
    name = "wattscope-metrics"
    return SampleRouter([(name, parse_metric_map(ProfileLibrary().read(name)))])


@pytest.mark.parametrize("name", NAMES)
def test_every_quantity_comes_back_exactly(router: SampleRouter, name: str) -> None:
    quantity = find_quantity(name)
    assert quantity is not None
    for value in (0.0, 1.1, 1234.567, -0.3, 98765432.123456, 1e-7, 35.83, 0.1 + 0.7):
        head, number = show(quantity, value)
        metric = re.split(r"[{ ]", head)[0]
        route = router.find(make_topic(metric))
        assert route is not None
        decoded = route.decode(RawMessage(make_topic(metric), f"{head} {number} {T}".encode(), 0))
        assert isinstance(decoded, tuple)
        [reading] = decoded
        assert (reading.site, reading.device, reading.quantities) == ("house", "pump", (name,))
        assert reading.measured_at_us == T * 1000
        # A value of more digits than a meter says may miss the last bit, and no more.
        digits = len(repr(value).replace(".", "").lstrip("-0"))
        exactly = value if digits <= 15 else pytest.approx(value, rel=3e-16)
        assert reading.values == (exactly,)


@given(
    st.decimals(-(10**9), 10**9, places=5).map(float),
    st.sampled_from([Scale(3600.0), Scale(divisor=100.0), Scale(1000.0), Scale()]),
)
def test_decimals_come_back_exactly(value: float, scale: Scale) -> None:
    shown = (value - scale.offset) * scale.factor / scale.divisor
    assert restore(shown, scale) == value


def test_no_two_quantities_have_one_name() -> None:
    shown = [expose_quantity(QUANTITIES[name]) for name in QUANTITIES]
    assert len({(one.family.name, one.labels) for one in shown}) == len(shown)


def test_what_is_no_reading_has_no_way_back() -> None:
    for name in (
        "wattscope_device_up",
        "wattscope_device_info",
        "up",
        "wattscope_values_stored_total",
    ):
        assert not is_own_name(name)
    for one in QUANTITIES.values():
        if one.is_energy or one.is_power:
            assert not is_own_name(expose_today(one).family.name)
    assert find_origin("wattscope_phase_voltage_volts", {"phase": "l9"}) is None
    assert find_origin("wattscope_own_quantity", {"quantity": "x"}) is None
