"""How much of a serial line polling takes: what cannot be done is said before it is tried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import Final

from wattscope.compute.modbus.blocks import OVERHEAD_CHARS, plan_blocks
from wattscope.compute.poll_schedule import parse_schedule
from wattscope.core.fleet import Endpoint, Meter, PollGroup, RowFault
from wattscope.core.time_grid import US_PER_S, to_us

_CHARS_PER_REGISTER: Final = 2
_TICKS: Final = 64
_SELDOM_S: Final = 366 * 86_400.0
"""Of an expression that names next to no instant [s]."""
# A Monday.
_REFERENCE_US: Final = to_us(datetime(2024, 1, 1, tzinfo=UTC))


@lru_cache(maxsize=1024)
def typical_interval_s(schedule: str) -> float:
    """The interval of a schedule [s]; for a cron expression that most often between two instants.

    >>> typical_interval_s("1m"), typical_interval_s("0 8-18 * * 1-5")
    (60.0, 3600.0)
    """
    parsed = parse_schedule(schedule, UTC)
    if parsed.interval_us is not None:
        return parsed.interval_us / US_PER_S
    instants = [_REFERENCE_US]
    with suppress(StopIteration):
        while len(instants) < _TICKS:
            instants.append(parsed.next_after(instants[-1]))
    gaps = [later - earlier for earlier, later in pairwise(instants[1:])]
    return median(gaps) / US_PER_S if gaps else _SELDOM_S


def poll_chars(meter: Meter, group: PollGroup) -> int:
    """Characters on the line of one poll of a group, gaps of silence among them."""
    wanted = [one for one in meter.map.registers if one.quantity in group.quantities]
    requests = plan_blocks(wanted, meter.unit, max_block=meter.map.max_block)
    return sum(OVERHEAD_CHARS + _CHARS_PER_REGISTER * one.count for one in requests)


def line_load(endpoint: Endpoint, meters: Iterable[Meter]) -> float:
    """The share of a serial line's time that its polls take, devices answering at once (0 to ...).

    Modbus over Serial Line 1.02: a character has a start bit, eight bits of data, a parity bit or
    none, and stop bits; 2.5.1.1: frames are parted by 3.5 characters of silence.
    """
    line = endpoint.line
    if line is None:
        return 0.0
    chars_per_s = sum(
        poll_chars(meter, group) / typical_interval_s(group.schedule)
        for meter in meters
        for group in meter.groups
    )
    return chars_per_s * line.bits_per_char / line.baud


def find_overloads(meters: Sequence[Meter]) -> list[RowFault]:
    """Serial lines that are to carry more than they can; their meters are polled all the same."""
    by_endpoint: dict[Endpoint, list[Meter]] = {}
    for meter in meters:
        if meter.endpoint.is_serial:
            by_endpoint.setdefault(meter.endpoint, []).append(meter)
    faults = []
    for endpoint, mine in by_endpoint.items():
        load = line_load(endpoint, mine)
        if load > 1.0 and endpoint.line is not None:
            reason = (
                f"polling its {len(mine)} meters takes {load:.0%} of what {endpoint.line.baud} "
                "baud can carry, before any device has taken its time to answer; polls will be "
                "skipped: poll less often, or raise the baud of line and meters"
            )
            faults.append(RowFault("energy_meters", endpoint.address, reason, is_warning=True))
    return faults
