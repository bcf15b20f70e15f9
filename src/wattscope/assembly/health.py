"""What the web routes are given, and how the program stands."""

from __future__ import annotations

from typing import Any

from wattscope import __version__
from wattscope.assembly.cluster import describe_tally
from wattscope.assembly.commission import Commission
from wattscope.assembly.device_metrics import build_device_metrics
from wattscope.assembly.feeds import Feed
from wattscope.assembly.line_desk import build_line_desk
from wattscope.assembly.meter_desk import BookDesk
from wattscope.assembly.modbus_health import describe_units
from wattscope.assembly.program import Program
from wattscope.assembly.remote_desk import build_remote_desk
from wattscope.assembly.screen import build_screen
from wattscope.assembly.storage import Storage, now_us
from wattscope.compute.fleet_routing import FleetRouter
from wattscope.core.time_grid import US_PER_S, format_utc
from wattscope.logs.segment_reader import Damage, DamageKind
from wattscope.pipeline.tally import Tally
from wattscope.settings import list_renames
from wattscope.sources.modbus import ModbusSource
from wattscope.sources.modbus_wire import open_wire
from wattscope.web.prometheus_options import PrometheusOptions
from wattscope.web.services import Services

_SHOWN_DAMAGES = 100


def build_services(program: Program, *, allowed_hosts: tuple[str, ...]) -> Services:
    """What the web routes are given."""
    storage = program.storage
    return Services(
        store=storage.store,
        book=storage.registry,
        shelf=storage.shelf,
        live=storage.live,
        now_us=now_us,
        read_health=lambda: describe_health(program),
        read_topics=lambda: describe_topics(program),
        read_device_metrics=build_device_metrics(
            program.settings,
            storage,
            [feed.router for feed in program.feeds if isinstance(feed.router, FleetRouter)],
        ).render,
        pages=program.settings.pages,
        allowed_hosts=allowed_hosts,
        meters=None if program.meters is None else BookDesk(program.meters),
        commission=None if program.meters is None else Commission(program.meters, open_wire),
        screen=build_screen(program.settings),
        fleet=None if program.watcher is None else program.watcher.board,
        prometheus=PrometheusOptions(renames=tuple(list_renames(program.settings))),
        energy_price=program.settings.site.energy_price,
        alerts=program.alerts,
        lines=build_line_desk(program.settings, program.feeds),
        remote=build_remote_desk(program.settings, program.feeds),
    )


def describe_health(program: Program) -> dict[str, Any]:
    """Sources, log, store, counters, quarantine and disk at this moment."""
    storage, tally = program.storage, program.storage.tally
    uptime_s = max(1.0, (now_us() - program.started_at_us) / US_PER_S)
    store = storage.store.describe()
    by_code = storage.shelf.count_by_code()
    return {
        "version": __version__,
        "started_at": format_utc(program.started_at_us),
        "sources": [_describe_source(feed, tally, uptime_s) for feed in program.feeds],
        "outputs": [one.describe() for one in program.outputs],
        "log": _describe_log(program),
        "store": store
        | {
            "lag_records": storage.log.end_offset - store["written_offset"],
            "damages": [
                {"file": one.file, "rows": one.rows, "detail": one.detail}
                for one in storage.store.damages[:_SHOWN_DAMAGES]
            ],
        },
        "counters": describe_tally(tally),
        "detection": None if program.watcher is None else program.watcher.describe(),
        "quarantine": {"total": sum(by_code.values()), "by_code": by_code},
        "registry": {"damages": list(storage.database.damages)},
        "disk": _describe_disk(storage) | {"data_bytes": storage.log.size_bytes + store["bytes"]},
    }


def _describe_log(program: Program) -> dict[str, Any]:
    log, wanted = program.storage.log, program.settings.storage
    is_relaxed = wanted.durability == "relaxed"
    return {
        "end_offset": log.end_offset,
        "bytes": log.size_bytes,
        "segments": log.segment_count,
        "durability": wanted.durability,
        "loss_window_s": wanted.sync_interval_s if is_relaxed else 0.0,
        "commit_ms": wanted.commit_ms,
        "failed_syncs": log.n_failed_syncs,
        "damaged": len(log.damages),
        "lost_records": sum(one.n_lost for one in log.damages),
        "damages": [_describe_damage(one) for one in log.damages[:_SHOWN_DAMAGES]],
    }


def _describe_damage(damage: Damage) -> dict[str, Any]:
    """A damaged stretch, as a finding that a person can follow up."""
    missing = range(damage.first_missing, damage.first_missing + damage.n_missing)
    return {
        "kind": damage.kind.value,
        "segment": damage.segment,
        "position": damage.position,
        "bytes": damage.length,
        "first_missing_offset": missing[0] if missing else None,
        "missing_records": len(missing),
        "lost_records": damage.n_lost,
        "detail": _word_damage(damage),
    }


def _word_damage(damage: Damage) -> str:
    if damage.kind is DamageKind.TORN:
        return "the end of a write that was cut short; it was never acknowledged"
    if damage.kind is DamageKind.HEAD:
        return "the head of the segment is damaged; its records are read all the same"
    if not damage.n_lost:
        return "the store holds what was there; nothing is lost"
    return (
        f"{damage.n_lost} records are lost; the disk or another program changed the file, "
        "restore it from a backup"
    )


def _describe_disk(storage: Storage) -> dict[str, Any]:
    if storage.space is None:
        return {}
    report = storage.space.look()
    return {
        "state": report.state.value,
        "detail": report.advice,
        "free_bytes": report.room.free,
        "total_bytes": report.room.total,
        "warn_free_bytes": report.marks.warn_free,
        "min_free_bytes": report.marks.min_free,
        "has_reserve": report.has_reserve,
    }


def _describe_source(feed: Feed, tally: Tally, uptime_s: float) -> dict[str, Any]:
    name = feed.source.name
    last_us = tally.last_received_us.get(name)
    return {
        "name": name,
        "kind": feed.source.kind,
        "address": feed.source.address,
        "state": feed.source.state.value,
        "detail": feed.source.detail,
        "messages": tally.by_source[name],
        "rate_per_s": round(tally.by_source[name] / uptime_s, 2),
        "last_received_at": None if last_us is None else format_utc(last_us),
        "meters": describe_units(feed.source) if isinstance(feed.source, ModbusSource) else [],
    }


def describe_topics(program: Program) -> dict[str, Any]:
    """Topics heard, with the profile that reads them."""
    topics = []
    for topic, count in sorted(program.storage.tally.topics.items()):
        routes = (feed.router.find(topic) for feed in program.feeds)
        found = next((route for route in routes if route is not None), None)
        name = None if found is None else found.profile
        topics.append({"topic": topic, "count": count, "format": name})
    url = next((one.source.address for one in program.feeds if one.source.kind == "mqtt"), None)
    return {"broker_url": url, "topics": topics}
