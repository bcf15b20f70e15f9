"""Points written to an application, and what it stored of them."""

from __future__ import annotations

from typing import Any

from tests.web.applications import Application, parse_json
from wattscope.settings import BrokerSettings, Settings, SourceSettings

SOURCE = SourceSettings(name="influx", type="influx")
SETTINGS = Settings(sources=(SOURCE,), broker=BrokerSettings(embedded=False))
T = 1_760_000_000
"""An instant in the past [s since 1970]."""


def write(
    application: Application,
    body: bytes | str,
    path: str = "/write?db=telegraf&precision=s",
    **headers: str,
) -> tuple[int, dict[str, Any]]:
    """Status and JSON of an answer; an empty one has none."""
    response = application.client.post(path, content=body, headers=headers)
    assert response.headers["x-influxdb-version"]
    assert "Traceback" not in response.text
    return response.status_code, parse_json(response.text) if response.text else {}


def stored(application: Application) -> list[list[Any]]:
    sql = (
        "SELECT site, device, quantity, value FROM readings ORDER BY measured_at, device, quantity"
    )
    answer = application.client.post("/api/sql", json={"sql": sql})
    assert answer.status_code == 200, answer.text
    rows: list[list[Any]] = answer.json()["rows"]
    return rows
