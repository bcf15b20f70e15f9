"""A real Telegraf between a real broker and the program: nothing it was given is lost.

``telegraf`` is in few package registries; it is built from its Go module, whole or with the plugins
named in ``PLUGINS``::

    go build -tags custom,$PLUGINS -o telegraf ./cmd/telegraf
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.chaos.program import Program, kept, wait_until
from tests.servers import (
    LOOPBACK,
    MosquittoServer,
    ServerMissingError,
    find_program,
    run_mosquitto,
)

PLUGINS = (
    "inputs.mqtt_consumer,inputs.mem,inputs.system,outputs.influxdb,outputs.influxdb_v2,"
    "parsers.json_v2,parsers.value,secretstores.docker"
)
N_MESSAGES = 500
START_US = 1_760_000_000_000_000
TOKEN = "only-of-this-test-and-its-telegraf"
"""Of no use anywhere else."""
SETTINGS = """
[broker]
embedded = false

[detect]
enabled = false

[[sources]]
name = "influx"
type = "influx"
token_file = "{token_file}"
"""
TELEGRAF = """
[agent]
  interval = "1s"
  flush_interval = "200ms"
  flush_jitter = "0s"
  metric_batch_size = 50
  metric_buffer_limit = 100000
  omit_hostname = true

[[inputs.mqtt_consumer]]
  servers = ["{broker}"]
  topics = ["meters/+"]
  topic_tag = ""
  qos = 1
  persistent_session = true
  client_id = "telegraf"
  data_format = "json_v2"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "meters/+"
    tags = "_/device"
  [[inputs.mqtt_consumer.json_v2]]
    measurement_name = "power"
    timestamp_path = "t"
    timestamp_format = "unix_ms"
    [[inputs.mqtt_consumer.json_v2.field]]
      path = "active_power_w"
      type = "float"
    [[inputs.mqtt_consumer.json_v2.field]]
      path = "energy_import_wh"
      type = "float"
"""
OUTPUTS = {
    "influxdb": """
[[outputs.influxdb]]
  urls = ["http://{host}:{port}"]
  database = "home"
  username = "telegraf"
  password = "{token}"
""",
    "influxdb_v2": """
[[outputs.influxdb_v2]]
  urls = ["http://{host}:{port}"]
  token = "{token}"
  organization = "home"
  bucket = "home"
