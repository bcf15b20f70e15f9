"""Sources with their way into the log."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from wattscope.assembly.meter_fleet import (
    FleetReader,
    FleetSource,
    build_fleet_source,
    register_fleet,
)
from wattscope.assembly.scrape_options import build_getter_options
from wattscope.assembly.storage import WayIn, now_us
from wattscope.assembly.virtual_meter import VirtualMeter
from wattscope.compute.decode import DECODERS
from wattscope.compute.decode.profile import Profile, parse_profile
from wattscope.compute.decode.route import bind_route
from wattscope.compute.files.line_map import parse_line_map
from wattscope.compute.fleet_routing import FleetRouter
from wattscope.compute.line_routing import LineRouter
from wattscope.compute.poll_schedule import parse_schedule
from wattscope.compute.routing import Router, TopicRoute, TopicRouter
from wattscope.compute.sample_routing import SampleRouter
from wattscope.compute.samples.metric_map import parse_metric_map
from wattscope.compute.telegrams.forms import TELEGRAM_FORMS
from wattscope.core.errors import SettingsError
from wattscope.core.fleet import Fleet
from wattscope.core.time_grid import load_zone
from wattscope.core.topology import Device
from wattscope.pipeline.binding import Binder, BindingRules
from wattscope.pipeline.ingest import Ingest
from wattscope.pipeline.intake import Intake
from wattscope.pipeline.reception import Receiving
from wattscope.plugins import load_plugin
from wattscope.ports import Source
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings, SourceSettings
from wattscope.sources.link_state import LinkState
from wattscope.sources.modbus import ModbusOptions, ModbusSource
from wattscope.sources.mqtt import MqttOptions
from wattscope.sources.page_getter import PageGetter
from wattscope.sources.pushed_writes import BACKLOG_BYTES, MB, WriteOptions
from wattscope.sources.scrape import ScrapeOptions
from wattscope.sources.telegram import TelegramOptions

_log = structlog.get_logger()
DEFAULT_LINE_PROFILE = "influx"
"""What a source of the line protocol reads with when its settings name no profile."""
DEFAULT_SAMPLE_PROFILE = "wattscope-metrics"
"""Likewise a source of Prometheus' samples."""
SAMPLE_TYPES = ("remote_write", "scrape")
"""Types of sources whose messages are samples of Prometheus."""


class FeedSource(Protocol):
    """A source that tells how it stands."""

    name: str
    kind: str
    """The type of the settings: ``mqtt``, ``modbus``, ``scrape``, ..."""

    @property
    def address(self) -> str:
        """Where it reads, in words and without a password."""
        ...

    @property
    def state(self) -> LinkState: ...

    @property
    def detail(self) -> str:
        """What is the matter, in words; empty while nothing is."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Feed:
    """A source with its way into the log."""

    source: FeedSource
    run: Callable[[], Awaitable[None]]
    """Takes in what comes, until it is cancelled."""
    router: Router
    close: Callable[[], Awaitable[None]] | None = None
    """Ends what the source needs besides itself, after it."""


def build_feed(  # noqa: PLR0913, PLR0917  # what any kind of source may need
    settings: Settings,
    source: SourceSettings,
    way: WayIn,
    library: ProfileLibrary,
    meters: FleetSource | None,
    read_fleet: Callable[[], Fleet] | None = None,
    holds: Callable[[str], bool] = lambda _: True,
) -> Feed:
    """A source and its ingest.

    Args:
        settings: The whole file.
        source: Its table in it.
        way: Where its messages go.
        library: Profiles of devices.
        meters: What a source of type modbus polls.
        read_fleet: The part of them that this process polls; None for all.
        holds: Whether this process reads the page at an address.
    """
    if meters is not None and source.type == "modbus":
        return _build_modbus(settings, source, way, read_fleet or FleetReader(meters).read)
    if source.type in TELEGRAM_FORMS:
        return _build_telegrams(settings, source, way, library)
    if source.type == "influx":
        return build_write_feed(settings, source, way, library)
    if source.type == "remote_write":
        return build_remote_feed(settings, source, way, library)
    if source.type == "scrape":
        return build_scrape_feed(settings, source, way, library, holds)
    return _build_mqtt(settings, source, way, library)


def build_intake(
    settings: Settings, source: SourceSettings, way: WayIn, library: ProfileLibrary
) -> tuple[Intake, Router]:
    """The decoding and judging of a source's messages, as settings and tables are now."""
    router: Router
    if source.type == "modbus":
        router = FleetRouter()
        fleet_source = build_fleet_source(settings, way.folder, library)
        router.follow(FleetReader(fleet_source).read())
        fleet_source.book.close()
    elif source.type == "influx":
        router = build_line_router(source, library)
    elif source.type in SAMPLE_TYPES:
        router = build_sample_router(source, library)
    else:
        profiles = load_profiles(list_profiles(source), library)
        router = build_router(profiles, settings.site.time_zone)
    intake, _ = make_intake(settings, source, way, router)
    return intake, router


