"""Faults found and alerts told by processes of their own, asked and answered through another."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.program import Program, wait_until
from tests.chaos.raw_mqtt import RawPublisher
from tests.servers import MosquittoServer

pytestmark = pytest.mark.integration

HOT: dict[str, Any] = {
    "name": "Too hot",
    "kind": "above",
    "quantity": "temperature_c",
    "threshold": 60.0,
    "schedule": {"weekdays": [0, 1, 2, 3, 4, 5, 6], "start": "00:00", "end": "24:00"},
}
N_PANELS, BROKEN = 6, 3
HISTORY = timedelta(days=1, hours=8)
START = datetime.now(UTC).replace(second=0, microsecond=0) - HISTORY
"""When the sun rises, wherever this is: the history ends now, in the afternoon."""
Message = tuple[str, bytes]


def tell(panel: int, at: datetime, *, celsius: float = 20.0, power_w: float = 0.0) -> Message:
    # Never twice the same: a value that does not move would be a fault of its own.
    volts = 40.0 + 2.0 * math.sin(at.timestamp() / 1000 + panel)
    payload = {
        "panel_id": f"panel-{panel:03d}",
        "timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "temperature_celsius": celsius,
        "voltage_volts": volts,
        "current_amperes": power_w / volts,
        "power_output_watts": power_w,
    }
    return f"sensors/panel-{panel:03d}/readings", json.dumps(payload).encode()


def publish(cluster: Cluster, port: int, messages: list[Message]) -> None:
    with RawPublisher(port, f"{cluster.prefix}-publisher") as publisher:
        publisher.publish(messages)
        publisher.wait_unacked(0)


def is_on_duty(process: Program) -> bool:
    return bool(process.read("/api/health")[1]["watch"]["is_on_duty"])


def list_alerts(api: Program) -> list[tuple[int, str]]:
    """Id and state of all alerts that ever were, the oldest first."""
    found = api.read("/api/alerts/recent")[1]
    states = {}
    for state in ("raised", "acknowledged", "silenced", "cleared"):
        for one in api.read(f"/api/alerts?state={state}")[1]["alerts"]:
            states[int(one["id"])] = state
    assert len(found) == len(states)
    return sorted(states.items())


def test_alerts_are_told_once_by_whoever_is_on_duty(
    cluster: Cluster, mosquitto: MosquittoServer
) -> None:
    for role, name in (("ingest", "a"), ("store", "a"), ("api", "a"), ("alert", "a")):
        cluster.add(role, name)
    wait_until(lambda: is_on_duty_soon(cluster.processes["alert-a"]), "the first is on duty", 120)
    cluster.add("alert", "b")
    for one in cluster.processes.values():
        wait_until(one.is_ready, "ready", 120)
    api, watching, waiting = (cluster.processes[one] for one in ("api-a", "alert-a", "alert-b"))

    def hear(celsius: float) -> None:
        publish(cluster, mosquitto.port, [tell(1, datetime.now(UTC), celsius=celsius)])
        time.sleep(1.1)  # the next reading has another second

    def sees(expected: list[tuple[int, str]]) -> None:
        wait_until(lambda: list_alerts(api) == expected, f"alerts are {expected}", 120)

    hear(20.0)
    wait_until(lambda: api.read("/api/devices/panel-001")[0] == 200, "the panel is known", 120)
    # The first rule, about incidents, was made once, however many have started.
    assert [one["id"] for one in api.read("/api/alert-rules")[1]["rules"]] == [1]
    rule = api.post("/api/alert-rules", HOT)
    hear(90.0)
    sees([(1, "raised")])
    api.post("/api/alerts/1/acknowledge", {})
    sees([(1, "acknowledged")])

    # What a person said through another process is not written over by the one that looks.
    hear(91.0)
    assert not is_on_duty(waiting)
    watching.kill()
    wait_until(lambda: is_on_duty(waiting), "the other takes over", 120)
    hear(92.0)
    assert list_alerts(api) == [(1, "acknowledged")]
    hear(20.0)
    sees([(1, "cleared")])
    hear(93.0)
    sees([(1, "cleared"), (2, "raised")])

    # Others see that it was killed, and who works.
    def list_states() -> dict[str, bool]:
        told = api.read("/api/health")[1]["processes"]
        alerting = [one for one in told if one["role"] == "alert"]
        return {one["name"]: one["watch"]["is_on_duty"] for one in alerting if one["age_s"] < 20}

    wait_until(lambda: list_states() == {"b": True}, "one of two is left", 60)

    # One that comes back waits: the other is on duty.
    watching.start()
    wait_until(watching.is_ready, "ready again", 120)
    assert not is_on_duty(watching)
    waiting.stop()
    wait_until(lambda: is_on_duty(watching), "it takes over", 120)
    api.post(f"/api/alert-rules/{rule['id']}", HOT | {"is_enabled": False}, method="PUT")
    sees([(1, "cleared"), (2, "cleared")])


def is_on_duty_soon(process: Program) -> bool:
    return process.is_ready() and is_on_duty(process)


def list_sunlight() -> list[tuple[datetime, float]]:
    """Minutes of a day and eight hours, up to the afternoon, and how bright each is, 0 to 1."""
    minutes = range(round(HISTORY / timedelta(minutes=1)))
    return [
        (START + timedelta(minutes=one), max(0.0, math.sin(one / (12 * 60) * math.pi)))
        for one in minutes
    ]


def list_power(at: datetime, sun: float) -> list[float]:
    """What each panel gives [W]; one has failed in the last hours."""
    power_w = [300.0 * sun * (1 + panel / 100) for panel in range(N_PANELS)]
    if at >= START + HISTORY - timedelta(hours=2):
        power_w[BROKEN] = 0.0
    return power_w


def test_faults_are_found_by_a_process_of_its_own(
    cluster: Cluster, mosquitto: MosquittoServer
) -> None:
    for role in ("ingest", "store", "api", "alert"):
        cluster.add(role, "a")
    for one in cluster.processes.values():
        wait_until(one.is_ready, "ready", 120)
    messages = [
        tell(panel, at, celsius=20 + 20 * sun + at.minute / 60, power_w=power_w)
        for at, sun in list_sunlight()
        for panel, power_w in enumerate(list_power(at, sun))
    ]
    api = cluster.processes["api-a"]
    publish(cluster, mosquitto.port, messages)

    def count() -> int:
        return int(api.ask("SELECT count(*) FROM readings")[0][0])

    wait_until(lambda: count() == 4 * len(messages), "all is stored", 120)
    cluster.add("detect", "a")

    broken = f"panel-{BROKEN:03d}"

    def list_incidents() -> list[dict[str, Any]]:
        found = api.read("/api/incidents")[1]["incidents"]
        return [one for one in found if one["device"] == broken]

    def list_states() -> set[str]:
        alerts = api.read("/api/alerts")[1]["alerts"]
        return {one["state"] for one in alerts if one["device"] == broken}

    wait_until(lambda: bool(list_incidents()), "the fault is found", 180)
    # Told by another process, and dealt with through a third. An incident that is dealt with before
    # is not told.
    wait_until(lambda: list_states() == {"raised"}, "an alert tells of it", 60)
    [found] = list_incidents()
    api.post(f"/api/incidents/{found['id']}/acknowledge", {})
    wait_until(lambda: list_states() == {"acknowledged"}, "its alert follows", 30)
    assert api.read(f"/api/incidents/{found['id']}")[1]["state"] == "acknowledged"
