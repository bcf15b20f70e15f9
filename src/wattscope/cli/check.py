"""Commands that examine: ``check`` settings, and ``doctor`` for what may be wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from wattscope.assembly.feeds import (
    SAMPLE_TYPES,
    build_line_router,
    build_mqtt_options,
    build_router,
    build_sample_router,
    load_profiles,
)
from wattscope.assembly.line_desk import read_login
from wattscope.assembly.meter_fleet import FleetReader, build_fleet_source
from wattscope.assembly.scrape_options import build_getter_options
from wattscope.assembly.storage import now_us, open_storage
from wattscope.assembly.virtual_meter import HOST as VIRTUAL_HOST
from wattscope.broker import find_broker_program, is_port_taken
from wattscope.cli.options import (
    DEFAULT_DATA,
    DataOption,
    SettingsOption,
    find_profiles,
    read_settings,
)
from wattscope.compute.modbus.meter_rows import BookRows
from wattscope.core.errors import SettingsError, WattscopeError
from wattscope.core.server_address import find_port
from wattscope.core.time_grid import US_PER_S
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings, SourceSettings, load_settings
from wattscope.stores.folder import DataFolder

_LOW_DISK_BYTES = 1_000_000_000
_SILENT_S = 600
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "tmpfs", "vfat"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing examined."""

    is_well: bool
    text: str


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command()(check)
    app.command()(doctor)


def check(
    settings_file: Annotated[Path, typer.Argument(help="Settings file to check.")],
) -> None:
    """Check a settings file without starting anything; lists all that is wrong."""
    settings = load_settings(settings_file)
    library = find_profiles(settings_file)
    for source in settings.sources:
        if source.type == "influx":
            build_line_router(source, library)
            read_login(source)
            continue
        if source.type in SAMPLE_TYPES:
            build_sample_router(source, library)
            if source.type == "scrape":
                build_getter_options(source)
            else:
                read_login(source)
            continue
        filters = _read_filters(settings, source.profiles, library)
        build_mqtt_options(settings, source, filters)
    typer.echo(f"{settings_file}: well formed, {len(settings.sources)} sources")


