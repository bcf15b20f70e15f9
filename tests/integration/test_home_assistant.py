"""Home Assistant's side of a real broker: what it is told, when it starts, and when we are gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mqttium.api import AsyncClient

from tests.chaos.program import Program, kept, wait_until
from tests.compute.encode.test_home_assistant import check_discovery
from tests.integration.tsbs import START_S, Sender
from tests.servers import LOOPBACK, MosquittoServer, run_mosquitto
from wattscope.assembly.storage import now_us

SETTINGS = """
[broker]
embedded = false

[detect]
enabled = false

[[sources]]
name = "influx"
type = "influx"

[[devices]]
id = "main"
name = "Main meter"

[[devices]]
id = "attic"
parent = "main"
kind = "plug"
interval_s = 10

[[outputs]]
name = "assistant"
type = "home_assistant"
url = "{url}"
discovery = "{prefix}ha"
topic = "{prefix}ws"
every_s = 0.1
"""


@dataclass
class Assistant:
    """Hears everything under the two topics of a test."""

    prefix: str
    client: AsyncClient
    heard: dict[str, bytes] = field(default_factory=dict)
    """Newest payload by topic, without the prefix."""
    counts: dict[str, int] = field(default_factory=dict)

    async def listen(self) -> None:
        async for message in self.client.messages():
            topic = message.topic.removeprefix(self.prefix)
            self.heard[topic] = bytes(message.payload)
            self.counts[topic] = self.counts.get(topic, 0) + 1

    def state(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.heard.get(f"ws/wattscope_home_{key}/state", b"{}"))
        return found

    def word(self, topic: str) -> str:
        return self.heard.get(topic, b"").decode()


@asynccontextmanager
async def assisting(broker: MosquittoServer, prefix: str) -> AsyncIterator[Assistant]:
    client = AsyncClient()
    await client.connect(LOOPBACK, broker.port)
    assistant = Assistant(prefix, client)
    listening = asyncio.create_task(assistant.listen())
    await client.subscribe([f"{prefix}ha/#", f"{prefix}ws/#"], qos=1)
    try:
        yield assistant
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        await client.disconnect()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(START_S):
        while not is_so():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.02)


@pytest.fixture
def prefix() -> str:
    return f"t{secrets.token_hex(4)}"


@contextlib.contextmanager
def started(folder: Path, url: str, prefix: str) -> Any:  # noqa: ANN401  # an iterator of it
    folder.mkdir(parents=True, exist_ok=True)
    with kept(Program(folder, SETTINGS.format(url=url, prefix=prefix))) as program:
        program.start()
        wait_until(program.is_ready, "ready", START_S)
        yield program


def write(program: Program, device: str, **values: float) -> None:
    fields = ",".join(f"{name}={value}" for name, value in values.items())
    line = f"m,device={device} {fields} {now_us()}"
    with contextlib.closing(Sender(program.port)) as sender:
        answer = sender.post("/write?db=d&precision=us", line.encode())
    assert answer.status == 204, answer.text


async def test_devices_appear_with_values_and_go_when_the_program_does(
    mosquitto: MosquittoServer, tmp_path: Path, prefix: str
) -> None:
    with started(tmp_path / "run", mosquitto.url, prefix) as program:
        async with assisting(mosquitto, prefix) as assistant:
            write(program, "main", active_power_w=1250.5)
            write(program, "attic", active_power_w=12.5, energy_import_wh=1500)
            await until(lambda: len(assistant.state("attic")) == 2)
            await until(lambda: assistant.word("ws/status") == "online")
            attic = check_discovery(assistant.heard["ha/device/wattscope_home_attic/config"])
            assert attic["device"]["via_device"] == "wattscope_home_main"
            assert attic["availability"][0] == {"topic": f"{prefix}ws/status"}
            assert attic["state_topic"] == f"{prefix}ws/wattscope_home_attic/state"
            assert assistant.state("attic") == {"active_power_w": 12.5, "energy_import_wh": 1.5}
            assert assistant.state("main") == {"active_power_w": 1250.5}
            assert assistant.word("ws/wattscope_home_attic/available") == "online"

            write(program, "attic", active_power_w=13)
            await until(lambda: assistant.state("attic")["active_power_w"] == 13)
            told = program.read("/api/health")[1]["outputs"][0]
            assert (told["kind"], told["state"]) == ("home_assistant", "ok")
            assert told["address"] == f"{LOOPBACK}:{mosquitto.port}"

            await asyncio.to_thread(program.stop)
            await until(lambda: assistant.word("ws/status") == "offline")
        # Whoever comes now finds everything retained.
        async with assisting(mosquitto, prefix) as later:
            await until(lambda: later.word("ws/status") == "offline")
            await until(lambda: later.state("attic")["active_power_w"] == 13)


async def test_killed_program_is_told_by_its_last_will(
    mosquitto: MosquittoServer, tmp_path: Path, prefix: str
) -> None:
    with started(tmp_path / "run", mosquitto.url, prefix) as program:
        async with assisting(mosquitto, prefix) as assistant:
            await until(lambda: assistant.word("ws/status") == "online")
            program.kill()
            await until(lambda: assistant.word("ws/status") == "offline")
            program.start()
            await until(lambda: assistant.word("ws/status") == "online")


async def test_home_assistant_that_starts_is_told_everything_again(
    mosquitto: MosquittoServer, tmp_path: Path, prefix: str
) -> None:
    with started(tmp_path / "run", mosquitto.url, prefix) as program:
        async with assisting(mosquitto, prefix) as assistant:
            write(program, "attic", active_power_w=12.5)
            config = "ha/device/wattscope_home_attic/config"
            await until(
                lambda: assistant.word("ws/status") == "online" and config in assistant.heard
            )
            before = dict(assistant.counts)
            await assistant.client.publish(f"{prefix}ha/status", b"online", qos=1)
            state = "ws/wattscope_home_attic/state"
            await until(lambda: assistant.counts[config] > before[config])
            await until(lambda: assistant.counts[state] > before[state])
            await until(lambda: assistant.counts["ws/status"] > before["ws/status"])


async def test_total_goes_on_over_a_new_meter_and_a_restart(
    mosquitto: MosquittoServer, tmp_path: Path, prefix: str
) -> None:
    with started(tmp_path / "run", mosquitto.url, prefix) as program:
        async with assisting(mosquitto, prefix) as assistant:
            write(program, "attic", energy_import_wh=500_000)
            await until(lambda: assistant.state("attic") == {"energy_import_wh": 500.0})
            # Three readings decide that it is a new meter.
            for value in (0, 100, 200, 300):
                write(program, "attic", energy_import_wh=value)
            program.kill()
            program.start()
            wait_until(program.is_ready, "ready", START_S)
            await until(lambda: assistant.state("attic")["energy_import_wh"] >= 500.2)
            assert assistant.state("attic")["energy_import_wh"] <= 500.3


async def test_broker_that_lost_everything_gets_it_again(tmp_path: Path, prefix: str) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    with run_mosquitto(folder) as broker, started(tmp_path / "run", broker.url, prefix) as program:
        async with assisting(broker, prefix) as assistant:
            write(program, "attic", active_power_w=12.5)
            await until(lambda: assistant.word("ws/status") == "online")
            await until(lambda: assistant.state("attic") != {})
        broker.stop(signal.SIGKILL)
        for path in folder.glob("*.db"):
            path.unlink()

        def is_missed() -> bool:
            told = program.read("/api/health")[1]["outputs"][0]
            return bool(told["state"] == "waiting") and "broker 127.0.0.1" in told["detail"]

        await until(is_missed)
        broker.start()
        async with assisting(broker, prefix) as assistant:
            await until(lambda: assistant.word("ws/status") == "online")
            await until(lambda: assistant.state("attic") == {"active_power_w": 12.5})
            assert "ha/device/wattscope_home_attic/config" in assistant.heard
