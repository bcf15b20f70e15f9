"""Requests of remote write to an application, and what it says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from tests.remote_write_messages import (
    V1_HEADERS,
    V2_HEADERS,
    Series,
    encode_v1,
    encode_v2,
    pack,
    series,
)
from tests.web.applications import Application
from wattscope.settings import BrokerSettings, Settings, SourceSettings

PATH = "/api/v1/write"
SOURCE = SourceSettings(
    name="prom", type="remote_write", profiles=("wattscope-metrics", "wago-exporter")
)
SETTINGS = Settings(sources=(SOURCE,), broker=BrokerSettings(embedded=False))
T = 1_760_000_000_000
"""An instant in the past [ms since 1970]."""
POWER = "wattscope_active_power_watts"


def send(
    application: Application,
    many: Sequence[Series],
    edition: int = 1,
    headers: Mapping[str, str] | None = None,
) -> httpx2.Response:
    body, usual = (encode_v1(many), V1_HEADERS) if edition == 1 else (encode_v2(many), V2_HEADERS)
    response: Any = application.client.post(
        PATH, content=pack(body), headers={**usual, **(headers or {})}
    )
    assert "Traceback" not in response.text
    return response  # type: ignore[no-any-return]  # of a library without types


def power(device: str, *samples: tuple[int, float], site: str = "home") -> Series:
    return series(POWER, samples, site=site, device=device, instance="x:1", job="w")


def counters(application: Application) -> dict[str, Any]:
    found: dict[str, Any] = application.get("/api/health")["counters"]
    assert found["received"] == sum(
        found[name] for name in ("stored", "duplicate", "quarantined", "refused")
    )
    return found


def written(response: httpx2.Response) -> list[str | None]:
    names = ("Samples", "Histograms", "Exemplars")
    return [response.headers.get(f"X-Prometheus-Remote-Write-{one}-Written") for one in names]
