"""The servers that other tests build on do what those tests rely on."""

from __future__ import annotations

import socket
from contextlib import closing

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers import MosquittoServer


def _publish(server: MosquittoServer, payload: str, *, retain: bool) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", server.port)
    client.loop_start()
    client.publish("house/test", payload, qos=1, retain=retain).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


def _read_retained(server: MosquittoServer) -> str:
    heard: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: heard.append(message.payload.decode())
    client.connect("127.0.0.1", server.port)
    client.subscribe("house/test", qos=1)
    for _ in range(50):
        client.loop(0.1)
        if heard:
            break
    client.disconnect()
    return heard[0] if heard else "nothing"


@pytest.mark.integration
def test_own_mosquitto_keeps_what_it_had_over_a_restart(own_mosquitto: MosquittoServer) -> None:
    _publish(own_mosquitto, "21", retain=True)
    own_mosquitto.stop()
    own_mosquitto.start()
    assert _read_retained(own_mosquitto) == "21"


@pytest.mark.integration
def test_postgres_answers_and_waits_for_the_disk(postgres: str) -> None:
    with closing(psycopg.connect(postgres)) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


@pytest.mark.integration
def test_integration_test_cannot_leave_loopback() -> None:
    # 192.0.2.0/24 is kept for documentation (RFC 5737): nobody answers there.
    with (
        pytest.warns(UserWarning, match=r"192\.0\.2\.1"),
        pytest.raises(RuntimeError, match=r"192\.0"),
    ):
        socket.create_connection(("192.0.2.1", 80), 1)


def test_unit_test_cannot_open_a_socket() -> None:
    with (
        pytest.warns(UserWarning, match="socket"),
        pytest.raises(RuntimeError, match="socket"),
        socket.socket(),
    ):
        pass
