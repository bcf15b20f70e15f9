"""What the web routes are given, and how the program stands."""

from __future__ import annotations

import shutil
from typing import Any

from wattscope import __version__
from wattscope.assembly.feeds import Feed
from wattscope.assembly.program import Program
from wattscope.assembly.storage import now_us
from wattscope.core.time_grid import US_PER_S, format_utc
from wattscope.pipeline.tally import Tally
from wattscope.web.services import Services


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
        pages=program.settings.pages,
        allowed_hosts=allowed_hosts,
    )


def describe_health(program: Program) -> dict[str, Any]:
    """Sources, log, store, counters, quarantine and disk at this moment."""
    storage, tally = program.storage, program.storage.tally
    uptime_s = max(1.0, (now_us() - program.started_at_us) / US_PER_S)
    store = storage.store.describe()
    disk = shutil.disk_usage(storage.folder.path)
    by_code = storage.shelf.count_by_code()
    return {
        "version": __version__,
        "started_at": format_utc(program.started_at_us),
        "sources": [_describe_source(feed, tally, uptime_s) for feed in program.feeds],
        "log": {
            "end_offset": storage.log.end_offset,
            "bytes": storage.log.size_bytes,
            "segments": storage.log.segment_count,
            "damaged": len(storage.log.damages),
        },
        "store": store | {"lag_records": storage.log.end_offset - store["written_offset"]},
        "counters": {
            "received": tally.received,
            "stored": tally.stored,
            "duplicate": tally.duplicate,
            "quarantined": tally.quarantined,
            "refused": tally.refused,
            "ignored_messages": tally.ignored,
            "messages": tally.messages,
            "quarantined_by_code": dict(tally.quarantined_by_code),
        },
        "quarantine": {"total": sum(by_code.values()), "by_code": by_code},
        "disk": {"free_bytes": disk.free, "data_bytes": storage.log.size_bytes + store["bytes"]},
    }


def _describe_source(feed: Feed, tally: Tally, uptime_s: float) -> dict[str, Any]:
    name = feed.source.name
    last_us = tally.last_received_us.get(name)
    return {
        "name": name,
        "kind": "mqtt",
        "address": feed.source.options.url.rpartition("@")[2],
        "state": feed.source.state.value,
        "detail": feed.source.detail,
        "messages": tally.by_source[name],
        "rate_per_s": round(tally.by_source[name] / uptime_s, 2),
        "last_received_at": None if last_us is None else format_utc(last_us),
    }


def describe_topics(program: Program) -> dict[str, Any]:
    """Topics heard, with the profile that reads them."""
    topics = []
    for topic, count in sorted(program.storage.tally.topics.items()):
        routes = (feed.router.find(topic) for feed in program.feeds)
        found = next((route for route in routes if route is not None), None)
        name = None if found is None else found.route.profile
        topics.append({"topic": topic, "count": count, "format": name})
    url = program.feeds[0].source.options.url if program.feeds else None
    return {"broker_url": url, "topics": topics}
