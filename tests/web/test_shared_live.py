"""An API process that stores nothing itself: values and alerts of other processes on its pages."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.live.redis_views import Installation, wait_until
from tests.redis_server import RedisServer
from tests.web.applications import HOSTS, Application, put
from tests.web.conftest import HOUSE
from tests.web.test_live import listen, serve
from wattscope.assembly.health import build_services
from wattscope.assembly.program import Program
from wattscope.assembly.storage import now_us, open_storage
from wattscope.core.reading import build_batch
from wattscope.live.redis.view import RedisView
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.web.app import create_app

pytestmark = pytest.mark.integration


@pytest.fixture
def shared(own_redis: RedisServer) -> Installation:
    return Installation(own_redis)


@pytest.fixture
def api(shared: Installation, tmp_path: Path) -> Iterator[Application]:
    """An API whose live view is in Redis; into its own store nobody writes afterwards."""
    with shared.open() as view, open_storage(HOUSE, tmp_path) as opened:
        assert view.wait(10)
        put(opened, "grid", "active_power_w", [(now_us() - 10**9, 1.0)])
        storage = dataclasses.replace(opened, live=view)
        program = Program(HOUSE, storage, ProfileLibrary())
        services = build_services(program, allowed_hosts=HOSTS)
        with TestClient(create_app(services), raise_server_exceptions=False) as client:
            yield Application(client, storage)


@pytest.fixture
def writer(shared: Installation) -> Iterator[RedisView]:
    """The process that stores."""
    with shared.open(is_following=False) as made:
        assert made.wait(10)
        yield made


def grid_series(api: Application) -> int:
    series = api.storage.registry.find_series("grid", "active_power_w")
    assert series is not None
    return series


def test_stream_tells_what_another_process_stores(
    api: Application, writer: RedisView, free_port: int
) -> None:
    series = grid_series(api)
    writer.update(build_batch([(series, now_us(), 100.0, 0)]))
    wait_until(lambda: api.get("/api/insights/now")["grid_w"] == 100.0)
    with serve(api, free_port) as address, listen(address) as events:
        assert next(events).told["grid_w"] == 100.0
        writer.update(build_batch([(series, now_us(), 250.0, 0)]))
        second = next(events)
        assert (second.name, second.told["grid_w"]) == ("now", 250.0)
        writer.announce("alerts")
        assert next(event.name for event in events if event.name != "now") == "alerts"


def test_pages_answer_while_redis_is_away(
    api: Application, writer: RedisView, shared: Installation
) -> None:
    series = grid_series(api)
    writer.update(build_batch([(series, now_us(), 100.0, 0)]))
    wait_until(lambda: api.get("/api/insights/now")["grid_w"] == 100.0)
    shared.server.stop(signal.SIGKILL)
    wait_until(lambda: writer.is_degraded)
    assert api.get("/api/insights/now")["grid_w"] == 100.0
    shared.store.write(build_batch([(series, now_us(), 300.0, 0)]))
    wait_until(lambda: api.get("/api/insights/now")["grid_w"] == 300.0)
