"""Reads a page by what its server says that it is: OpenMetrics, or Prometheus' text format.

OpenMetrics is read by the parser of Prometheus' own client library, which is as strict as the
standard's test cases want; the text format by ours, for the library's takes nearly anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from wattscope.compute.samples.sample_line import NAME_LABEL
from wattscope.compute.samples.text_page import PageSample, read_text_page
from wattscope.core.errors import BadBodyError

ACCEPT: Final = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
"""What a server is asked for, the best first."""
ACCEPT_TEXT: Final = "text/plain;version=0.0.4,text/plain;q=0.5,*/*;q=0.1"
"""Likewise one whose OpenMetrics could not be read."""
_OPEN_METRICS: Final = "application/openmetrics-text"
_PLAIN: Final = frozenset({"", "text/plain"})
_MAX_WORDS: Final = 200


def read_page(page: bytes, content_type: str) -> list[PageSample]:
    """The samples of a page, in its order.

    Args:
        page: Whole, unpacked.
        content_type: The header; empty where there is none.

    Raises:
        BadBodyError: Something on the page cannot be read; nothing on it is believed.
    """
    media = content_type.partition(";")[0].strip().lower()
    if is_open_metrics(content_type):
        return list(_read_open_metrics(page))
    if media in _PLAIN:
        return list(read_text_page(page))
    raise BadBodyError(f"the page is {media[:40]!r}, no page of metrics; is its path right?")


def is_open_metrics(content_type: str) -> bool:
    """Whether a page is said to be OpenMetrics."""
    return content_type.partition(";")[0].strip().lower() == _OPEN_METRICS


def _read_open_metrics(page: bytes) -> Iterator[PageSample]:
    try:
        text = page.decode()
        yield from _list_samples(text)
    # The library raises what it meets; a page is either read or not.
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as fault:
        words = str(fault) or type(fault).__name__
        raise BadBodyError(f"that is no OpenMetrics: {words[:_MAX_WORDS]}") from fault


def _list_samples(text: str) -> Iterable[PageSample]:
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]  # as it is
        for sample in family.samples:
            if sample.native_histogram is not None:
                continue
            labels = {NAME_LABEL: sample.name}
            labels |= {name: value for name, value in sample.labels.items() if value}
            stamp = sample.timestamp
            time_ms = None if stamp is None else round(float(stamp) * 1000)
            yield PageSample(labels, float(sample.value), time_ms)
