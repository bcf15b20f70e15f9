"""Findings that another finding explains: excused by snow, or seen at the device above as well.

::

    all panels of an inverter give nothing        one finding of the inverter, however it was found
    the inverter gives nothing                    its panels' findings say nothing new
    snow, or power held down from outside         less power is no fault
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from wattscope.core.findings import Finding, name_kind
from wattscope.core.topology import Device, DeviceKind
from wattscope.incidents.losses import list_above, sum_tree, union_loss
from wattscope.incidents.repeats import join_repeats
from wattscope.incidents.traits import Family, traits_of

ByDevice = dict[str, list[Finding]]

_COVERED = 0.5
"""From this share of its time on a finding is explained by another."""
_ALL = 0.8
"""From this share of the devices below on it is the device above."""
_FEWEST = 2
_MOST = 0.5
"""Of kinds that one bad panel brings about at its inverter, so many must show them."""

_ALONE = frozenset({DeviceKind.SENSOR, DeviceKind.PLANT})
_SHARE_BELOW = "devices_ratio"
"""Evidence that marks a finding as lifted."""

_SILENT = frozenset({"missing_data", "stale", "flatline", "incomplete_day"})
_EXPLAINS: dict[str, frozenset[str]] = {
    "outage": _SILENT
    | {"outage", "underperformance", "string_out", "anomaly", "level_shift", "clipping"},
    "missing_data": _SILENT | {"outage"},
    "incomplete_day": frozenset({"incomplete_day", "missing_data"}),
    "string_out": frozenset({"string_out", "outage", "underperformance", "anomaly"}),
    "clipping": frozenset({"clipping", "underperformance"}),
}
"""What a finding of a device explains at those below it; of other kinds, the same."""
_PARTIAL = frozenset({"underperformance", "soiling", "shade", "degradation", "anomaly"})
_LIFTED = _SILENT | {"outage", "unit_slip", "counter_unusable", "clock_shift", "copied_day"}


def reduce_family(found: ByDevice, devices: Mapping[str, Device]) -> ByDevice:
    """The findings that remain when all that others explain is taken out."""
    children: dict[str, list[str]] = defaultdict(list)
    for device in devices.values():
        if device.parent in devices:
            children[str(device.parent)].append(device.id)
    excused = _drop_excused(found, devices)
    lifted = {one: list(group) for one, group in excused.items()}
    # From the bottom up: strings lift panels, inverters lift strings.
    for above in sorted(children, key=lambda one: -len(list_above(one, devices))):
        made = _lift(devices[above], [devices[one] for one in children[above]], lifted)
        if made:
            # What an earlier look lifted goes on in what this one does.
            lifted[above] = join_repeats([*lifted.get(above, ()), *made])
    return _absorb(lifted, devices, children)


def with_sites(devices: Mapping[str, Device]) -> dict[str, Device]:
    """The devices with their site as a device above those at the top.

    What all of them show at once, such as silence when the router is off, is one matter of the
    site. Sensors stay by themselves; so do a plant and what is at a site whose id a device has.
    """
    found = dict(devices)
    for device in devices.values():
        is_top = device.parent is None and device.kind not in _ALONE
        if is_top and device.site not in devices:
            found[device.id] = replace(device, parent=device.site)
            found.setdefault(
                device.site, Device(device.site, device.site, device.site, DeviceKind.PLANT)
            )
    return found


def covered_share(finding: Finding, others: Iterable[Finding]) -> float:
    """The share of a finding's time in which there is one of the others; 0 to 1."""
    if finding.end_us <= finding.start_us:
        inside = any(one.start_us <= finding.start_us <= one.end_us for one in others)
        return 1.0 if inside else 0.0
    covered = 0
    reached = finding.start_us
    for one in sorted(others, key=lambda other: other.start_us):
        begin, end = max(one.start_us, reached), min(one.end_us, finding.end_us)
        if end > begin:
            covered += end - begin
            reached = end
    return covered / (finding.end_us - finding.start_us)


def _drop_excused(found: ByDevice, devices: Mapping[str, Device]) -> ByDevice:
    excuses = {
        device: [one for one in group if traits_of(one).family is Family.EXCUSE]
        for device, group in found.items()
    }
    remaining: ByDevice = {}
    for device, group in found.items():
        known = devices.get(device)
        reasons = [
            reason
            for place in (device, *list_above(device, devices))
            for reason in excuses.get(place, ())
        ]
        remaining[device] = [
            one
            for one in group
            if traits_of(one).family is not Family.EXCUSE
            and not _is_weather_gap(one, known)
            and not (_is_power(one) and covered_share(one, reasons) >= _COVERED)
        ]
    return remaining


def _is_power(finding: Finding) -> bool:
    return traits_of(finding).family in {Family.POWER, Family.SLOW}


