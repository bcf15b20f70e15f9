from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.decode.strict_json import (
    MAX_BYTES,
    parse_checked,
    parse_json,
    parse_object,
    read_bare_number,
    read_number,
)
from wattscope.core.findings import ReasonCode, Rejection

LIMIT_S = 1.0


def _list_suite(shared_data: Path, prefix: str) -> list[Path]:
    return sorted((shared_data / "json-testsuite/test_parsing").glob(f"{prefix}*"))


def test_all_files_of_the_suite_that_are_no_json_are_refused(shared_data: Path) -> None:
    files = _list_suite(shared_data, "n_")
    assert len(files) == 188
    for file in files:
        payload = file.read_bytes()
        assert isinstance(parse_json(payload), Rejection), file.name
        assert isinstance(parse_checked(payload), Rejection), file.name
        assert isinstance(parse_object(payload), Rejection), file.name


def test_all_files_of_the_suite_that_are_json_are_accepted(shared_data: Path) -> None:
    files = _list_suite(shared_data, "y_")
    assert len(files) == 95
    for file in files:
        assert not isinstance(parse_json(file.read_bytes()), Rejection), file.name


def test_strictness_beyond_the_grammar_refuses_only_these_files(shared_data: Path) -> None:
    refused = {
        file.stem: checked.code
        for file in _list_suite(shared_data, "y_")
        if isinstance(checked := parse_checked(file.read_bytes()), Rejection)
    }
    assert refused == {
        "y_object_duplicated_key": ReasonCode.DUPLICATE_KEY,
        "y_object_duplicated_key_and_value": ReasonCode.DUPLICATE_KEY,
        "y_object_escaped_null_in_key": ReasonCode.BAD_NAME,
    }


@pytest.mark.parametrize("folder", ["test_parsing", "test_transform"])
def test_no_file_of_the_suite_takes_a_second(folder: str, shared_data: Path) -> None:
    for file in sorted((shared_data / "json-testsuite" / folder).iterdir()):
        payload = file.read_bytes()
        began = time.perf_counter()
        parse_json(payload)
        parse_object(payload)
        assert time.perf_counter() - began < LIMIT_S, file.name


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("object_same_key_different_values.json", ReasonCode.DUPLICATE_KEY),
        ("object_same_key_same_value.json", ReasonCode.DUPLICATE_KEY),
        ("number_9223372036854775807.json", ReasonCode.RANGE),
        ("number_10000000000000000999.json", ReasonCode.RANGE),
        ("number_-9223372036854775809.json", ReasonCode.RANGE),
        ("string_1_escaped_invalid_codepoint.json", ReasonCode.BAD_NAME),
        ("string_3_invalid_codepoints.json", ReasonCode.ENCODING),
    ],
)
def test_what_parsers_disagree_about_is_refused(
    file: str, code: ReasonCode, shared_data: Path
) -> None:
    checked = parse_checked((shared_data / "json-testsuite/test_transform" / file).read_bytes())
    assert isinstance(checked, Rejection)
    assert checked.code is code


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", ReasonCode.NO_VALUE),
        (b"{", ReasonCode.JSON_SYNTAX),
        (b'{"a": NaN}', ReasonCode.NOT_FINITE),
        (b'{"a": Infinity}', ReasonCode.NOT_FINITE),
        (b'{"a": -Infinity}', ReasonCode.NOT_FINITE),
        (b'{"a": 1e400}', ReasonCode.NOT_FINITE),
        (b'{"a": {"b": 1, "b": 1}}', ReasonCode.DUPLICATE_KEY),
        (b'{"a": 1, "\\u0061": 2}', ReasonCode.DUPLICATE_KEY),
        (b'{"a": 9007199254740993}', ReasonCode.RANGE),
        (b'{"a": ' + b"9" * 5000 + b"}", ReasonCode.RANGE),
        (b'{"a": -' + b"9" * 5000 + b"}", ReasonCode.RANGE),
        (b'{"a": ' + b"9" * 5000 + b".5}", ReasonCode.NOT_FINITE),
        (b'{"\\u0000": 1}', ReasonCode.BAD_NAME),
        (b'{"\\u001b[2J": 1}', ReasonCode.BAD_NAME),
        (b'{"\\ud83d": 1}', ReasonCode.BAD_NAME),
        (b'{"a": ["\\udc00"]}', ReasonCode.BAD_NAME),
        (b'{"' + b"k" * 10_240 + b'": 1}', ReasonCode.BAD_NAME),
        (b'\xef\xbb\xbf{"a": 1}', ReasonCode.ENCODING),
        (b'{"a": "\xff"}', ReasonCode.ENCODING),
        (b'{"a": "\xed\xa0\x80"}', ReasonCode.ENCODING),
        ('{"a": 1}'.encode("utf-16"), ReasonCode.ENCODING),
        (b"[1]", ReasonCode.WRONG_TYPE),
        (b"null", ReasonCode.WRONG_TYPE),
        (b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}", ReasonCode.TOO_BIG),
        (b"[" * 60_000, ReasonCode.TOO_BIG),
        (b'{"a":' * 13_000, ReasonCode.TOO_BIG),
        (b" " * (MAX_BYTES + 1), ReasonCode.TOO_BIG),
        (b"{" + b",".join(b'"%d":0' % n for n in range(1001)) + b"}", ReasonCode.TOO_BIG),
        (b'{"a":[' + b",".join(b'{"b":0}' for _ in range(1000)) + b"]}", ReasonCode.TOO_BIG),
    ],
)
def test_payload_is_refused_with_its_code(payload: bytes, code: ReasonCode) -> None:
    began = time.perf_counter()
    refused = parse_object(payload)
    assert time.perf_counter() - began < LIMIT_S
    assert isinstance(refused, Rejection)
    assert refused.code is code
    assert len(refused.detail) < 200


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a": ' + b"[" * 31 + b"]" * 31 + b"}",
        b"{" + b",".join(b'"%d":0' % n for n in range(1000)) + b"}",
        b'{"a": 9007199254740992, "b": -9007199254740992}',
        b'{"a": "' + b"[" * 100 + b'\\"{{{"}',
        b'{"a": "' + b":" * 2000 + b'"}',
        b'{"a": "\\ud83d\\ude00"}',
        b'{"a": "\\\\ud800"}',
        '{"température °C": 20}'.encode(),
        '{"no-break\u00a0space": 20}'.encode(),
        b'{"a": 1e-400}',
        b'{"a": 1}' + b" " * (MAX_BYTES - 8),
    ],
)
def test_unusual_payload_within_the_limits_is_accepted(payload: bytes) -> None:
    assert isinstance(parse_object(payload), dict)


