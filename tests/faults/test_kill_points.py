"""R1: SIGKILL at named points of writing, and at any change of a file.

A run that is written down says how often each point is passed; the process then kills itself at
the first, the last and random ones of them. It is started again on the same folder, where it goes
on with the plan and is killed again, so that recovery is cut off too. In the end the folder must
hold what was acknowledged: ``verdict.py``.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.journal import Change, count_matches, read_journal
from tests.faults.verdict import find_faults
from tests.faults.watcher import Watch
from tests.faults.worker import Worker, running_worker
from tests.faults.workload import make_plan, read_ledger

# Other than a power cut, SIGKILL spares what was written.
pytestmark = pytest.mark.usefixtures("no_fsync")

SEED = 20_261_120
N_STEPS = 70

# A new point is one line: what a reader calls it, and kind, pattern and moment of the rule.
POINTS = {
    "before a record": "write:data/log/*.log:before",
    "within a record": "write:data/log/*.log:torn",
    "after a record": "write:data/log/*.log:after",
    "before a record's sync": "fsync:data/log/*.log:before",
    "after a record's sync": "fsync:data/log/*.log:after",
    "before a new segment": "create:data/log/*.log:before",
    "after a new segment": "create:data/log/*.log:after",
    "before the log's names are synced": "fsyncdir:data/log:before",
    "before a segment is removed": "unlink:data/log/*.log:before",
    "after a segment is removed": "unlink:data/log/*.log:after",
    "within an acknowledgement": "write:ledger:before",
    "after an acknowledgement": "write:ledger:after",
    "a rows file begins": "create:data/chunks/rows-*:after",
    "within a rows file": "write:data/chunks/rows-*:torn",
    "before a rows file's sync": "fsync:data/chunks/rows-*:before",
    "before a rows file has its name": "rename:data/chunks/rows-*:before",
    "after a rows file has its name": "rename:data/chunks/rows-*:after",
    "within a merged file": "write:data/chunks/rows-*m-*:torn",
    "after a merged file has its name": "rename:data/chunks/rows-*m-*:after",
    "before a merged file's parts are removed": "unlink:data/chunks/rows-*:before",
    "after one of a merged file's parts is removed": "unlink:data/chunks/rows-*:after",
    "within a rollup file": "write:data/chunks/rollup-*:torn",
    "before a rollup file has its name": "rename:data/chunks/rollup-*:before",
    "after a rollup file has its name": "rename:data/chunks/rollup-*:after",
    "before the store's names are synced": "fsyncdir:data/chunks:before",
    "after the store's names are synced": "fsyncdir:data/chunks:after",
    "within the manifest": "write:data/chunks/manifest.new:torn",
    "before the manifest's sync": "fsync:data/chunks/manifest.*:before",
    "before the manifest has its name": "rename:data/chunks/manifest.json:before",
    "after the manifest has its name": "rename:data/chunks/manifest.json:after",
    "within the manifest's copy": "write:data/chunks/manifest.copy*:torn",
    "before the manifest's copy has its name": "rename:data/chunks/manifest.copy*:before",
    "after the manifest's copy has its name": "rename:data/chunks/manifest.copy*:after",
    "within the registry's log": "write:data/registry.sqlite-wal:torn",
    "before the registry's commit": "fsync:data/registry.sqlite-wal:before",
    "after the registry's commit": "fsync:data/registry.sqlite-wal:after",
    "within the registry": "write:data/registry.sqlite:torn",
    "before the registry's log is removed": "unlink:data/registry.sqlite-wal:before",
}
LIVES = 3
"""Deaths on one folder before it is judged."""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_worker(tmp_path_factory.mktemp("worker")) as started:
        yield started


@pytest.fixture(scope="module")
def changes(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> list[Change]:
    """Everything that a run does which nobody kills."""
    folder = tmp_path_factory.mktemp("journal")
    root, journal = folder / "written", folder / "journal"
    root.mkdir()
    watch = Watch(root, journal, is_sync_left_out=True)
    assert worker.run("write_plan", root, SEED, N_STEPS, watch=watch).status == 0
    return list(read_journal(journal))


@dataclass
class Victim:
    """A folder on which the plan is run and killed."""

    worker: Worker
    root: Path
    scenario: str = "write_plan"

    def kill_at(self, rule: str) -> bool:
        """Run until the rule kills; False where the plan ended before."""
        self.root.mkdir(exist_ok=True)
        watch = Watch(self.root, rules=[rule], is_sync_left_out=True)
        ending = self.worker.run(self.scenario, self.root, SEED, N_STEPS, watch=watch)
        assert ending.signal == signal.SIGKILL or ending.status == 0, (rule, ending.words)
        return ending.signal == signal.SIGKILL

    def find_faults(self) -> list[str]:
        n_acked = len(read_ledger(self.root / "ledger"))
        return find_faults(self.root, make_plan(SEED, N_STEPS), n_acked)


def rule_of(point: str, number: int) -> str:
    kind, pattern, moment = POINTS[point].split(":")
    return f"{kind}:{pattern}:{number}:{moment}"


def draw_numbers(changes: list[Change], point: str, n_numbers: int) -> list[int]:
    """Random ones of a point's passings; of several the first and the last too."""
    kind, pattern, _ = POINTS[point].split(":")
    n_passings = count_matches(changes, kind, pattern)
    assert n_passings, f"nothing passes the point {point!r} any more"
    ends = {1, n_passings} if n_numbers > 1 else set()
    others = sorted(set(range(1, n_passings + 1)) - ends)
    n_drawn = min(len(others), n_numbers - len(ends))
    return sorted(ends | set(random.Random(f"{SEED}/{point}").sample(others, n_drawn)))


