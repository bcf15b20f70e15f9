"""What the routes are given: ports and a clock, put together by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from wattscope.compute.modbus.meter_rows import BookRows
from wattscope.compute.modbus.row_reader import Row
from wattscope.core.alerting import Alert, AlertRule, AlertState, Delivery
from wattscope.core.errors import UnknownNameError
from wattscope.core.fleet import Fleet
from wattscope.core.fleet_state import SolarFleet
from wattscope.core.incidents import BookedIncident, IncidentState
from wattscope.core.registers import RegisterMap
from wattscope.core.topology import Device, Series, Site
from wattscope.core.window import Window
from wattscope.ports import LiveView, Quarantined, Store
from wattscope.web.line_desk import LineDesk
from wattscope.web.prometheus_options import PrometheusOptions
from wattscope.web.remote_desk import RemoteDesk
from wattscope.web.screen_options import ScreenOptions


class Book(Protocol):
    """The part of the registry that the pages need."""

    def list_sites(self) -> list[Site]: ...

    def list_devices(self) -> list[Device]: ...

    def list_series(self) -> list[Series]: ...

    def find_device(self, device: str) -> Device | None: ...

    def find_series(self, device: str, quantity: str) -> int | None: ...


class ShelvedItem(Protocol):
    """A quarantined item with its number."""

    @property
    def id(self) -> int: ...

    @property
    def item(self) -> Quarantined: ...


class Shelf(Protocol):
    """The quarantine as the pages see it."""

    def list_newest(self, limit: int, code: str | None = None) -> list[Any]: ...

    def count_by_code(self) -> dict[str, int]: ...


class MeterLook(Protocol):
    """The meter book at one moment, and what becomes of it."""

    @property
    def rows(self) -> BookRows: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def fleet(self) -> Fleet: ...

    def find_fault(self, table: str, label: str) -> str | None: ...


class MeterDesk(Protocol):
    """Where the meter book is edited: a change is refused that would have a row left out."""

    @property
    def kind(self) -> str: ...

    @property
    def where(self) -> str: ...

    def look(self) -> MeterLook: ...

    def list_maps(self, look: Any) -> list[tuple[RegisterMap, str]]: ...  # noqa: ANN401  # its own look

    def add_meter(self, cells: Row) -> str: ...

    def put_meter(self, name: str, cells: Row) -> str: ...

    def remove_meter(self, name: str) -> None: ...

    def add_register(self, cells: Row) -> int: ...

    def put_register(self, number: int, cells: Row) -> None: ...

    def remove_registers(self, numbers: Sequence[int]) -> None: ...

    def put_group(self, name: str, schedule: str) -> None: ...

    def remove_group(self, name: str) -> None: ...


class CommissionDesk(Protocol):
    """Where meters are looked at before they are added."""

    async def list_units(
        self, host: str, port: int | None, units: str | None
    ) -> tuple[list[Any], int]:
        """The units that answer, and how many places were tried."""
        ...

    async def read_values(
        self, host: str, port: int, framing: str, unit: int, type_name: str
    ) -> tuple[Mapping[str, float], tuple[str, ...]]:
        """Quantity to value of one read, and why the rest could not be read."""
        ...


class FleetDesk(Protocol):
    """Tells how the panels of a site stand."""

    def read(self, site: Site) -> SolarFleet: ...

    def expect(self, device: Device, start_us: int, end_us: int) -> tuple[Window, Any] | None: ...


class FiredAlert(Protocol):
    """An alert that a rule would have raised."""

    @property
    def device(self) -> str: ...

    @property
    def raised_at_us(self) -> int: ...

    @property
    def cleared_at_us(self) -> int | None: ...

    @property
    def value(self) -> float: ...


class RulePreview(Protocol):
    """What a rule would have done."""

    @property
    def fired(self) -> Sequence[FiredAlert]: ...

    @property
    def n_devices(self) -> int: ...


class IncidentShelf(Protocol):
    """Incidents with how far people have come with them."""

    def find(self, incident: str) -> BookedIncident: ...

    def list_newest(
        self,
        limit: int,
        *,
        states: Sequence[IncidentState] | None = None,
        site: str | None = None,
        device: str | None = None,
    ) -> list[BookedIncident]: ...


class AlertDesk(Protocol):
    """Rules, alerts, incidents, and the channels on which alerts are told."""

    @property
    def incidents(self) -> IncidentShelf: ...

    @property
    def version(self) -> int: ...

    def list_alerts(
        self, limit: int, states: tuple[AlertState, ...] | None
    ) -> list[tuple[Alert, list[Delivery]]]: ...

    def find_alert(self, alert: int) -> tuple[Alert, list[Delivery]]: ...

    def acknowledge_alert(self, alert: int) -> None: ...

    def silence_alert(self, alert: int, until_us: int) -> None: ...

    def list_rules(self) -> list[AlertRule]: ...

    def put_rule(self, rule: AlertRule) -> AlertRule: ...

    def drop_rule(self, rule: int) -> None: ...

    def preview(self, rule: AlertRule) -> RulePreview: ...

    def put_incident_state(
        self, incident: str, state: IncidentState, until_us: int = 0
    ) -> BookedIncident: ...

    def list_channels(self) -> list[dict[str, Any]]: ...

    async def test_channel(self, channel: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a route may use."""

    store: Store
    book: Book
    shelf: Shelf
    live: LiveView
    now_us: Callable[[], int]
    read_health: Callable[[], dict[str, Any]]
    """State of sources, log, store and disk, made by the composition root."""
    read_topics: Callable[[], dict[str, Any]]
    read_device_metrics: Callable[[int], str]
    """The devices' values of an instant [µs] as Prometheus' text format has them."""
    pages: tuple[str, ...]
    """Pages in the menu."""
    allowed_hosts: tuple[str, ...]
    """Names under which the page may be asked; guards against DNS rebinding."""
    screen: ScreenOptions
    """Colours, and by what pages judge."""
    meters: MeterDesk | None = None
    """None where no source polls meters."""
    commission: CommissionDesk | None = None
    """Likewise."""
    alerts: AlertDesk | None = None
    """None where nothing watches."""
    fleet: FleetDesk | None = None
    """None where nothing looks for faults."""
    lines: LineDesk | None = None
    """Where points are written; None where no source takes any."""
    remote: RemoteDesk | None = None
    """Where a Prometheus writes; likewise."""
    energy_price: float | None = None
    """Worth of one kWh produced, in the site's currency."""
    prometheus: PrometheusOptions = field(default_factory=PrometheusOptions)
    """How Prometheus' query API is answered."""

    def find_alerts(self) -> AlertDesk:
        """Where alerts and incidents are.

        Raises:
            UnknownNameError: Nothing watches.
        """
        if self.alerts is None:
            raise UnknownNameError("nothing watches here; start `wattscope run`")
        return self.alerts

    def list_sites(self) -> list[Site]:
        """All sites; those that have devices come first."""
        inhabited = {device.site for device in self.book.list_devices()}
        return sorted(self.book.list_sites(), key=lambda site: (site.id not in inhabited, site.id))

    def find_site(self, site: str | None) -> Site:
        """The site of an id; the first one that has devices where none is told.

        Raises:
            UnknownNameError: No such site.
        """
        found = next((one for one in self.list_sites() if site is None or one.id == site), None)
        if found is None:
            raise UnknownNameError(f"site {site!r} does not exist; see /api/sites")
        return found

    def find_device(self, device: str) -> Device:
        """The device of an id.

        Raises:
            UnknownNameError: No such device.
        """
        found = self.book.find_device(device)
        if found is None:
            raise UnknownNameError(f"device {device!r} does not exist; see /api/devices")
        return found

    def find_quantity_series(self, device: Device, quantity: str) -> Series:
        """The series of a quantity of a device, with its quantity and decisions.

        Raises:
            UnknownNameError: It never sent that.
        """
        wanted = self.find_series(device, quantity)
        return next(one for one in self.book.list_series() if one.id == wanted)

    def find_series(self, device: Device, quantity: str) -> int:
        """The series of a quantity of a device.

        Raises:
            UnknownNameError: It never sent that.
        """
        series = self.book.find_series(device.id, quantity)
        if series is None:
            raise UnknownNameError(f"device {device.id!r} has no quantity {quantity!r}")
        return series
