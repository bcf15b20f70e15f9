"""Green Button feeds become interval energies; what they leave open is set aside, never guessed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compute.files.feeds import POINT, START_S, feed, reading, series
from wattscope.compute.files import espi_feed
from wattscope.compute.files.csv_table import RowGroup
from wattscope.compute.files.green_button import FeedMap, decode_feed, parse_feed_map
from wattscope.compute.files.table_rows import BadFile, BadRow
from wattscope.core.errors import SettingsError
from wattscope.core.findings import ReasonCode
from wattscope.core.reading import Quality

PLAIN = FeedMap()
THREE = [reading(str(100 + n), n) for n in range(3)]


def decode(
    content: bytes, feed_map: FeedMap = PLAIN, *, block: int = 7
) -> tuple[list[RowGroup], list[BadRow | BadFile]]:
    blocks = [content[n : n + block] for n in range(0, len(content), block)]
    found = list(decode_feed(blocks, feed_map))
    groups = [one for one in found if isinstance(one, RowGroup)]
    return groups, [one for one in found if not isinstance(one, RowGroup)]


def find_line(content: bytes, words: str) -> int:
    return next(n for n, line in enumerate(content.decode().splitlines(), 1) if words in line)


def test_readings_become_energies_under_their_starts() -> None:
    content = feed(series(THREE))
    [group], bad = decode(content)
    assert bad == []
    assert group.measured_at_us.tolist() == [(START_S + 900 * n) * 1_000_000 for n in range(3)]
    [column] = group.columns
    assert (column.device, column.quantity) == ("house-1", "energy_import_delta_wh")
    assert column.value.tolist() == [100.0, 101.0, 102.0]
    assert column.quality.tolist() == [Quality.GOOD] * 3
    assert group.first_line == find_line(content, "<value>100<")
    assert group.last_line == find_line(content, "<value>102<")


@pytest.mark.parametrize(
    ("power", "energy_wh"), [("0", 123.0), ("3", 123_000.0), ("-3", 0.123), ("-1", 12.3)]
)
def test_powers_of_ten_are_exact(power: str, energy_wh: float) -> None:
    [group], bad = decode(feed(series([reading("123")], powerOfTenMultiplier=power)))
    assert bad == []
    assert group.columns[0].value.tolist() == [energy_wh]


def test_both_directions_of_a_usage_point_are_apart() -> None:
    content = feed(series(THREE), series([reading("5")], number="02", flowDirection="19"))
    groups, bad = decode(content)
    assert bad == []
    assert [(group.columns[0].quantity, len(group)) for group in groups] == [
        ("energy_import_delta_wh", 3),
        ("energy_export_delta_wh", 1),
    ]


def test_order_of_entries_does_not_matter() -> None:
    entries = series(THREE).split("<entry>")[1:]
    groups, bad = decode(feed(*(f"<entry>{one}" for one in reversed(entries))))
    assert bad == []
    assert [len(group) for group in groups] == [3]


@pytest.mark.parametrize(
    ("quality", "mark"),
    [("", 0), ("0", 0), ("14", 0), ("17", 0), ("19", 0)]
    + [(text, Quality.ESTIMATED) for text in ("7", "8", "9", "11", "12", "13")],
)
def test_what_was_not_measured_is_marked(quality: str, mark: int) -> None:
    [group], _ = decode(feed(series([reading("1", quality=quality)])))
    assert group.columns[0].quality.tolist() == [mark]


def test_long_series_come_in_groups() -> None:
    content = feed(series([reading("1", n) for n in range(25)]))
    found = list(decode_feed([content], PLAIN, group_size=10))
    assert [len(one) for one in found if isinstance(one, RowGroup)] == [10, 10, 5]


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
def test_feeds_may_be_in_other_encodings(encoding: str) -> None:
    text = feed(series(THREE)).decode().replace("UTF-8", encoding)
    [group], bad = decode(text.encode(encoding))
    assert bad == []
    assert len(group) == 3


@pytest.mark.parametrize(
    ("of_type", "code", "words"),
    [
        ({"uom": "169"}, ReasonCode.UNKNOWN_FORMAT, "uom 169; only 72"),
        ({"uom": None}, ReasonCode.UNKNOWN_FORMAT, "uom missing"),
        ({"uom": "Wh"}, ReasonCode.UNKNOWN_FORMAT, "uom Wh"),
        (
            {"powerOfTenMultiplier": None},
            ReasonCode.MISSING_FIELD,
            "powerOfTenMultiplier missing",
        ),
        ({"powerOfTenMultiplier": "40"}, ReasonCode.RANGE, "powerOfTenMultiplier 40"),
        ({"powerOfTenMultiplier": "x"}, ReasonCode.RANGE, "powerOfTenMultiplier x"),
        ({"flowDirection": None}, ReasonCode.MISSING_FIELD, "flowDirection missing"),
        ({"flowDirection": "4"}, ReasonCode.UNKNOWN_FORMAT, "flowDirection 4"),
        ({"accumulationBehaviour": "3"}, ReasonCode.UNKNOWN_FORMAT, "accumulationBehaviour 3"),
    ],
)
def test_a_series_of_unknown_meaning_is_set_aside_whole(
    of_type: dict[str, Any], code: ReasonCode, words: str
) -> None:
    content = feed(series(THREE, **of_type))
    groups, [bad] = decode(content)
    assert groups == []
    assert isinstance(bad, BadRow)
    assert bad.code is code
    assert words in bad.detail
    assert bad.detail.startswith("3 readings: ")
    assert f"in line {find_line(content, '<ReadingType ')} " in bad.detail
    assert bad.line_number == find_line(content, "<IntervalBlock ")


def test_profile_says_what_a_feed_leaves_open() -> None:
    own = FeedMap(device="mine", power_of_ten_multiplier=3, flow_direction=19)
    content = feed(series(THREE, powerOfTenMultiplier=None, flowDirection=None))
    [group], bad = decode(content, own)
    assert bad == []
    assert (group.columns[0].device, group.columns[0].quantity) == (
        "mine",
        "energy_export_delta_wh",
    )
    assert group.columns[0].value.tolist() == [100_000.0, 101_000.0, 102_000.0]
    [stated], _ = decode(feed(series(THREE)), own)
    assert stated.columns[0].quantity == "energy_import_delta_wh"
    assert stated.columns[0].value.tolist() == [100.0, 101.0, 102.0]


@pytest.mark.parametrize(
    ("spoiled", "code"),
    [
        (reading("abc", 1), ReasonCode.NOT_NUMBER),
        (reading("1.5", 1), ReasonCode.NOT_NUMBER),
        (reading("1" * 400, 1), ReasonCode.NOT_NUMBER),
        (reading("", 1), ReasonCode.NO_VALUE),
        (reading("1", 1, duration="0"), ReasonCode.BAD_TIME),
        (reading("1", 1, duration="x"), ReasonCode.BAD_TIME),
        (reading("1", 1).replace("<start>", "<start>-"), ReasonCode.BAD_TIME),
        (reading("1", 1).replace("start>", "begin>"), ReasonCode.BAD_TIME),
        (reading("1", 10**9), ReasonCode.BAD_TIME),
    ],
)
def test_a_bad_reading_is_set_aside_and_its_neighbours_are_kept(
    spoiled: str, code: ReasonCode
) -> None:
    content = feed(series([reading("7", 0), spoiled, reading("9", 2)]))
    groups, [bad] = decode(content)
    assert isinstance(bad, BadRow)
    assert (bad.code, bad.line_number) == (code, find_line(content, "<value>7<") + 1)
    assert [value for group in groups for value in group.columns[0].value] == [7.0, 9.0]


def test_duration_may_stand_in_the_type_alone() -> None:
    bare = reading("1").replace("<duration>900</duration>", "")
    assert decode(feed(series([bare])))[1] == []
    [bad] = decode(feed(series([bare], intervalLength=None)))[1]
    assert isinstance(bad, BadRow)
    assert bad.code is ReasonCode.BAD_TIME


def test_second_series_of_a_quantity_is_not_added_to_the_first() -> None:
    groups, [bad] = decode(feed(series(THREE), series(THREE, number="02")))
    assert [len(group) for group in groups] == [3]
    assert isinstance(bad, BadRow)
    assert bad.code is ReasonCode.DUPLICATE_KEY
    assert f"{POINT}/MeterReading/01 already" in bad.detail


def test_series_without_usage_point_or_type_is_set_aside() -> None:
    nameless = feed(series(THREE).replace("/UsagePoint/", "/Place/"))
    [bad] = decode(nameless)[1]
    assert isinstance(bad, BadRow)
    assert bad.code is ReasonCode.BAD_NAME
    assert decode(nameless, FeedMap(device="mine"))[1] == []
    [bad] = decode(feed(series(THREE).replace('rel="related"', 'rel="other"')))[1]
    assert isinstance(bad, BadRow)
    assert bad.code is ReasonCode.MISSING_FIELD


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no whole XML: no element found"),
        (b"measured_at,value\n1,2\n", "is no whole XML: syntax error"),
        (b"\x00\x01\x02", "is no whole XML"),
        (b"<feed/>", "holds no interval block"),
        (feed(series(THREE).replace("naesb.org/espi", "other.org")), "holds no interval block"),
        (feed(series(THREE)).replace(b"UTF-8", b"EBCDIC-9"), "unknown encoding: EBCDIC-9"),
        (feed(series(THREE)).replace(b"UTF-8", b"shift_jis"), "encoding cannot be read"),
        (feed(series(THREE)) + b"<more/>", "is no whole XML: junk after document element"),
    ],
)
def test_what_is_no_feed_is_one_bad_file(content: bytes, words: str) -> None:
    groups, [bad] = decode(content)
    assert groups == []
    assert isinstance(bad, BadFile)
    assert words in bad.detail


def test_a_feed_that_is_cut_anywhere_gives_nothing() -> None:
    content = feed(series(THREE))
    for end in range(0, len(content.rstrip()) - 1, 11):
        groups, [bad] = decode(content[:end], block=4096)
        assert groups == []
        assert isinstance(bad, BadFile)
        assert bad.line_number <= content[:end].count(b"\n") + 1


@given(st.data())
def test_no_feed_raises(data: st.DataObject) -> None:
    content = bytearray(feed(series(THREE)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    decode(bytes(content), block=997)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"decoder": "csv_table"}, "does not read feeds"),
        ({"device": "../x"}, "key of a device"),
        ({"power_of_ten_multiplier": 99}, "beyond 12"),
        ({"flow_direction": 2}, "must be 1"),
        ({"flow": 1}, "flow"),
        ({"flow_direction": "1"}, "int"),
    ],
)
def test_wrong_profiles_are_refused(table: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        parse_feed_map(table)


# ── safeguards, each with the proof that its test sees when it is off ─────────────────────────

BOMB = (
    '<!DOCTYPE feed [<!ENTITY a "1">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 2}">' for a, b in ("ab", "bc", "cd"))
    + "]>\n"
)


def check_entities_are_refused() -> None:
    groups, [bad] = decode(feed(series([reading("&d;")]), prolog=BOMB))
    assert groups == []
    assert isinstance(bad, BadFile)
    assert (bad.line_number, "document type" in bad.detail) == (2, True)


def check_depth_is_bounded() -> None:
    deep = "<x>" * 40 + "</x>" * 40
    [bad] = decode(feed(deep, series(THREE)))[1]
    assert isinstance(bad, BadFile)
    assert "stand in each other" in bad.detail


def check_elements_are_bounded() -> None:
    [bad] = decode(feed(series([reading("1", n) for n in range(40)])), block=4096)[1]
    assert isinstance(bad, BadFile)
    assert "more than 100 elements" in bad.detail


def check_length_is_bounded() -> None:
    [bad] = decode(feed(" " * (1 << 20), series(THREE)), block=1 << 16)[1]
    assert isinstance(bad, BadFile)
    assert "longer than" in bad.detail


def check_long_numbers_are_not_cut_to_short_ones() -> None:
    groups, [bad] = decode(feed(series([reading(" " * 250 + "1234567890")])))
    assert groups == []
    assert isinstance(bad, BadRow)


def test_entities_are_refused_before_they_mean_anything() -> None:
    check_entities_are_refused()


def test_entities_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espi_feed, "_refuse_doctype", lambda *_: None)
    with pytest.raises((AssertionError, ValueError)):
        check_entities_are_refused()


def test_depth_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    check_depth_is_bounded()
    monkeypatch.setattr(espi_feed, "MAX_DEPTH", 10_000)
    with pytest.raises((AssertionError, ValueError)):
        check_depth_is_bounded()


def test_elements_of_an_entry_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check_elements_are_bounded()
    monkeypatch.setattr(espi_feed, "MAX_ELEMENTS", 100)
    check_elements_are_bounded()


def test_length_of_a_feed_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check_length_is_bounded()
    monkeypatch.setattr(espi_feed, "MAX_FEED_BYTES", 1 << 19)
    check_length_is_bounded()


def test_a_text_that_is_cut_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    check_long_numbers_are_not_cut_to_short_ones()
    monkeypatch.setattr(espi_feed, "_CUT", "")
    with pytest.raises((AssertionError, ValueError)):
        check_long_numbers_are_not_cut_to_short_ones()
