from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.core.topology import is_safe_name


@pytest.mark.parametrize(
    "name",
    [
        "meter-1",
        "kitchen plug 2",
        "shellyplus1pm-a8032ab12345",
        "0x00158d0001",
        "Wärmepumpe",
        "a/b",
        "user@host",
        "a.b:c+d",
    ],
)
def test_ordinary_name_is_kept(name: str) -> None:
    assert is_safe_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "", " meter", "../etc", "a/../b", "a//b", "/etc", "<script>", "=cmd|' /C calc'!A0",
        "$SYS", "a'b", 'a"b', "a\0b", "a\nb", "a\x7fb", "\ud800", "x" * 129, "x" * 10_000,
        "-rf", ".hidden", "a;b", "a`b", "%2e%2e", "\u202eabc", "٣",
    ],
)  # fmt: skip
def test_dangerous_name_is_refused(name: str) -> None:
    assert not is_safe_name(name)


@given(st.text(max_size=200))
def test_safe_name_is_short_and_printable(name: str) -> None:
    if is_safe_name(name):
        assert len(name) <= 128
        assert name.isprintable()
        assert ".." not in name
        assert not set(name) & set("<>\"'`;\\$=|&%{}()*?#!~^[]")
        assert name.encode()
