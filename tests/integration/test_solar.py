"""The recipe solar through the whole program: what a panel publishes is asked for at once."""

from __future__ import annotations

import asyncio
import csv
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.program import Program, kept, wait_until
from tests.cli.invocation import Outcome, ask, invoke
from tests.servers import find_free_port
from wattscope.simulate.publish import publish_to

pytestmark = pytest.mark.integration

LINE = re.compile(r"Panel-\d{3}: -?\d+\.\d°C, \d+\.\dV, \d+\.\d\dA, \d+\.\dW")


class Plant:
    """The program with its own broker, over the recipe's settings."""

    def __init__(self, folder: Path) -> None:
        self.mqtt_port = find_free_port()
        text = files("wattscope").joinpath("recipes", "solar.toml").read_text(encoding="utf-8")
        self.program = Program(
            folder, re.sub(r"(?m)^port = 1883", f"port = {self.mqtt_port}", text)
        )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.mqtt_port}"

    def publish(self, readings: Sequence[dict[str, object]]) -> None:
        messages = [
            (f"sensors/{one['panel_id']}/readings", json.dumps(one).encode()) for one in readings
        ]
        asyncio.run(publish_to(lambda _: messages, self.url, interval_s=0.05, count=1))

    def read(self, path: str) -> list[dict[str, Any]]:
        status, answer = self.program.read(path)
        assert status == 200, answer
        found: list[dict[str, Any]] = answer
        return found


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    plant = Plant(tmp_path_factory.mktemp("solar"))
    with kept(plant.program) as program:
        program.start()
        wait_until(program.is_ready, "the program is ready", 60)
        yield plant
        program.stop()


def reading(panel: str, **changed: object) -> dict[str, object]:
    """The seed's reading, with the instant that it lacks."""
    return {
        "panel_id": panel,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "temperature_celsius": 25.0,
        "voltage_volts": 48.0,
        "current_amperes": 8.5,
        "power_output_watts": 408.0,
    } | changed


def test_reading_flow(plant: Plant) -> None:
    """The seed's own test: publish, then ask for the newest bucket."""
    plant.publish([reading("TEST-001")])
    path = "/api/panels/TEST-001/readings?limit=1"
    wait_until(lambda: plant.program.read(path)[0] == 200, "TEST-001 is known", 20)
    [newest] = plant.read(path)
    assert newest["panel_id"] == "TEST-001"
    assert newest["avg_power"] == newest["max_power"] == newest["min_power"] == 408.0
    assert newest["avg_temperature"] == 25.0


def test_a_reading_beyond_the_ranges_is_set_aside_and_its_neighbours_are_not(
    plant: Plant,
) -> None:
    hot = reading("TEST-002", temperature_celsius=100.0)
    plant.publish([hot, reading("TEST-003", location=[48.1, 11.6])])
    wait_until(
        lambda: plant.program.read("/api/panels/TEST-003/readings")[0] == 200, "TEST-003 is known"
    )
    assert plant.program.ask("SELECT count(*) FROM readings WHERE device = 'TEST-002'") == [[0]]
    [[code, topic]] = plant.program.ask("SELECT code, topic FROM quarantine")
    assert (code, topic) == ("range", "sensors/TEST-002/readings")
    [place] = plant.program.ask("SELECT latitude, longitude FROM devices WHERE id = 'TEST-003'")
    assert place == [48.1, 11.6]


def test_simulated_panels_are_printed_stored_and_in_their_tree(plant: Plant) -> None:
    outcome = simulate("--panels", "10", "--interval", "0.5", "--count", "2", "--url", plant.url)
    assert outcome.status == 0, outcome.err
    lines = outcome.out.splitlines()
    assert len([one for one in lines if LINE.fullmatch(one)]) == 20
    assert lines[-1].startswith("22 messages published")
    question = "SELECT count(*) FROM readings WHERE device LIKE 'Panel-%'"
    wait_until(lambda: plant.program.ask(question) == [[80]], "20 readings are stored", 20)
    tree = plant.program.ask(
        "SELECT p.id, p.parent, s.parent, i.parent, p.rating_w, p.tilt_deg FROM devices p "
        "JOIN devices s ON s.id = p.parent JOIN devices i ON i.id = s.parent "
        "WHERE p.kind = 'panel' ORDER BY 1"
    )
    assert len(tree) == 10
    assert tree[7] == ["Panel-008", "String-2", "Inverter-1", "Plant", 400.0, 30.0]
    [[light]] = plant.program.ask(
        "SELECT count(*) FROM readings WHERE device = 'Weather' AND quantity = 'irradiance_w_m2'"
    )
    assert light == 2


def test_a_past_comes_with_the_truth_about_its_faults(tmp_path: Path) -> None:
    data = tmp_path / "data"
    outcome = simulate(
        *("--history", "2d", "--panels", "20", "--data", data),
        *("--fault", "string_out:Panel-013", "--fault", "sensor_drift:Panel-001"),
    )
    assert outcome.status == 0, outcome.err
    with (data / "simulated-faults.csv").open(encoding="utf-8", newline="") as text:
        truths = list(csv.DictReader(text))
    # The seed draws faults of its own beside those that were told.
    out = {one["device"] for one in truths if one["kind"] in {"string_out", "inverter_trip"}}
    told = {f"Panel-0{n}" for n in range(11, 16)}
    assert told <= out
    assert ("sensor_drift", "Panel-001") in {(one["kind"], one["device"]) for one in truths}
    question = (
        "select device, max(value) as w from readings where quantity = 'production_power_w' "
        "group by 1 having w = 0 order by 1"
    )
    assert told <= {one["device"] for one in ask(data, question)} <= out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--panels", "0"), "arrays.1.count"),
        (("--fault", "dirt:Panel-001"), "kinds: soiling"),
        (("--fault", "shade:Panel-011"), "no such panel"),
        (("--profile", "sdm630"), "recipe solar publishes over MQTT"),
        (("--count", "1", "--truth", "/nowhere/truth.csv"), "cannot be written"),
    ],
)
def test_options_that_cannot_be_are_refused_in_a_line(
    words: tuple[str, ...], complaint: str
) -> None:
    outcome = simulate(*words, "--url", "mqtt://127.0.0.1:1")
    assert outcome.status == 78
    assert complaint in outcome.err
    assert "Traceback" not in outcome.err


def simulate(*words: str | Path) -> Outcome:
    return invoke("simulate", "solar", *words)
