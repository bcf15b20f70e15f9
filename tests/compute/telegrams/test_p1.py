"""P1 telegrams are believed when their checksum is right, and placed by their letter."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compute.decode.routes import decode
from tests.compute.telegrams.spoken import say_p1
from wattscope.compute.decode.route import Decoded
from wattscope.compute.telegrams import p1_lines
from wattscope.compute.telegrams.forms import TELEGRAM_FORMS
from wattscope.core.findings import Ignored, ReasonCode, Rejection
from wattscope.core.reading import Reading
from wattscope.core.time_grid import format_utc, load_zone

AMSTERDAM = load_zone("Europe/Amsterdam")
NUMBER = "0-0:96.1.1(4B384547303034303436333935353037)"
CLOCK = "0-0:1.0.0(170102192002W)"


def read(payload: bytes, zone: str = "Europe/Amsterdam") -> Decoded:
    return decode("dsmr-p1", "p1/hall", payload, load_zone(zone))


def read_stream(stream: bytes) -> list[Reading]:
    """What a source would give of a stream."""
    framer = TELEGRAM_FORMS["p1"].make_framer()
    found = [read(piece) for piece in framer.feed(stream) + framer.end()]
    return [reading for one in found if isinstance(one, tuple) for reading in one]


def values_of(*lines: str) -> dict[str, float]:
    decoded = read(say_p1(NUMBER, CLOCK, *lines))
    assert isinstance(decoded, tuple), decoded
    return dict(zip(decoded[0].quantities, decoded[0].values, strict=True))


def refusal_of(decoded: Decoded) -> ReasonCode:
    assert isinstance(decoded, Rejection), decoded
    return decoded.code


def list_flips(whole: bytes) -> list[bytes]:
    """A telegram with one bit of one byte the other way, for each bit."""
    return [
        whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :]
        for at in range(len(whole))
        for bit in range(8)
    ]


def test_flipped_bit_anywhere_is_refused() -> None:
    whole = say_p1(NUMBER, CLOCK, "1-0:1.8.1(000004.426*kWh)", "0-1:24.1.0(003)")
    assert len(read_stream(whole)) == 1
    assert [flipped for flipped in list_flips(whole) if read_stream(flipped)] == []


def test_flipped_bits_pass_where_nobody_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checksum is what refuses them: without it, the test above would be red."""
    whole = say_p1(NUMBER, CLOCK, "1-0:1.8.1(000004.426*kWh)")
    monkeypatch.setattr(p1_lines, "_check_sum", lambda *_: None)
    assert len([flipped for flipped in list_flips(whole) if read_stream(flipped)]) > len(whole)


@given(at=st.integers(0, 889), byte=st.integers(0, 255))
def test_any_other_byte_in_a_real_telegram_is_refused(
    shared_data: Path, at: int, byte: int
) -> None:
    whole = (shared_data / "dsmr-p1" / "v5.txt").read_bytes()
    changed = whole[:at] + bytes([byte]) + whole[at + 1 :]
    assert bool(read_stream(changed)) is (changed == whole)


@pytest.mark.parametrize("checksum", ["0000", "12345", "xyz!", "6EEE "])
def test_wrong_checksum_is_told(checksum: str) -> None:
    code = refusal_of(read(say_p1(NUMBER, CLOCK, "1-0:1.7.0(00.244*kW)", checksum=checksum)))
    assert code in {ReasonCode.CHECKSUM, ReasonCode.SYNTAX}


def test_checksum_without_its_zeros_is_right() -> None:
    lines = next(
        [NUMBER, CLOCK, f"1-0:1.7.0({n:06.3f}*kW)"]
        for n in range(200)
        if b"!0" in say_p1(NUMBER, CLOCK, f"1-0:1.7.0({n:06.3f}*kW)")
    )
    digits = say_p1(*lines)[-6:-2].decode().lstrip("0")
    assert isinstance(read(say_p1(*lines, checksum=digits)), tuple)


