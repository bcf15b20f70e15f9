r"""What is written is what our own reader of the grammar reads, to the last bit."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.encode.line_points import (
    Layout,
    LineSeries,
    encode_points,
    format_number,
    name_series,
)
from wattscope.compute.files.line_protocol import Point, parse_lines
from wattscope.core.reading import build_batch

T_US = 1_760_000_000_123_456
FINITE = st.floats(allow_nan=False, allow_infinity=False)
# What the protocol has a form for: no control signs, no backslash at the end, not empty.
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter(
    lambda text: not text.endswith("\\")
)
MEASUREMENTS = TEXTS.filter(lambda text: text[0] not in "#\ufeff")


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def read(lines: list[bytes]) -> list[Point]:
    points = list(parse_lines(b"\n".join(lines)))
    assert all(isinstance(one, Point) for one in points), points
    return [one for one in points if isinstance(one, Point)]


def name(device: str, quantity: str, layout: Layout = Layout.FIELDS) -> LineSeries:
    tags = (("site", "home"), ("device", device))
    return name_series(tags, quantity, layout=layout, measurement="wattscope")


def test_values_of_one_device_and_instant_are_one_line() -> None:
    names = {
        1: name("attic", "active_power_w"),
        2: name("attic", "voltage_v"),
        3: name("hall 2", "voltage_v"),
    }
    rows = [(1, T_US, 12.5, 0), (3, T_US, 229.0, 0), (2, T_US, 230.1, 0), (1, T_US + 1, -0.5, 0)]
    assert encode_points(build_batch(rows), names) == [
        b"wattscope,device=attic,site=home active_power_w=12.5,voltage_v=230.1 1760000000123456000",
        b"wattscope,device=hall\\ 2,site=home voltage_v=229 1760000000123456000",
        b"wattscope,device=attic,site=home active_power_w=-0.5 1760000000123457000",
    ]


def test_layout_of_values_has_a_measurement_for_each_quantity() -> None:
    names = {
        1: name("attic", "active_power_w", Layout.VALUES),
        2: name("attic", "voltage_v", Layout.VALUES),
    }
    assert encode_points(build_batch([(1, T_US, 12.5, 0), (2, T_US, 230.0, 0)]), names) == [
        b"active_power_w,device=attic,site=home value=12.5 1760000000123456000",
        b"voltage_v,device=attic,site=home value=230 1760000000123456000",
    ]


def test_later_of_two_values_for_one_instant_counts() -> None:
    rows = [(1, T_US, 1.0, 0), (1, T_US, 2.0, 0)]
    [line] = encode_points(build_batch(rows), {1: name("a", "voltage_v")})
    assert line == b"wattscope,device=a,site=home voltage_v=2 1760000000123456000"


def test_nothing_becomes_no_line() -> None:
    assert encode_points(build_batch([]), {}) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (230.0, "230"),
        (0.1, "0.1"),
        (-0.0, "-0"),
        (1234567.891, "1234567.891"),
        (1e16, "1e+16"),
        (5e-324, "5e-324"),
        (1 / 3, "0.3333333333333333"),
        (9007199254740993.0, "9007199254740992"),
    ],
)
def test_numbers_have_the_fewest_digits_that_give_the_same(value: float, text: str) -> None:
    assert format_number(value) == text


@given(st.lists(st.tuples(FINITE, st.integers(-(2**52), 2**52)), min_size=1, max_size=20))
def test_every_value_and_instant_comes_back(pairs: list[tuple[float, int]]) -> None:
    wanted = {at: bits(value) for value, at in pairs}
    rows = [(1, at, value, 0) for value, at in pairs]
    lines = encode_points(build_batch(rows), {1: name("a", "voltage_v")})
    found = {one.time_ns: one.fields for one in read(lines)}
    assert len(lines) == len(wanted)
    for at, value in wanted.items():
        [(key, number)] = found[at * 1000]
        assert (key, bits(float(number))) == ("voltage_v", value)


@given(MEASUREMENTS, st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=4), TEXTS, FINITE)
def test_every_name_comes_back(
    measurement: str, tags: dict[str, str], field: str, value: float
) -> None:
    named = name_series(list(tags.items()), field, layout=Layout.FIELDS, measurement=measurement)
    [point] = read(encode_points(build_batch([(1, 5, value, 0)]), {1: named}))
    assert point == Point(measurement, tuple(sorted(tags.items())), ((field, value),), 5000)


@given(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=12))
def test_no_name_breaks_out_of_its_line(device: str, field: str) -> None:
    """A name that cannot be written as it is loses signs, and its point nothing else."""
    try:
        f"{device}{field}".encode()
    except UnicodeEncodeError:
        # Half of a pair of UTF-16 is no text; no name from outside is such.
        return
    named = name_series([("device", device)], field, layout=Layout.FIELDS, measurement="m")
    [point] = read(encode_points(build_batch([(1, 5, 1.5, 0)]), {1: named}))
    [(_, value)] = point.fields
    assert (point.measurement, len(point.tags), value, point.time_ns) == ("m", 1, 1.5, 5000)
    assert math.isfinite(float(value))
