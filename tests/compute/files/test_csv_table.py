"""Tables become columns by their map; what is wrong is set aside by line, and nothing raises."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.files.column_map import ColumnMap, MappedColumn, Stamp
from wattscope.compute.files.csv_table import BadRow, RowGroup, decode_rows
from wattscope.compute.files.map_option import parse_map_option
from wattscope.core.findings import ReasonCode
from wattscope.core.reading import Quality
from wattscope.core.time_grid import US_PER_HOUR, US_PER_S, parse_instant

PLAIN = parse_map_option("time=time,active_power_w=p:kW@m1,voltage_v=u@m2,missing=|?")
HEADER = b"time,p,u\n"


def _decode(
    content: bytes, column_map: ColumnMap = PLAIN, *, block: int = 7
) -> tuple[list[RowGroup], list[BadRow]]:
    blocks = [content[n : n + block] for n in range(0, len(content), block)]
    found = list(decode_rows(blocks, column_map))
    groups = [part for part in found if isinstance(part, RowGroup)]
    return groups, [part for part in found if isinstance(part, BadRow)]


def _row(content: bytes, column_map: ColumnMap = PLAIN) -> tuple[int, float]:
    """Instant and first value of the only row."""
    [group], bad = _decode(content, column_map)
    assert bad == []
    assert len(group) == 1
    return int(group.measured_at_us[0]), float(group.columns[0].value[0])


def test_rows_become_columns_in_base_units() -> None:
    [group], bad = _decode(HEADER + b"2026-05-01T00:00:00Z,1.5,230\n2026-05-01T00:01:00Z,-2,231.5")
    assert bad == []
    assert (group.first_line, group.last_line) == (2, 3)
    start = parse_instant("2026-05-01T00:00:00Z")
    assert group.measured_at_us.tolist() == [start, start + 60 * US_PER_S]
    power, voltage = group.columns
    assert (power.device, power.quantity, power.value.tolist()) == (
        "m1",
        "active_power_w",
        [1500.0, -2000.0],
    )
    assert (voltage.device, voltage.value.tolist()) == ("m2", [230.0, 231.5])


def test_a_missing_mark_is_no_value_and_never_zero() -> None:
    [group], bad = _decode(HEADER + b"2026-05-01T00:00Z,?,\n2026-05-01T00:01Z,0,0\n")
    assert bad == []
    for column in group.columns:
        assert math.isnan(column.value[0])
        assert column.quality.tolist() == [Quality.MISSING, Quality.GOOD]
        assert column.value[1] == 0.0


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"2026-05-01T00:00Z,1", ReasonCode.SYNTAX),
        (b"2026-05-01T00:00Z,1,2,3", ReasonCode.SYNTAX),
        (b'2026-05-01T00:00Z,"1,2', ReasonCode.SYNTAX),
        (b"2026-05-01T00:00Z,1_000,2", ReasonCode.NOT_NUMBER),
        ("2026-05-01T00:00Z,\u0663,2".encode(), ReasonCode.NOT_NUMBER),
        (b"2026-05-01T00:00Z,0x10,2", ReasonCode.NOT_NUMBER),
        (b"2026-05-01T00:00Z,1 2,2", ReasonCode.NOT_NUMBER),
        (b"2026-05-01T00:00Z,1,true", ReasonCode.NOT_NUMBER),
        (b"2026-05-01T00:00Z,NaN,2", ReasonCode.NOT_FINITE),
        (b"2026-05-01T00:00Z,-Infinity,2", ReasonCode.NOT_FINITE),
        (b"2026-05-01T00:00Z,1e400,2", ReasonCode.NOT_FINITE),
        (b"2026-05-01T00:00Z,1e308,2", ReasonCode.RANGE),
        (b"2026-02-30T00:00Z,1,2", ReasonCode.BAD_TIME),
        (b"2026-05-01T24:01Z,1,2", ReasonCode.BAD_TIME),
        (b"1969-12-31T00:00Z,1,2", ReasonCode.BAD_TIME),
        (b"9999-12-31T00:00Z,1,2", ReasonCode.BAD_TIME),
        (b",1,2", ReasonCode.BAD_TIME),
        (b"2026-05-01T00:00Z,1\0,2", ReasonCode.ENCODING),
        (b"2026-05-01T00:00Z,\xff,2", ReasonCode.ENCODING),
        (b"2026-05-01T00:00Z," + b"1" * (1 << 20) + b",2", ReasonCode.TOO_BIG),
    ],
)
def test_a_bad_row_is_set_aside_and_its_neighbours_are_kept(line: bytes, code: ReasonCode) -> None:
    good = b"2026-05-02T00:00Z,1,2\n"
    groups, [bad] = _decode(HEADER + good + line + b"\n" + good, block=1 << 16)
    assert (bad.line_number, bad.code) == (3, code)
    assert bad.line == line[: 1 << 20]
    assert len(bad.excerpt) <= 120
    assert sum(len(group) for group in groups) == 2


def test_blank_lines_carriage_returns_and_a_byte_order_mark_do_no_harm() -> None:
    content = b"\xef\xbb\xbftime,p,u\r\n\r\n2026-05-01T00:00Z,1,2\r\n\n2026-05-01T00:01Z,x,2\r\n"
    [group], [bad] = _decode(content)
    assert len(group) == 1
    assert group.first_line == 3
    assert bad.line_number == 5


def test_quoted_cells_may_hold_the_delimiter() -> None:
    column_map = parse_map_option('time="Time, local",active_power_w="P, total"')
    content = b'"Time, local","P, total"\n"2026-05-01T00:00Z","5"\n'
    assert _row(content, column_map)[1] == 5.0


def test_a_header_without_a_mapped_column_says_what_it_has() -> None:
    groups, [bad] = _decode(b"when,power\n2026-05-01T00:00Z,1\n")
    assert groups == []
    assert (bad.line_number, bad.code) == (1, ReasonCode.MISSING_FIELD)
    assert "no column p, time, u; it has when, power" in bad.detail


def test_an_empty_file_has_nothing() -> None:
    assert _decode(b"") == ([], [])
    assert _decode(HEADER) == ([], [])


def test_a_table_without_header_is_read_by_number() -> None:
    column_map = parse_map_option("time=1,active_power_w=3,has_header=false,skip_lines=1")
    assert _row(b"made by a logger\n2026-05-01T00:00Z,x,7\n", column_map)[1] == 7.0


def test_european_tables_have_semicolons_and_decimal_commas() -> None:
    column_map = parse_map_option(
        'time=Datum+Zeit,time_format="%d.%m.%Y %H:%M",time_zone=Europe/Berlin,'
        'delimiter=auto,decimal=",",active_power_w=P:kW'
    )
    at_us, power_w = _row(b"Datum;Zeit;P\n01.07.2026;12:30;1,25\n", column_map)
    assert power_w == 1250.0
    assert at_us == parse_instant("2026-07-01T12:30:00+02:00")


def test_a_point_in_a_decimal_comma_table_is_not_guessed() -> None:
    column_map = parse_map_option('time=t,delimiter=;,decimal=",",active_power_w=p')
    _, [bad] = _decode(b"t;p\n2026-05-01T00:00Z;1.250\n", column_map)
    assert bad.code is ReasonCode.NOT_NUMBER


@pytest.mark.parametrize("time_format", ["iso", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"])
def test_wall_times_that_summer_time_skips_or_repeats_are_set_aside(time_format: str) -> None:
    column_map = parse_map_option(
        f'time=t,time_format="{time_format}",time_zone=Europe/Paris,active_power_w=p'
    )
    tail = ":00" if time_format.endswith("S") else ""
    stamps = ["2026-03-29 01:45", "2026-03-29 02:15", "2026-03-29 03:00"]
    stamps += ["2026-10-25 01:45", "2026-10-25 02:15", "2026-10-25 03:00"]
    content = "t,p\n" + "".join(f"{stamp}{tail},1\n" for stamp in stamps)
    [group], bad = _decode(content.encode(), column_map)
    assert [row.line_number for row in bad] == [3, 6]
    assert {row.code for row in bad} == {ReasonCode.BAD_TIME}
    spring, autumn = group.measured_at_us[:2], group.measured_at_us[2:]
    assert np.diff(spring).tolist() == [US_PER_HOUR // 4]
    assert np.diff(autumn).tolist() == [2 * US_PER_HOUR + US_PER_HOUR // 4]


def test_stamps_at_the_end_of_an_interval_are_moved_to_its_start() -> None:
    column_map = ColumnMap(
        time_columns=("t",),
        time_format="unix_ms",
        stamp=Stamp.END,
        interval_s=900.0,
        columns=(MappedColumn("e", "energy_import_delta_wh", "kWh"),),
    )
    assert _row(b"t,e\n1780000200000,0.5\n", column_map) == (1_779_999_300 * US_PER_S, 500.0)


def test_rows_may_name_their_devices() -> None:
    column_map = parse_map_option("time=t,active_power_w=p,device_column=id")
    content = b"t,id,p\n1970-01-01T00:00Z,a,1\n1970-01-01T00:00Z,b,2\n"
    content += b"1970-01-01T00:01Z,../x,3\n1970-01-01T00:01Z,a,4\n"
    groups, [bad] = _decode(content, column_map)
    read = {group.columns[0].device: group.columns[0].value.tolist() for group in groups}
    assert read == {"a": [1.0, 4.0], "b": [2.0]}
    assert (bad.line_number, bad.code) == (4, ReasonCode.BAD_NAME)


def test_columns_may_be_named_like_quantities() -> None:
    column_map = ColumnMap(time_columns=("measured_at",), columns_from_header=True)
    content = b"measured_at,active_power_w,note,voltage_v@plug\n2026-05-01T00:00Z,5,x,230\n"
    [group], _ = _decode(content, column_map)
    assert [(c.device, c.quantity, float(c.value[0])) for c in group.columns] == [
        ("meter", "active_power_w", 5.0),
        ("plug", "voltage_v", 230.0),
    ]


@given(st.integers(1, 40), st.integers(1, 30))
def test_blocks_and_groups_of_any_size_give_the_same(block: int, group_size: int) -> None:
    content = HEADER + b"".join(
        b"2026-05-01T00:%02d:00Z,%d,%s\n" % (n, n, b"x" if n % 7 == 3 else b"1") for n in range(25)
    )
    blocks = [content[n : n + block] for n in range(0, len(content), block)]
    found = list(decode_rows(blocks, PLAIN, group_size=group_size))
    good = [v for part in found if isinstance(part, RowGroup) for v in part.columns[0].value]
    assert good == [1000.0 * n for n in range(25) if n % 7 != 3]
    bad = [part.line_number for part in found if isinstance(part, BadRow)]
    assert bad == [n + 2 for n in range(25) if n % 7 == 3]


def _pieces() -> Iterator[st.SearchStrategy[bytes]]:
    yield st.binary(max_size=12)
    yield st.sampled_from([b",", b"\n", b"\r\n", b'"', b";", b"\0", b"1", b"-", b"?", b"e9", b"\t"])
    yield st.sampled_from([b"2026-05-01T00:00Z", b"2026-03-29 02:15", b"nan", b"1.5", b"10:00"])


@given(
    st.lists(st.one_of(*_pieces()), max_size=60).map(b"".join),
    st.sampled_from(
        [
            PLAIN,
            parse_map_option('time=time,delimiter=auto,decimal=",",active_power_w=p:kW'),
            parse_map_option(
                'time=time+u,time_format="%Y-%m-%d %H:%M",time_zone=Europe/Paris,active_power_w=p'
            ),
            parse_map_option("time=time,time_format=unix_s,device_column=u,active_power_w=p"),
            parse_map_option("time=1,has_header=false,active_power_w=2"),
        ]
    ),
    st.sampled_from([b"", HEADER]),
)
def test_no_content_raises_and_every_line_is_accounted_for(
    content: bytes, column_map: ColumnMap, head: bytes
) -> None:
    groups, bad = _decode(head + content, column_map, block=64)
    for group in groups:
        assert (group.measured_at_us >= 0).all()
        for column in group.columns:
            is_missing = column.quality == Quality.MISSING
            assert np.isnan(column.value[is_missing]).all()
            assert np.isfinite(column.value[~is_missing]).all()
    assert len({row.line_number for row in bad}) == len(bad)
    lines = (head + content).split(b"\n")
    told = sum(len(group) for group in groups) + len(bad)
    assert told <= len(lines)
    if head and column_map is PLAIN:
        filled = [line for line in lines if line.decode("utf-8", "replace").strip()]
        assert told >= len(filled) - 1
