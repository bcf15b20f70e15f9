"""R6: a broker that is killed, and one that is not there yet."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path

from tests.chaos.ledger_proxy import LedgerProxy
from tests.chaos.pour import Pourer, find_number, is_bare, write_profiles
from tests.chaos.program import Program, kept, wait_until
from tests.chaos.raw_mqtt import RawPublisher
from tests.chaos.test_poison import SETTINGS, build_good
from tests.chaos.verdict import read_ledger
from tests.servers import LOOPBACK, MosquittoServer

RATE_PER_S = 1000
# A third short connection in a row would look like a fight over the session: the source then waits
# for up to 90 s before it comes back, which is meant and not looked at here.
N_BROKER_KILLS = 2


def test_a_killed_broker_is_found_again_and_nothing_acknowledged_is_lost(
    own_mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.txt"
    proxy = LedgerProxy(own_mosquitto.port, ledger, find_number)
    write_profiles(tmp_path)
    program = Program(tmp_path, SETTINGS.format(url=f"mqtt://{LOOPBACK}:{proxy.port}"))
    # No bare numbers: a broker that lost its memory may send one again as if it were new.
    pourer = Pourer(own_mosquitto.port, rate_per_s=RATE_PER_S, bare=False)
    with contextlib.closing(proxy), kept(program):
        program.start()
        wait_until(program.is_ready, "the program is ready")
        pourer.start()
        try:
            for _ in range(N_BROKER_KILLS):
                kill_broker(own_mosquitto, program, proxy)
        finally:
            pourer.stop()
        wait_until(lambda: time.monotonic() - proxy.last_ack_s > 1, "nothing comes any more")
        assert program.is_running
        program.stop()
    acked = read_ledger(ledger)
    rows = program.query("SELECT value FROM readings WHERE quantity = 'production_power_w'")
    stored = [int(float(row["value"])) for row in rows]
    assert acked
    assert not any(map(is_bare, acked))
    assert acked - set(stored) == set()
    assert len(stored) == len(set(stored))


def kill_broker(broker: MosquittoServer, program: Program, proxy: LedgerProxy) -> None:
    """Kill the broker under load, start it again, and wait until readings flow again."""
    n_acks = proxy.n_acks
    wait_until(lambda: proxy.n_acks > n_acks + RATE_PER_S // 2, "messages are acknowledged")
    broker.stop(signal.SIGKILL)
    wait_until(lambda: not program.is_ready(), "the loss is noticed")
    assert program.read("/healthz")[0] == 200
    broker.start()
    n_acks = proxy.n_acks
    wait_until(program.is_ready, "the broker is found again", 120)
    wait_until(lambda: proxy.n_acks > n_acks, "messages are acknowledged again")


def test_a_broker_that_is_not_there_yet_is_waited_for(
    own_mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    own_mosquitto.stop()
    write_profiles(tmp_path)
    with kept(Program(tmp_path, SETTINGS.format(url=own_mosquitto.url))) as program:
        program.start()
        wait_until(lambda: answers(program), "the program answers")
        wait_until(
            lambda: f":{own_mosquitto.port} is not reached" in program.read("/readyz")[1]["detail"],
            "the reason is told",
        )
        status, problem = program.read("/readyz")
        assert status == 503
        assert problem["code"] == "not_ready"
        assert program.read("/healthz")[0] == 200
        own_mosquitto.start()
        wait_until(program.is_ready, "the broker is found", 120)
        with RawPublisher(own_mosquitto.port, "late") as publisher:
            publisher.publish([build_good(number) for number in range(10)])
            # Closing at once would reset the connection, and the broker may not have read yet.
            publisher.wait_unacked(0)
        wait_until(
            lambda: program.ask("SELECT count(*) FROM readings") == [[40]], "readings are stored"
        )


def answers(program: Program) -> bool:
    assert program.is_running, program.output
    try:
        return program.read("/healthz")[0] == 200
    except OSError:
        return False
