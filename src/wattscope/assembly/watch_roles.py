"""What the roles ``detect`` and ``alert`` do while it is their turn."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from wattscope.assembly.alerting import AlertDesk
from wattscope.assembly.cluster import Cluster
from wattscope.assembly.detection import Watcher
from wattscope.assembly.duty import Duty
from wattscope.core.errors import SettingsError
from wattscope.core.incidents import Incident
from wattscope.pipeline.alerting import TOPIC
from wattscope.pipeline.supervise import keep_running
from wattscope.registry.poll_leases import LeaseOptions, PollLeases
from wattscope.registry.sql_models import SqlModelShelf
from wattscope.settings import Settings

LEASE_S = 10.0
MARGIN_S = 3.0


class WatchRole:
    """One process of those that look for faults, or that tell of them."""

    def __init__(self, role: str, name: str, settings: Settings, cluster: Cluster) -> None:
        """Begin nothing yet.

        Raises:
            SettingsError: The settings say that nothing looks for faults.
        """
        if role == "detect" and not settings.detect.enabled:
            raise SettingsError("detect.enabled is false: a process of the role detect has no work")
        self._settings, self._cluster = settings, cluster
        self._watcher: Watcher | None = None
        options = LeaseOptions(role, lease_s=LEASE_S, margin_s=MARGIN_S)
        # A process that comes back is another one to those that still wait for the old to end.
        holder = f"{name}-{secrets.token_hex(8)}"
        leases = PollLeases(cluster.database, holder, options)
        work = self._detect if role == "detect" else self._alert
        self.duty = Duty(role, leases, options.round_s, work)

    def describe(self) -> dict[str, Any]:
        """Whether it works or waits, and what it has done."""
        watcher = self._watcher
        return {
            "is_on_duty": self.duty.is_ours,
            "detection": None if watcher is None else watcher.describe(),
        }

    async def _detect(self, _is_ours: Callable[[], bool]) -> None:
        cluster = self._cluster
        news = _IncidentNews(cluster.live.announce)
        # Made anew with each turn: another process has changed the incidents since.
        models = SqlModelShelf(cluster.database)
        watcher = await asyncio.to_thread(Watcher, self._settings, cluster, models, news.take)
        self._watcher = watcher
        await _run_all({"detect": watcher.run, "train": watcher.train_regularly})

    async def _alert(self, is_ours: Callable[[], bool]) -> None:
        desk = await asyncio.to_thread(AlertDesk, self._settings, self._cluster)
        try:
            await _run_all({"alerts": desk.watch, "notify": desk.deliver})
        finally:
            await desk.end(saves=is_ours())


async def _run_all(stages: dict[str, Callable[[], Awaitable[None]]]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for name, stage in stages.items():
            tasks.create_task(keep_running(name, stage))


class _IncidentNews:
    """Announces that there are other incidents than before."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._known: list[Incident] | None = None

    def take(self, incidents: Sequence[Incident]) -> None:
        found = list(incidents)
        if found != self._known:
            self._known = found
            self._announce(TOPIC)
