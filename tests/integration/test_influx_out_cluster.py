"""A process of its own passes on what others took in; it may be killed, and InfluxDB be away."""

from __future__ import annotations

from functools import partial

from tests.chaos.cluster import Cluster
from tests.chaos.pour import build_message
from tests.chaos.program import Program, wait_until
from tests.chaos.raw_mqtt import RawPublisher
from tests.influx_server import InfluxServer
from tests.servers import MosquittoServer

N_MESSAGES = 900
POWER = "active_power_w"
OUTPUT = """
[[outputs]]
name = "old"
url = "{url}"
database = "home"
every_s = 0.1
"""


def stored(api: Program) -> dict[tuple[str, int], float]:
    rows = api.ask(
        "SELECT device, CAST(extract(epoch FROM measured_at) * 1000000 AS bigint), value "
        f"FROM readings WHERE quantity = '{POWER}'"
    )
    return {(device, int(at)): value for device, at, value in rows}


def test_everything_reaches_an_influxdb_that_was_away_once(
    cluster: Cluster, mosquitto: MosquittoServer, own_influx: InfluxServer
) -> None:
    cluster.more = OUTPUT.format(url=own_influx.url)
    for role in ("ingest", "store", "output", "api"):
        cluster.add(role, "a")
    for one in cluster.processes.values():
        wait_until(one.is_ready, "ready", 300)
    api, output = cluster.processes["api-a"], cluster.processes["output-a"]
    with RawPublisher(mosquitto.port, f"{cluster.prefix}-publisher") as publisher:
        for first in range(0, N_MESSAGES, 300):
            publisher.publish([build_message(n) for n in range(first, first + 300)])
            wait_until(partial(has_acked, publisher, first + 300), "it is taken", 300)
            if first == 0:
                wait_until(lambda: own_influx.count(POWER) > 0, "InfluxDB has some", 300)
                own_influx.stop()
            else:
                wait_until(lambda: describe(output)["state"] == "waiting", "it is missed", 300)
                output.kill()
                output.start()
                wait_until(output.is_ready, "ready again", 300)
    own_influx.start()
    store = cluster.processes["store-a"]
    wait_until(lambda: not any(store.read("/api/health")[1]["lag"].values()), "stored", 300)
    wait_until(lambda: len(stored(api)) == own_influx.count(POWER) > 0, "all is there", 300)
    wait_until(lambda: describe(output)["lag_records"] == 0, "nothing is behind", 300)
    assert own_influx.read(POWER) == stored(api)


def has_acked(publisher: RawPublisher, count: int) -> bool:
    return publisher.n_acked == count


def describe(process: Program) -> dict[str, object]:
    found: dict[str, object] = process.read("/api/health")[1]["outputs"][0]
    return found
