"""R1: ``kill -9`` at random moments while messages pour in.

The test process is the outside: it publishes, keeps the ledger (``ledger_proxy.py``), kills, and
compares in the end with what ``wattscope sql`` reads from the data folder.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.ledger_proxy import LedgerProxy
from tests.chaos.pour import Pourer, find_number, is_bare, write_profiles
from tests.chaos.program import ROOT, RUN_PROGRAM, Program, kept, wait_until
from tests.chaos.verdict import Verdict, energy_of, judge, read_ledger, stored_energy
from tests.servers import MosquittoServer

RATE_PER_S = 2000
SEED = 20_261_120
N_LOST_ACKS = 40
"""How many acknowledgements at least are lost with a kill; each tenth message is a bare number."""
# A small tail and short spans: chunk files, merges and rollups are written all the time, so that
# kills meet them too. The memory is for the comparison in the end, which counts distinct keys.
SETTINGS = """\
[broker]
embedded = false

[storage]
chunk = "3h"
tail_rows = 20000
memory_mb = 2000

[[sources]]
url = "mqtt://127.0.0.1:{port}"
profiles = ["poured-panels", "poured-meters"]
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that takes part in a run."""

    program: Program
    proxy: LedgerProxy
    pourer: Pourer
    ledger: Path


@contextlib.contextmanager
def staged(folder: Path, broker: MosquittoServer, mutation: str | None = None) -> Iterator[Stage]:
    """Program, proxy and publisher, not started yet."""
    write_profiles(folder)
    ledger = folder / "ledger.txt"
    proxy = LedgerProxy(broker.port, ledger, find_number)
    mutant = str(ROOT / "tests" / "chaos" / "mutant.py")
    launcher = (mutant, mutation) if mutation else RUN_PROGRAM
    program = Program(folder, SETTINGS.format(port=proxy.port), launcher)
    pourer = Pourer(broker.port, rate_per_s=RATE_PER_S)
    with kept(program), contextlib.closing(proxy):
        try:
            yield Stage(program, proxy, pourer, ledger)
        finally:
            pourer.stop()


def torment(stage: Stage, n_kills: int, seed: int) -> Verdict:
    """Pour, kill and start again, drain, stop, compare."""
    tell(f"{n_kills} kills with seed {seed}")
    draw = random.Random(seed)
    # The session must be at the broker before the first message is.
    stage.program.start()
    wait_until(stage.program.is_ready, "the program is ready")
    stage.pourer.start()
    for number in range(n_kills):
        if number:
            stage.program.start()
        # Every fifth may hit the start, while the log is read again.
        may_hit_start = number % 5 == 4
        if not may_hit_start:
            wait_for_acks(stage)
        time.sleep(draw.uniform(0.1, 1.5))
        if number % 2 and not may_hit_start:
            # The last acknowledgements before a kill are lost on their way, as they well may be.
            stage.proxy.is_swallowing = True
            wait_for_lost_acks(stage)
        stage.program.kill()
        stage.proxy.is_swallowing = False
    stage.pourer.stop()
    stage.program.start()
    drain(stage)
    stage.program.stop()
    return judge(stage.program, stage.ledger)


def tell(text: str) -> None:
    """Shown where a test fails, and with ``-s``."""
    print(text)  # noqa: T201  # seed and figures belong to the report of the test


def wait_for_acks(stage: Stage) -> None:
    """Return when the running program has acknowledged something."""
    n_before = stage.proxy.n_acks

    def has_more() -> bool:
        assert stage.program.is_running, stage.program.output[-4000:]
        return stage.proxy.n_acks > n_before

    wait_until(has_more, "a message is acknowledged")


def wait_for_lost_acks(stage: Stage) -> None:
    """Return when some acknowledgements were lost since the last kill."""
    enough = stage.proxy.n_swallowed + N_LOST_ACKS
    wait_until(lambda: stage.proxy.n_swallowed >= enough, "acknowledgements are lost")


def drain(stage: Stage) -> None:
    """Return when everything poured was acknowledged, and nothing comes any more."""
    n_poured = stage.pourer.n_poured
    wait_until(lambda: len(stage.proxy.acked) == n_poured, "all is acknowledged", 300)
    wait_until(lambda: time.monotonic() - stage.proxy.last_ack_s > 1, "nothing comes any more")
    wait_until(stage.program.is_ready, "the program is ready")


@pytest.mark.parametrize(
    "n_kills", [pytest.param(10, id="10"), pytest.param(100, id="100", marks=pytest.mark.long)]
)
def test_killing_loses_nothing_acknowledged_and_doubles_nothing(
    own_mosquitto: MosquittoServer, tmp_path: Path, n_kills: int
) -> None:
    with staged(tmp_path, own_mosquitto) as stage:
        verdict = torment(stage, n_kills, SEED)
        tell(f"{n_kills} kills, {stage.proxy.n_redelivered} messages sent again: {verdict}")
        assert verdict.n_acked == stage.pourer.n_poured
        assert stage.proxy.n_redelivered > 0, "no message was sent again: the test tests nothing"
        assert verdict.is_clean, str(verdict)
        acked = read_ledger(stage.ledger)
        assert stored_energy(stage.program) == pytest.approx(energy_of(acked), rel=1e-9)


def test_acknowledging_before_the_log_is_noticed_as_loss(
    own_mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    with staged(tmp_path, own_mosquitto, "early_ack") as stage:
        verdict = torment(stage, 6, SEED)
        tell(f"acknowledged early: {verdict}")
        assert verdict.lost


def test_storing_without_looking_up_is_noticed_as_doubling(
    own_mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    with staged(tmp_path, own_mosquitto, "no_look_up") as stage:
        verdict = torment(stage, 6, SEED)
        tell(f"nothing looked up: {verdict}")
        assert verdict.n_doubled_keys
        assert not all(is_bare(number) for number in verdict.twice)


def test_forgetting_receipts_is_noticed_as_doubled_bare_numbers(
    own_mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    with staged(tmp_path, own_mosquitto, "no_receipts") as stage:
        verdict = torment(stage, 6, SEED)
        tell(f"receipts forgotten: {verdict}")
        assert verdict.twice
        assert all(is_bare(number) for number in verdict.twice)
