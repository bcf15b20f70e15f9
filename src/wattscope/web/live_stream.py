"""``/api/live``: one stream of server-sent events for all live values of a page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from wattscope.web.insights import describe_now
from wattscope.web.problems import PROBLEM_RESPONSES, UNREADY_RESPONSES, problem
from wattscope.web.services import Services

MAX_STREAMS = 200
_LOOK_S = 1.0
_PING_S = 15.0


def build_live_routes(services: Services) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/api", tags=["live"])
    streams: set[object] = set()

    @router.get("/live", response_model=None, responses=PROBLEM_RESPONSES | UNREADY_RESPONSES)
    async def follow(request: Request, site: str | None = None) -> Any:  # noqa: ANN401  # a response
        """Events ``now`` (as /api/insights/now), at most one a second and only on change.

        An event ``alerts`` says that alerts or incidents have changed.
        """
        if len(streams) >= MAX_STREAMS:
            return problem(503, "too_many_streams", "too many live pages; try again later")
        services.find_site(site)
        key = object()
        streams.add(key)

        async def events() -> AsyncIterator[str]:
            try:
                async for event in _events(services, site, request):
                    yield event
            finally:
                streams.discard(key)

        return StreamingResponse(
            events(),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return router


async def _events(services: Services, site: str | None, request: Request) -> AsyncIterator[str]:
    """The state at once, then each change; a ping when nothing changes, so that gaps are seen."""
    seen = -1
    silent_s = 0.0
    was_stale = None
    alerts_seen = None if services.alerts is None else services.alerts.version
    while not await request.is_disconnected():
        version = services.live.version
        state = describe_now(services, site)
        if version != seen or state["is_stale"] != was_stale:
            seen, was_stale, silent_s = version, state["is_stale"], 0.0
            yield f"event: now\ndata: {json.dumps(state)}\n\n"
        elif silent_s >= _PING_S:
            silent_s = 0.0
            yield "event: ping\ndata: {}\n\n"
        alerts_version = None if services.alerts is None else services.alerts.version
        if alerts_version != alerts_seen:
            alerts_seen = alerts_version
            yield f"event: alerts\ndata: {json.dumps({'version': alerts_version})}\n\n"
        await asyncio.sleep(_LOOK_S)
        silent_s += _LOOK_S