def _is_weather_gap(finding: Finding, device: Device | None) -> bool:
    """Whether only a weather sensor is silent: nobody loses power by that."""
    is_sensor = device is not None and device.kind is DeviceKind.SENSOR
    return is_sensor and finding.kind in _SILENT


def _lift(above: Device, below: Sequence[Device], found: ByDevice) -> list[Finding]:
    """Findings of a device that nearly all devices below it show at the same time."""
    if len(below) < _FEWEST:
        return []
    by_kind: dict[str, list[Finding]] = defaultdict(list)
    for device in below:
        for one in found.get(device.id, ()):
            is_string = device.kind is DeviceKind.STRING and one.kind == "string_out"
            kind = "outage" if is_string else one.kind
            if kind in _LIFTED:
                by_kind[kind].append(one)
    wanted = max(_FEWEST, _ALL * len(below))
    lifted = []
    for kind, group in by_kind.items():
        own = [
            one
            for one in found.get(above.id, ())
            if kind in explained_by(one.kind) and _SHARE_BELOW not in one.evidence
        ]
        for start_us, end_us in _common_spans(group, wanted):
            finding = _word_lifted(above, kind, group, (start_us, end_us), len(below))
            if covered_share(finding, own) < _COVERED:
                lifted.append(finding)
    return lifted


def _common_spans(group: Sequence[Finding], wanted: float) -> list[tuple[int, int]]:
    """Spans in which so many devices show it."""
    if len({one.device for one in group}) < wanted:
        return []
    events = sorted(
        [(one.start_us, 1, one.device) for one in group]
        + [(one.end_us, -1, one.device) for one in group],
        # At one instant the ones begin before the others end: they touch.
        key=lambda event: (event[0], -event[1]),
    )
    showing: dict[str, int] = {}
    spans: list[tuple[int, int]] = []
    since: int | None = None
    for at_us, step, device in events:
        showing[device] = showing.get(device, 0) + step
        if not showing[device]:
            del showing[device]
        if since is None and len(showing) >= wanted:
            since = at_us
        elif since is not None and len(showing) < wanted:
            spans.append((since, at_us))
            since = None
    return spans


def _word_lifted(
    above: Device, kind: str, group: Sequence[Finding], span: tuple[int, int], n_below: int
) -> Finding:
    within = [one for one in group if one.start_us <= span[1] and one.end_us >= span[0]]
    n_devices = len({one.device for one in within})
    # All panels of a string are dark at once where the string is not connected.
    is_string = above.kind is DeviceKind.STRING and kind == "outage"
    return Finding(
        "string_out" if is_string else kind,
        above.id,
        *span,
        f"{n_devices} of {n_below} devices below it: {name_kind(kind)}",
        evidence={_SHARE_BELOW: n_devices / n_below},
        detector=within[0].detector,
        confidence=min(1.0, sum(one.confidence for one in within) / len(within)),
        lost_wh=sum(one.lost_wh for one in within),
    )


def explained_by(kind: str) -> frozenset[str]:
    """Kinds of the devices below that a finding of this kind explains."""
    return _EXPLAINS.get(kind, frozenset({kind}))


def _absorb(
    found: ByDevice, devices: Mapping[str, Device], children: Mapping[str, Sequence[str]]
) -> ByDevice:
    """Take out what a device above explains; the device above takes the loss on."""
    taken: dict[str, dict[str, list[Finding]]] = defaultdict(lambda: defaultdict(list))
    remaining: ByDevice = {}
    for device, group in found.items():
        remaining[device] = []
        for one in group:
            above = _find_explaining(one, found, devices, children)
            if above is None:
                remaining[device].append(one)
            else:
                taken[above][device].append(one)
    for above, absorbed in taken.items():
        if above not in remaining or not remaining[above]:
            continue
        # What panels lost, their string lost too.
        lost = {device: union_loss(group) for device, group in absorbed.items()}
        loss = sum_tree(lost, devices)
        first = max(remaining[above], key=lambda one: (one.lost_wh, one.end_us - one.start_us))
        own = union_loss(remaining[above])
        if loss > own:
            changed = replace(first, lost_wh=first.lost_wh + loss - own)
            remaining[above] = [changed if one is first else one for one in remaining[above]]
    return remaining


def _find_explaining(
    finding: Finding,
    found: ByDevice,
    devices: Mapping[str, Device],
    children: Mapping[str, Sequence[str]],
) -> str | None:
    """The device above that explains a finding, the highest where several do."""
    explaining = None
    for above in list_above(finding.device, devices):
        reasons = [one for one in found.get(above, ()) if finding.kind in explained_by(one.kind)]
        if covered_share(finding, reasons) < _COVERED:
            continue
        if finding.kind in _PARTIAL and all(one.kind in _PARTIAL for one in reasons):
            siblings = children.get(above, ())
            n_alike = sum(
                any(one.kind == finding.kind for one in found.get(sibling, ()))
                for sibling in siblings
            )
            if n_alike < _MOST * len(siblings):
                continue
        explaining = above
    return explaining
