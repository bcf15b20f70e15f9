"""The recipe grid through the whole program: meters publish, the past lies behind them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest

from tests.chaos.program import Program, kept, wait_until
from tests.cli.invocation import Outcome, ask, end_child, invoke, start_child
from tests.page.demo import run_page
from tests.servers import find_free_port
from wattscope.simulate.publish import publish_to

pytestmark = pytest.mark.integration

COUNT = ("--count", "60")
SEED_METER = "1234567890"


class Grid:
    """The program with its own broker, over the recipe's settings."""

    def __init__(self, folder: Path, profile: str = "grid-meter-json") -> None:
        self.mqtt_port = find_free_port()
        text = files("wattscope").joinpath("recipes", "grid.toml").read_text(encoding="utf-8")
        text = re.sub(r"(?m)^port = 1883", f"port = {self.mqtt_port}", text)
        self.program = Program(folder, text.replace('["grid-meter-json"]', f'["{profile}"]'))

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.mqtt_port}"

    def counters(self) -> dict[str, int]:
        """What became of everything that was received."""
        found: dict[str, int] = self.program.read("/api/health")[1]["counters"]
        return found

    def count(self, condition: str) -> int:
        [[number]] = self.program.ask(f"SELECT count(*) FROM readings WHERE {condition}")
        return int(number)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    grid = Grid(tmp_path_factory.mktemp("grid"))
    history = simulate("--history", "2d", *COUNT, "--data", grid.program.data_folder)
    assert history.status == 0, history.err
    assert history.out.startswith(f"{60 * 2 * 288 * 5} values written")
    with kept(grid.program) as program:
        program.start()
        wait_until(program.is_ready, "the program is ready", 60)
        yield grid
        program.stop()


def simulate(*words: str | Path) -> Outcome:
    return invoke("simulate", "grid", *words)


def test_a_meter_of_the_seed_is_stored_as_it_was_sent(grid: Grid) -> None:
    """The seed's way: publish, then ask."""
    sent = {
        "meter_id": SEED_METER,
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "power": 812.5,
        "voltage": 229.4,
        "current": 3.6,
        "frequency": 49.98,
        "energy": 1234.567,
    }
    message = (f"energy/meters/{SEED_METER}", json.dumps(sent).encode())
    asyncio.run(publish_to(lambda _: [message], grid.url, interval_s=0.05, count=1))
    wait_until(lambda: grid.count(f"device = '{SEED_METER}'") == 5, "five values are stored")
    rows = grid.program.ask(
        f"SELECT quantity, value FROM readings WHERE device = '{SEED_METER}' ORDER BY quantity"
    )
    assert rows == [
        ["active_power_w", 812.5],
        ["current_a", 3.6],
        ["energy_import_wh", 1_234_567.0],
        ["frequency_hz", 49.98],
        ["voltage_v", 229.4],
    ]


def test_the_live_part_goes_on_where_the_past_ends(grid: Grid) -> None:
    of_meters = f"device <> '{SEED_METER}'"
    before = grid.count(of_meters)
    assert before == 60 * 2 * 288 * 5
    outcome = simulate(*COUNT, "--instants", "1", "--url", grid.url, "--interval", "2")
    assert outcome.status == 0, outcome.err
    assert re.search(r"\d+ readings published to mqtt://127\.0\.0\.1", outcome.out)
    wait_until(lambda: grid.count(of_meters) >= before + 60 * 5, "every meter has spoken")
    [[falls]] = grid.program.ask(
        "WITH steps AS (SELECT value - lag(value) OVER (PARTITION BY device ORDER BY measured_at) "
        f"AS step FROM readings WHERE quantity = 'energy_import_wh' AND {of_meters}) "
        "SELECT count(*) FROM steps WHERE step < 0"
    )
    assert falls == 0
    assert grid.program.ask("SELECT count(*) FROM quarantine") == [[0]]


