"""The same findings from several looks, said once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from wattscope.core.findings import Finding
from wattscope.incidents.losses import union_loss


def join_repeats(findings: Iterable[Finding]) -> list[Finding]:
    """The same from several looks: what the newest look says, and what was known before."""
    groups: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for one in findings:
        group = groups[one.kind, one.quantity, one.detector]
        if one not in group[-2:]:
            group.append(one)
    joined: list[Finding] = []
    for group in groups.values():
        chain: list[Finding] = []
        for one in sorted(group, key=lambda each: (each.start_us, each.end_us)):
            if chain and one.start_us > max(each.end_us for each in chain):
                joined += _join(chain)
                chain = []
            chain.append(one)
        joined += _join(chain)
    return sorted(joined, key=lambda one: (one.start_us, one.kind))


def _join(chain: list[Finding]) -> list[Finding]:
    """The newest finding, and before it what the others say of the time before.

    Two, for the newest look knows best what was lost in its time, and a sum of both, spread over
    both, would grow with each look.
    """
    newest = max(chain, key=lambda one: (one.end_us, one.start_us, one.lost_wh))
    before = [_cut_end(one, newest.start_us) for one in chain if one.start_us < newest.start_us]
    if not before:
        return [newest]
    last = max(before, key=lambda one: (one.end_us, one.start_us))
    head = replace(
        last,
        start_us=min(one.start_us for one in before),
        confidence=max(one.confidence for one in before),
        lost_wh=union_loss(before),
    )
    return [head, newest]


def _cut_end(finding: Finding, end_us: int) -> Finding:
    if finding.end_us <= end_us:
        return finding
    share = (end_us - finding.start_us) / (finding.end_us - finding.start_us)
    return replace(finding, end_us=end_us, lost_wh=finding.lost_wh * share)
