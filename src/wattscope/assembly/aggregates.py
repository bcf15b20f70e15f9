"""What the Flink job sums up, brought into the live view by the processes that store."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, cast

from wattscope.assembly.cluster import Cluster, SeriesLookup, build_kafka_options
from wattscope.pipeline.live_minutes import FeedMinutes
from wattscope.plugins import load_plugin
from wattscope.ports import LiveMinutes, MinutesFollower
from wattscope.settings import Settings

GROUP = "wattscope-aggregates-live"
"""Of its own: how far the sums are says nothing of how far the readings are."""


@dataclass(frozen=True, slots=True)
class AggregatesFeed:
    """The stage, and what is told of it."""

    feed: FeedMinutes
    follower: MinutesFollower

    def describe(self) -> dict[str, Any]:
        """What became of the sums, for health."""
        state = self.feed.state
        return {
            "taken": state.n_taken,
            "longer": state.n_longer,
            "refused": dict(state.refused),
            "fault": state.fault,
        }


def build_aggregates_feed(
    settings: Settings, cluster: Cluster, name: str, stack: AsyncExitStack
) -> AggregatesFeed | None:
    """What follows the topic ``aggregates``; None where no live view is shared.

    Args:
        settings: Their table ``[live]`` says whether there is one.
        cluster: What it works on.
        name: Of this process among those of its role.
        stack: Is given what is to be closed.
    """
    if settings.live.url is None:
        return None
    options = build_kafka_options(settings, f"wattscope-aggregates-{name}")
    follower = load_plugin("minutes_follower", "kafka")(
        options, GROUP, SeriesLookup(cluster.registry).find_known
    )
    stack.push_async_callback(asyncio.to_thread, follower.close)
    # A view that is shared by its URL keeps minutes, see ``plugins.py``.
    live = cast("LiveMinutes", cluster.live)
    return AggregatesFeed(FeedMinutes(follower, live, monotonic_s=time.monotonic), follower)