def test_what_is_sent_again_after_a_past_is_a_duplicate_and_no_conflict(tmp_path: Path) -> None:
    """At its start each meter sends its newest reading, which the past may have."""
    other = Grid(tmp_path)
    past = ("--history", "1h", "--count", "30", "--seed", "7", "--data")
    assert simulate(*past, other.program.data_folder).status == 0
    with kept(other.program) as program:
        program.start()
        wait_until(program.is_ready, "the program is ready", 60)
        words = ("simulate", "grid", "--count", "30", "--seed", "7", "--url", other.url)
        child = start_child(words, tmp_path / "simulator.txt")
        try:
            wait_until(lambda: other.counters()["received"] >= 150, "each meter has spoken")
        finally:
            end_child(child)
        assert other.counters()["duplicate"] > 0
        assert program.ask("SELECT count(*) FROM quarantine") == [[0]]
        program.stop()


def test_a_register_read_as_the_energy_of_an_interval_is_set_aside(tmp_path: Path) -> None:
    wrong = Grid(tmp_path, "grid-meter-interval-json")
    with kept(wrong.program) as program:
        program.start()
        wait_until(program.is_ready, "the program is ready", 60)
        words = ("--count", "20", "--instants", "1", "--interval", "1", "--url", wrong.url)
        assert simulate(*words).status == 0
        wait_until(
            lambda: wrong.count("quantity = 'active_power_w'") >= 20, "the powers are stored"
        )
        aside = program.ask("SELECT DISTINCT code FROM quarantine")
        assert aside == [["range"]]
        assert wrong.count("quantity = 'energy_import_delta_wh'") == 0
        # And meters that do send energies of intervals are taken.
        assert simulate(*words, "--energy", "interval", "--seed", "2").status == 0
        wait_until(
            lambda: wrong.count("quantity = 'energy_import_delta_wh'") >= 20,
            "the energies are stored",
        )
        program.stop()


def test_the_demo_opens_with_its_past_and_live_meters(tmp_path: Path) -> None:
    words = ("demo", "grid", "--no-browser", "--history", "1d", "--mqtt-port", find_free_port())
    with run_page(tmp_path, *map(str, words)) as page:
        devices = page.get("/api/devices")["devices"]
        assert len(devices) == 500
        assert {one["kind"] for one in devices} == {"meter"}
        assert all(len(one["quantities"]) == 5 for one in devices)

        def count_received() -> int:
            counters = page.get("/api/health")["counters"]
            return int(counters["received"])

        wait_until(lambda: count_received() >= 2500, "500 meters have spoken", 120)
        assert page.get("/api/quarantine")["total"] == 0


def test_a_past_can_be_told_in_days_and_is_not_written_twice(tmp_path: Path) -> None:
    words = ("--days", "1", "--count", "20", "--data", tmp_path / "data")
    first, second = simulate(*words), simulate(*words)
    assert first.out.startswith(f"{20 * 288 * 5} values written")
    n_more = int(second.out.split()[0])
    assert n_more <= 20 * 5 * 2, "only what has become due meanwhile"
    [row] = ask(tmp_path / "data", "SELECT count(*) AS n FROM devices WHERE kind = 'meter'")
    assert row["n"] == 20


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("simulate", "grid", "--count", "100001"), "meters: 100001"),
        (("simulate", "grid", "--interval", "5x"), "write 5m, 10s"),
        (("simulate", "grid", "--days", "2", "--history", "2d"), "leave out one"),
        (("simulate", "home", "--energy", "interval"), "recipe grid"),
        (("simulate", "grid", "--profile", "sdm630"), "recipe grid publishes over MQTT"),
    ],
)
def test_options_that_cannot_be_are_refused_in_a_line(
    words: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    outcome = invoke(*words, "--url", "mqtt://127.0.0.1:1", "--data", tmp_path)
    assert outcome.status == 78
    assert complaint in outcome.err
    assert "Traceback" not in outcome.err
