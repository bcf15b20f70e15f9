"""Settings: one TOML file becomes frozen values, or a list of everything that is wrong with it.

Each option has one spelling, one default and one description, all here. An unknown key is an
error that names the nearest valid one. Nothing here touches the network.
"""

from __future__ import annotations

import difflib
import math
import os
import stat
import tomllib
from datetime import UTC
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from wattscope.compute.poll_schedule import parse_schedule
from wattscope.core.errors import QueryError, SettingsError
from wattscope.core.quantities import QUANTITIES
from wattscope.core.sound_table import keep_sound
from wattscope.core.time_grid import US_PER_HOUR, load_zone
from wattscope.core.topology import DeviceKind, Sampling, is_safe_name

MAX_FILE_BYTES = 1_000_000
MAX_INTERVAL_S = 366 * 24 * 3600
MAX_DAYS = 36_525
"""A hundred years [d]."""
SOURCE_TYPES = ("mqtt", "modbus")
PHASE_COLOURS = ("seed", "iec", "grey")
CHUNK_INTERVALS = {"3h": 3 * US_PER_HOUR, "1d": 24 * US_PER_HOUR, "1w": 168 * US_PER_HOUR}
"""Names of chunk intervals to their lengths [µs]."""
_SAMPLE_PASSWORDS = {"admin", "adminpassword", "password", "changeme", "secret", "public"} | {
    "my-super-secret-auth-token",
    "emonpimqtt2016",
    "root",
    "123456",
}


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
    """Kind of source: mqtt or modbus."""
    url: str | None = None
    """mqtt://host:1883 or mqtts://host:8883; left out, the broker of [broker]."""
    profiles: tuple[str, ...] = ()
    """Which devices' messages to expect; names of files in profiles/ without ending."""
    client_id: str = "wattscope"
    """Name of the MQTT session; unique at the broker."""
    username: str | None = None
    """User at the broker."""
    password: str | None = None
    """Password at the broker; the settings file must be readable by its owner only."""
    password_file: str | None = None
    """File whose first line is the password; better than password."""
    ca_file: str | None = None
    """Certificate authority to trust instead of the system's."""
    qos: int = 1
    """Quality of service of the subscriptions: 0 or 1."""
    poll: str = "10s"
    """modbus: when meters that say nothing else are read: 10s, 1m, or a cron expression."""


class RegistrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[registry]``: the tables in which Modbus meters and registers are described."""

    url: str | None = None
    """postgresql://user@host/database; left out, a SQLite file in the data folder."""
    password_file: str | None = None
    """File whose first line is the password of the database."""


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
    """meter, inverter, panel, battery, heat_pump, plug or sensor."""
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


class RetentionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[storage.retention]]``: for how long values are kept; the first that fits counts."""

    quantity: str
    """Name or pattern of quantities, such as voltage_* or * for all."""
    raw_days: float = 0.0
    """Age at which measured values are removed, once their buckets are proved [d]; 0: never."""
    level_1m_days: float = 0.0
    """Age at which buckets of 1 minute of removed values go [d]; 0: never."""
    level_15m_days: float = 0.0
    """Likewise of 15 minutes [d]."""
    level_1h_days: float = 0.0
    """Likewise of 1 hour [d]."""
    level_1d_days: float = 0.0
    """Likewise of 1 local day [d]."""


class StorageSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[storage]``: how readings are kept."""

    durability: str = "full"
    """full: fsync before a sender is told; relaxed: a power cut may cost the last moments."""
    sync_interval_s: float = 1.0
    """With relaxed: the most that a power cut or a crash of the machine may cost [s]."""
    commit_ms: float = 10.0
    """Longest time that a message waits for others to share an fsync [ms]; more spares SD cards."""
    warn_free_mb: float | None = None
    """Free space below which to warn [MB], 0: never; left out, 1000, or less on a small disk."""
    min_free_mb: float | None = None
    """Below this new data is refused [MB], 0: never; left out, 200, or less on a small disk."""
    chunk: str = "1w"
    """Span of a chunk file: 3h, 1d or 1w, longer is smaller; fixed when the data folder is made."""
    tail_rows: int = 1_000_000
    """Values in memory at which they are moved to chunk files."""
    flush_minutes: float = 15.0
    """Longest time until values are moved to chunk files [min]."""
    memory_mb: int = 256
    """Memory that the query engine may use [MB]."""
    query_threads: int = 1
    """Threads of one question; more are faster on large data and cost memory."""
    scrub_days: float = 7.0
    """How often every file is read and its checksum compared [d]; 0: never."""
    retention: tuple[RetentionSettings, ...] = ()
    """What is removed when it is old; left out, nothing ever is."""


class IngestSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[ingest]``: what happens with the unknown."""

    register_devices: bool = True
    """Whether devices that are first heard of register themselves."""
    max_series: int = 100_000
    """More series than this are not made; their readings go to quarantine."""


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
    meters: tuple[MeterSettings, ...] = ()
    registry: RegistrySettings = RegistrySettings()
    storage: StorageSettings = StorageSettings()
    ingest: IngestSettings = IngestSettings()
    heat_pump: HeatPumpSettings = HeatPumpSettings()
    screen: ScreenSettings = ScreenSettings()
    simulate: dict[str, Any] = {}
    """Settings of the recipe's simulator, for ``demo`` and ``simulate``."""


def load_settings(path: Path) -> Settings:
    """The settings of a file.

    Raises:
        SettingsError: The file cannot be read or is wrong; all faults are listed.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
            mode = os.fstat(file.fileno()).st_mode
    except OSError as fault:
        raise SettingsError(
            [f"cannot be read ({fault.strerror}); name another file with -c"], where=str(path)
        ) from fault
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError([f"is larger than {MAX_FILE_BYTES} bytes"], where=str(path))
    try:
        settings, faults = _read_settings(content.decode())
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise SettingsError([f"is no UTF-8 text (at line {line})"], where=str(path)) from fault
    if _has_password(settings) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        faults.append(
            "holds a password and can be read by others; chmod 600 it, or use password_file"
        )
    if faults:
        raise SettingsError(faults, where=str(path))
    return settings


def parse_settings(text: str, *, where: str = "settings") -> Settings:
    """The settings of a TOML text.

    Raises:
        SettingsError: All faults, each with its key.
    """
    settings, faults = _read_settings(text)
    if faults:
        raise SettingsError(faults, where=where)
    return settings


def _read_settings(text: str) -> tuple[Settings, list[str]]:
    """What can be understood of a TOML text, and all that is wrong with it."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        return Settings(), [f"is no TOML: {fault}"]
    faults: list[str] = []
    settings = msgspec.convert(keep_sound(table, Settings, "", faults), Settings)
    return settings, faults + _find_faults(settings)


def _find_faults(settings: Settings) -> list[str]:
    """What is well formed but cannot be meant."""
    faults = _find_site_faults(settings.site)
    faults += _find_device_faults(settings)
    faults += _find_source_faults(settings)
    faults += _find_storage_faults(settings.storage)
    faults += _find_heat_pump_faults(settings.heat_pump)
    if settings.screen.phase_colours not in PHASE_COLOURS:
        valid = ", ".join(PHASE_COLOURS)
        faults.append(f"screen.phase_colours: {settings.screen.phase_colours!r} is not {valid}")
    for at, port in (("server", settings.server.port), ("broker", settings.broker.port)):
        if not 1 <= port <= 65_535:
            faults.append(f"{at}.port: {port} is not between 1 and 65535")
    return faults


def _has_password(settings: Settings) -> bool:
    return any(source.password or _password_in(source.url) for source in settings.sources)


def _password_in(url: str | None) -> str | None:
    """The password that a URL carries, if any."""
    try:
        return urlsplit(url or "").password
    except ValueError:
        return None


def _find_source_faults(settings: Settings) -> list[str]:
    faults = []
    for source in settings.sources:
        at = f"sources.{source.name}"
        if source.type not in SOURCE_TYPES:
            valid = " or ".join(SOURCE_TYPES)
            faults.append(f"{at}.type: {source.type!r} is unknown; valid is {valid}")
        if source.type == "modbus":
            faults += _find_poll_faults(f"{at}.poll", source.poll)
            continue
        if not source.profiles:
            faults.append(f"{at}.profiles: name at least one, such as shelly-gen2")
        if source.qos not in {0, 1}:
            faults.append(f"{at}.qos: {source.qos} is not 0 or 1")
        if source.password in _SAMPLE_PASSWORDS:
            faults.append(f"{at}.password: a sample password is refused; choose your own")
        if source.password and source.password_file:
            faults.append(f"{at}: password and password_file exclude each other")
        if _password_in(source.url) in _SAMPLE_PASSWORDS:
            faults.append(f"{at}.url: a sample password is refused; choose your own")
    own = f"mqtt://{settings.broker.host}:{settings.broker.port}"
    names = [
        (source.url or own, source.client_id)
        for source in settings.sources
        if source.type == "mqtt"
    ]
    if len(set(names)) < len(names):
        faults.append("sources: two with one client_id at one broker would throw each other out")
    return faults


def _find_poll_faults(at: str, text: str) -> list[str]:
    try:
        parse_schedule(text, UTC)
    except SettingsError as fault:
        return [f"{at}: {one}" for one in fault.faults]
    return []


