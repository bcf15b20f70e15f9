"""How each Modbus meter answers, for the health page and the metrics."""

from __future__ import annotations

from typing import Any

from wattscope.core.time_grid import format_utc
from wattscope.sources.modbus import ModbusSource
from wattscope.sources.modbus_unit import Unit

_MANY_MISMATCHES = 0.01
"""Share of polls with replies to somebody else's requests that a second master explains."""
_ENOUGH_POLLS = 100


def describe_units(source: ModbusSource) -> list[dict[str, Any]]:
    """One entry a meter, by device id; then the rows that were left out."""
    return [_describe_unit(unit) for unit in source.list_units()]


def _describe_unit(unit: Unit) -> dict[str, Any]:
    counts, meter = unit.counts, unit.meter
    return {
        "device": meter.device.id,
        "endpoint": meter.endpoint.address,
        "unit": meter.unit,
        "type": meter.map.name,
        "state": unit.state.value,
        "detail": unit.detail or _word_mismatches(unit),
        "last_ok_at": None if unit.last_ok_us is None else format_utc(unit.last_ok_us),
        "polls": counts.polls,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "unchanged": unit.n_unchanged,
        "faults": {fault.value: n for fault, n in sorted(counts.faults.items(), key=str)},
    }


def _word_mismatches(unit: Unit) -> str:
    """Many replies that match no request of ours mean that somebody else asks there too."""
    n_wrong = sum(n for fault, n in unit.counts.faults.items() if fault.is_mismatch)
    n_polls = unit.counts.polls + unit.counts.failed
    if n_polls < _ENOUGH_POLLS or n_wrong <= _MANY_MISMATCHES * n_polls:
        return ""
    return (
        f"{n_wrong} replies in {n_polls} polls answered another request: "
        "a second master may be asking there"
    )