@pytest.mark.parametrize(
    "payload",
    [
        b'"' * 65_000,
        b'\\"' * 32_000,
        b'{"a' * 20_000,
        b'"\\' * 32_000,
        b"[" * 33 + b'"\\"' * 21_000,
    ],
)
def test_quotes_without_end_take_no_second(payload: bytes) -> None:
    began = time.perf_counter()
    assert isinstance(parse_object(payload), Rejection)
    assert time.perf_counter() - began < LIMIT_S


@given(st.binary(max_size=300) | st.text('[]{}",:\\0189.eE-+ ntf').map(str.encode))
def test_any_bytes_give_an_answer(payload: bytes) -> None:
    parse_json(payload)
    parse_checked(payload)
    assert isinstance(parse_object(payload), dict | Rejection)


@pytest.mark.parametrize(
    ("payload", "number"),
    [
        (b"0", 0.0),
        (b"-0.5", -0.5),
        (b"1234", 1234.0),
        (b"007", 7.0),
        (b"1.5e3", 1500.0),
        (b"2E-2", 0.02),
        (b"9007199254740992", 2.0**53),
    ],
)
def test_bare_number_is_read(payload: bytes, number: float) -> None:
    assert read_bare_number(payload) == number


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", ReasonCode.NO_VALUE),
        (b"1_000", ReasonCode.NOT_NUMBER),
        ("٣".encode(), ReasonCode.NOT_NUMBER),
        (b" 5 ", ReasonCode.NOT_NUMBER),
        (b"5\n", ReasonCode.NOT_NUMBER),
        (b"+5", ReasonCode.NOT_NUMBER),
        (b".5", ReasonCode.NOT_NUMBER),
        (b"5.", ReasonCode.NOT_NUMBER),
        (b"1,5", ReasonCode.NOT_NUMBER),
        (b"0x10", ReasonCode.NOT_NUMBER),
        (b"true", ReasonCode.NOT_NUMBER),
        (b"null", ReasonCode.NOT_NUMBER),
        (b"\x00", ReasonCode.NOT_NUMBER),
        (b"\xff\xfe", ReasonCode.NOT_NUMBER),
        (b"nan", ReasonCode.NOT_FINITE),
        (b"-inf", ReasonCode.NOT_FINITE),
        (b"1e9999", ReasonCode.NOT_FINITE),
        (b"9007199254740993", ReasonCode.RANGE),
        (b"9" * 5000, ReasonCode.RANGE),
        (b"1" * (MAX_BYTES + 1), ReasonCode.TOO_BIG),
    ],
)
def test_bare_text_that_is_no_decimal_number_is_refused(payload: bytes, code: ReasonCode) -> None:
    refused = read_bare_number(payload)
    assert isinstance(refused, Rejection)
    assert refused.code is code


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_bare_number_survives_its_own_spelling(number: float) -> None:
    if abs(number) < 2**53:
        assert read_bare_number(repr(number).encode()) == number


def test_json_null_is_a_gap_and_bool_is_not_a_number() -> None:
    assert read_number(None, "x") is None
    assert read_number(3, "x") == 3.0
    refused: tuple[object, ...] = (True, "5", [], {}, 2**53 + 1)
    codes = [read_number(value, "x") for value in refused]
    assert [code.code for code in codes if isinstance(code, Rejection)] == [
        ReasonCode.WRONG_TYPE,
        ReasonCode.NOT_NUMBER,
        ReasonCode.WRONG_TYPE,
        ReasonCode.WRONG_TYPE,
        ReasonCode.RANGE,
    ]
