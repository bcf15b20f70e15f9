"""What is well formed in a settings file but cannot be meant; all of it is listed at once."""

from __future__ import annotations

import difflib
import math
from datetime import UTC
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from wattscope.compute.poll_schedule import parse_schedule
from wattscope.compute.prometheus_renames import list_rename_faults
from wattscope.compute.telegrams.forms import TELEGRAM_FORMS
from wattscope.core.errors import QueryError, SettingsError
from wattscope.core.quantities import QUANTITIES
from wattscope.core.time_grid import load_zone
from wattscope.core.topology import DeviceKind, Sampling, is_safe_name
from wattscope.core.wire_address import parse_wire_address
from wattscope.settings.arrays import (
    find_array_faults,
    find_place_faults,
    list_array_devices,
)
from wattscope.settings.cluster_faults import find_cluster_faults, has_cluster_secret
from wattscope.settings.keeping import CHUNK_INTERVALS, RetentionSettings, StorageSettings
from wattscope.settings.notify_faults import find_notify_faults, holds_secret
from wattscope.settings.output_faults import find_output_faults
from wattscope.settings.scrape_faults import find_scrape_faults
from wattscope.settings.tables import (
    MAX_BODY_MB,
    MAX_DAYS,
    MAX_INTERVAL_S,
    PHASE_COLOURS,
    SOURCE_TYPES,
    HeatPumpSettings,
    Settings,
    SiteSettings,
    SourceSettings,
    list_renames,
)

WRITTEN_TYPES = ("influx", "remote_write")
"""Types of sources that are written to over HTTP."""
_SAMPLE_PASSWORDS = {"admin", "adminpassword", "password", "changeme", "secret", "public"} | {
    "my-super-secret-auth-token",
    "emonpimqtt2016",
    "root",
    "123456",
}


def find_faults(settings: Settings) -> list[str]:
    """What is well formed but cannot be meant."""
    faults = _find_site_faults(settings.site)
    array_faults = find_array_faults(settings)
    faults += array_faults
    faults += _find_device_faults(settings, is_laid_out=not array_faults)
    faults += _find_source_faults(settings)
    faults += _find_storage_faults(settings.storage)
    faults += find_cluster_faults(settings)
    faults += [f"prometheus.names.{fault}" for fault in list_rename_faults(list_renames(settings))]
    for at, port in (
        ("server", settings.server.port),
        ("broker", settings.broker.port),
        ("prometheus", settings.prometheus.port),
    ):
        if port is not None and not 1 <= port <= 65_535:
            faults.append(f"{at}.port: {port} is not between 1 and 65535")
    faults += _find_heat_pump_faults(settings.heat_pump)
    faults += find_notify_faults(settings.notify)
    faults += find_output_faults(settings.outputs)
    if settings.screen.phase_colours not in PHASE_COLOURS:
        valid = ", ".join(PHASE_COLOURS)
        faults.append(f"screen.phase_colours: {settings.screen.phase_colours!r} is not {valid}")
    return faults


def has_password(settings: Settings) -> bool:
    return (
        bool(_password_in(settings.registry.url))
        or has_cluster_secret(settings)
        or any(source.password or _password_in(source.url) for source in settings.sources)
        or any(map(holds_secret, settings.notify))
    )


def _password_in(url: str | None) -> str | None:
    """The password that a URL carries, if any."""
    try:
        return urlsplit(url or "").password
    except ValueError:
        return None


def _find_source_faults(settings: Settings) -> list[str]:
    faults = [fault for one in settings.sources for fault in _find_faults_of(one)]
    own = f"mqtt://{settings.broker.host}:{settings.broker.port}"
    names = [
        (source.url or own, source.client_id)
        for source in settings.sources
        if source.type == "mqtt"
    ]
    faults += [
        f"sources: only one can be of type {kind}; name all its profiles in one"
        for kind in WRITTEN_TYPES
        if [source.type for source in settings.sources].count(kind) > 1
    ]
    if len(set(names)) < len(names):
        faults.append("sources: two with one client_id at one broker would throw each other out")
    lines = [source.url for source in settings.sources if source.type in TELEGRAM_FORMS]
    if len(set(lines)) < len(lines):
        faults.append("sources: two would read the same line; remove one")
    return faults


def _find_faults_of(source: SourceSettings) -> list[str]:
    """Faults of one source, by what it is."""
    at = f"sources.{source.name}"
    if source.type == "modbus":
        return _find_poll_faults(f"{at}.poll", source.poll)
    if source.type in TELEGRAM_FORMS:
        return _find_line_faults(f"{at}.url", source)
    if source.type in WRITTEN_TYPES:
        return _find_write_faults(at, source)
    if source.type == "scrape":
        return find_scrape_faults(at, source) + _find_poll_faults(f"{at}.poll", source.poll)
    faults = []
    if source.type not in SOURCE_TYPES:
        valid = " or ".join(SOURCE_TYPES)
        faults.append(f"{at}.type: {source.type!r} is unknown; valid is {valid}")
    return faults + _find_client_faults(at, source)


def _find_client_faults(at: str, source: SourceSettings) -> list[str]:
    """Faults of a client of a broker."""
    faults = []
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
    return faults


def _find_line_faults(at: str, source: SourceSettings) -> list[str]:
    try:
        parse_wire_address(source.url or "", TELEGRAM_FORMS[source.type].usual_line)
    except SettingsError as fault:
        return [f"{at}: {one}" for one in fault.faults]
    return []


def _find_write_faults(at: str, source: SourceSettings) -> list[str]:
    """Faults of a source that is written to."""
    faults = []
    if source.password is not None:
        faults.append(f"{at}.password: write it into a file, and name that in password_file")
    if (source.username is None) != (source.password_file is None):
        faults.append(f"{at}: username and password_file belong together")
    if not 0 < source.max_body_mb <= MAX_BODY_MB:
        faults.append(f"{at}.max_body_mb: must be above 0 and at most {MAX_BODY_MB}")
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
    if site.energy_price is not None and not 0 <= site.energy_price < math.inf:
        faults.append("site.energy_price: must be 0 or more")
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


def _find_device_faults(settings: Settings, *, is_laid_out: bool) -> list[str]:
    """Faults of ``[[devices]]``; ``is_laid_out``: whether the arrays can be asked for theirs."""
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
        faults += find_place_faults(device, at)
        if device.parent == device.id:
            faults.append(f"{at}.parent: a device cannot be above itself")
    if is_laid_out:
        seen |= {one.id for one in list_array_devices(settings)}
    parents = {device.parent for device in settings.devices} - {None}
    faults += [f"devices: parent {one!r} is not a device" for one in sorted(parents - seen)]  # type: ignore[type-var]  # None was taken out
    return faults