def list_profiles(source: SourceSettings) -> tuple[str, ...]:
    """The profiles of a source: those that it names, else the one of its telegrams."""
    form = TELEGRAM_FORMS.get(source.type)
    return source.profiles or ((form.profile,) if form is not None else ())


def load_profiles(names: Sequence[str], library: ProfileLibrary) -> list[Profile]:
    """The MQTT profiles of these names.

    Raises:
        SettingsError: One does not exist, or is wrong.
    """
    return [parse_profile(name, library.read(name)) for name in names]


def build_router(profiles: Sequence[Profile], time_zone: str) -> TopicRouter:
    """The router over all topics of some profiles."""
    zone = load_zone(time_zone)
    return TopicRouter(
        [
            TopicRoute(
                filter=pattern,
                profile=profile.name,
                decode=bind_route(DECODERS[profile.decoder], profile.build_route(zone)),
                kind=profile.kind,
                interval_s=profile.interval_s,
                rollover_wh=profile.rollover_wh,
                ranges=profile.ranges,
            )
            for profile in profiles
            for pattern in profile.topics
        ]
    )


def build_mqtt_options(
    settings: Settings, source: SourceSettings, filters: tuple[str, ...]
) -> MqttOptions:
    """Options of an MQTT source; its password is read from its file here."""
    password = source.password
    if source.password_file is not None:
        try:
            password = Path(source.password_file).read_text().splitlines()[0]
        except (OSError, IndexError) as fault:
            raise SettingsError(
                f"sources.{source.name}.password_file: {source.password_file} cannot be read "
                f"({fault})"
            ) from fault
    return MqttOptions(
        url=source.url or f"mqtt://{settings.broker.host}:{settings.broker.port}",
        filters=tuple(f"$share/{source.share}/{one}" for one in filters)
        if source.share
        else filters,
        client_id=source.client_id,
        username=source.username,
        password=password,
        ca_file=Path(source.ca_file) if source.ca_file else None,
        qos=source.qos,
    )


def _build_mqtt(
    settings: Settings, source: SourceSettings, way: WayIn, library: ProfileLibrary
) -> Feed:
    router = build_router(load_profiles(source.profiles, library), settings.site.time_zone)
    intake, _ = make_intake(settings, source, way, router)
    for receipts in way.read_receipts():
        intake.remember(receipts)
    options = build_mqtt_options(settings, source, router.filters)
    mqtt = load_plugin("source", "mqtt")(source.name, options, now_us, random.random)
    return Feed(mqtt, _make_run(settings, intake, way, mqtt), router)


def _build_telegrams(
    settings: Settings, source: SourceSettings, way: WayIn, library: ProfileLibrary
) -> Feed:
    profiles = load_profiles(list_profiles(source), library)
    router = build_router(profiles, settings.site.time_zone)
    intake, _ = make_intake(settings, source, way, router)
    options = TelegramOptions(source.type, source.url or "")
    heard = load_plugin("source", source.type)(source.name, options, now_us, random.random)
    return Feed(heard, _make_run(settings, intake, way, heard), router)


def _build_modbus(
    settings: Settings, source: SourceSettings, way: WayIn, read_fleet: Callable[[], Fleet]
) -> Feed:
    router = FleetRouter()
    intake, binder = make_intake(settings, source, way, router)
    virtual = VirtualMeter(random.random)
    modbus: ModbusSource = load_plugin("source", "modbus")(
        source.name,
        ModbusOptions(zone=settings.site.time_zone),
        read_fleet,
        on_fleet=_follow_with(way, router, binder),
        now_us=now_us,
        draw=random.random,
        open_wire=virtual.open_wire,
    )
    return Feed(modbus, _make_run(settings, intake, way, modbus), router, close=virtual.close)


