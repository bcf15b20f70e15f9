"""Processes, brokers and connections are killed: what was confirmed is there all the same.

The ledger of what was confirmed is kept outside of the log, in files that survive SIGKILL.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.chaos.kafka_writer import N_PANELS
from tests.chaos.tcp_proxy import TcpProxy
from tests.kafka_followed import (
    follow_until,
    make_options,
    make_prefix,
    open_follower,
    open_log,
    seen_in,
    values,
    wait_until,
)
from tests.kafka_server import KafkaServer
from tests.servers import LOOPBACK
from wattscope.core.errors import TransientError
from wattscope.core.reading import concat_batches
from wattscope.logs.kafka.kafka_log import KafkaLog
from wattscope.logs.kafka.options import KafkaOptions

ROOT = Path(__file__).resolve().parents[2]
Keys = set[tuple[int, int]]


@contextlib.contextmanager
def running(module: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours until the end of the block, killed there if it is not dead yet."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.chaos.{module}", *map(str, arguments)], cwd=ROOT
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for_lines(path: Path, n_more: int, *processes: subprocess.Popen[bytes]) -> None:
    """Return when a file has grown by so many lines, while processes are alive."""
    wanted = count_lines(path) + n_more

    def look() -> None:
        assert [one.poll() for one in processes] == [None] * len(processes)
        time.sleep(0.01)

    wait_until(lambda: count_lines(path) >= wanted, look)


def keys_confirmed(ledger: Path, first_series: int = 0) -> Keys:
    return {
        (first_series + n, int(t)) for t in ledger.read_text().splitlines() for n in range(N_PANELS)
    }


def keys_noted(*outputs: Path) -> Keys:
    """What readers wrote down; a line that SIGKILL cut short is not one."""
    return {
        (int(series), int(t))
        for output in outputs
        if output.exists()
        for series, t in (
            line.split() for line in output.read_text().splitlines(keepends=True) if "\n" in line
        )
    }


def keys_in(options: KafkaOptions, confirmed: Keys) -> Keys:
    """What a group of its own reads, until everything confirmed is there or nothing more comes."""
    follower = open_follower(options, "verdict")
    seen: Keys = set()
    wait_until(lambda: len(follower.partitions) == 5, lambda: seen.update(_poll(follower.poll)))
    n_empty = 0

    def read() -> None:
        nonlocal n_empty
        keys = _poll(follower.poll)
        seen.update(keys)
        n_empty = 0 if keys else n_empty + 1

    # A second without a message, three times, from partitions that are ours: this is the end.
    wait_until(lambda: confirmed <= seen or n_empty >= 15, read)
    follower.close()
    return seen


def _poll(poll: Callable[[float], object]) -> Keys:
    record = poll(0.2)
    return set() if record is None else seen_in([record])  # type: ignore[list-item]  # a record


# ── those who write ──────────────────────────────────────────────────────────────────────────


def kill_writer(kafka: KafkaServer, tmp_path: Path, n_kills: int, *mode: str) -> tuple[Keys, Keys]:
    """What was confirmed and what is there, after a writer was killed at any moments."""
    options, ledger = make_options(kafka, prefix=make_prefix()), tmp_path / "ledger"
    arguments = (options.where, options.prefix, 0, ledger, *mode)
    for _ in range(n_kills):
        with running("kafka_writer", *arguments) as writer:
            wait_for_lines(ledger, random.randint(1, 20), writer)
            writer.send_signal(SIGKILL)
            writer.wait(30)
    confirmed = keys_confirmed(ledger)
    return confirmed, keys_in(options, confirmed)


def test_writer_killed_in_mid_append_loses_nothing_confirmed(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    confirmed, there = kill_writer(kafka, tmp_path, 3)
    assert len(confirmed) >= 3 * N_PANELS
    assert confirmed - there == set()


@pytest.mark.long
def test_writer_killed_thirty_times_loses_nothing_confirmed(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    confirmed, there = kill_writer(kafka, tmp_path, 30)
    assert confirmed - there == set()


def test_these_tests_notice_a_confirmation_that_comes_too_early(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    confirmed, there = kill_writer(kafka, tmp_path, 1, "early")
    assert confirmed - there


# ── those who read ───────────────────────────────────────────────────────────────────────────


def kill_reader(kafka: KafkaServer, tmp_path: Path, *mode: str) -> tuple[Keys, Keys]:
    """What was confirmed and what two readers noted, after one of them was killed under load."""
    options, ledger = make_options(kafka), tmp_path / "ledger"
    outputs = (tmp_path / "reader-0", tmp_path / "reader-1")
    reads = [(options.where, options.prefix, output, *mode) for output in outputs]
    with (
        running("kafka_writer", options.where, options.prefix, 0, ledger) as writer,
        running("kafka_reader", *reads[0]) as first,
        running("kafka_reader", *reads[1]) as second,
    ):
        # Both have partitions of their own.
        wait_for_lines(outputs[0], 200, writer, first, second)
        wait_for_lines(outputs[1], 200, writer, first, second)
        first.send_signal(SIGKILL)
        first.wait(30)
        wait_for_lines(ledger, 20, writer, second)
        writer.send_signal(SIGKILL)
        writer.wait(30)
        confirmed = keys_confirmed(ledger)
        size, since_s = -1, time.monotonic()

        def is_through() -> bool:
            """All is there, or nothing has come for longer than a dead member counts as alive."""
            nonlocal size, since_s
            if count_lines(outputs[1]) != size:
                size, since_s = count_lines(outputs[1]), time.monotonic()
            return confirmed <= keys_noted(*outputs) or time.monotonic() - since_s > 20

        wait_until(is_through, lambda: time.sleep(0.2))
    return confirmed, keys_noted(*outputs)


def test_other_reader_takes_over_from_a_killed_one_and_skips_nothing(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    confirmed, noted = kill_reader(kafka, tmp_path)
    assert confirmed - noted == set()


@pytest.mark.long
def test_these_tests_notice_a_commit_that_comes_too_early(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    """Not each kill falls between the commit and the note."""
    for attempt in range(6):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        confirmed, noted = kill_reader(kafka, folder, "early")
        if confirmed - noted:
            return
    pytest.fail("a commit before the work was never noticed")


# ── the broker ───────────────────────────────────────────────────────────────────────────────


def restart_broker(own_kafka: KafkaServer, tmp_path: Path, n_kills: int) -> tuple[Keys, Keys]:
    """What was confirmed and what a reader noted, while the broker was killed under load."""
    options, ledger, output = make_options(own_kafka), tmp_path / "ledger", tmp_path / "reader"
    with (
        running("kafka_writer", options.where, options.prefix, 0, ledger) as writer,
        running("kafka_reader", options.where, options.prefix, output) as reader,
    ):
        for _ in range(n_kills):
            wait_for_lines(ledger, 10, writer, reader)
            own_kafka.restart(SIGKILL)
        wait_for_lines(ledger, 10, writer, reader)
        writer.send_signal(SIGKILL)
        writer.wait(30)
        confirmed = keys_confirmed(ledger)
        wait_until(lambda: confirmed <= keys_noted(output), lambda: time.sleep(0.2))
        assert reader.poll() is None
    return confirmed, keys_noted(output)


def test_broker_killed_under_load_loses_nothing_confirmed(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    confirmed, noted = restart_broker(own_kafka, tmp_path, 1)
    assert confirmed - noted == set()


@pytest.mark.long
def test_broker_killed_ten_times_loses_nothing_confirmed(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    confirmed, noted = restart_broker(own_kafka, tmp_path, 10)
    assert confirmed - noted == set()


# ── the connection ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def proxy(kafka: KafkaServer) -> Iterator[TcpProxy]:
    """Between clients and the broker, also for what the broker says where it is."""
    if not kafka.ports:
        pytest.skip("the server of WATTSCOPE_TEST_KAFKA does not send its clients to a proxy")
    opened = TcpProxy(kafka.front_port, kafka.ports["proxied"])
    yield opened
    opened.close()


@pytest.mark.parametrize("how", ["cut", "hang"])
def test_connection_that_breaks_under_load_loses_and_doubles_nothing(
    how: str, kafka: KafkaServer, proxy: TcpProxy
) -> None:
    server = f"{LOOPBACK}:{kafka.front_port}"
    options = make_options(kafka, servers=(server,), timeout_s=20.0)
    log, is_over = open_log(options), threading.Event()
    confirmed: list[int] = []

    def write() -> None:
        while not is_over.is_set():
            t = len(confirmed)
            batch = concat_batches([values(1.0, series=s, first_t=t) for s in range(20)])
            with contextlib.suppress(TransientError):
                log.append(batch)
                confirmed.append(t)

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(3):
        target = len(confirmed) + 5
        wait_until(lambda target=target: len(confirmed) >= target, lambda: time.sleep(0.01))  # type: ignore[misc]  # mypy sees no default in a lambda
        getattr(proxy, how)()
        time.sleep(0.3)  # how long it is broken; nothing is waited for
        proxy.mend()
    target = len(confirmed) + 5
    wait_until(lambda: len(confirmed) >= target, lambda: time.sleep(0.01))
    is_over.set()
    writer.join()
    log.close()
    wanted = {(s, t) for t in confirmed for s in range(20)}
    follower = open_follower(options)
    records = follow_until(follower, lambda found: wanted <= seen_in(found))
    follower.close()
    # Retries within one append are known to the broker: nothing comes twice.
    assert sum(len(one.batch) for one in records) == len(seen_in(records))


def test_append_while_the_connection_is_cut_is_an_error_that_says_where(
    kafka: KafkaServer, proxy: TcpProxy
) -> None:
    options = make_options(kafka, servers=(f"{LOOPBACK}:{kafka.front_port}",), timeout_s=2.0)
    log: KafkaLog = open_log(options)
    wait_until(lambda: _appends(log, 0), lambda: None)
    proxy.cut()
    with pytest.raises(TransientError, match=rf"Kafka at {LOOPBACK}:{kafka.front_port}"):
        log.append(values(2.0, first_t=1))
    proxy.mend()
    wait_until(lambda: _appends(log, 1), lambda: None)
    log.close()


def _appends(log: KafkaLog, t: int) -> bool:
    try:
        log.append(values(2.0, first_t=t))
    except TransientError:
        return False
    return True


def test_reader_that_is_cut_off_says_so_until_it_is_there_again(
    kafka: KafkaServer, proxy: TcpProxy
) -> None:
    options = make_options(kafka, servers=(f"{LOOPBACK}:{kafka.front_port}",), timeout_s=2.0)
    log, follower = open_log(options), open_follower(options)
    wait_until(lambda: _appends(log, 0), lambda: None)
    follow_until(follower, lambda found: (1, 0) in seen_in(found), commits=False)
    proxy.cut()
    for _ in range(3):
        wait_until(lambda: _is_refused(lambda: follower.poll(0.2)), lambda: None)
    assert _is_refused(follower.commit)
    proxy.mend()
    wait_until(lambda: not _is_refused(follower.commit), lambda: None)
    wait_until(lambda: _appends(log, 1), lambda: None)
    seen: Keys = set()

    def read() -> None:
        with contextlib.suppress(TransientError):
            seen.update(_poll(follower.poll))

    wait_until(lambda: (1, 1) in seen, read)
    assert not _is_refused(follower.commit)
    follower.close()
    log.close()


def _is_refused(work: Callable[[], object]) -> bool:
    try:
        work()
    except TransientError as fault:
        assert "Kafka at" in str(fault)  # noqa: PT017  # what was raised is looked at, or nothing was
        return True
    return False