def kill_anywhere(victim: Victim, draw: random.Random, n_changes: int) -> list[str]:
    """Kill several times at any change of a file; the rules that did it."""
    rules = []
    for _ in range(LIVES):
        moment = draw.choice(("before", "after", "torn"))
        rules.append(f"any:*:{draw.randrange(1, n_changes)}:{moment}")
        if not victim.kill_at(rules[-1]):
            break
    return rules


@pytest.mark.parametrize("point", POINTS)
def test_kill_at_a_point_loses_nothing(
    point: str, worker: Worker, changes: list[Change], tmp_path: Path
) -> None:
    [number] = draw_numbers(changes, point, 1)
    victim = Victim(worker, tmp_path / "root")
    assert victim.kill_at(rule_of(point, number))
    assert not victim.find_faults(), rule_of(point, number)


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS)
def test_kill_at_a_point_often_loses_nothing(
    point: str, worker: Worker, changes: list[Change], tmp_path: Path
) -> None:
    for number in draw_numbers(changes, point, 5):
        victim = Victim(worker, tmp_path / f"root-{number}")
        assert victim.kill_at(rule_of(point, number))
        assert not victim.find_faults(), rule_of(point, number)


@pytest.mark.parametrize("seed", range(SEED, SEED + 3))
def test_kill_anywhere_loses_nothing(
    seed: int, worker: Worker, changes: list[Change], tmp_path: Path
) -> None:
    victim = Victim(worker, tmp_path / "root")
    rules = kill_anywhere(victim, random.Random(seed), len(changes) // LIVES)
    assert not victim.find_faults(), rules


@pytest.mark.long
@pytest.mark.parametrize("seed", range(SEED + 3, SEED + 53))
def test_kill_anywhere_often_loses_nothing(
    seed: int, worker: Worker, changes: list[Change], tmp_path: Path
) -> None:
    victim = Victim(worker, tmp_path / "root")
    rules = kill_anywhere(victim, random.Random(seed), len(changes) // LIVES)
    assert not victim.find_faults(), rules


def test_kills_find_a_log_that_forgets_too_early(
    worker: Worker, changes: list[Change], tmp_path: Path
) -> None:
    """The check of the check: the same kills, without the order that protects."""
    found: list[str] = []
    for number in draw_numbers(changes, "before a rows file has its name", 6):
        victim = Victim(worker, tmp_path / f"root-{number}", "write_plan_and_drop_early")
        victim.kill_at(rule_of("before a rows file has its name", number))
        found = found or victim.find_faults()
    assert found
