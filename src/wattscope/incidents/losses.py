"""What is lost, counted once: findings that overlap in time, and devices that stand in each other.

A finding tells its loss as a sum; within it the loss is taken to be even. Where findings of a
device overlap, the greatest rate counts, for they are views of the same loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wattscope.core.findings import Finding
from wattscope.core.incidents import Incident
from wattscope.core.topology import Device


@dataclass(frozen=True, slots=True)
class Losses:
    """What several incidents cost together."""

    n: int
    lost_wh_per_day: float
    lost_money_per_day: float | None
    """None where no price is known."""


def union_loss(findings: Sequence[Finding]) -> float:
    """What findings of one device say was lost together [Wh]; never more than their sum.

    >>> one = Finding("outage", "a", 0, 10, "", lost_wh=100.0)
    >>> other = Finding("underperformance", "a", 5, 15, "", lost_wh=50.0)
    >>> union_loss([one, other])
    125.0
    """
    losing = [one for one in findings if one.lost_wh > 0]
    if len(losing) <= 1:
        return losing[0].lost_wh if losing else 0.0
    spans = np.array([(one.start_us, max(one.end_us, one.start_us + 1)) for one in losing])
    edges = np.unique(spans)
    rates = np.zeros(len(edges) - 1)
    for one, (start, end) in zip(losing, spans.tolist(), strict=True):
        low, high = np.searchsorted(edges, (start, end))
        rates[low:high] = np.maximum(rates[low:high], one.lost_wh / (end - start))
    return float(rates @ np.diff(edges))


def span_us(findings: Iterable[Finding]) -> int:
    """How long findings last together, overlaps counted once [µs]."""
    total = 0
    reached: int | None = None
    for start, end in sorted((one.start_us, one.end_us) for one in findings):
        begin = start if reached is None else max(start, reached)
        total += max(0, end - begin)
        reached = end if reached is None else max(reached, end)
    return total


def sum_losses(incidents: Sequence[Incident], devices: Mapping[str, Device]) -> Losses:
    """What incidents cost together, a day.

    What is lost at a panel is lost at its inverter too: of a device and those below it the greater
    loss counts. So it is with several incidents of one device.
    """
    lost: dict[str, float] = {}
    money: dict[str, float] = {}
    for one in incidents:
        lost[one.device] = max(lost.get(one.device, 0.0), one.lost_wh_per_day)
        cost = one.lost_money_per_day
        if cost is not None:
            money[one.device] = max(money.get(one.device, 0.0), cost)
    total_money = sum_tree(money, devices) if money else None
    return Losses(len(incidents), sum_tree(lost, devices), total_money)


def sum_tree(amounts: Mapping[str, float], devices: Mapping[str, Device]) -> float:
    """The sum over the tops of the tree, each the greater of its own and of what is below it."""
    depths = {one: len(list_above(one, devices)) for one in amounts}
    below: dict[str | None, float] = {}
    for one in sorted(amounts, key=lambda name: -depths[name]):
        above = (name for name in list_above(one, devices) if name in amounts)
        nearest = next(above, None)
        below[nearest] = below.get(nearest, 0.0) + max(amounts[one], below.get(one, 0.0))
    return below.get(None, 0.0)


def list_above(device: str, devices: Mapping[str, Device]) -> list[str]:
    """The devices above one in the tree, the nearest first; a circle is left at its first turn."""
    found: list[str] = []
    at = devices.get(device)
    while at is not None and at.parent is not None and at.parent not in (*found, device):
        found.append(at.parent)
        at = devices.get(at.parent)
    return found
