"""The application over a data folder, put together as the program does, asked without a socket."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient

from wattscope.assembly.health import build_services
from wattscope.assembly.program import Program
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.reading import Batch, Quality
from wattscope.core.time_grid import parse_instant
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings
from wattscope.web.app import create_app
from wattscope.web.services import Services

HOSTS = ("testserver", "127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Application:
    """A running application with what is behind it."""

    client: TestClient
    storage: Storage

    def get(self, path: str, **words: str | float) -> dict[str, Any]:
        """The JSON of an answer that must be good; NaN and Infinity are no JSON."""
        response = self.client.get(path, params=words)
        assert response.status_code == 200, response.text
        return parse_json(response.text)

    def problem(self, path: str, status: int) -> dict[str, Any]:
        """The problem document of an answer that must be refused with this status."""
        response = self.client.get(path)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        body = parse_json(response.text)
        assert set(body) >= {"type", "title", "status", "code", "detail"}
        assert body["status"] == status
        assert "Traceback" not in response.text
        return body


def parse_json(text: str) -> dict[str, Any]:
    """A JSON object without the three words that Python's reader takes beyond the standard."""
    document: dict[str, Any] = json.loads(text, parse_constant=_refuse_constant)
    return document


def _refuse_constant(word: str) -> float:
    message = f"{word} is no JSON"
    raise AssertionError(message)


@contextlib.contextmanager
def open_application(
    data: Path,
    *,
    now: str | None = None,
    settings: Settings | None = None,
    fill: Callable[[Storage], None] | None = None,
    change: Callable[[Services], Services] | None = None,
    profiles: Path | None = None,
) -> Iterator[Application]:
    """The application over a folder.

    Args:
        data: The folder; made when missing.
        now: What the clock of the application says (RFC 3339); left out, the real one.
        settings: Site and devices.
        fill: Puts readings into the storage first.
        change: Changes what the routes are given.
        profiles: Folder of own profiles.
    """
    settings = settings or Settings()
    with open_storage(settings, data) as storage:
        if fill is not None:
            fill(storage)
        program = Program(settings, storage, ProfileLibrary(profiles))
        services = build_services(program, allowed_hosts=HOSTS)
        if now is not None:
            instant_us = parse_instant(now)
            services = dataclasses.replace(services, now_us=lambda: instant_us)
        if change is not None:
            services = change(services)
        with TestClient(create_app(services), raise_server_exceptions=False) as client:
            yield Application(client, storage)


def put(
    storage: Storage, device: str, quantity: str, rows: Sequence[tuple[int, float | None]]
) -> None:
    """Store values of one series: instants [µs] and values; None is marked missing."""
    series = storage.registry.ensure_series(device, quantity)
    value = np.array([np.nan if one is None else one for _, one in rows], np.float64)
    quality = np.where(np.isnan(value), int(Quality.MISSING), 0).astype(np.uint8)
    instants = np.array([t for t, _ in rows], np.int64)
    batch = Batch(np.full(len(rows), series, np.int32), instants, value, quality)
    storage.persist.append(batch)
    storage.persist.drain()
