"""Detectors put together: over a past for a command, and beside the program while it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from wattscope.assembly.model_training import (
    Models,
    TrainingGround,
    TrainingWish,
    report_refused,
    retrain_due,
)
from wattscope.assembly.storage import Keeping, Storage, now_us
from wattscope.compute.isolation_forest.learning import Span
from wattscope.compute.isolation_forest.model import AnomalyModel
from wattscope.core.errors import SettingsError
from wattscope.core.findings import Finding
from wattscope.core.incidents import Incident
from wattscope.incidents import merge_findings
from wattscope.pipeline.detect import Detection
from wattscope.pipeline.diagnose import Diagnosis
from wattscope.pipeline.fleet_board import FleetBoard
from wattscope.pipeline.recent_minutes import RecentMinutes
from wattscope.pipeline.windows import WindowReader
from wattscope.plugins import PLUGINS, load_plugin
from wattscope.ports import Detector
from wattscope.registry.incident_book import SqlIncidentBook
from wattscope.registry.model_shelf import RefusedModel
from wattscope.settings import Settings

_log = structlog.get_logger()
_TRAIN_EVERY_S = 3600.0
_LOOK_AT_MODELS_S = 60.0


@dataclass(frozen=True, slots=True)
class PastLook:
    """What was found in a past."""

    findings: tuple[Finding, ...]
    """By device, then start."""
    incidents: tuple[Incident, ...]
    """Those that cost most a day first."""


def build_detectors(
    left_out: Iterable[str] = (),
    only: Sequence[str] | None = None,
    models: Mapping[str, AnomalyModel] | None = None,
) -> list[Detector]:
    """All detectors but some, or only some; ``models`` are those that were trained.

    Raises:
        SettingsError: One is named that does not exist.
    """
    known = PLUGINS["detector"]
    for name in [*left_out, *(only or ())]:
        if name not in known:
            raise SettingsError([f"detector {name!r} is unknown; valid are {', '.join(known)}"])
    wanted = [one for one in only or known if one not in set(left_out)]
    arguments = {"isolation_forest": {"models": models or {}}}
    return [load_plugin("detector", name)(**arguments.get(name, {})) for name in wanted]


class Watcher:
    """Looks for faults beside the program."""

    def __init__(
        self,
        settings: Settings,
        keeping: Keeping,
        models: Models,
        tell: Callable[[Sequence[Incident]], None],
        recent: RecentMinutes | None = None,
    ) -> None:
        """Look at nothing yet.

        Args:
            settings: Say which detectors look, and what a lost kWh is worth.
            keeping: What is looked at.
            models: Those that were trained; new ones are put there.
            tell: Gets the incidents that are not over, after each look.
            recent: The minutes just gone, where they pass through this process.
        """
        self._settings = settings
        self._keeping = keeping
        self._reader = WindowReader(keeping.store, keeping.registry, keeping.live, recent)
        self._shelf = models
        self._stamp = self._shelf.stamp()
        self._refused: tuple[RefusedModel, ...] = ()
        self._detection = Detection(self._reader, self._build())
        self._diagnosis = Diagnosis(
            SqlIncidentBook(keeping.database),
            keeping.registry.list_devices,
            keeping.registry.list_sites,
            settings.site.energy_price,
            now_us,
            tell,
        )
        self.board = FleetBoard(self._reader, keeping.live, now_us, self._diagnosis.list_open)
        """How the panels of a site stand."""

    async def run(self) -> None:
        """Look for ever, with the models that there are."""
        await self._detection.run(now_us, time.monotonic, self._diagnosis.take)

    async def train_regularly(self) -> None:
        """Train models that are due, once an hour, and have new ones used within a minute."""
        waited_s = _TRAIN_EVERY_S
        while True:
            if waited_s >= _TRAIN_EVERY_S:
                waited_s = 0.0
                await asyncio.to_thread(self._train_due)
            if self._shelf.stamp() != self._stamp:
                self._stamp = self._shelf.stamp()
                self._detection.use(self._build())
            await asyncio.sleep(_LOOK_AT_MODELS_S)
            waited_s += _LOOK_AT_MODELS_S

    def describe(self) -> dict[str, Any]:
        """How much was looked, and what it took."""
        return {
            "looks": self._detection.n_looks,
            "seconds": round(self._detection.lasting_s, 3),
            "refused_models": [str(one) for one in self._refused],
        }

    def _build(self) -> list[Detector]:
        """All detectors, with the models that can be believed."""
        models, refused = self._shelf.read_all()
        report_refused(one for one in refused if one not in self._refused)
        self._refused = refused
        return build_detectors(self._settings.detect.leave_out, models=models)

    def _train_due(self) -> None:
        keeping = self._keeping
        ground = TrainingGround(keeping.store, keeping.registry, self._shelf)
        left_out: dict[str, tuple[Span, ...]] = {}
        for one in self._diagnosis.list_open():
            known = left_out.get(one.device, ())
            left_out[one.device] = (*known, (one.start_us, one.end_us))
        wish = TrainingWish(left_out=left_out)
        for report in retrain_due(ground, self._settings.detect.retrain_days, wish, now_us()):
            if report.learned is None:
                _log.info("model not trained", devices=report.device_class, reason=report.fault)
            else:
                _log.info("model trained", devices=report.device_class)


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
    looks = detection.list_looks(devices, is_live=False)
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
