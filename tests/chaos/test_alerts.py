"""Alerts reach a web server and a mailbox once each, through restarts, kills and dead receivers.

The test process is the outside: it publishes hot panels over MQTT, ends and kills the program, and
counts what its receivers were given.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.alert_receivers import MailSink, Taken, WebhookReceiver, count_ids
from tests.chaos.pour import write_profiles
from tests.chaos.program import ROOT, RUN_PROGRAM, Program, kept, wait_until
from tests.chaos.raw_mqtt import RawPublisher
from tests.servers import MosquittoServer

SEED = 20_261_126
SETTINGS = """\
[broker]
embedded = false

[detect]
enabled = false

[[sources]]
url = "mqtt://127.0.0.1:{port}"
profiles = ["poured-panels"]

[[notify]]
name = "hook"
type = "webhook"
url = "{hook}"

[[notify]]
name = "mail"
type = "email"
url = "{mail}"
sender = "solar@example.org"
recipients = ["me@example.org"]
starttls = false
"""
RULE = {"name": "Too hot", "kind": "above", "quantity": "temperature_c", "threshold": 60.0}


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that takes part in a run."""

    program: Program
    broker: MosquittoServer
    hook: WebhookReceiver
    mail: MailSink

    def heat(self, panel: str) -> None:
        """Publish that a panel is hot now."""
        now = datetime.now(UTC).isoformat()
        values = {
            "panel_id": panel,
            "timestamp": now,
            "temperature_celsius": 75.5,
            "voltage_volts": 48.0,
            "current_amperes": 8.0,
            "power_output_watts": 384.0,
        }
        with RawPublisher(self.broker.port, "heater") as publisher:
            publisher.publish([(f"sensors/{panel}/readings", json.dumps(values).encode())])
            publisher.wait_unacked(0)

    def list_alerts(self) -> list[dict[str, Any]]:
        """The open alerts as the program tells them; none while it does not answer."""
        try:
            return list(self.program.read("/api/alerts?limit=1000")[1]["alerts"])
        except OSError:
            return []

    def is_all_delivered(self, n_alerts: int) -> bool:
        alerts = self.list_alerts()
        states = [one["state"] for alert in alerts for one in alert["deliveries"]]
        return len(alerts) == n_alerts and states == ["delivered"] * (2 * n_alerts)


@contextlib.contextmanager
def staged(folder: Path, broker: MosquittoServer, mutation: str | None = None) -> Iterator[Stage]:
    """Program and receivers; the receivers run."""
    write_profiles(folder)
    hook, mail = WebhookReceiver(), MailSink()
    mutant = str(ROOT / "tests" / "chaos" / "mutant.py")
    launcher = (mutant, mutation) if mutation else RUN_PROGRAM
    text = SETTINGS.format(port=broker.port, hook=hook.url, mail=mail.url)
    program = Program(folder, text, launcher)
    hook.start()
    mail.start()
    try:
        with kept(program):
            yield Stage(program, broker, hook, mail)
    finally:
        hook.stop()
        mail.stop()


def torment(stage: Stage, n_restarts: int) -> None:
    """Heat a panel in each life of the program; end it at any moment, by turns asked and killed.

    For a third of the time the web server is dead.
    """
    draw = random.Random(SEED)
    stage.program.start()
    wait_until(stage.program.is_ready, "the program is ready")
    stage.program.post("/api/alert-rules", RULE)
    for number in range(n_restarts):
        if number % 6 == 2:
            stage.hook.stop()
        if number % 6 == 4:
            stage.hook.start()
        stage.heat(f"panel-{number:02}")
        time.sleep(draw.uniform(0.0, 2.5))
        if number % 2:
            stage.program.kill()
        else:
            stage.program.stop()
        stage.program.start()
        wait_until(stage.program.is_ready, "the program is ready")
    with contextlib.suppress(OSError):
        stage.hook.start()


def tell(text: str) -> None:
    """Shown where a test fails, and with ``-s``."""
    print(text)  # noqa: T201  # figures belong to the report of the test


def list_titles(taken: list[Taken]) -> list[str]:
    """What messages say, each message once however often it came."""
    return sorted({one.id: one.title for one in taken}.values())


@pytest.mark.parametrize(
    "n_restarts", [pytest.param(3, id="3"), pytest.param(20, id="20", marks=pytest.mark.long)]
)
def test_each_alert_is_told_once_to_each_receiver(
    own_mosquitto: MosquittoServer, tmp_path: Path, n_restarts: int
) -> None:
    with staged(tmp_path, own_mosquitto) as stage:
        torment(stage, n_restarts)
        wait_until(lambda: stage.is_all_delivered(n_restarts), "all alerts are told", 200)
        time.sleep(2)
        panels = [f"panel-{number:02}" for number in range(n_restarts)]
        assert list_titles(stage.hook.taken) == [f"Too hot: {one}" for one in panels]
        assert list_titles(stage.mail.taken) == [f"[warning] Too hot: {one}" for one in panels]
        again = [
            count - 1
            for taken in (stage.hook.taken, stage.mail.taken)
            for count in count_ids(taken).values()
        ]
        tell(f"{n_restarts} restarts: {sum(again)} of {len(again)} messages came again")
        # A kill between a receiver's answer and our note of it cannot be told from one before the
        # answer; the receiver can tell, by the id.
        assert sum(again) <= n_restarts // 2
        attempts = [one["attempts"] for alert in stage.list_alerts() for one in alert["deliveries"]]
        if n_restarts > 3:
            assert max(attempts) > 1, "nothing was ever tried twice: the test tests nothing"


def test_alert_is_out_within_two_seconds_of_its_reading(
    own_mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    with staged(tmp_path, own_mosquitto) as stage:
        stage.program.start()
        wait_until(stage.program.is_ready, "the program is ready")
        stage.program.post("/api/alert-rules", RULE)
        waits_s = []
        for number in range(5):
            began_s = time.monotonic()
            stage.heat(f"panel-{number:02}")
            wait_until(lambda number=number: len(stage.hook.taken) > number, "it is told")  # type: ignore[misc]  # the default binds the loop's number
            waits_s.append(time.monotonic() - began_s)
        tell(f"from reading to webhook [s]: {[round(one, 2) for one in waits_s]}")
        # A machine that is busy with other things may take longer now and then.
        assert sorted(waits_s)[2] < 2.0


def test_without_notes_in_the_outbox_messages_come_again(
    own_mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    with staged(tmp_path, own_mosquitto, "no_outbox_notes") as stage:
        torment(stage, 3)
        wait_until(
            lambda: max(count_ids(stage.mail.taken).values(), default=0) > 2,
            "a message comes a third time",
        )
