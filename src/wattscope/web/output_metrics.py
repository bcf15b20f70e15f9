"""How outputs stand, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from wattscope.core.time_grid import US_PER_S, parse_instant

_COUNTERS = (
    ("values", "wattscope_output_values", "Values that an output has taken since the start."),
    (
        "left_out_values",
        "wattscope_output_left_out_values",
        "Values that an output is not meant to have: missing, implausible, or not chosen.",
    ),
    (
        "refused_points",
        "wattscope_output_refused_points",
        "Points that the receiver will never take.",
    ),
    (
        "missed_records",
        "wattscope_output_missed_records",
        "Log records that were gone before they were sent.",
    ),
    ("failed_attempts", "wattscope_output_failed_attempts", "Attempts that were not taken."),
)


_Reading = Callable[[dict[str, Any]], float | None]


def collect_outputs(outputs: Sequence[dict[str, Any]]) -> Iterator[Metric]:
    """The metrics of the outputs of a health document; none where there are no outputs."""
    if not outputs:
        return
    yield _read(outputs, "up", "Whether an output takes values.", _is_well)
    yield _read(
        outputs,
        "lag_records",
        "Log records that an output has not taken yet.",
        lambda one: float(one["lag_records"]),
    )
    yield _read(
        outputs,
        "last_success_timestamp_seconds",
        "When an output took values last.",
        _succeeded_at_s,
    )
    for key, name, words in _COUNTERS:
        family = CounterMetricFamily(name, words, labels=["output"])
        for one in outputs:
            family.add_metric([one["name"]], one[key])
        yield family


def _read(
    outputs: Sequence[dict[str, Any]], name: str, words: str, reading: _Reading
) -> GaugeMetricFamily:
    """A gauge of the outputs that have a value."""
    family = GaugeMetricFamily(f"wattscope_output_{name}", words, labels=["output"])
    for one in outputs:
        value = reading(one)
        if value is not None:
            family.add_metric([one["name"]], value)
    return family


def _is_well(output: dict[str, Any]) -> float:
    return float(output["state"] == "ok")


def _succeeded_at_s(output: dict[str, Any]) -> float | None:
    told = output["last_success_at"]
    return None if told is None else parse_instant(told) / US_PER_S