def _follow_with(way: WayIn, router: FleetRouter, binder: Binder) -> Callable[[Fleet], None]:
    """What a changed fleet changes: devices first, then how their polls are read."""

    def follow(fleet: Fleet) -> None:
        register_fleet(way.registry, fleet)
        router.follow(fleet)
        # A device may count the other way round from now on.
        binder.forget()

    return follow


def make_intake(
    settings: Settings, source: SourceSettings, way: WayIn, router: Router
) -> tuple[Intake, Binder]:
    """The decoding and judging of a source's messages over a router."""
    site = settings.site
    rules = BindingRules(
        site.id,
        settings.ingest.register_devices,
        settings.ingest.max_series,
        (site.latitude, site.longitude),
    )
    binder = Binder(way.registry, rules, _announce_device)
    read_alike = router.read_alike if isinstance(router, LineRouter) else None
    return Intake(source.name, router, binder, way.tally, now_us, read_alike), binder


def _make_run(
    settings: Settings, intake: Intake, way: WayIn, source: Source
) -> Callable[[], Awaitable[None]]:
    ingest = Ingest(intake, way.committer, commit_ms=settings.storage.commit_ms)
    return partial(ingest.run, source)


def build_line_router(source: SourceSettings, library: ProfileLibrary) -> LineRouter:
    """The router over the profiles of a source of the line protocol.

    Raises:
        SettingsError: A profile does not exist, or is wrong.
    """
    names = source.profiles or (DEFAULT_LINE_PROFILE,)
    return LineRouter(
        [(name, parse_line_map(library.read(name), where=f"profile {name}")) for name in names]
    )


def build_write_feed(
    settings: Settings, source: SourceSettings, way: WayIn, library: ProfileLibrary
) -> Feed:
    """A source that is written to over HTTP.

    Raises:
        SettingsError: A profile is wrong, or others could write without a login.
    """
    router = build_line_router(source, library)
    intake, _ = make_intake(settings, source, way, router)
    receiving = Receiving(source.name, intake, way.committer, way.tally)
    options = _build_write_options(source)
    writes = load_plugin("source", "influx")(source.name, options, receiving, now_us)
    return Feed(writes, receiving.run, router)


def _build_write_options(source: SourceSettings) -> WriteOptions:
    max_bytes = int(source.max_body_mb * MB)
    return WriteOptions(max_bytes, max(BACKLOG_BYTES, 12 * max_bytes))


def build_sample_router(source: SourceSettings, library: ProfileLibrary) -> SampleRouter:
    """The router over the profiles of a source of Prometheus' samples.

    Raises:
        SettingsError: A profile does not exist, or is wrong.
    """
    names = source.profiles or (DEFAULT_SAMPLE_PROFILE,)
    return SampleRouter(
        [(name, parse_metric_map(library.read(name), where=f"profile {name}")) for name in names]
    )


def build_remote_feed(
    settings: Settings, source: SourceSettings, way: WayIn, library: ProfileLibrary
) -> Feed:
    """A source that a Prometheus writes to; raises as ``build_write_feed`` does."""
    router = build_sample_router(source, library)
    intake, _ = make_intake(settings, source, way, router)
    receiving = Receiving(source.name, intake, way.committer, way.tally)
    writes = load_plugin("source", "remote_write")(
        source.name,
        _build_write_options(source),
        receiving,
        now_us,
        knows=router.knows,
        leave_out=way.tally.leave_out,
    )
    return Feed(writes, receiving.run, router)


def build_scrape_feed(
    settings: Settings,
    source: SourceSettings,
    way: WayIn,
    library: ProfileLibrary,
    holds: Callable[[str], bool],
) -> Feed:
    """A source that reads pages of exporters.

    Raises:
        SettingsError: A profile is wrong, or a secret cannot be read.
    """
    router = build_sample_router(source, library)
    intake, _ = make_intake(settings, source, way, router)
    pages = load_plugin("source", "scrape")(
        source.name,
        ScrapeOptions(
            source.urls,
            parse_schedule(source.poll, load_zone(settings.site.time_zone)),
            source.honor_timestamps,
        ),
        PageGetter(build_getter_options(source)).get,
        knows=router.knows,
        leave_out=way.tally.leave_out,
        now_us=now_us,
        holds=holds,
        draw=random.random,
    )
    return Feed(pages, _make_run(settings, intake, way, pages), router)


def _announce_device(device: Device) -> None:
    _log.info("device registered", device=device.id, kind=device.kind.value)
