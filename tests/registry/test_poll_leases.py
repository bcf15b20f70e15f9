"""Gateways are shared out so that no two processes ever read one, whoever dies or sleeps."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from tests.registry.registries import fresh_options
from wattscope.core.errors import SettingsError, TransientError
from wattscope.registry.poll_leases import LeaseOptions, PollLeases, SoleWorker, steady_s
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.registry.postgres_link import PostgresOptions

WORKER = Path(__file__).parent / "share_worker.py"
OPTIONS = LeaseOptions(lease_s=12.0, margin_s=2.0)
NAMES = [f"10.0.0.{n}:502" for n in range(6)]


@dataclass
class Clock:
    """Told by the test; one may run faster than another."""

    now_s: float = 1000.0
    speed: float = 1.0

    def __call__(self) -> float:
        return self.now_s

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds * self.speed


@pytest.fixture
def options(postgres: str) -> Iterator[PostgresOptions]:
    with fresh_options(postgres) as made:
        yield made


@pytest.fixture
def database(options: PostgresOptions) -> Iterator[PostgresDatabase]:
    with closing(PostgresDatabase(options)) as made:
        yield made


def wait(clock: Clock, seconds: float, *alive: PollLeases) -> None:
    """Time passes; those that are alive do their rounds."""
    for _ in range(round(seconds / OPTIONS.round_s)):
        clock.pass_by(OPTIONS.round_s)
        for one in alive:
            one.share(NAMES)


# ── one server, clocks of the test ───────────────────────────────────────────────────────────


@pytest.mark.integration
def test_who_is_alone_has_everything_and_shares_with_who_comes(
    database: PostgresDatabase,
) -> None:
    clock = Clock()
    first, second = (PollLeases(database, name, OPTIONS, clock_s=clock) for name in "ab")
    assert first.share(NAMES) == set(NAMES)
    assert second.share(NAMES) == set()
    assert first.share(NAMES) == set(NAMES[:3])
    # Work on the others that was begun may still go on.
    assert second.share(NAMES) == set()
    wait(clock, OPTIONS.round_s, first, second)
    assert first.list_held() == set(NAMES[:3])
    assert second.list_held() == set(NAMES[3:])


@pytest.mark.integration
def test_dead_process_is_followed_when_its_lease_is_over_and_a_live_one_keeps_its_own(
    database: PostgresDatabase,
) -> None:
    clock = Clock()
    first, second, third = (PollLeases(database, name, OPTIONS, clock_s=clock) for name in "abc")
    for _ in range(3):
        wait(clock, OPTIONS.round_s, first, second, third)
    shares = [one.list_held() for one in (first, second, third)]
    assert [len(one) for one in shares] == [2, 2, 2]
    # The third one dies. The others see what it said last one round later.
    wait(clock, OPTIONS.lease_s, first, second)
    assert [first.list_held(), second.list_held()] == shares[:2]
    assert third.list_held() == set()
    wait(clock, OPTIONS.round_s, first, second)
    assert first.list_held() | second.list_held() == set(NAMES)
    assert first.list_held() > shares[0]
    assert second.list_held() > shares[1]


@pytest.mark.integration
def test_holder_stops_by_its_own_clock_before_others_begin(database: PostgresDatabase) -> None:
    clock = Clock()
    first, second = (PollLeases(database, name, OPTIONS, clock_s=clock) for name in "ab")
    first.share(NAMES)
    second.share(NAMES)
    stopped_s = began_s = None
    while began_s is None:
        clock.pass_by(0.25)
        if stopped_s is None and not first.list_held():
            stopped_s = clock.now_s
        if second.share(NAMES):
            began_s = clock.now_s
    assert stopped_s is not None
    assert began_s - stopped_s >= OPTIONS.margin_s
    assert began_s - 1000.0 == OPTIONS.lease_s


@pytest.mark.integration
def test_registry_that_is_away_ends_no_lease_early_and_keeps_none(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    leases = PollLeases(database, "a", OPTIONS, clock_s=clock)
    leases.share(NAMES)

    def refuse(book: str) -> None:
        raise TransientError(f"no {book}")

    monkeypatch.setattr(database, "begin_alone", refuse)
    clock.pass_by(OPTIONS.lease_s * 0.8)
    with pytest.raises(TransientError):
        leases.share(NAMES)
    assert leases.list_held() == set(NAMES)
    clock.pass_by(OPTIONS.lease_s * 0.2 - OPTIONS.margin_s)
    assert leases.list_held() == set()
    assert not leases.holds(NAMES[0])


@pytest.mark.integration
def test_what_is_released_is_free_at_once(database: PostgresDatabase) -> None:
    clock = Clock()
    first, second = (PollLeases(database, name, OPTIONS, clock_s=clock) for name in "ab")
    first.share(NAMES)
    second.share(NAMES)
    first.release(NAMES[:2])
    assert second.share(NAMES) == set(NAMES[:2])
    first.close()
    assert first.list_held() == set()
    assert second.share(NAMES) == set(NAMES)


@pytest.mark.integration
def test_names_left_out_are_free_at_once(database: PostgresDatabase) -> None:
    clock = Clock()
    first, second = (PollLeases(database, name, OPTIONS, clock_s=clock) for name in "ab")
    first.share(NAMES)
    first.share(NAMES[:4])
    # Two processes, six names: three each.
    assert second.share(NAMES) == set(NAMES[4:])


@pytest.mark.integration
def test_lease_that_was_given_up_and_taken_again_is_not_taken_for_the_old_one(
    database: PostgresDatabase,
) -> None:
    clock = Clock()
    first, second = (PollLeases(database, name, OPTIONS, clock_s=clock) for name in "ab")
    first.share(NAMES[:1])
    second.share(NAMES[:1])
    clock.pass_by(OPTIONS.lease_s - 1)
    first.release(NAMES[:1])
    first.share(NAMES[:1])
    clock.pass_by(2)
    assert second.share(NAMES[:1]) == set()
    assert first.holds(NAMES[0])


@pytest.mark.integration
def test_kinds_do_not_know_each_other(database: PostgresDatabase) -> None:
    polls = PollLeases(database, "a", OPTIONS)
    alerts = PollLeases(database, "b", LeaseOptions("alert"))
    assert polls.share(["x"]) == {"x"} == alerts.share(["x"])


@pytest.mark.integration
@pytest.mark.parametrize("seed", range(4))
def test_no_two_ever_hold_one_name_whatever_happens(database: PostgresDatabase, seed: int) -> None:
    """Processes come, die without a word, sleep through rounds, and have clocks that differ."""
    chance = random.Random(seed)
    clocks: list[Clock] = []
    living: list[PollLeases] = []
    dead: list[PollLeases] = []

    def come() -> None:
        # Machines count from any instant, and up to half a percent faster or slower.
        clocks.append(Clock(chance.uniform(0, 1e6), chance.uniform(0.995, 1.005)))
        name = f"process {len(clocks)}"
        living.append(PollLeases(database, name, OPTIONS, clock_s=clocks[-1]))

    come()
    n_held = 0
    for _ in range(150):
        seconds = chance.choice((0.1, 1.0, OPTIONS.round_s))
        for clock in clocks:
            clock.pass_by(seconds)
        if chance.random() < 0.08 and len(living) < 4:
            come()
        if chance.random() < 0.04 and len(living) > 1:
            dead.append(living.pop(chance.randrange(len(living))))
        for one in living:
            if chance.random() < 0.7:
                one.share(NAMES)
        held = [name for one in (*living, *dead) for name in one.list_held()]
        assert len(held) == len(set(held))
        n_held += len(held)
    assert n_held > 150


# ── real processes ───────────────────────────────────────────────────────────────────────────


@dataclass
class Worker:
    """A process that shares, and what it said that it holds."""

    process: subprocess.Popen[str]
    claims: list[tuple[str, float, float]] = field(default_factory=list)
    """Name, from when, until when."""
    held: frozenset[str] = frozenset()
    n_rounds: int = 0
    news: threading.Condition = field(default_factory=threading.Condition)
    listener: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            with self.news:
                # What it said before holds until now at most.
                at_s = said["at_s"]
                self.claims = [(name, since, min(end, at_s)) for name, since, end in self.claims]
                self.claims += [(name, at_s, end) for name, end in said["held"].items()]
                self.held = frozenset(said["held"])
                self.n_rounds += 1
                self.news.notify_all()

    def wait_until(self, *, n_held: int, after_round: int = 0) -> None:
        with self.news:
            assert self.news.wait_for(
                lambda: self.n_rounds > after_round and len(self.held) == n_held, 120
            )


@pytest.fixture
def crew(options: PostgresOptions) -> Iterator[list[Worker]]:
    workers: list[Worker] = []
    for at in range(3):
        order = [options.url, options.schema, f"process {at}", 3.0, NAMES]
        process = subprocess.Popen(
            [sys.executable, str(WORKER), json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        workers.append(Worker(process))
    yield workers
    for worker in workers:
        worker.process.kill()
        worker.process.wait(30)
        worker.listener.join(30)
        for stream in (worker.process.stdin, worker.process.stdout):
            assert stream is not None
            stream.close()


def check_claims(workers: list[Worker]) -> None:
    """No two claims of different processes to one name overlap."""
    claims = sorted(
        (name, from_s, until_s, at)
        for at, worker in enumerate(workers)
        for name, from_s, until_s in worker.claims
    )
    latest: dict[tuple[str, int], float] = {}
    for one, following in pairwise(claims):
        latest[one[0], one[3]] = max(latest.get((one[0], one[3]), 0.0), one[2])
        others = [
            until_s
            for (name, at), until_s in latest.items()
            if name == following[0] and at != following[3]
        ]
        assert following[1] >= max(others, default=0.0)


@pytest.mark.integration
@pytest.mark.parametrize("way", ["killed", "stopped", "ended"])
def test_gateways_of_a_process_that_is_gone_are_taken_over(crew: list[Worker], way: str) -> None:
    for worker in crew:
        worker.wait_until(n_held=2)
    gone, *left = crew
    kept = [worker.held for worker in left]
    if way == "killed":
        gone.process.send_signal(signal.SIGKILL)
    elif way == "stopped":
        gone.process.send_signal(signal.SIGSTOP)
    else:
        assert gone.process.stdin is not None
        gone.process.stdin.close()
    for worker, before in zip(left, kept, strict=True):
        worker.wait_until(n_held=3)
        assert worker.held > before
    assert left[0].held | left[1].held == set(NAMES)
    if way == "stopped":
        n_before = gone.n_rounds
        gone.process.send_signal(signal.SIGCONT)
        # It finds that it holds nothing, and gets its share again.
        gone.wait_until(n_held=2, after_round=n_before)
    check_claims(crew)


# ── without a server ─────────────────────────────────────────────────────────────────────────


def test_who_does_not_share_has_everything() -> None:
    sole = SoleWorker()
    assert sole.share(NAMES) == set(NAMES)
    assert sole.holds(NAMES[0])
    sole.release(NAMES[:1])
    assert not sole.holds(NAMES[0])
    assert sole.list_held() == set(NAMES[1:])
    sole.close()
    assert sole.list_held() == set()


def test_options_that_cannot_work_are_refused_all_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        LeaseOptions("", 1.0, 5.0)
    assert len(refused.value.faults) == 2
    with pytest.raises(SettingsError, match="margin_s"):
        LeaseOptions(margin_s=0.0)


def test_clock_is_never_set() -> None:
    assert steady_s() <= steady_s()
