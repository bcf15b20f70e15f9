"""SML files are believed when their checksum is right and their fields are a list of values."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compute.decode.routes import decode
from tests.compute.telegrams.spoken import (
    SERVER_NAME,
    SML_START,
    WH,
    Field,
    W,
    entry,
    say_sml,
    value_list,
    wrap_sml,
)
from wattscope.compute.decode.route import Decoded
from wattscope.compute.decode.sml import count_seconds
from wattscope.compute.telegrams import sml_values
from wattscope.compute.telegrams.forms import TELEGRAM_FORMS
from wattscope.core.findings import Ignored, ReasonCode, Rejection
from wattscope.core.reading import Reading

PLAIN = say_sml(value_list(entry("1.8.0", 23_536_569), entry("16.7.0", 622, W, -2)))


def read(payload: bytes) -> Decoded:
    return decode("sml", "sml/cellar", payload)


def read_stream(stream: bytes) -> list[Reading]:
    """What a source would give of a stream."""
    framer = TELEGRAM_FORMS["sml"].make_framer()
    found = [read(piece) for piece in framer.feed(stream) + framer.end()]
    return [reading for one in found if isinstance(one, tuple) for reading in one]


def refusal_of(decoded: Decoded) -> ReasonCode:
    assert isinstance(decoded, Rejection), decoded
    return decoded.code


def values_of(*entries: Field) -> dict[str, float]:
    decoded = read(say_sml(value_list(*entries)))
    assert isinstance(decoded, tuple), decoded
    return dict(zip(decoded[0].quantities, decoded[0].values, strict=True))


def list_flips(whole: bytes) -> list[bytes]:
    return [
        whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :]
        for at in range(len(whole))
        for bit in range(8)
    ]


def test_values_are_exact_and_of_the_meter_that_spoke() -> None:
    [reading] = read_stream(PLAIN)
    assert reading.device == SERVER_NAME
    assert reading.measured_at_us is None
    assert dict(zip(reading.quantities, reading.values, strict=True)) == {
        "active_power_w": 6.22,
        "energy_import_wh": 2_353_656.9,
    }


def test_flipped_bit_anywhere_is_refused() -> None:
    assert [flipped for flipped in list_flips(PLAIN) if read_stream(flipped)] == []


def test_flipped_bits_pass_where_nobody_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checksum is what refuses them: without it, the test above would be red."""
    flips = list_flips(PLAIN)
    told = {int.from_bytes(flipped[-2:], "little") for flipped in flips}
    assert len(told) > 1
    monkeypatch.setattr(
        sml_values, "crc16_x25", lambda content: PLAIN[-2] | PLAIN[-1] << 8 if content else 0
    )
    assert len([flipped for flipped in flips if read_stream(flipped)]) > len(PLAIN)


def test_checksum_that_begins_at_zero_is_known() -> None:
    assert read_stream(say_sml(value_list(entry("1.8.0", 5)), start=0, final=0))
    assert read_stream(say_sml(value_list(entry("1.8.0", 5)), start=0, final=0xFFFF)) == []


@given(at=st.integers(0, 315), byte=st.integers(0, 255))
def test_any_other_byte_in_a_real_file_is_refused(shared_data: Path, at: int, byte: int) -> None:
    whole = (shared_data / "sml-dumps" / "EMH_eHZ-HW8E2A5L0EK2P_2.bin").read_bytes()
    [good] = read_stream(whole)
    changed = whole[:at] + bytes([byte]) + whole[at + 1 :]
    assert read_stream(changed) in ([good], [])
    start = whole.index(SML_START)
    if start <= at < whole.index(b"\x1b\x1b\x1b\x1b\x1a", start) + 8:
        assert bool(read_stream(changed)) is (changed == whole)


def test_power_without_its_sign_counts_where_the_meter_has_one_direction() -> None:
    power = entry("15.7.0", 500, W, 0)
    assert values_of(power, entry("1.8.0", 10))["active_power_w"] == 500.0
    assert values_of(power, entry("2.8.0", 10))["active_power_w"] == -500.0
    assert "active_power_w" not in values_of(power, entry("1.8.0", 1), entry("2.8.0", 1))


@pytest.mark.parametrize(
    ("odd", "code"),
    [
        (entry("1.8.0", 5, W), ReasonCode.UNKNOWN_FORMAT),
        (entry("1.8.0", 5, None), ReasonCode.UNKNOWN_FORMAT),
        (entry("1.8.0", b"five"), ReasonCode.WRONG_TYPE),
        (entry("1.8.0", value=True), ReasonCode.WRONG_TYPE),
        (entry("1.8.0", 5, WH, 99), ReasonCode.RANGE),
        (entry("1.8.0", None), ReasonCode.SYNTAX),
        (entry("96.1.0", b"serial", None, None), ReasonCode.NO_VALUE),
    ],
)
def test_entry_that_cannot_be_spoils_its_file(odd: Field, code: ReasonCode) -> None:
    assert refusal_of(read(say_sml(value_list(odd)))) is code


@pytest.mark.parametrize(
    "content",
    [
        b"\x76",
        b"\xf1" * 100,
        b"\x71" * 5000,
        b"\x7f" * 300,
        b"\x8f\x8f\x8f\x8f\x8f\x0f",
        b"\x10\x20\x30",
        b"\x59" + bytes(9),
        b"\x62\x01",
    ],
)
def test_nonsense_with_the_right_checksum_is_refused(content: bytes) -> None:
    assert refusal_of(read(wrap_sml(content))) is ReasonCode.SYNTAX


def test_file_without_values_measures_nothing() -> None:
    assert isinstance(read(say_sml([b"\1", 0, 0, [0x0101, [None] * 6], 0])), Ignored)


def test_two_meters_in_one_file_are_two_readings() -> None:
    other = bytes.fromhex("0a01454d480000a1b2c4")
    both = say_sml(value_list(entry("1.8.0", 1)), value_list(entry("1.8.0", 2), server=other))
    assert [one.device for one in read_stream(both)] == [SERVER_NAME, "1EMH0010597060"]


@pytest.mark.parametrize(
    ("seconds", "counted"),
    [(None, None), ([1, 77], 77), (78, 78), ([2, 1_700_000_000], None), (b"\0\1", None)],
)
def test_count_of_seconds_is_told_where_it_is_one(seconds: Field, counted: int | None) -> None:
    assert count_seconds(say_sml(value_list(entry("1.8.0", 5), seconds=seconds))) == counted


leaves = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.binary(max_size=20)
fields = st.recursive(leaves, lambda inner: st.lists(inner, max_size=7), max_leaves=30)
entries = st.builds(
    entry,
    st.sampled_from(["1.8.0", "1.8.1", "2.8.0", "16.7.0", "15.7.0", "32.7.0", "13.7.0", "0.0.9"]),
    leaves,
    st.sampled_from([WH, W, 35, None, 255, 1]),
    st.sampled_from([None, -1, 0, 3, 127]),
)


@given(
    st.lists(entries, max_size=5).map(lambda many: say_sml(value_list(*many)))
    | st.lists(st.lists(fields, min_size=5, max_size=5), max_size=3).map(lambda m: say_sml(*m))
    | fields.map(lambda field: say_sml(value_list(field, seconds=field)))
    | st.binary(max_size=80).map(wrap_sml)
)
def test_any_file_is_read_or_refused(payload: bytes) -> None:
    decoded = read(payload)
    count_seconds(payload)
    for reading in decoded if isinstance(decoded, tuple) else ():
        assert len(reading.quantities) == len(reading.values) > 0
