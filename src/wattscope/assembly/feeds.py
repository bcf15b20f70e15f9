"""Sources with their way into the log."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from wattscope.assembly.storage import Storage, now_us
from wattscope.compute.decode import DECODERS
from wattscope.compute.decode.profile import Profile, parse_profile
from wattscope.compute.decode.route import bind_route
from wattscope.compute.routing import TopicRoute, TopicRouter
from wattscope.core.errors import SettingsError
from wattscope.core.time_grid import load_zone
from wattscope.core.topology import Device
from wattscope.pipeline.binding import Binder, BindingRules
from wattscope.pipeline.ingest import Ingest
from wattscope.pipeline.intake import Intake
from wattscope.pipeline.persist import KEPT_RECORDS
from wattscope.plugins import load_plugin
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings, SourceSettings
from wattscope.sources.mqtt import MqttOptions, MqttSource

_log = structlog.get_logger()


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
            )
            for profile in profiles
            for pattern in profile.topics
        ]
    )


@dataclass(frozen=True, slots=True)
class Feed:
    """A source with its way into the log."""

    source: MqttSource
    ingest: Ingest
    router: TopicRouter


def build_feed(
    settings: Settings, source: SourceSettings, storage: Storage, library: ProfileLibrary
) -> Feed:
    """A source and its ingest."""
    intake, router = build_intake(settings, source, storage, library)
    newest = max(0, storage.log.end_offset - KEPT_RECORDS)
    for record in storage.log.read(newest):
        intake.remember(record.receipts)
    mqtt = load_plugin("source", source.type)(
        source.name, build_mqtt_options(settings, source, router.filters), now_us, random.random
    )
    ingest = Ingest(intake, storage.persist, commit_ms=settings.storage.commit_ms)
    return Feed(mqtt, ingest, router)


def build_intake(
    settings: Settings, source: SourceSettings, storage: Storage, library: ProfileLibrary
) -> tuple[Intake, TopicRouter]:
    """The decoding and judging of a source's messages."""
    router = build_router(load_profiles(source.profiles, library), settings.site.time_zone)
    rules = BindingRules(
        settings.site.id, settings.ingest.register_devices, settings.ingest.max_series
    )
    binder = Binder(storage.registry, rules, _announce_device)
    return Intake(source.name, router, binder, storage.tally, now_us), router


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
        filters=filters,
        client_id=source.client_id,
        username=source.username,
        password=password,
        ca_file=Path(source.ca_file) if source.ca_file else None,
        qos=source.qos,
    )


def _announce_device(device: Device) -> None:
    _log.info("device registered", device=device.id, kind=device.kind.value)