def _find_storage_faults(storage: StorageSettings) -> list[str]:
    faults = []
    if storage.durability not in {"full", "relaxed"}:
        faults.append(f"storage.durability: {storage.durability!r} is not full or relaxed")
    if storage.chunk not in CHUNK_INTERVALS:
        faults.append(f"storage.chunk: {storage.chunk!r} is not {', '.join(CHUNK_INTERVALS)}")
    faults += [
        f"storage.{name}: must be above 0"
        for name in ("tail_rows", "flush_minutes", "memory_mb", "query_threads")
        if not getattr(storage, name) > 0
    ]
    if not 0 < storage.sync_interval_s <= 3600:
        faults.append("storage.sync_interval_s: must be above 0 and at most 3600")
    if not 0 <= storage.commit_ms <= 60_000:
        faults.append("storage.commit_ms: must be between 0 and 60000")
    warn_mb, min_mb = storage.warn_free_mb, storage.min_free_mb
    faults += [
        f"storage.{name}: must be 0 (never) or more"
        for name, value in (("warn_free_mb", warn_mb), ("min_free_mb", min_mb))
        if value is not None and not 0 <= value < math.inf
    ]
    if warn_mb is not None and min_mb is not None and warn_mb < min_mb:
        faults.append("storage.warn_free_mb: must not be below min_free_mb")
    if not 0 <= storage.scrub_days <= MAX_DAYS:
        faults.append(f"storage.scrub_days: must be 0 (never) to {MAX_DAYS}")
    for rule in storage.retention:
        faults += _find_retention_faults(rule)
    return faults


def _find_retention_faults(rule: RetentionSettings) -> list[str]:
    at = f"storage.retention.{rule.quantity}"
    faults = []
    if not any(fnmatchcase(name, rule.quantity) for name in QUANTITIES):
        near = difflib.get_close_matches(rule.quantity, QUANTITIES, n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]}?" if near else ""
        faults.append(f"{at}: no quantity has this name or pattern{hint}")
    levels = ("level_1m_days", "level_15m_days", "level_1h_days", "level_1d_days")
    for name in ("raw_days", *levels):
        days = getattr(rule, name)
        if not 0 <= days <= MAX_DAYS:
            faults.append(f"{at}.{name}: must be 0 (never) to {MAX_DAYS}")
        if name != "raw_days" and days > 0 and rule.raw_days == 0:
            faults.append(f"{at}.{name}: says nothing while raw_days is 0 (never); set raw_days")
    return faults


def _find_site_faults(site: SiteSettings) -> list[str]:
    faults = []
    try:
        load_zone(site.time_zone)
    except QueryError as fault:
        faults.append(f"site.time_zone: {fault}")
    if not is_safe_name(site.id):
        faults.append(f"site.id: {site.id!r} is no name; use letters, digits, - and _")
    if site.latitude is not None and not -90 <= site.latitude <= 90:
        faults.append(f"site.latitude: {site.latitude} is not between -90 and 90")
    if site.longitude is not None and not -180 <= site.longitude <= 180:
        faults.append(f"site.longitude: {site.longitude} is not between -180 and 180")
    return faults


def _find_heat_pump_faults(pump: HeatPumpSettings) -> list[str]:
    ordered = (
        ("standby_below_w", "high_from_w"),
        ("power_green_w", "power_red_w"),
        ("frequency_green_hz", "frequency_red_hz"),
        ("frequency_red_hz", "frequency_hz"),
        ("power_factor_red", "power_factor_green"),
    )
    faults = [
        f"heat_pump.{low}: must be above 0 and below {high}"
        for low, high in ordered
        if not 0 < getattr(pump, low) < getattr(pump, high) < math.inf
    ]
    if not pump.power_factor_green <= 1:
        faults.append("heat_pump.power_factor_green: must be at most 1")
    if not 0 <= pump.hysteresis < 1:
        faults.append("heat_pump.hysteresis: must be a share, from 0 to below 1")
    if not 0 <= pump.min_state_s <= 3600:
        faults.append("heat_pump.min_state_s: must be between 0 and 3600")
    return faults


def _find_device_faults(settings: Settings) -> list[str]:
    faults = []
    seen: set[str] = set()
    kinds, samplings = [kind.value for kind in DeviceKind], [one.value for one in Sampling]
    for device in settings.devices:
        at = f"devices.{device.id}"
        if device.id in seen:
            faults.append(f"{at}: the id is there twice; remove one")
        seen.add(device.id)
        if not is_safe_name(device.id):
            faults.append(f"{at}: {device.id!r} is no name; use letters, digits, - and _")
        if device.kind not in kinds:
            faults.append(f"{at}.kind: {device.kind!r} is unknown; valid are {', '.join(kinds)}")
        if device.sampling not in samplings:
            faults.append(f"{at}.sampling: {device.sampling!r} is not {' or '.join(samplings)}")
        if device.interval_s is not None and not 0 < device.interval_s <= MAX_INTERVAL_S:
            faults.append(f"{at}.interval_s: must be above 0 and at most {MAX_INTERVAL_S}")
        faults += [
            f"{at}.{name}: must be above 0"
            for name, value in (("rating_w", device.rating_w), ("rollover_wh", device.rollover_wh))
            if value is not None and not 0 < value < math.inf
        ]
        if device.parent == device.id:
            faults.append(f"{at}.parent: a device cannot be above itself")
    parents = {device.parent for device in settings.devices} - {None}
    faults += [f"devices: parent {one!r} is not a device" for one in sorted(parents - seen)]  # type: ignore[type-var]  # None was taken out
    return faults
