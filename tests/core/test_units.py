from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.core.quantities import QUANTITIES
from wattscope.core.units import Conversion, find_conversion, list_units

PAIRS = sorted(
    {(unit, q.unit) for q in QUANTITIES.values() for unit in [*list_units(q.unit), q.unit]}
)


def convert(value: float, unit: str, base: str) -> float:
    conversion = find_conversion(unit, base)
    assert conversion is not None
    return conversion.to_base(value)


@pytest.mark.parametrize(
    ("value", "unit", "base", "expected"),
    [
        (1.5, "kWh", "Wh", 1500.0),
        (2.0, "MWh", "Wh", 2e6),
        (60.0, "Wmin", "Wh", 1.0),
        (3600.0, "J", "Wh", 1.0),
        (3.6, "MJ", "Wh", 1000.0),
        (0.35, "kW", "W", 350.0),
        (4321.0, "mW", "W", 4.321),
        (230_400.0, "mV", "V", 230.4),
        (1500.0, "mA", "A", 1.5),
        (49_990.0, "mHz", "Hz", 49.99),
        (212.0, "°F", "°C", 100.0),
        (-40.0, "F", "°C", -40.0),
        (98.0, "%ratio", "", 0.98),
        (1250.0, "L", "m³", 1.25),
    ],
)
def test_value_is_converted(value: float, unit: str, base: str, expected: float) -> None:
    assert convert(value, unit, base) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("unit", "base"), [("kWh", "W"), ("kW", "Wh"), ("V", "A"), ("", "W"), ("kwh", "Wh"), ("x", "y")]
)
def test_unit_of_another_thing_is_no_conversion(unit: str, base: str) -> None:
    assert find_conversion(unit, base) is None


@given(st.sampled_from(PAIRS), st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_conversion_keeps_order_and_is_straight(pair: tuple[str, str], a: float, b: float) -> None:
    unit, base = pair
    low, high = sorted((a, b))
    assert convert(low, unit, base) <= convert(high, unit, base)
    middle = convert((a + b) / 2, unit, base)
    ends = convert(a, unit, base), convert(b, unit, base)
    assert middle == pytest.approx(sum(ends) / 2, rel=1e-9, abs=1e-6 * max(map(abs, ends)))


@given(st.sampled_from(sorted({q.unit for q in QUANTITIES.values()})), st.floats())
def test_base_unit_is_left_alone(base: str, value: float) -> None:
    conversion = find_conversion(base, base)
    assert conversion == Conversion(base, 1.0)
    assert repr(conversion.to_base(value)) in {repr(value), repr(value + 0.0)}


@given(st.integers(-(10**12), 10**12), st.sampled_from([1, 2, 3]))
def test_a_decimal_of_a_meter_stays_one(thousandths: int, scale: int) -> None:
    """1.001 kWh are 1001 Wh: what is stored has as few digits as what was said."""
    kwh = float(f"{thousandths}e-3")
    assert convert(kwh, "kWh", "Wh") == thousandths
    assert convert(float(f"{thousandths}e-{3 + scale}"), "kWh", "Wh") == float(
        f"{thousandths}e-{scale}"
    )


def test_what_is_no_number_stays_none() -> None:
    assert convert(float("inf"), "kWh", "Wh") == float("inf")
    assert convert(1e306, "kWh", "Wh") == float("inf")
    assert math.isnan(convert(float("nan"), "kWh", "Wh"))
