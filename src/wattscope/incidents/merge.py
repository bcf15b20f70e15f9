"""Findings of many looks as incidents: one for each matter, the same one from look to look.

A device has three lanes. What is wrong now, what takes weeks to show and what is always so (a wrong
unit, a wrong clock) are three matters, though they overlap; a symptom (``underperformance``)
belongs to the slow lane where a slow finding covers it, or where it lasts for days by itself.
Within a lane, findings that overlap or nearly touch are one incident.

Its loss counts overlapping findings once. A cause's share is its weight × the greatest confidence
× half of its share of the time and half of its share of the energy, beside those of the others.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from wattscope.core.findings import Finding, Severity
from wattscope.core.incidents import Cause, Incident, per_day
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.topology import Device
from wattscope.incidents.family import covered_share, reduce_family, with_sites
from wattscope.incidents.losses import span_us, union_loss
from wattscope.incidents.repeats import join_repeats
from wattscope.incidents.seed_advice import advise
from wattscope.incidents.traits import TRAITS, UNKNOWN, Family, traits_of

Daylight = Callable[[int, int], int]
"""How much of the time between two instants the sun is up [µs]."""

QUIET_US = 2 * US_PER_HOUR
"""So long after its last finding an incident is over, and a next finding is another matter."""
NIGHT_US = 16 * US_PER_HOUR
"""Likewise for power, where nobody can tell the nights: a winter's night of 55° north."""
SLOW_QUIET_US = 8 * US_PER_DAY
"""Likewise for what takes weeks to show: a week of clouds is no end."""
MAX_FINDINGS = 200
"""Of one incident; the least that they say is left out first."""

_COVERED = 0.5
_STANDING = frozenset(
    {"unit_slip", "counter_unusable", "clock_shift", "incomplete_day", "copied_day"}
)
"""What is said of values that are there, and is no reason that power is missing."""
_LASTING_US = 5 * US_PER_DAY
"""A symptom that lasts so long is no part of an outage of hours within it."""
_LEAST_AMOUNT = 0.05
_CRITICAL_WH_PER_DAY = 1.0
"""Per watt of rating: a quarter of a good day of 4 hours of full sun."""
_SMALL_WH_PER_DAY = 0.05
_UNRATED_W = 5000.0


@dataclass(frozen=True, slots=True)
class _Book:
    """What an incident is made with."""

    devices: dict[str, Device]
    price_per_kwh: float | None
    now_us: int
    looked: Collection[str] | None
    daylight: Daylight | None


def merge_findings(  # noqa: PLR0913  # what findings become depends on all of it
    findings: Iterable[Finding],
    known: Sequence[Incident],
    devices: Iterable[Device],
    price_per_kwh: float | None,
    now_us: int,
    *,
    looked: Collection[str] | None = None,
    daylight: Daylight | None = None,
) -> list[Incident]:
    """Incidents out of what looks have found, known ones extended.

    Args:
        findings: Of one look, or of all of a past.
        known: Incidents of earlier looks that are not over, or are over since a short time.
        devices: All devices: the tree, the sites and the ratings.
        price_per_kwh: What a lost kWh costs [currency of the site]; None when not told.
        now_us: The instant of the look [µs].
        looked: Devices that were looked at: only their incidents can be found to be over. None
            stands for all.
        daylight: Tells nights from days; None: nights are bridged by their length.

    Returns:
        The known incidents as they are now, and the new ones; by device, then start. One that was
        found to be part of another is over and costs nothing.
    """
    everything = with_sites({one.id: one for one in devices})
    book = _Book(everything, price_per_kwh, now_us, looked, daylight)
    by_device: dict[str, list[Finding]] = defaultdict(list)
    for finding in [one for incident in known for one in incident.findings] + list(findings):
        by_device[finding.device].append(finding)
    joined = {device: join_repeats(group) for device, group in by_device.items()}
    reduced = reduce_family(joined, everything)
    known_by_device: dict[str, list[Incident]] = defaultdict(list)
    for incident in known:
        known_by_device[incident.device].append(incident)
    made: list[Incident] = []
    for device in sorted(reduced.keys() | known_by_device.keys()):
        made += _settle(device, reduced.get(device, []), known_by_device.get(device, []), book)
    return made


def _settle(
    device: str, findings: list[Finding], known: list[Incident], book: _Book
) -> list[Incident]:
    """The incidents of one device."""
    clusters = [
        cluster for lane in _part_lanes(findings) for cluster in _chain(lane, book.daylight)
    ]
    left = sorted(known, key=lambda one: one.start_us)
    made = []
    for cluster in clusters:
        own = [one for one in left if _belongs(one, cluster)]
        left = [one for one in left if one not in own]
        made.append(_make(device, cluster, own[0] if own else None, book))
        left += own[1:]
    made += [_close_part(one) for one in left]
    return sorted(made, key=lambda one: (one.start_us, one.id))


def _part_lanes(findings: list[Finding]) -> list[list[Finding]]:
    """What is wrong now, what takes weeks to show, and what is always so."""
    standing = [one for one in findings if one.kind in _STANDING]
    slow = [one for one in findings if traits_of(one).family is Family.SLOW]
    now = [one for one in findings if one not in slow and one not in standing]
    sharp = [one for one in now if not traits_of(one).is_symptom]
    for one in now:
        if traits_of(one).is_symptom and _is_slow(one, sharp, slow):
            slow.append(one)
    return [[one for one in now if one not in slow], slow, standing]


def _is_slow(symptom: Finding, sharp: Sequence[Finding], slow: Sequence[Finding]) -> bool:
    """Whether a symptom is of what takes weeks, and not of what is sharp within it."""
    share = covered_share(symptom, sharp)
    if symptom.end_us - symptom.start_us >= _LASTING_US:
        return share < _COVERED
    return share == 0 and covered_share(symptom, slow) >= _COVERED