def test_telegram_of_old_needs_no_checksum_but_sound_lines() -> None:
    lines = (NUMBER, "1-0:1.8.1(00001.001*kWh)", "1-0:1.7.0(0001.01*kW)")
    [reading] = read(say_p1(*lines, checksum=""))  # type: ignore[misc]  # fails with it
    assert reading.measured_at_us is None
    assert refusal_of(read(say_p1(*lines, "1-0:1.8.(5", checksum=""))) is ReasonCode.SYNTAX
    # A telegram that tells its instant is of those that have one.
    assert refusal_of(read(say_p1(CLOCK, *lines, checksum=""))) is ReasonCode.CHECKSUM


@pytest.mark.parametrize(
    ("stamp", "zone", "instant"),
    [
        ("170102192002W", "Europe/Amsterdam", "2017-01-02T18:20:02Z"),
        ("170702192002S", "Europe/Amsterdam", "2017-07-02T17:20:02Z"),
        # The hour that autumn repeats is two hours.
        ("231029023000S", "Europe/Amsterdam", "2023-10-29T00:30:00Z"),
        ("231029023000W", "Europe/Amsterdam", "2023-10-29T01:30:00Z"),
        # A clock that is late to change says with its letter what it means.
        ("230326023000W", "Europe/Amsterdam", "2023-03-26T01:30:00Z"),
        ("230202132747W", "Europe/Dublin", "2023-02-02T13:27:47Z"),
        ("230702132747S", "Europe/Dublin", "2023-07-02T12:27:47Z"),
        ("230702132747S", "Europe/Helsinki", "2023-07-02T10:27:47Z"),
        # Zones without summer time are of sites that nobody placed.
        ("170102192002W", "UTC", "2017-01-02T18:20:02Z"),
        ("170702192002S", "UTC", "2017-07-02T17:20:02Z"),
    ],
)
def test_letter_of_a_stamp_decides(stamp: str, zone: str, instant: str) -> None:
    decoded = read(say_p1(NUMBER, f"0-0:1.0.0({stamp})", "1-0:1.7.0(00.244*kW)"), zone)
    assert isinstance(decoded, tuple), decoded
    assert decoded[0].measured_at_us is not None
    assert format_utc(decoded[0].measured_at_us) == instant


@pytest.mark.parametrize(
    "stamp", ["", "170102192002X", "171302192002W", "1701021920W", "000101000000W", "1701021920²²W"]
)
def test_stamp_that_is_none_is_refused(stamp: str) -> None:
    payload = say_p1(NUMBER, f"0-0:1.0.0({stamp})", "1-0:1.7.0(1*kW)")
    assert refusal_of(read(payload)) is ReasonCode.BAD_TIME


def test_power_is_positive_into_the_house_and_totals_are_of_both_tariffs() -> None:
    values = values_of(
        "1-0:1.8.1(000001.001*kWh)",
        "1-0:1.8.2(000002.002*kWh)",
        "1-0:2.8.1(000003.000*kWh)",
        "1-0:1.7.0(00.100*kW)",
        "1-0:2.7.0(02.345*kW)",
        "1-0:21.7.0(00.100*kW)",
        "1-0:42.7.0(02.345*kW)",
        "1-0:3.7.0(00.002*kvar)",
        "1-0:4.7.0(00.500*kvar)",
    )
    assert values == {
        "active_power_w": -2245.0,
        "active_power_l1_w": 100.0,
        "active_power_l2_w": -2345.0,
        "reactive_power_var": -498.0,
        "energy_import_t1_wh": 1001.0,
        "energy_import_t2_wh": 2002.0,
        "energy_import_wh": 3003.0,
        # One tariff alone is no total.
        "energy_export_t1_wh": 3000.0,
    }


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("1-0:1.8.1(00000x.426*kWh)", ReasonCode.NOT_NUMBER),
        ("1-0:1.8.1(1e3*kWh)", ReasonCode.NOT_NUMBER),
        ("1-0:1.8.1(000004.426*kW)", ReasonCode.UNKNOWN_FORMAT),
        ("1-0:1.8.1(000004.426)", ReasonCode.UNKNOWN_FORMAT),
        ("1-0:1.7.0(00.001*kW)\r\n1-0:1.7.0(00.002*kW)", ReasonCode.DUPLICATE_KEY),
        ("0-0:96.14.0(0002)", ReasonCode.NO_VALUE),
    ],
)
def test_register_that_is_no_number_spoils_its_telegram(line: str, code: ReasonCode) -> None:
    assert refusal_of(read(say_p1(NUMBER, CLOCK, line))) is code


