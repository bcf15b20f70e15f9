"""Points become readings of devices by a map; what has no meaning is told, not dropped."""

from __future__ import annotations

import pytest

from wattscope.compute.files.line_file import NumberedReading, decode_lines
from wattscope.compute.files.line_map import (
    LineMap,
    MappedField,
    MappedMeasurement,
    parse_line_map,
)
from wattscope.compute.files.line_meaning import read_point
from wattscope.compute.files.line_protocol import BadLine, Point, parse_lines
from wattscope.core.errors import SettingsError
from wattscope.core.findings import Ignored, ReasonCode, Rejection
from wattscope.core.reading import Reading

PLUGS = LineMap(
    measurements=(
        MappedMeasurement("plugs", "room", fields=(MappedField("power", "active_power_w", "kW"),)),
        MappedMeasurement("meter", device="main", fields=(MappedField("v", "voltage_v"),)),
    )
)


def _read(line: bytes, line_map: LineMap = PLUGS) -> Reading | Rejection | Ignored:
    [point] = parse_lines(line)
    assert isinstance(point, Point)
    return read_point(point, line_map)


def test_a_mapped_point_is_a_reading_in_base_units() -> None:
    reading = _read(b'plugs,room=kitchen power=1.5,note="x" 1780000000000000000')
    assert reading == Reading("kitchen", 1_780_000_000_000_000, ("active_power_w",), (1500.0,))
    assert _read(b"meter v=230i") == Reading("main", None, ("voltage_v",), (230.0,))


def test_without_a_profile_names_of_the_catalogue_are_understood() -> None:
    reading = _read(b"plug,device=a active_power_w=5,foo=1 1780000000000000000", LineMap())
    assert reading == Reading("a", 1_780_000_000_000_000, ("active_power_w",), (5.0,))
    assert isinstance(_read(b"boiler active_power_w=5", LineMap()), Reading)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"cpu power=1", ReasonCode.UNKNOWN_FORMAT),
        (b"plugs,room=a other=1", ReasonCode.NO_VALUE),
        (b'plugs,room=a power="1"', ReasonCode.WRONG_TYPE),
        (b"plugs,room=a power=t", ReasonCode.WRONG_TYPE),
        (b"plugs,room=a power=9007199254740993i", ReasonCode.RANGE),
        (b"plugs,room=a power=1,power=2", ReasonCode.DUPLICATE_KEY),
        (b"plugs,room=../a power=1", ReasonCode.BAD_NAME),
        (b"plugs,room=<script> power=1", ReasonCode.BAD_NAME),
        (b"plugs,room=a,_time=1 power=1", ReasonCode.BAD_NAME),
        (b"plugs,room=a power=1,_field=2", ReasonCode.BAD_NAME),
        (b"plugs,room=a power=1 1780000000000", ReasonCode.BAD_TIME),
        (b"plugs,room=a power=1 -1", ReasonCode.BAD_TIME),
    ],
)
def test_a_point_without_meaning_is_rejected_with_its_reason(line: bytes, code: ReasonCode) -> None:
    rejection = _read(line)
    assert isinstance(rejection, Rejection)
    assert rejection.code is code


def test_a_file_gives_readings_and_bad_lines_with_their_numbers() -> None:
    content = b"plugs,room=a power=1\n\nplugs,room=a power=\ncpu x=1\nplugs,room=b power=2\n"
    found = list(decode_lines([content[:30], content[30:]], PLUGS))
    assert [type(part) for part in found] == [NumberedReading, BadLine, BadLine, NumberedReading]
    assert [part.line_number for part in found] == [1, 3, 4, 5]


def test_a_profile_is_checked_as_a_whole() -> None:
    table = {
        "precision": "min",
        "measurements": [
            {"measurement": "a"},
            {"measurement": "b", "fields": [{"field": "x", "quantity": "activ_power_w"}]},
            {"measurement": "c", "fields": [{"field": "x", "quantity": "voltage_v", "unit": "W"}]},
        ],
    }
    with pytest.raises(SettingsError) as caught:
        parse_line_map(table)
    assert len(caught.value.faults) == 4
    with pytest.raises(SettingsError, match="measurement_"):
        parse_line_map({"measurement_": 1})