""",
}


@pytest.fixture
def telegraf() -> str:
    """The program."""
    named = os.environ.get("WATTSCOPE_TEST_TELEGRAF") or find_program("telegraf")
    if named is None:
        pytest.skip("no Telegraf: put it into PATH or name it in WATTSCOPE_TEST_TELEGRAF")
    return named


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MosquittoServer]:
    folder = tmp_path / "broker"
    folder.mkdir()
    try:
        with run_mosquitto(folder) as server:
            yield server
    except ServerMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    token_file = tmp_path / "tokens"
    token_file.write_text(f"{TOKEN}\n", encoding="ascii")
    token_file.chmod(0o600)
    with kept(Program(tmp_path, SETTINGS.format(token_file=token_file))) as running:
        running.start()
        wait_until(running.is_ready, "the program is ready")
        yield running


@contextlib.contextmanager
def run_telegraf(
    binary: str, folder: Path, broker: MosquittoServer, port: int, output: str, token: str = TOKEN
) -> Iterator[Path]:
    """Run it until the end of the block; gives the file of what it says."""
    said = folder / "telegraf.log"
    config = folder / "telegraf.conf"
    text = TELEGRAF.format(broker=f"tcp://{LOOPBACK}:{broker.port}")
    text += OUTPUTS[output].format(host=LOOPBACK, port=port, token=token)
    config.write_text(text, encoding="ascii")
    with said.open("ab") as log:
        process = subprocess.Popen([binary, "--config", str(config)], stdout=log, stderr=log)
    try:
        wait_until(lambda: "Connected [" in said.read_text(), "Telegraf hears the broker")
        yield said
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextlib.contextmanager
def meters(broker: MosquittoServer) -> Iterator[paho.Client]:
    client = paho.Client(CallbackAPIVersion.VERSION2, "meters")
    client.connect(LOOPBACK, broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def publish(client: paho.Client, first: int, last: int) -> None:
    """Say the readings of these numbers, by two meters in turn, until the broker has them."""
    for number in range(first, last):
        words = {
            "t": START_US // 1000 + 1000 * number,
            "active_power_w": 100 + number,
            "energy_import_wh": 5000 + number / 8,
        }
        client.publish(f"meters/{number % 2}", json.dumps(words), qos=1).wait_for_publish(30)


def read_stored(program: Program) -> list[tuple[str, int, float, float]]:
    """Meter, number of the reading, power and register."""
    rows = program.ask(
        "SELECT device, epoch_us(measured_at) AS t, "
        "max(value) FILTER (quantity = 'active_power_w'), "
        "max(value) FILTER (quantity = 'energy_import_wh') "
        "FROM readings GROUP BY device, t ORDER BY t"
    )
    return [
        (device, (t_us - START_US) // 1_000_000, watts, watt_hours)
        for device, t_us, watts, watt_hours in rows
    ]


EXPECTED = [(str(n % 2), n, 100.0 + n, 5000 + n / 8) for n in range(N_MESSAGES)]


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_telegraf_hears_is_stored(
    telegraf: str, tmp_path: Path, broker: MosquittoServer, program: Program, output: str
) -> None:
    with (
        run_telegraf(telegraf, tmp_path, broker, program.port, output) as said,
        meters(broker) as client,
    ):
        publish(client, 0, N_MESSAGES)
        wait_until(lambda: len(read_stored(program)) == N_MESSAGES, "all is stored", 120)
    assert read_stored(program) == EXPECTED
    assert " E! " not in said.read_text()


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_telegraf_could_not_write_it_writes_later(
    telegraf: str, tmp_path: Path, broker: MosquittoServer, program: Program, output: str
) -> None:
    """The program is killed while Telegraf writes, and stays away for a while."""
    third = N_MESSAGES // 3
    with (
        run_telegraf(telegraf, tmp_path, broker, program.port, output) as said,
        meters(broker) as client,
    ):
        publish(client, 0, third)
        program.kill()
        publish(client, third, 2 * third)
        wait_until(lambda: " E! " in said.read_text(), "Telegraf misses the program")
        program.start()
        publish(client, 2 * third, N_MESSAGES)
        wait_until(program.is_ready, "the program is back")
        wait_until(lambda: len(read_stored(program)) == N_MESSAGES, "all is stored", 120)
    assert read_stored(program) == EXPECTED
    assert program.read("/api/health")[1]["counters"]["quarantined"] == 0


def test_telegraf_with_another_token_is_refused_and_says_so(
    telegraf: str, tmp_path: Path, broker: MosquittoServer, program: Program
) -> None:
    with (
        run_telegraf(
            telegraf, tmp_path, broker, program.port, "influxdb_v2", "of-somebody-else"
        ) as said,
        meters(broker) as client,
    ):
        publish(client, 0, 10)
        wait_until(lambda: "nauthorized" in said.read_text(), "Telegraf is refused")
    assert read_stored(program) == []


def test_the_configuration_of_deploy_is_valid(telegraf: str, tmp_path: Path) -> None:
    """Telegraf reads what compose.yaml gives it; a word that it does not know is an error."""
    deployed = Path(__file__).resolve().parents[2] / "deploy" / "telegraf" / "telegraf.conf"
    text = deployed.read_text(encoding="utf-8").replace("/run/secrets", str(tmp_path))
    for name in ("mqtt_telegraf", "influxdb_token", "write_token"):
        (tmp_path / name).write_text(TOKEN, encoding="ascii")
    config = tmp_path / "deployed.conf"
    for content, fault in ((text, ""), (text + "  bukket = 'machine'\n", "bukket")):
        config.write_text(content, encoding="utf-8")
        done = subprocess.run(
            [telegraf, "config", "check", "--config", str(config)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is (not fault), done.stdout + done.stderr
        assert fault in done.stdout + done.stderr
