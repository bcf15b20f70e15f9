"""The real program passes everything on to a real InfluxDB, whatever is away or killed."""

from __future__ import annotations

import contextlib
import http.client
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.program import ROOT, RUN_PROGRAM, Program, kept, wait_until
from tests.influx_server import PASSWORD, USER, InfluxServer, run_influx
from tests.integration.tsbs import START_S, Sender
from tests.servers import LOOPBACK, ServerMissingError

T0 = 1_760_000_000
"""An instant in the past [s since 1970]."""
POWER = "active_power_w"
SETTINGS = """
[broker]
embedded = false

[detect]
enabled = false

[[sources]]
name = "influx"
type = "influx"

[[outputs]]
name = "old"
url = "{url}"
every_s = 0.1
{more}
"""
DATABASE = 'database = "home"'
TAKING = """
[broker]
embedded = false

[detect]
enabled = false

[[sources]]
name = "influx"
type = "influx"
{more}
"""


def describe(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = program.read("/api/health")[1]["outputs"][0]
    return found


def start(program: Program) -> None:
    program.start()
    wait_until(program.is_ready, "the program is ready", START_S)


@contextlib.contextmanager
def running(folder: Path, url: str, more: str = DATABASE, mutation: str = "") -> Iterator[Program]:
    folder.mkdir(parents=True, exist_ok=True)
    mutant = str(ROOT / "tests" / "chaos" / "mutant.py")
    launcher = (mutant, mutation) if mutation else RUN_PROGRAM
    with kept(Program(folder, SETTINGS.format(url=url, more=more), launcher)) as program:
        start(program)
        yield program


def write(program: Program, first: int, count: int) -> None:
    """Readings of three devices, of two quantities; those of a number are the same each time."""
    lines = [
        f"m,device=panel\\ {n % 3} {POWER}={n / 7:.3f},voltage_v={230 + n / 10} {T0 + n}"
        for n in range(first, first + count)
    ]
    with contextlib.closing(Sender(program.port)) as sender:
        answer = sender.post("/write?db=d&precision=s", "\n".join(lines).encode())
    assert answer.status == 204, answer.text


def stored(program: Program, quantity: str) -> dict[tuple[str, int], float]:
    rows = program.ask(
        f"SELECT device, epoch_us(measured_at), value FROM readings WHERE quantity = '{quantity}'"
    )
    return {(device, at): value for device, at, value in rows}


def has_values(influx: InfluxServer, quantity: str, count: int) -> bool:
    return influx.count(quantity) >= count


def check_equal(program: Program, influx: InfluxServer, count: int) -> None:
    """InfluxDB has everything that is stored, each point once, to the last digit."""
    for quantity in (POWER, "voltage_v"):
        what = f"InfluxDB has {count} values of {quantity}"
        wait_until(partial(has_values, influx, quantity, count), what, START_S)
        assert influx.count(quantity) == count
        assert influx.read(quantity) == stored(program, quantity)


def test_everything_arrives_with_every_digit(own_influx: InfluxServer, tmp_path: Path) -> None:
    with running(tmp_path / "run", own_influx.url) as program:
        write(program, 0, 500)
        check_equal(program, own_influx, 500)
        told = describe(program)
        assert (told["state"], told["values"], told["refused_points"]) == ("ok", 1000, 0)
        assert told["address"] == f"{own_influx.url} home"
        metrics = read_metrics(program)
    assert 'wattscope_output_up{output="old"} 1.0' in metrics
    assert 'wattscope_output_values_total{output="old"} 1000.0' in metrics


def read_metrics(program: Program) -> str:
    connection = http.client.HTTPConnection(LOOPBACK, program.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()


def test_server_that_was_away_gets_everything_after_once(
    own_influx: InfluxServer, tmp_path: Path
) -> None:
    with running(tmp_path / "run", own_influx.url) as program:
        write(program, 0, 300)
        check_equal(program, own_influx, 300)
        own_influx.stop(signal.SIGKILL)
        for first in range(300, 900, 100):
            write(program, first, 100)
        wait_until(lambda: describe(program)["state"] == "waiting", "it is missed", START_S)
        told = describe(program)
        assert told["lag_records"] > 0
        assert told["detail"].startswith(f"{own_influx.url} cannot be reached: ")
        # What is away is no reason to take nothing in.
        assert program.is_ready()
        own_influx.start()
        check_equal(program, own_influx, 900)
        wait_until(lambda: describe(program)["lag_records"] == 0, "nothing is behind", START_S)
        assert describe(program)["last_error"] == told["detail"]


def test_killing_the_program_loses_and_doubles_nothing(
    own_influx: InfluxServer, tmp_path: Path
) -> None:
    with running(tmp_path / "run", own_influx.url) as program:
        for first in range(0, 600, 100):
            # In the first rounds while it sends, in the others while it cannot.
            if first == 300:
                own_influx.stop(signal.SIGKILL)
            write(program, first, 100)
            if first > 300:
                wait_until(lambda: describe(program)["state"] == "waiting", "missed", START_S)
            program.kill()
            start(program)
        own_influx.start()
        check_equal(program, own_influx, 600)


@pytest.mark.parametrize("mutation", ["", "early_bookmark"])
def test_what_was_read_and_not_sent_is_sent_after_a_kill(
    own_influx: InfluxServer, tmp_path: Path, mutation: str
) -> None:
    """And is not where the place in the log is remembered before: the check of this check."""
    own_influx.stop()
    with running(tmp_path / "run", own_influx.url, mutation=mutation) as program:
        write(program, 0, 50)
        wait_until(lambda: describe(program)["state"] == "waiting", "it was tried", START_S)
        program.kill()
        own_influx.start()
        start(program)
        write(program, 50, 50)
        wait_until(lambda: own_influx.count(POWER) >= 50, "the newer ones are there", START_S)
        if mutation:
            wait_until(lambda: describe(program)["lag_records"] == 0, "all is sent", START_S)
            assert own_influx.count(POWER) == 50
        else:
            check_equal(program, own_influx, 100)


def test_wrong_password_is_told_and_costs_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("a wrong word of 24 letters\n")
    more = f'{DATABASE}\nusername = "{USER}"\npassword_file = "{secret}"'
    folder = tmp_path / "influx"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        try:
            influx = stack.enter_context(run_influx(folder, has_login=True))
        except ServerMissingError as missing:
            pytest.skip(str(missing))
        program = stack.enter_context(running(tmp_path / "run", influx.url, more))
        write(program, 0, 30)
        wait_until(lambda: describe(program)["state"] == "waiting", "it is refused", START_S)
        assert describe(program)["detail"] == (
            f"{influx.url} home answers 401 authorization failed; "
            "check the user and its password, or the token"
        )
        assert "a wrong word" not in program.output
        program.stop()
        secret.write_text(f"{PASSWORD}\n")
        start(program)
        check_equal(program, influx, 30)
        assert PASSWORD not in program.output


def test_points_that_are_refused_for_good_are_told_and_hold_up_no_others(
    own_influx: InfluxServer, tmp_path: Path
) -> None:
    # A field that is text there cannot become a number.
    own_influx.write(f'wattscope,device=panel\\ 1,site=home voltage_v="high" {T0}000000000')
    with running(tmp_path / "run", own_influx.url) as program:
        write(program, 0, 30)
        wait_until(lambda: describe(program)["refused_points"] > 0, "it is refused", START_S)
        wait_until(lambda: describe(program)["lag_records"] == 0, "all is sent", START_S)
        told = describe(program)
        assert told["state"] == "ok"
        assert "field type conflict" in told["last_refusal"]
        # InfluxDB 1.6 takes the points of the other devices, and drops those of a conflict whole.
        n_refused = told["refused_points"]
        assert own_influx.count(POWER) == 30 - n_refused
        assert program.output.count("output refuses points for good") == 1


def test_second_api_gives_the_same_to_a_wattscope(tmp_path: Path) -> None:
    """There is no InfluxDB 2 to be had: a Wattscope that is written to takes its place."""
    (tmp_path / "tokens").write_text("0123456789abcdefghij\n")
    more = f'token_file = "{tmp_path / "tokens"}"'
    with contextlib.ExitStack() as stack:
        taking = (tmp_path / "taking", TAKING.format(more=more))
        taking[0].mkdir()
        receiver = stack.enter_context(kept(Program(*taking)))
        start(receiver)
        url = f"http://{LOOPBACK}:{receiver.port}"
        place = f'bucket = "energy"\norg = "home"\n{more}'
        program = stack.enter_context(running(tmp_path / "run", url, place))
        write(program, 0, 300)
        wait_until(lambda: len(stored(receiver, POWER)) >= 300, "all is there", START_S)
        for quantity in (POWER, "voltage_v"):
            assert stored(receiver, quantity) == stored(program, quantity)
        topics = receiver.read("/api/topics")[1]["topics"]
        assert [one["topic"] for one in topics] == ["line/ns/energy/wattscope"]