def test_empty_register_and_former_period_are_gaps() -> None:
    values = values_of("1-0:1.8.1()", "1-0:1.8.0*01(000001*kWh)", "1-0:1.7.0*255(00.244*kW)")
    assert values == {"active_power_w": 244.0}


def test_meters_behind_the_meter_have_instants_and_places_of_their_own() -> None:
    decoded = read(
        say_p1(
            NUMBER,
            CLOCK,
            "1-0:1.7.0(00.244*kW)",
            "0-1:24.1.0(003)",
            "0-1:24.2.1(170102190000W)(00000.107*m3)",
            "0-2:24.1.0(003)",
            "0-2:24.2.3(170102190500W)(00002.500*m3)",
            "0-3:24.1.0(002)",
            "0-3:24.2.1(170102191500W)(00001.500*kWh)",
            "0-4:24.1.0(003)",
            "0-4:24.2.1(700101010000W)(00000000)",
        )
    )
    assert isinstance(decoded, tuple), decoded
    assert [(one.device, one.quantities[0], one.values[0]) for one in decoded[1:]] == [
        ("K8EG004046395507", "gas_import_m3", 0.107),
        ("K8EG004046395507-mbus2", "gas_import_m3", 2.5),
        ("K8EG004046395507-mbus3", "energy_import_wh", 1500.0),
    ]
    assert [format_utc(one.measured_at_us or 0)[11:16] for one in decoded[1:]] == [
        "18:00",
        "18:05",
        "18:15",
    ]


def test_meter_without_a_number_goes_by_its_header() -> None:
    decoded = read(
        say_p1("0-0:96.1.1(00000000)", CLOCK, "1-0:1.7.0(1*kW)", header="ABC5 <b>/x"[:8])
    )
    assert isinstance(decoded, tuple), decoded
    assert decoded[0].device == "ABC5-b"


@pytest.mark.parametrize("payload", [b"\r\n", b"\xff" * 30, b"\0\0", b""])
def test_pause_between_telegrams_is_no_fault(payload: bytes) -> None:
    assert isinstance(read(payload), Ignored)


KNOWN = [NUMBER, CLOCK, "0-1:24.1.0(003)", "0-1:24.3.0(1)(2)(3)(4)(5)(m3)", "(1)", "()"]
codes = st.sampled_from(
    ["1-0:1.8.0", "1-0:1.8.1", "1-0:2.7.0", "1-1:32.7.0*255", "0-1:24.2.1", "0-2:24.1.0", "0.9"]
)
told_values = st.sampled_from(
    ["1*kWh", "-2.5*kW", "230*V", "", "x", "1*m3", "170102161005W", "3", "9" * 15, "1*", "*kWh"]
)
told_lines = st.lists(
    st.sampled_from(KNOWN)
    | st.builds("{}({})".format, codes, told_values)
    | st.builds("{}({})({})".format, codes, told_values, told_values)
    | st.text(st.characters(max_codepoint=255), max_size=20),
    max_size=12,
)


@given(told_lines, st.sampled_from([None, "", "0", "FFFF"]))
def test_any_telegram_is_read_or_refused(told: list[str], checksum: str | None) -> None:
    decoded = read(say_p1(*told, checksum=checksum))
    for reading in decoded if isinstance(decoded, tuple) else ():
        assert len(reading.quantities) == len(reading.values) > 0
