"""Pages in the text format 0.0.4."""

from __future__ import annotations

import contextlib
import gzip
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from wattscope.compute.samples.text_page import PageSample, read_text_page
from wattscope.core.errors import BadBodyError


def read(text: str | bytes) -> list[PageSample]:
    return list(read_text_page(text.encode() if isinstance(text, str) else text))


def test_samples_are_read() -> None:
    page = (
        "# HELP a What it is.\n# TYPE a gauge\n# anything\n\n  \t\n"
        'a 1\na{} 2\na{b="c"} 3 1760000000123\n'
        ' a { b = "x" , c="y\\"\\\\\\n{}, #" , } -1.5e3\t-7 \r\n'
        'a{b=""} +Inf\na -inf\na NaN\na .5\na 5.\n{"na.me","l b"="v"} 1\nns:a{le="0.1"}7\n'
    )
    found = read(page)
    assert [one.labels for one in found[:4]] == [
        {"__name__": "a"},
        {"__name__": "a"},
        {"__name__": "a", "b": "c"},
        {"__name__": "a", "b": "x", "c": 'y"\\\n{}, #'},
    ]
    assert [one.value for one in found[:6]] == [1.0, 2.0, 3.0, -1500.0, math.inf, -math.inf]
    assert [one.time_ms for one in found[:4]] == [None, None, 1_760_000_000_123, -7]
    assert found[4].labels == {"__name__": "a"}
    assert math.isnan(found[6].value)
    assert found[9].labels == {"__name__": "na.me", "l b": "v"}
    assert found[10].labels == {"__name__": "ns:a", "le": "0.1"}


@pytest.mark.parametrize(
    "line",
    [
        *["a", "a ", "a b", "a 1_0", "a 0x1p3", "a \u0661", "a 1 2 3", "a 1 1.5", "1a 2", "a-b 1"],
        *["a{b} 1", "a{b=c} 1", 'a{b="c" 1', 'a{b="c} 1', 'a{b="c",,d="e"} 1', "a{,} 1"],
        *[
            'a{b="c" d="e"} 1',
            'a{b="c",b="d"} 1',
            'a{1b="c"} 1',
            '{b="c"} 1',
            "{} 1",
            '{"a","c"} 1',
        ],
        *['a{"x"} 1', "# TYPE a thing", 'a{b="\xff"} 1', "a 1 99999999999999999999", "a1"],
    ],
)
def test_line_that_is_no_sample_refuses_the_page(line: str) -> None:
    page = f"good 1\n{line}\ngood 2\n".encode("latin-1" if "\xff" in line else "utf-8")
    with pytest.raises(BadBodyError, match="line 2"):
        read(page)


def test_page_that_is_cut_off_is_refused() -> None:
    with pytest.raises(BadBodyError, match="cut off"):
        read("energy_wh 12345\nenergy_wh 12")
    assert read("") == []


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(page: bytes) -> None:
    with contextlib.suppress(BadBodyError):
        read(page)


@given(st.text('a{}="\\,# 1\n\t', max_size=60))
def test_anything_alike_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadBodyError):
        read(text + "\n")


@pytest.mark.parametrize(
    "line",
    [
        "a{" + 'b="' * 20_000,
        "a{" + "{" * 50_000,
        "a" * 100_000,
        " " * 100_000 + "x",
        'a{b="' + "\\" * 99_999,
    ],
    ids=["quotes", "braces", "name", "blanks", "backslashes"],
)
def test_hostile_line_takes_no_time(line: str) -> None:
    # A pattern that tried again and again would take minutes here.
    with pytest.raises(BadBodyError):
        read(line + "\n")


@pytest.mark.parametrize(
    "name", ["alltypes.237mfs.prom.txt.gz", "alltypes.237mfs.nometa.prom.txt.gz"]
)
def test_large_pages_of_prometheus_are_read_as_its_library_reads_them(
    shared_data: Path, name: str
) -> None:
    page = gzip.decompress(
        (shared_data / "openmetrics-testdata" / "prometheus" / name).read_bytes()
    )
    text = page.decode()
    theirs = sorted(
        (one.name, sorted(one.labels.items()), repr(float(one.value)))
        for family in text_string_to_metric_families(text)
        for one in family.samples
    )
    ours = sorted(
        (
            one.labels["__name__"],
            sorted((key, value) for key, value in one.labels.items() if key != "__name__"),
            repr(one.value),
        )
        for one in read(page)
    )
    assert len(ours) > 1000
    assert ours == theirs
