"""The embedded broker takes the filters of every profile at once."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers import LOOPBACK, find_free_port
from wattscope import broker
from wattscope.broker import BrokerOptions, EmbeddedBroker

WAIT_S = 60.0


def list_filters() -> list[str]:
    """Topics of all profiles that came along."""
    entries = sorted(files("wattscope").joinpath("profiles").iterdir(), key=lambda one: one.name)
    profiles = [tomllib.loads(entry.read_text(encoding="utf-8")) for entry in entries]
    return [topic for one in profiles for topic in one.get("topics", ())]


def count_refused(port: int, filters: Sequence[str]) -> int:
    """How many of these filters one session is refused."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="w", clean_session=False)
    refused: list[bool] = []
    answered = threading.Event()

    def ask(*_: Any) -> None:  # noqa: ANN401  # the library's
        client.subscribe([(one, 1) for one in filters])

    def take(*words: Any) -> None:  # noqa: ANN401  # likewise
        refused.extend(code.is_failure for code in words[3])
        answered.set()

    client.on_connect, client.on_subscribe = ask, take
    client.connect(LOOPBACK, port)
    client.loop_start()
    try:
        assert answered.wait(WAIT_S)
    finally:
        client.disconnect()
        client.loop_stop()
    assert len(refused) == len(filters)
    return sum(refused)


async def count_refused_by_ours(folder: Path) -> int:
    running = EmbeddedBroker(BrokerOptions(folder, port=find_free_port(), is_synced=False))
    await running.start()
    try:
        return count_refused(running.options.port, list_filters())
    finally:
        await running.stop()


async def test_no_filter_is_refused(tmp_path: Path) -> None:
    assert len(list_filters()) > 20
    assert await count_refused_by_ours(tmp_path) == 0


async def test_with_more_under_way_some_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "MAX_UNACKNOWLEDGED", 10_000)
    assert await count_refused_by_ours(tmp_path) > 0
