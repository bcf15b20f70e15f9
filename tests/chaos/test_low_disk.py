"""R5: on a disk that is nearly full nothing is acknowledged, and it goes on by itself."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from tests.chaos.ledger_proxy import LedgerProxy
from tests.chaos.pour import Pourer, find_number, is_bare, write_profiles
from tests.chaos.program import Program, kept, wait_until
from tests.chaos.test_poison import SETTINGS, is_balanced, read_counters
from tests.servers import LOOPBACK, MosquittoServer

LAUNCHER = Path(__file__).with_name("small_disk.py")
RATE_PER_S = 1500
PLENTY, LITTLE = 500_000_000, 10_000_000
REFUSING_S = 4.0
"""Long enough for more messages than may wait in memory, so that the socket is no longer read."""
RESUME_S = 10.0


class Starved:
    """A program whose disk fills up and gets room again, under load."""

    def __init__(self, folder: Path, broker: MosquittoServer, storage: str) -> None:
        self.free = folder / "free.txt"
        self.free.write_text(str(PLENTY))
        self.proxy = LedgerProxy(broker.port, folder / "ledger.txt", find_number)
        url = f"mqtt://{LOOPBACK}:{self.proxy.port}"
        launcher = (str(LAUNCHER), str(self.free))
        write_profiles(folder)
        self.program = Program(folder, SETTINGS.format(url=url) + storage, launcher)
        self.pourer = Pourer(broker.port, rate_per_s=RATE_PER_S, bare=False)
        self.n_acked_while_full = 0
        self.resumed_after_s = 0.0

    def run(self) -> None:
        """Fill the disk, look, make room, and wait until everything is stored."""
        with contextlib.closing(self.proxy), kept(self.program):
            self.program.start()
            wait_until(self.program.is_ready, "the program is ready")
            self.pourer.start()
            try:
                wait_until(lambda: self.proxy.n_acks > RATE_PER_S, "messages are acknowledged")
                self._fill()
                self._make_room()
            finally:
                self.pourer.stop()
            wait_until(lambda: self.n_expected == len(self.proxy.acked), "all are acknowledged")
            wait_until(lambda: is_balanced(read_counters(self.program)), "the books balance")
            self.counters = read_counters(self.program)
            self.program.stop()

    @property
    def n_expected(self) -> int:
        return sum(not is_bare(number) for number in range(self.pourer.n_poured))

    def _fill(self) -> None:
        self.free.write_text(str(LITTLE))
        # It looks once a second, and what is under way then is still taken.
        time.sleep(2.0)
        n_acks = self.proxy.n_acks
        deadline_s = time.monotonic() + REFUSING_S
        while time.monotonic() < deadline_s:
            assert self.program.read("/healthz")[0] == 200
            assert self.program.ask("SELECT count(*) FROM readings")[0][0] > 0
        self.n_acked_while_full = self.proxy.n_acks - n_acks
        self.state_while_full = self.program.read("/api/health")[1]["disk"]["state"]
        self.readiness_while_full = self.program.read("/readyz")

    def _make_room(self) -> None:
        n_acks, started_s = self.proxy.n_acks, time.monotonic()
        self.free.write_text(str(PLENTY))
        wait_until(lambda: self.proxy.n_acks > n_acks, "messages are acknowledged again")
        self.resumed_after_s = time.monotonic() - started_s


def test_full_disk_stops_acknowledgements_and_nothing_else(
    own_mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    starved = Starved(tmp_path, own_mosquitto, "")
    starved.run()
    assert starved.n_acked_while_full == 0
    assert starved.state_while_full == "refusing"
    status, problem = starved.readiness_while_full
    assert status == 503
    assert "min_free_mb" in problem["detail"]
    assert starved.resumed_after_s <= RESUME_S
    assert starved.counters["refused"] > 0
    rows = starved.program.query("SELECT value FROM readings WHERE quantity = 'production_power_w'")
    stored = [int(float(row["value"])) for row in rows]
    assert len(stored) == len(set(stored)) == starved.n_expected
    assert starved.program.output.count("broker reached") == 1, "it lost the connection"


def test_program_that_does_not_look_at_the_disk_is_noticed(
    own_mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    """A check of the check: without the watermark it acknowledges on."""
    starved = Starved(tmp_path, own_mosquitto, "[storage]\nmin_free_mb = 0\nwarn_free_mb = 0\n")
    starved.run()
    with pytest.raises(AssertionError):
        assert starved.n_acked_while_full == 0