def _chain(findings: list[Finding], daylight: Daylight | None) -> list[list[Finding]]:
    """Findings that overlap or nearly touch, together."""
    clusters: list[list[Finding]] = []
    for one in sorted(findings, key=lambda each: (each.start_us, each.end_us)):
        if clusters and not _is_apart(clusters[-1], one.start_us, daylight):
            clusters[-1].append(one)
        else:
            clusters.append([one])
    return clusters


def _is_apart(cluster: Sequence[Finding], at_us: int, daylight: Daylight | None) -> bool:
    """Whether all findings are over for so long that what comes at an instant is another matter."""
    return all(_is_quiet(one, at_us, daylight) for one in cluster)


def _is_quiet(finding: Finding, at_us: int, daylight: Daylight | None) -> bool:
    gap_us = at_us - finding.end_us
    family = traits_of(finding).family
    if family is Family.SLOW:
        return gap_us > SLOW_QUIET_US
    if gap_us <= QUIET_US or family is Family.DATA:
        return gap_us > QUIET_US
    if daylight is None:
        return gap_us > NIGHT_US
    return daylight(finding.end_us, at_us) > QUIET_US


def _belongs(incident: Incident, cluster: Sequence[Finding]) -> bool:
    """Whether a known incident is the one that these findings are."""
    seen = {(one.kind, one.quantity, one.detector) for one in incident.findings}
    return any(
        (one.kind, one.quantity, one.detector) in seen
        and one.start_us <= incident.end_us
        and one.end_us >= incident.start_us
        for one in cluster
    )


def _make(device: str, cluster: list[Finding], known: Incident | None, book: _Book) -> Incident:
    causes = _rank_causes(cluster)
    start_us = min(one.start_us for one in cluster)
    end_us = max(one.end_us for one in cluster)
    lost_wh = union_loss(cluster)
    price = book.price_per_kwh
    found = book.devices.get(device)
    is_over = _is_apart(cluster, book.now_us, book.daylight)
    if book.looked is not None and device not in book.looked:
        is_over = known is not None and known.is_over
    return Incident(
        id=_make_id(device, cluster[0]) if known is None else known.id,
        site="" if found is None else found.site,
        device=device,
        start_us=start_us,
        end_us=end_us,
        is_over=is_over,
        severity=_judge(causes, per_day(lost_wh, start_us, end_us), found),
        causes=causes,
        findings=_cap(cluster),
        recommendation=_advise(causes[0].name, cluster, found),
        lost_wh=lost_wh,
        lost_money=None if price is None else lost_wh / 1000.0 * price,
    )


def _make_id(device: str, first: Finding) -> str:
    words = f"{device}\n{first.kind}\n{first.start_us}"
    return hashlib.blake2b(words.encode(errors="replace"), digest_size=8).hexdigest()


def _rank_causes(cluster: Sequence[Finding]) -> tuple[Cause, ...]:
    by_kind: dict[str, list[Finding]] = defaultdict(list)
    for one in cluster:
        by_kind[one.kind].append(one)
    spans = {kind: max(1, span_us(group)) for kind, group in by_kind.items()}
    lost = {kind: union_loss(group) for kind, group in by_kind.items()}
    longest, most = max(spans.values()), max(lost.values())
    evidence = {}
    for kind, group in by_kind.items():
        amount = spans[kind] / longest
        if most > 0:
            amount = (amount + lost[kind] / most) / 2
        confidence = max(one.confidence for one in group)
        weight = TRAITS.get(kind, UNKNOWN).weight
        evidence[kind] = weight * confidence * max(_LEAST_AMOUNT, amount)
    total = sum(evidence.values())
    ranked = sorted(evidence, key=lambda kind: (-evidence[kind], kind))
    if total <= 0:
        return tuple(Cause(kind, 1.0 / len(ranked)) for kind in ranked)
    return tuple(Cause(kind, evidence[kind] / total) for kind in ranked)


def _judge(causes: Sequence[Cause], lost_wh_per_day: float, device: Device | None) -> Severity:
    """How soon somebody should look: by what is lost, and where that is not known, by the kind."""
    traits = TRAITS.get(causes[0].name, UNKNOWN)
    if lost_wh_per_day <= 0 or traits.severity is Severity.CRITICAL:
        return traits.severity
    rating_w = device.rating_w if device is not None and device.rating_w else _UNRATED_W
    lost = lost_wh_per_day / rating_w
    if lost >= _CRITICAL_WH_PER_DAY:
        return Severity.CRITICAL
    if lost < _SMALL_WH_PER_DAY:
        return Severity.INFO
    return Severity.WARNING


def _advise(cause: str, cluster: Sequence[Finding], device: Device | None) -> str:
    advice = TRAITS.get(cause, UNKNOWN).advice
    if advice:
        return advice
    values: dict[str, float] = {}
    for one in sorted(cluster, key=lambda each: each.end_us):
        values |= one.evidence if one.kind == cause else {}
    return advise(values, device)


def _cap(cluster: Sequence[Finding]) -> tuple[Finding, ...]:
    kept = sorted(
        cluster, key=lambda one: (-one.lost_wh, one.start_us - one.end_us, -one.confidence)
    )[:MAX_FINDINGS]
    return tuple(sorted(kept, key=lambda one: (one.start_us, one.kind)))


def _close_part(incident: Incident) -> Incident:
    """An incident that another one, or snow, explains."""
    is_changed = not incident.is_over
    money = None if incident.lost_money is None else 0.0
    return (
        replace(incident, is_over=True, lost_wh=0.0, lost_money=money) if is_changed else incident
    )
