"""The tables of ``wattscope.toml``: each option has one spelling, one default, one description."""

from __future__ import annotations

from typing import Any

import msgspec

from wattscope.compute.prometheus_renames import Rename
from wattscope.settings.keeping import LiveSettings, LogSettings, StorageSettings
from wattscope.settings.outputs import OutputSettings

MAX_INTERVAL_S = 366 * 24 * 3600
MAX_DAYS = 36_525
"""A hundred years [d]."""
MAX_TIMEOUT_S = 300.0
"""Longest that one page of an exporter may take [s]."""
MAX_BODY_MB = 50
"""Largest body that may be set [MB]."""
SOURCE_TYPES = ("mqtt", "modbus", "influx", "p1", "sml", "remote_write", "scrape")
NOTIFY_TYPES = ("webhook", "email", "mqtt", "apprise")
PHASE_COLOURS = ("seed", "iec", "grey")


class SiteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[site]``: the place that devices belong to."""

    id: str = "home"
    """Name in exports and SQL."""
    name: str = "Home"
    """Name on the screen."""
    time_zone: str = "UTC"
    """IANA name; local days follow it."""
    currency: str = "EUR"
    """ISO 4217 code."""
    latitude: float | None = None
    """Degrees, north positive."""
    longitude: float | None = None
    """Degrees, east positive."""
    energy_price: float | None = None
    """Worth of one kWh produced, in the currency; left out, losses are told in kWh alone."""


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[server]``: the page and the API."""

    host: str = "127.0.0.1"
    """Address to listen on; another than loopback needs --expose-without-login."""
    port: int = 8000
    """TCP port."""


class BrokerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[broker]``: the MQTT broker that sources without a url use."""

    embedded: bool = True
    """Start our own broker as a child process."""
    host: str = "127.0.0.1"
    """Address of the broker."""
    port: int = 1883
    """MQTT port."""


class SourceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[sources]]``: where messages come from."""

    name: str = "mqtt"
    """Name on the health page and in quarantine."""
    type: str = "mqtt"
    """Kind of source: mqtt, modbus, influx, p1, sml, remote_write or scrape."""
    url: str | None = None
    """mqtt://host:1883 or mqtts://host:8883; left out, the broker of [broker]. p1 and sml:
    tcp://host:port, or serial:///dev/ttyUSB0?baud=115200."""
    profiles: tuple[str, ...] = ()
    """Which devices' messages to expect; names of files in profiles/ without ending."""
    client_id: str = "wattscope"
    """Name of the MQTT session; unique at the broker."""
    share: str | None = None
    """Name under which several clients share the messages (a shared subscription of the broker)."""
    username: str | None = None
    """User at the broker or exporter; influx and remote_write: who may write."""
    password: str | None = None
    """Password at the broker; the settings file must be readable by its owner only."""
    password_file: str | None = None
    """File whose first line is the password; better than password."""
    ca_file: str | None = None
    """Certificate authority to trust instead of the system's."""
    qos: int = 1
    """Quality of service of the subscriptions: 0 or 1."""
    poll: str = "10s"
    """modbus and scrape: when meters that say nothing else, and exporters, are read: 10s, 1m, or a
    cron expression."""
    token_file: str | None = None
    """influx and remote_write: file whose lines are tokens that may write; scrape: file whose first
    line is the bearer token that is shown to the exporters."""
    max_body_mb: float = 5.0
    """influx and remote_write: largest body of one request [MB]; unpacked it may have ten times as
    much. scrape: largest page, unpacked."""
    urls: tuple[str, ...] = ()
    """scrape: pages to read, such as http://host:9100/metrics."""
    timeout_s: float = 5.0
    """scrape: how long one page may take [s]."""
    honor_timestamps: bool = True
    """scrape: whether times on a page count; else all its values are of one moment."""


class RegistrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[registry]``: the tables in which Modbus meters and registers are described."""

    url: str | None = None
    """postgresql://user@host/database; left out, a SQLite file in the data folder."""
    password_file: str | None = None
    """File whose first line is the password of the database."""
    example: bool = True
    """Whether tables that are made anew hold a virtual meter, to see that everything works."""


class MeterSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[meters]]``: Modbus meters beside those in the tables of [registry]."""

    id: str
    """Name of its device in exports and SQL."""
    host: str
    """Name or address of the meter or its gateway, or a serial port such as /dev/ttyUSB0."""
    type: str
    """What it is: a profile such as sdm630, sunspec, or a type of the table registers."""
    port: int = 502
    """TCP port; many RS-485 gateways use 8899, 23 or 4196."""
    unit: int = 1
    """Unit identifier (slave address), 0 to 255."""
    name: str | None = None
    """Name on the screen; left out, the id."""
    framing: str = "auto"
    """auto, tcp, rtu_over_tcp, or rtu on a serial port."""
    baud: int = 9600
    """Speed of a serial port."""
    parity: str = "N"
    """Parity of a serial port: N, E or O."""
    stop_bits: int = 1
    """Stop bits of a serial port: 1 or 2."""
    poll: str | None = None
    """When it is read: 10s, 1m, a cron expression or a poll group; left out, as its source says."""
    timeout_s: float = 1.0
    """How long a reply may take [s]."""
    kind: str | None = None
    """meter, inverter, panel, battery, heat_pump, plug or sensor; left out, as its type says."""
    parent: str | None = None
    """Id of the device above it in the meter tree."""
    rating_w: float | None = None
    """Rated power [W]."""
    is_production: bool | None = None
    """Whether what it counts is generated; left out, as its type says."""
    is_direction_swapped: bool = False
    """Whether import and export are the other way round than its type says."""


class DeviceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[devices]]``: what is known of a device beforehand."""

    id: str
    """The device's key in its topics or payloads."""
    name: str | None = None
    """Name on the screen; left out, the id."""
    kind: str = "meter"
    """meter, plant, inverter, string, panel, battery, heat_pump, plug or sensor."""
    parent: str | None = None
    """Id of the device above it in the meter tree."""
    rating_w: float | None = None
    """Rated power [W]."""
    interval_s: float | None = None
    """Expected time between readings [s]; left out, the data tell."""
    sampling: str = "instant"
    """instant, or mean: each value is the mean over the interval that begins at its time."""
    is_production: bool = False
    """Whether what it counts is generated."""
    is_direction_swapped: bool = False
    """Whether import and export are the other way round than the profile says."""
    rollover_wh: float | None = None
    """Where its energy registers begin again at zero [Wh], such as 655360 for 16 bits of 10 Wh."""
    tilt_deg: float | None = None
    """Of a panel: 0 lies level, 90 stands upright [degrees]."""
    azimuth_deg: float | None = None
    """Where a panel looks to: 0 north, 90 east, 180 south, 270 west [degrees]."""
    latitude: float | None = None
    """Degrees, north positive; left out, what its messages tell, else that of its site."""
    longitude: float | None = None
    """Degrees, east positive; left out, what its messages tell, else that of its site."""


class ArraySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[arrays]]``: many like panels with their strings and inverters, as devices."""

    count: int
    """How many panels."""
    panels: str = "Panel-###"
    """Ids of the panels; ### becomes the number, with at least as many digits."""
    first: int = 1
    """Number of the first panel."""
    per_string: int = 0
    """Panels of a string; 0: there are no strings."""
    strings: str = "String-#"
    """Ids of the strings, numbered from 1."""
    strings_per_inverter: int = 0
    """Strings of an inverter, or panels where there are no strings; 0: all are at one inverter."""
    inverters: str = "Inverter-#"
    """Ids of the inverters, numbered from 1; empty: there are none."""
    plant: str | None = None
    """Id of the device above the inverters."""
    rating_w: float | None = None
    """Rated power of one panel [W]."""
    inverter_rating_w: float | None = None
    """Rated power of one inverter [W]."""
    tilt_deg: float | None = None
    """0 lies level, 90 stands upright [degrees]."""
    azimuth_deg: float | None = None
    """Where the panels look to: 0 north, 90 east, 180 south, 270 west [degrees]."""
    latitude: float | None = None
    """Degrees, north positive; left out, that of the site."""
    longitude: float | None = None
    """Degrees, east positive; left out, that of the site."""
    interval_s: float | None = None
    """Expected time between readings of a panel [s]; left out, the data tell."""


class IngestSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[ingest]``: what happens with the unknown."""

    register_devices: bool = True
    """Whether devices that are first heard of register themselves."""
    max_series: int = 100_000
    """More series than this are not made; their readings go to quarantine."""


class NameSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[prometheus.names]``: names of your own, each with what it shows."""

    device: str
    """Id of the device."""
    quantity: str
    """What of it, such as active_power_w."""
    unit: str | None = None
    """Unit to show it in, such as kW; left out, that of the quantity."""


class PrometheusSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[prometheus]``: a port for Prometheus alone, and names of your own."""

    host: str = "127.0.0.1"
    """Address to listen on; another than loopback needs --expose-without-login."""
    port: int | None = None
    """TCP port that answers /metrics and nothing else; left out, only the page's port does."""
    names: dict[str, NameSettings] = {}
    """Metrics by names of your own, beside the program's; see docs/prometheus.md."""


class HeatPumpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[heat_pump]``: the page of a heat pump: its states and its colours."""

    device: str | None = None
    """Id of its meter; left out, the first device of kind heat_pump, else the main meter."""
    standby_below_w: float = 20.0
    """Below this power it stands by [W]."""
    high_from_w: float = 2000.0
    """From this power on it is under high load, or defrosts [W]."""
    hysteresis: float = 0.1
    """How far below a limit power must fall until the lower state counts, as a share of it."""
    min_state_s: float = 60.0
    """Less time than this is no state of its own [s]."""
    power_green_w: float = 1000.0
    """Up to this power the tile is green [W]."""
    power_red_w: float = 2000.0
    """Above this power the tile is red, between the two yellow [W]."""
    frequency_hz: float = 50.0
    """Frequency that the grid should have [Hz]."""
    frequency_green_hz: float = 0.2
    """Up to this deviation the frequency is green [Hz]."""
    frequency_red_hz: float = 0.5
    """Beyond this deviation it is red, between the two yellow [Hz]."""
    power_factor_green: float = 0.85
    """From here on the power factor is green."""
    power_factor_red: float = 0.7
    """Below it is red, between the two yellow."""


class DetectSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[detect]``: looking for what is wrong."""

    enabled: bool = True
    """Whether detectors look at the devices while the program runs."""
    leave_out: tuple[str, ...] = ()
    """Detectors that do not look, by the names in docs/detectors.md."""
    retrain_days: float = 7.0
    """How often models are trained anew on the site's own past [d]; 0: only by wattscope train."""


class NotifySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[notify]]``: channels on which alerts are told."""

    name: str
    """Name of the channel, for rules and the page."""
    type: str
    """webhook, email, mqtt, or apprise for ntfy, Telegram and others."""
    url: str | None = None
    """https://host/path, smtp://host:587, smtps://host, mqtt://host, or a URL of Apprise."""
    url_file: str | None = None
    """File whose first line is the URL; for one that holds a secret."""
    username: str | None = None
    """User at the receiver."""
    password_file: str | None = None
    """File whose first line is the password, or for a webhook without a user its bearer token."""
    sender: str | None = None
    """email: address of the sender."""
    recipients: tuple[str, ...] = ()
    """email: addresses of those who are told."""
    starttls: bool = True
    """email: whether smtp:// must become encrypted before anything is said; smtps:// always is."""
    topic: str = "wattscope/alerts"
    """mqtt: topic of the messages."""
    ca_file: str | None = None
    """Certificate authority to trust instead of the system's."""
    tell_end: bool = False
    """Whether it is also told when an alert is over."""


class ScreenSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[screen]``: how pages look."""

    phase_colours: str = "seed"
    """Phases L1, L2, L3: seed (red, yellow, blue), iec (brown, black, grey) or grey."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    pages: tuple[str, ...] = ("home",)
    """Pages that the menu shows."""
    site: SiteSettings = SiteSettings()
    server: ServerSettings = ServerSettings()
    broker: BrokerSettings = BrokerSettings()
    sources: tuple[SourceSettings, ...] = (SourceSettings(profiles=("xcel-itron", "shelly-gen2")),)
    devices: tuple[DeviceSettings, ...] = ()
    arrays: tuple[ArraySettings, ...] = ()
    meters: tuple[MeterSettings, ...] = ()
    registry: RegistrySettings = RegistrySettings()
    storage: StorageSettings = StorageSettings()
    log: LogSettings = LogSettings()
    live: LiveSettings = LiveSettings()
    ingest: IngestSettings = IngestSettings()
    prometheus: PrometheusSettings = PrometheusSettings()
    outputs: tuple[OutputSettings, ...] = ()
    heat_pump: HeatPumpSettings = HeatPumpSettings()
    detect: DetectSettings = DetectSettings()
    notify: tuple[NotifySettings, ...] = ()
    screen: ScreenSettings = ScreenSettings()
    simulate: dict[str, Any] = {}
    """Settings of the recipe's simulator, for ``demo`` and ``simulate``."""


def list_renames(settings: Settings) -> list[Rename]:
    """The names of ``[prometheus.names]``."""
    return [
        Rename(name, one.device, one.quantity, one.unit)
        for name, one in settings.prometheus.names.items()
    ]
