"""Points over HTTP into the real program: the files of TSBS, twice, and what SQL says then."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.program import Program, wait_until
from tests.integration.tsbs import N_VALUES, START_S, Sender, read_batches, run_program
from tests.servers import LOOPBACK

USER = "cpu_usage_user__1"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with run_program(tmp_path_factory.mktemp("tsbs")) as running:
        yield running


@pytest.fixture
def sender(program: Program) -> Iterator[Sender]:
    with contextlib.closing(Sender(program.port)) as opened:
        yield opened


@pytest.fixture(scope="module")
def expected(shared_data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shared_data / "tsbs" / "expected.json").read_text())
    return found


def count(program: Program) -> dict[str, int]:
    """The four counters, which must add up."""
    found: dict[str, int] = program.read("/api/health")[1]["counters"]
    parts = ("stored", "duplicate", "quarantined", "refused")
    assert found["received"] == sum(found[name] for name in parts)
    return found


def digest(program: Program) -> list[list[Any]]:
    """What is stored, as counts and sums of every series."""
    return program.ask(
        "SELECT device, quantity, count(*), sum(value), min(measured_at), max(measured_at) "
        "FROM readings GROUP BY ALL ORDER BY ALL"
    )


def test_hosts_are_stored_and_the_published_questions_answered(
    program: Program, sender: Sender, shared_data: Path, expected: dict[str, Any]
) -> None:
    truth = expected["cpu-only.lp.gz"]
    batches = read_batches(shared_data, "cpu-only")
    before = count(program)["stored"]
    assert sender.write_all(batches) == []
    assert count(program)["stored"] - before == truth["fields_total"] == N_VALUES["cpu-only"]
    is_user = f"quantity = '{USER}'"
    assert program.ask(f"SELECT count(*), sum(value) FROM readings WHERE {is_user}") == [
        [truth["rows"], truth["sum usage_user"]]
    ]
    maxima = program.ask(
        "SELECT strftime(time_bucket(INTERVAL 5 MINUTE, measured_at), '%Y-%m-%d %H:%M:%S') AS t, "
        f"max(value) FROM readings WHERE device = 'host_3' AND {is_user} "
        "AND measured_at >= '2016-01-01 01:00:00' AND measured_at < '2016-01-01 02:00:00' "
        "GROUP BY t ORDER BY t"
    )
    key = "single-groupby-1-1-1 host_3 usage_user 01:00-02:00 max per 5min"
    assert dict(map(tuple, maxima)) == truth[key]
    means = program.ask(
        "SELECT strftime(bucket_start, '%Y-%m-%d %H:%M:%S'), device, mean FROM rollup_1h "
        f"WHERE {is_user} AND bucket_start < '2016-01-01 06:00:00' ORDER BY bucket_start, device"
    )
    assert len(means) == truth["double-groupby-1 rows"]
    key = (
        "double-groupby-1 usage_user mean per host per hour 00:00-06:00 (first 6, sorted hour,host)"
    )
    for row, wanted in zip(means, truth[key], strict=False):
        assert row[:2] == wanted[:2]
        assert row[2] == pytest.approx(wanted[2], rel=1e-9)
    high = f"SELECT count(*) FROM readings WHERE {is_user} AND value > 90"
    assert program.ask(high) == [[truth["high-cpu usage_user>90 rows all hosts"]]]
    assert program.ask(f"{high} AND device = 'host_3'") == [
        [truth["high-cpu usage_user>90 rows host_3"]]
    ]
    newest = program.ask(
        f"SELECT device, arg_max(value, measured_at) FROM readings WHERE {is_user} GROUP BY device"
    )
    assert dict(map(tuple, newest)) == truth["lastpoint usage_user"]
    once = digest(program)
    assert sender.write_all(batches[3:6]) == []
    assert digest(program) == once


def test_trucks_written_twice_are_the_same_as_once(
    program: Program, sender: Sender, shared_data: Path, expected: dict[str, Any]
) -> None:
    truth = expected["iot.lp.gz"]
    batches = read_batches(shared_data, "iot")
    before = count(program)
    assert sender.write_all(batches) == []
    after = count(program)
    assert after["messages"] - before["messages"] == truth["lines"] == 77_687
    assert after["received"] - before["received"] == N_VALUES["iot"]
    once = digest(program)
    for field in ("velocity", "grade", "fuel_consumption"):
        sql = f"SELECT count(*) FROM readings WHERE quantity = 'readings_{field}__1'"
        missing = truth["readings"]["missing_fields"][field]
        assert program.ask(sql) == [[truth["readings"]["rows"] - missing]]
    [[late]] = program.ask(
        "SELECT count(*) FROM readings WHERE device LIKE 'truck%' AND quality LIKE '%late%'"
    )
    assert late > 283 + 281
    places = program.ask(
        "SELECT device, arg_max(value, measured_at) FROM readings "
        "WHERE quantity = 'readings_latitude__1' AND device LIKE 'truck%' GROUP BY device"
    )
    assert dict(map(tuple, places)) == {
        name: latitude for name, (latitude, _) in truth["last-loc"].items()
    }
    assert sender.write_all(batches) == []
    assert digest(program) == once
    count(program)


def test_body_that_is_cut_off_leaves_nothing(program: Program, sender: Sender) -> None:
    before = count(program)["messages"]
    head = "POST /write?db=d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection((LOOPBACK, program.port)) as wire:
        wire.sendall(head.encode() + b"m,device=cut v=1 1451606400000000000\n")
    body = gzip.compress(b"m,device=cut v=1 1451606400000000000\n" * 50)[:-3]
    assert sender.post("/write?db=d", body, content_encoding="gzip").status == 400
    assert sender.post("/write?db=d", b"").status == 204
    assert count(program)["messages"] == before
    assert "Traceback" not in program.output


def test_written_points_survive_a_kill_right_after_the_answer(tmp_path: Path) -> None:
    with run_program(tmp_path / "killed") as program:
        with contextlib.closing(Sender(program.port)) as sender:
            body = b"".join(b"m,name=k v=%d %d\n" % (n, 1451606400 + n) for n in range(500))
            assert sender.post("/write?db=d&precision=s", body).status == 204
        program.kill()
        program.start()
        wait_until(program.is_ready, "the program is ready again", START_S)
        found = program.ask("SELECT count(*), sum(value) FROM readings")
        assert found == [[500, sum(range(500))]]
