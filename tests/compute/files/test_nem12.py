"""Records of Australian meter data: what fits is taken, what does not is named by its line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.files.csv_table import RowGroup
from wattscope.compute.files.nem12 import MarketMap, decode_records, parse_market_map
from wattscope.compute.files.recognise import recognise_format
from wattscope.compute.files.table_rows import BadFile, BadRow
from wattscope.core.errors import SettingsError
from wattscope.core.findings import ReasonCode
from wattscope.core.reading import Quality
from wattscope.core.time_grid import format_utc

HEAD = "100,NEM12,200402070911,MDA1,Ret1"
STREAM = "200,NMI1,E1B1,1,E1,N1,METER1,kWh,30,"
VALUES = [f"{n / 1000:.3f}" for n in range(1, 49)]


def day(*, date: str = "20240115", flag: str = "A", values: list[str] | None = None) -> str:
    return ",".join(["300", date, *(VALUES if values is None else values), flag, "", "", "1", ""])


def decode(*lines: str, end: str = "900") -> tuple[list[RowGroup], list[BadRow], str]:
    """Groups, bad rows, and why the file was refused."""
    content = "".join(f"{line}\r\n" for line in (HEAD, *lines, end) if line).encode("latin-1")
    found = list(decode_records([content[:50], content[50:]], MarketMap()))
    refused = "".join(
        f"{one.line_number}: {one.detail}" for one in found if isinstance(one, BadFile)
    )
    assert not refused or len(found) == 1
    groups = [one for one in found if isinstance(one, RowGroup)]
    return groups, [one for one in found if isinstance(one, BadRow)], refused


def test_half_hours_are_of_market_time_without_summer_time() -> None:
    [group], bad, _ = decode(STREAM, day())
    assert bad == []
    [column] = group.columns
    assert (column.device, column.quantity) == ("NMI1", "energy_import_delta_wh")
    assert column.value.tolist() == [float(n) for n in range(1, 49)]
    assert format_utc(int(group.measured_at_us[0])) == "2024-01-14T14:00:00Z"
    assert set(np.diff(group.measured_at_us)) == {1_800_000_000}


def test_quality_of_intervals_is_told_one_by_one() -> None:
    [group], _, _ = decode(
        STREAM, day(flag="V"), "400,1,10,A,,", "400,11,20,F14,76,Comms", "400,21,22,N,,"
    )
    [column] = group.columns
    assert group.n_quality_records == 3
    assert column.quality[:10].tolist() == [Quality.GOOD] * 10
    assert column.quality[10:20].tolist() == [Quality.ESTIMATED] * 10
    assert column.quality[20:22].tolist() == [Quality.MISSING] * 2
    assert np.isnan(column.value[20:22]).all()
    # What no record speaks of was not confirmed by anybody.
    assert column.quality[22:].tolist() == [Quality.ESTIMATED] * 26


@pytest.mark.parametrize(
    ("flag", "mark"),
    [
        ("A", Quality.GOOD),
        ("E52", Quality.ESTIMATED),
        ("S14", Quality.ESTIMATED),
        ("F61", Quality.ESTIMATED),
        ("N", Quality.MISSING),
    ],
)
def test_flag_of_a_day_is_of_all_its_intervals(flag: str, mark: Quality) -> None:
    [group], _, _ = decode(STREAM, day(flag=flag))
    assert set(group.columns[0].quality.tolist()) == {int(mark)}


@pytest.mark.parametrize(
    ("suffix", "unit", "device", "quantity", "first"),
    [
        ("E1", "KWH", "NMI1", "energy_import_delta_wh", 1.0),
        ("E2", "kwh", "NMI1-2", "energy_import_delta_wh", 1.0),
        ("B1", "Wh", "NMI1", "energy_export_delta_wh", 0.001),
        ("Q1", "KVARH", "NMI1", "reactive_energy_import_delta_varh", 1.0),
        ("K2", "VArh", "NMI1-2", "reactive_energy_export_delta_varh", 0.001),
        ("V1", "", "NMI1", "voltage_v", 0.001),
        ("E1", "MWh", "NMI1", "energy_import_delta_wh", 1000.0),
    ],
)
def test_suffix_and_unit_say_what_is_measured(
    suffix: str, unit: str, device: str, quantity: str, first: float
) -> None:
    [group], bad, _ = decode(f"200,NMI1,E1,1,{suffix},N1,METER1,{unit},30,", day())
    assert bad == []
    column = group.columns[0]
    assert (column.device, column.quantity, column.value[0]) == (device, quantity, first)


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        ("200,NMI1,E1,1,X1,N1,METER1,kWh,30,", ReasonCode.UNKNOWN_FORMAT),
        ("200,NMI1,E1,1,E1,N1,METER1,V,30,", ReasonCode.UNKNOWN_FORMAT),
        ("200,NMI1,E1,1,E1,N1,METER1,,30,", ReasonCode.UNKNOWN_FORMAT),
        ("200,<b>,E1,1,E1,N1,METER1,kWh,30,", ReasonCode.BAD_NAME),
        ("200,NMI1,E1,1,E1,N1,METER1,kWh,7,", ReasonCode.SYNTAX),
        ("200,NMI1", ReasonCode.SYNTAX),
    ],
)
def test_stream_that_is_not_understood_costs_its_days_alone(stream: str, code: ReasonCode) -> None:
    groups, bad, refused = decode(stream, day(), STREAM, day())
    assert not refused
    assert [len(group) for group in groups] == [48]
    assert [(one.line_number, one.code) for one in bad] == [
        (2, code),
        (3, ReasonCode.UNKNOWN_FORMAT),
    ]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (day(date="20240230"), ReasonCode.BAD_TIME),
        (day(date="2024011"), ReasonCode.BAD_TIME),
        (day(values=[*VALUES[:5], "x", *VALUES[6:]]), ReasonCode.NOT_NUMBER),
        (day(values=[*VALUES[:5], "nan", *VALUES[6:]]), ReasonCode.NOT_NUMBER),
        (day(values=[]), ReasonCode.NO_VALUE),
        (day(flag="?"), ReasonCode.SYNTAX),
        (day(values=VALUES * 2), ReasonCode.SYNTAX),
    ],
)
def test_bad_day_is_set_aside_whole(line: str, code: ReasonCode) -> None:
    groups, bad, refused = decode(STREAM, line, day(date="20240116"))
    assert not refused
    assert [len(group) for group in groups] == [48]
    assert [(one.line_number, one.code) for one in bad] == [(3, code)]
    assert bad[0].line.startswith(b"300,")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((STREAM, day(values=VALUES[:24])), "3: the day has 24 values"),
        ((STREAM, day(), "400,40,49,A,,"), "4: record 400 speaks of intervals '40 to 49'"),
        ((STREAM, day(), "400,0,4,A,,"), "4: record 400 speaks of intervals '0 to 4'"),
        ((STREAM, day(), HEAD), "4: record 100 stands in the middle"),
        ((STREAM, day(), "900", day()), "5: something follows record 900"),
        ((STREAM, "301,x"), "3: '301' is no record"),
        (("Date,Usage",), "2: 'Date' is no record"),
    ],
)
def test_records_that_do_not_fit_together_refuse_the_file(
    lines: tuple[str, ...], said: str
) -> None:
    groups, bad, refused = decode(*lines)
    assert (groups, bad) == ([], [])
    assert refused.startswith(said)


def test_file_that_was_cut_is_refused_and_an_extract_is_read() -> None:
    assert decode(STREAM, day(), end="")[2] == "3: the file is cut: it has no record 900"
    extract = f"\n{STREAM}\n{day()}\n".encode()
    [group] = decode_records([extract], MarketMap())
    assert isinstance(group, RowGroup)
    assert len(group) == 48
    [refused] = decode_records([extract + b"900\n"], MarketMap())
    assert isinstance(refused, BadFile)
    [refused] = decode_records([b""], MarketMap())
    assert refused == BadFile(1, "the file is empty: no record 100")


def test_amount_between_two_reads_is_of_the_first_instant() -> None:
    line = (
        "250,NMI9,11,1,11,11,METER1,{way},000100.0,20240101093000,A,,,000112.5,20240401100000,"
        "{flag},,,{amount},kWh,20240701,20240402100000,"
    )
    [group], bad, _ = decode(line.format(way="E", flag="E62", amount="12.5"))
    assert bad == []
    column = group.columns[0]
    assert (column.device, column.quantity) == ("NMI9-11", "energy_import_delta_wh")
    assert (column.value.tolist(), column.quality.tolist()) == ([12_500.0], [Quality.ESTIMATED])
    assert format_utc(int(group.measured_at_us[0])) == "2023-12-31T23:30:00Z"
    # What came back runs backwards in some files.
    [group], _, _ = decode(line.format(way="I", flag="A", amount="-12.5"))
    assert group.columns[0].quantity == "energy_export_delta_wh"
    assert group.columns[0].value.tolist() == [12_500.0]
    for odd in (("X", "A", "1"), ("E", "V", "1"), ("E", "A", "one")):
        groups, bad, _ = decode(line.format(way=odd[0], flag=odd[1], amount=odd[2]))
        assert (groups, len(bad)) == ([], 1)


def test_profile_may_name_another_market_time() -> None:
    west = parse_market_map({"name": "west", "decoder": "nem12", "time_zone": "+08:00"})
    content = f"{HEAD}\n{STREAM}\n{day()}\n900".encode()
    [group] = decode_records([content], west)
    assert isinstance(group, RowGroup)
    assert format_utc(int(group.measured_at_us[0])) == "2024-01-14T16:00:00Z"
    with pytest.raises(SettingsError, match="time_zone"):
        parse_market_map({"decoder": "nem12", "time_zone": "Mars/Olympus"})
    with pytest.raises(SettingsError, match="colour"):
        parse_market_map({"decoder": "nem12", "colour": 1})


@pytest.mark.parametrize("count", ["²", "9" * 5000])
def test_sign_that_is_no_digit_counts_nothing(count: str) -> None:
    for lines in (
        (HEAD, STREAM.replace(",30,", f",{count},"), day()),
        (HEAD, STREAM, day(flag="V"), f"400,1,{count},A,,"),
    ):
        content = "\n".join(lines).encode("utf-8")
        assert any(not isinstance(one, RowGroup) for one in decode_records([content], MarketMap()))


cells = st.sampled_from(["100", "200", "250", "300", "400", "900", "NEM12", "E1", "B2", "kWh"]) | (
    st.sampled_from(["30", "15", "20240115", "A", "V", "N", "F14", "0.5", "", "-1", "1", "48", "²"])
    | st.text(st.characters(max_codepoint=255), max_size=4)
)
records = st.lists(cells, max_size=24).map(",".join) | st.sampled_from(
    [HEAD, STREAM, day(), day(flag="V"), "400,1,48,A,,", "900", ""]
)


@given(st.lists(records, max_size=8), st.integers(1, 60))
def test_any_file_is_read_or_refused(lines: list[str], size: int) -> None:
    content = "\n".join(lines).encode("latin-1")
    blocks = [content[at : at + size] for at in range(0, len(content), size)]
    found = list(decode_records(blocks, MarketMap()))
    assert not any(isinstance(one, BadFile) for one in found) or len(found) == 1
    for group in found:
        if isinstance(group, RowGroup):
            assert len(group.measured_at_us) == len(group.columns[0].value)
    recognise_format(content)


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"100,NEM13,2004", "nem12"),
        (b"\xef\xbb\xbf100,NEM12,2004", "nem12"),
        (b"\r\n200,NMI1,E1,1,E1,N1,METER1,kWh,30,\r\n300,", "nem12"),
        (b"/ISK5\\2MT382-1000\r\n\r\n1-3:0.2.8(50)\r\n", "dsmr_p1"),
        (b"kWh)\r\n!6EEE\r\n/ISK5\\2MT382-1000\r\n\r\n1-3:0.2.8(50)\r\n", "dsmr_p1"),
        (b"\x12\x34\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76", "sml"),
        (b'<?xml version="1.0"?><feed><x xmlns="http://naesb.org/espi"/>', "green_button"),
        (b'<?xml version="1.0"?><svg/>', None),
        (b"200,300\n100,5\n", None),
        (b"Date,Time,Power\n", None),
        (b"", None),
    ],
)
def test_first_bytes_tell_the_format(head: bytes, form: str | None) -> None:
    assert recognise_format(head) == form