def doctor(
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Examine settings, broker, data folder and disk; says what to do about each finding."""
    n_ill = 0
    for diagnosis in _examine(data, settings_file):
        mark = "ok  " if diagnosis.is_well else "LOOK"
        n_ill += not diagnosis.is_well
        typer.echo(f"{mark}  {diagnosis.text}")
    if n_ill:
        raise typer.Exit(1)


def _examine(data: Path, settings_file: Path | None) -> Iterator[Diagnosis]:
    try:
        settings = read_settings(settings_file)
    except SettingsError as fault:
        for line in str(fault).splitlines():
            yield Diagnosis(False, line)
        return
    yield Diagnosis(True, "settings are well formed")
    yield from _examine_sources(settings, find_profiles(settings_file), data)
    yield from _examine_folder(data)
    if (data / "registry.sqlite").exists():
        yield from _examine_readings(settings, data)


def _examine_sources(
    settings: Settings, library: ProfileLibrary, data: Path
) -> Iterator[Diagnosis]:
    if settings.broker.embedded:
        try:
            yield Diagnosis(True, f"embedded broker is installed: {find_broker_program().name}")
        except SettingsError as fault:
            yield Diagnosis(False, str(fault))
    for source in settings.sources:
        if source.type == "modbus":
            yield from _examine_meters(settings, library, data)
            continue
        if source.type == "influx":
            yield _examine_writes(source, library)
            continue
        if source.type in SAMPLE_TYPES:
            yield from _examine_samples(source, library)
            continue
        try:
            filters = _read_filters(settings, source.profiles, library)
            options = build_mqtt_options(settings, source, filters)
        except SettingsError as fault:
            yield Diagnosis(False, str(fault))
            continue
        host, port = options.address
        if is_port_taken(host, port):
            yield Diagnosis(True, f"source {source.name}: a broker answers at {host}:{port}")
        else:
            scheme = urlsplit(options.url).scheme
            yield Diagnosis(
                False,
                f"source {source.name}: nothing answers at {scheme}://{host}:{port}; start "
                "wattscope run (embedded broker) or your broker, or correct sources.url",
            )


def _examine_writes(source: SourceSettings, library: ProfileLibrary) -> Diagnosis:
    """Whether points that are written can be read, and who may write them."""
    try:
        build_line_router(source, library)
        return _word_login(source, "points", "/write")
    except SettingsError as fault:
        return Diagnosis(False, str(fault))


def _examine_samples(source: SourceSettings, library: ProfileLibrary) -> Iterator[Diagnosis]:
    """Whether samples can be read, who may write them, and which exporters answer."""
    try:
        build_sample_router(source, library)
        if source.type == "scrape":
            build_getter_options(source)
        else:
            yield _word_login(source, "samples", "/api/v1/write")
    except SettingsError as fault:
        yield Diagnosis(False, str(fault))
        return
    for url in source.urls:
        address = urlsplit(url)
        port = find_port(address)
        is_there = is_port_taken(address.hostname or "", port)
        words = "is listened at" if is_there else "does not answer; is the exporter running?"
        yield Diagnosis(is_there, f"source {source.name}: {address.hostname}:{port} {words}")


def _word_login(source: SourceSettings, what: str, path: str) -> Diagnosis:
    who = "with a login" if read_login(source).is_needed else "without a login, from this machine"
    return Diagnosis(True, f"source {source.name}: {what} may be written to {path} {who}")


def _examine_meters(settings: Settings, library: ProfileLibrary, data: Path) -> Iterator[Diagnosis]:
    """Every row of the meter book, and every address that is to be read."""
    try:
        source = build_fleet_source(settings, data, library)
        if settings.registry.url is None and not DataFolder(data).meters.exists():
            fleet = source.build(BookRows())
        else:
            fleet = FleetReader(source).read()
    except WattscopeError as fault:
        yield Diagnosis(False, str(fault))
        return
    for row in fleet.faults:
        yield Diagnosis(row.is_warning, str(row))
    for endpoint in dict.fromkeys(meter.endpoint for meter in fleet.meters):
        if endpoint.is_serial:
            is_there = Path(endpoint.host).exists()
            words = "is there" if is_there else "does not exist; is the adapter plugged in?"
            yield Diagnosis(is_there, f"serial port {endpoint.host} {words}")
        elif endpoint.host != VIRTUAL_HOST:
            is_there = is_port_taken(endpoint.host, endpoint.port)
            words = "is listened at" if is_there else "does not answer; see wattscope devices scan"
            yield Diagnosis(is_there, f"meters at {endpoint.address}: it {words}")


def _examine_folder(data: Path) -> Iterator[Diagnosis]:
    if not data.exists():
        yield Diagnosis(True, f"data folder {data} does not exist yet; it is made at the start")
        return
    free = shutil.disk_usage(data).free
    yield Diagnosis(
        free > _LOW_DISK_BYTES, f"data folder {data}: {free / 1e9:.1f} GB free on its disk"
    )
    kind = _file_system_of(data.resolve())
    yield Diagnosis(
        kind not in _NETWORK_FILE_SYSTEMS,
        f"data folder lies on {kind}"
        + (
            "; fsync is not to be trusted there, use a local disk" * (kind in _NETWORK_FILE_SYSTEMS)
        ),
    )
    is_running = DataFolder(data).is_locked_by_other()
    yield Diagnosis(True, "a wattscope runs on it" if is_running else "no wattscope runs on it now")


def _examine_readings(settings: Settings, data: Path) -> Iterator[Diagnosis]:
    try:
        with open_storage(settings, data, is_read_only=True) as storage:
            span = storage.store.time_range()
            by_code = storage.shelf.count_by_code()
    except WattscopeError as fault:
        yield Diagnosis(False, str(fault))
        return
    if span is None:
        yield Diagnosis(False, "no reading was ever stored; see wattscope subscribe for what comes")
        return
    age_s = (now_us() - span[1]) / US_PER_S
    yield Diagnosis(age_s < _SILENT_S, f"newest reading is {age_s:.0f} s old")
    for code, count in sorted(by_code.items()):
        yield Diagnosis(
            False, f"{count} items in quarantine for {code}; see the health page, then replay"
        )


def _read_filters(
    settings: Settings, profiles: tuple[str, ...], library: ProfileLibrary
) -> tuple[str, ...]:
    return build_router(load_profiles(profiles, library), settings.site.time_zone).filters


def _file_system_of(path: Path) -> str:
    """Type of the file system that holds a path; ``unknown`` where the system does not tell."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    holding = [one for one in mounts if path.is_relative_to(one[1])]
    return max(holding, key=lambda one: len(one[1]))[2] if holding else "unknown"
