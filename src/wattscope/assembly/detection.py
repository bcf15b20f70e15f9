"""Detectors put together: over a past for a command, and beside the program while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from wattscope.assembly.storage import Storage
from wattscope.core.errors import SettingsError
from wattscope.core.findings import Finding
from wattscope.core.incidents import Incident
from wattscope.incidents import merge_findings
from wattscope.pipeline.detect import Detection
from wattscope.pipeline.windows import WindowReader
from wattscope.plugins import PLUGINS, load_plugin
from wattscope.ports import Detector
from wattscope.settings import Settings


@dataclass(frozen=True, slots=True)
class PastLook:
    """What was found in a past."""

    findings: tuple[Finding, ...]
    """By device, then start."""
    incidents: tuple[Incident, ...]
    """Those that cost most a day first."""


def build_detectors(
    left_out: Iterable[str] = (), only: Sequence[str] | None = None
) -> list[Detector]:
    """All detectors but some, or only some.

    Raises:
        SettingsError: One is named that does not exist.
    """
    known = PLUGINS["detector"]
    for name in [*left_out, *(only or ())]:
        if name not in known:
            raise SettingsError([f"detector {name!r} is unknown; valid are {', '.join(known)}"])
    wanted = [one for one in only or known if one not in set(left_out)]
    return [load_plugin("detector", name)() for name in wanted]


def look_back(
    storage: Storage,
    settings: Settings,
    detectors: Sequence[Detector],
    devices: Iterable[str] | None,
    range_us: tuple[int, int],
    on_step: Callable[[float], None],
) -> PastLook:
    """Look at all of a past.

    Args:
        storage: Where it is.
        settings: For the worth of what was lost.
        detectors: Who looks.
        devices: Whom to look at; None for all.
        range_us: First instant and end [µs].
        on_step: Told the share that is done, 0 to 1.
    """
    reader = WindowReader(storage.store, storage.registry, storage.live)
    detection = Detection(reader, detectors)
    looks = detection.list_looks(devices)
    found: list[Finding] = []
    for number, look in enumerate(looks):
        done = number / len(looks)
        found += detection.look_back(
            look,
            *range_us,
            lambda share, done=done: on_step(done + share / len(looks)),  # type: ignore[misc]  # the default binds the loop's number
        )
    found.sort(key=lambda one: (one.device, one.start_us, one.kind))
    incidents = merge_findings(
        found,
        (),
        storage.registry.list_devices(),
        settings.site.energy_price,
        range_us[1],
    )
    ranked = sorted(incidents, key=lambda one: (-one.lost_wh_per_day, one.device, one.start_us))
    return PastLook(tuple(found), tuple(ranked))
