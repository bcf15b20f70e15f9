"""The variants of a store in TimescaleDB, as tables to be printed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wattscope.core.time_grid import US_PER_HOUR
from wattscope.plugins import load_plugin
from wattscope.ports import Table

_MB = 1_000_000


@contextmanager
def open_variants(url: str, schema: str) -> Iterator[Any]:
    """The variants of the store at a URL; its libraries are imported now and not before.

    Raises:
        SettingsError: The extra is not installed, or the URL cannot be read.
    """
    variants = load_plugin("variants", "timescale")(url, schema)
    try:
        yield variants
    finally:
        variants.close()


def tell_sizes(variants: Any) -> Table:  # noqa: ANN401  # a class of a plugin
    """Sizes of all variants, before and after compression."""
    columns = ("variant", "chunk_hours", "chunks", "compressed", "before_mb", "now_mb", "ratio")
    rows: list[tuple[Any, ...]] = [
        (
            one.variant,
            one.chunk_interval_us / US_PER_HOUR,
            one.chunks,
            one.compressed_chunks,
            round(one.bytes_before / _MB, 2),
            round(one.bytes_now / _MB, 2),
            round(one.bytes_before / one.bytes_now, 2) if one.bytes_now else None,
        )
        for one in variants.measure_sizes()
    ]
    return Table(columns, rows)


def tell_timings(variants: Any, n_times: int) -> Table:  # noqa: ANN401  # a class of a plugin
    """One row a question, one column a variant [ms]."""
    timings = variants.time_questions(n_times)
    names = list(dict.fromkeys(one.variant for one in timings))
    questions = list(dict.fromkeys(one.question for one in timings))
    found = {(one.question, one.variant): round(one.median_ms, 2) for one in timings}
    rows: list[tuple[Any, ...]] = [
        (question, *(found[question, name] for name in names)) for question in questions
    ]
    return Table(("question", *(f"{name} [ms]" for name in names)), rows)
