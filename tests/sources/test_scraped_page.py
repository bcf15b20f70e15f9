"""Pages of exporters: OpenMetrics' own test cases, and what a server may say of a page."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.core.errors import BadBodyError
from wattscope.sources.scraped_page import read_page

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def test_test_cases_of_openmetrics_are_accepted_and_refused(shared_data: Path) -> None:
    outcomes: dict[tuple[bool, bool], list[str]] = {}
    for folder in sorted((shared_data / "openmetrics-testdata" / "parsers").iterdir()):
        is_good = json.loads((folder / "test.json").read_text())["shouldParse"]
        try:
            read_page((folder / "metrics").read_bytes(), OPEN_METRICS)
            is_read = True
        except BadBodyError:
            is_read = False
        outcomes.setdefault((is_good, is_read), []).append(folder.name)
    assert {key: len(names) for key, names in outcomes.items()} == {
        (True, True): 44,
        (False, False): 167,
    }, outcomes


def test_larger_pages_are_read_where_they_keep_the_standard(shared_data: Path) -> None:
    folder = shared_data / "openmetrics-testdata" / "prometheus"
    assert read_page(gzip.decompress((folder / "1histogram.om.txt.gz").read_bytes()), OPEN_METRICS)
    # Its histogram has a sum below zero, which OpenMetrics forbids where buckets may be negative.
    page = gzip.decompress((folder / "alltypes.5mfs.om.txt.gz").read_bytes())
    with pytest.raises(BadBodyError, match="cannot be negative"):
        read_page(page, OPEN_METRICS)


def test_times_are_in_milliseconds() -> None:
    page = b'# TYPE a gauge\na{b="c",d=""} 1.5 1760000000.123456789\na{b="d"} NaN 1\n# EOF\n'
    first, second = read_page(page, OPEN_METRICS)
    assert first.labels == {"__name__": "a", "b": "c"}
    assert (first.value, first.time_ms, second.time_ms) == (1.5, 1_760_000_000_123, 1000)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(page: bytes) -> None:
    with contextlib.suppress(BadBodyError):
        read_page(page, OPEN_METRICS)


@given(
    st.text('ab{}="\\,# 0123456789.eNaNInf_\n\t', max_size=60),
    st.sampled_from(
        ["", "# TYPE a histogram\n", "# TYPE a stateset\n", "# TYPE a summary\n", "# TYPE a info\n"]
    ),
)
def test_anything_alike_is_read_or_refused(text: str, head: str) -> None:
    with contextlib.suppress(BadBodyError):
        read_page(f"{head}a{text}\n# EOF\n".encode(), OPEN_METRICS)


def test_what_is_no_page_of_metrics_is_named() -> None:
    with pytest.raises(BadBodyError, match="text/html"):
        read_page(b"<html></html>", "text/html; charset=utf-8")
    for content_type in ("", "text/plain", "text/plain; version=0.0.4; charset=utf-8"):
        assert len(read_page(b"a 1\n", content_type)) == 1
