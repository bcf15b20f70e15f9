"""The seeds' own path, as a process of its own: paho callback, ``json.loads``, one INSERT each.

``python -m benchmarks.seed_path --port … --postgres URL``; ends on SIGTERM.
paho acknowledges after the callback, and each commit waits for the disk, so a reading that was
acknowledged is as durable as Wattscope's. The table has the one index that ``create_hypertable``
makes, on time, and no key: nothing is checked twice. psycopg prepares the statement by itself.
"""

from __future__ import annotations

import argparse
import json

import psycopg
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

TABLE = """CREATE TABLE IF NOT EXISTS sensor_readings (
    time TIMESTAMPTZ NOT NULL, panel_id TEXT NOT NULL, temperature_celsius DOUBLE PRECISION,
    voltage_volts DOUBLE PRECISION, current_amperes DOUBLE PRECISION,
    power_output_watts DOUBLE PRECISION);
    CREATE INDEX IF NOT EXISTS sensor_readings_time_idx ON sensor_readings (time DESC)"""
_INSERT = "INSERT INTO sensor_readings VALUES (%s, %s, %s, %s, %s, %s)"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--postgres", required=True)
    options = parser.parse_args()
    database = psycopg.connect(options.postgres, autocommit=True)

    def subscribe(client: mqtt.Client, *_: object) -> None:
        client.subscribe("sensors/+/readings", qos=1)

    def announce(*_: object) -> None:
        print("ready", flush=True)

    def store(_client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        reading = json.loads(message.payload)
        database.execute(
            _INSERT,
            (
                reading["timestamp"],
                reading["panel_id"],
                reading["temperature_celsius"],
                reading["voltage_volts"],
                reading["current_amperes"],
                reading["power_output_watts"],
            ),
        )

    client = mqtt.Client(CallbackAPIVersion.VERSION2, "seed-path", clean_session=False)
    client.on_connect, client.on_subscribe, client.on_message = subscribe, announce, store
    client.connect("127.0.0.1", options.port)
    client.loop_forever()


if __name__ == "__main__":
    main()
