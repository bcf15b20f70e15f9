"""Alerting over a live view and a real registry, told the time by the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wattscope.core.alerting import Alert, AlertRule, AlertState, Delivery, RuleKind
from wattscope.core.incidents import Incident
from wattscope.core.reading import build_batch
from wattscope.core.time_grid import US_PER_S
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.live.memory_view import MemoryView
from wattscope.pipeline.alerting import Alerting
from wattscope.pipeline.notices import Channel
from wattscope.registry.alert_book import AlertBook
from wattscope.registry.database import Database
from wattscope.registry.incident_book import SqlIncidentBook
from wattscope.registry.sql_registry import SqlRegistry

START_US = 1_700_000_000 * US_PER_S
HOT = AlertRule(0, "Too hot", RuleKind.ABOVE, quantity="temperature_c", threshold=60.0)
CHANNELS = (Channel("mail", "email"), Channel("hook", "webhook", tells_end=True))


def at(second: float) -> int:
    """An instant [µs]."""
    return START_US + round(second * US_PER_S)


@dataclass
class Alarmed:
    """A registry with three panels, and what watches them."""

    path: Path
    channels: Sequence[Channel] = CHANNELS
    n_news: int = 0
    database: Database = field(init=False)
    names: SqlRegistry = field(init=False)
    live: MemoryView = field(init=False)
    book: AlertBook = field(init=False)
    incidents: SqlIncidentBook = field(init=False)
    alerting: Alerting = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Open everything anew, as a start of the program does; live values are kept elsewhere."""
        self.database = Database(self.path)
        self.names = SqlRegistry(self.database)
        self.names.put_site(Site("farm", "Farm", "Europe/Paris"))
        for number in range(1, 4):
            device = Device(f"p{number}", "farm", f"Panel {number}", DeviceKind.PANEL, "inverter")
            self.names.put_device(device, ["temperature_c", "voltage_v"])
        self.names.put_device(Device("inverter", "farm", "Inverter", DeviceKind.INVERTER))
        self.live = MemoryView()
        self.book = AlertBook(self.database)
        self.incidents = SqlIncidentBook(self.database)
        self.alerting = Alerting(
            self.book, self.incidents, self.names, self.live, self.channels, self._count_news
        )

    def restart(self, *, is_killed: bool) -> None:
        """End and start again; a live view comes back with the newest values."""
        if not is_killed:
            self.alerting.save()
        live = self.live
        self.database.close()
        self.start()
        self.live = live
        self.alerting = Alerting(
            self.book, self.incidents, self.names, self.live, self.channels, self._count_news
        )

    def close(self) -> None:
        self.database.close()

    def hear(self, second: float, device: str, value: float) -> None:
        series = self.names.ensure_series(device, "temperature_c")
        self.live.update(build_batch([(series, at(second), value, 0)]))

    def look(self, second: float) -> list[str]:
        """Observe; the open alerts as device and state."""
        self.alerting.observe(at(second))
        return [f"{one.device} {one.state.value}" for one in self.book.list_open()]

    def take(self, second: float, *incidents: Incident) -> list[str]:
        """Take incidents; the open alerts as key and state."""
        self.incidents.put_all(incidents, at(second))
        self.alerting.take_incidents([one for one in incidents if not one.is_over], at(second))
        return [f"{one.key} {one.state.value}" for one in self.book.list_open()]

    def messages(self) -> list[Delivery]:
        """All messages ever made, oldest first."""
        alerts = sorted(one.id for one in self.book.list_newest(1000))
        of = self.book.list_deliveries(alerts)
        return [message for alert in alerts for message in of.get(alert, [])]

    def raised(self) -> list[Alert]:
        """All alerts ever raised."""
        return self.book.list_newest(1000, list(AlertState))

    def _count_news(self) -> None:
        self.n_news += 1
