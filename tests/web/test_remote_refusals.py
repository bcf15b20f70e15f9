"""Prometheus' remote write: bodies that are refused, and refusals that are to be tried again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.remote_write_messages import (
    V1_HEADERS,
    V2_HEADERS,
    Series,
    encode_v1,
    pack,
)
from tests.web.applications import Application, open_application
from tests.web.line_senders import stored
from tests.web.remote_senders import (
    PATH,
    POWER,
    SETTINGS,
    SOURCE,
    T,
    power,
    send,
    written,
)
from wattscope.assembly import storage as assembled
from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch
from wattscope.logs.segment_log import SegmentLog
from wattscope.pipeline import space
from wattscope.pipeline.space import DiskRoom
from wattscope.sources.pushed_writes import BACKLOG_BYTES
from wattscope.sources.remote_writes import RemoteWrites
from wattscope.web.services import Services


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    with open_application(tmp_path, settings=SETTINGS) as found:
        yield found


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [b"", b"\x05\x10hello", pack(b"\x0a\xff"), pack(encode_v1([power("a", (T, 1.0))]))[:-3]],
    ids=["nothing", "no message", "damaged message", "cut off"],
)
@pytest.mark.parametrize("headers", [V1_HEADERS, V2_HEADERS])
def test_damaged_body_is_refused_as_a_whole(
    application: Application, body: bytes, headers: dict[str, str]
) -> None:
    response = application.client.post(PATH, content=body, headers=headers)
    assert response.status_code == 400
    assert stored(application) == []


def test_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    source = msgspec.structs.replace(SOURCE, max_body_mb=0.001)
    settings = msgspec.structs.replace(SETTINGS, sources=(source,))
    with open_application(tmp_path, settings=settings) as found:
        assert send(found, [power("a", (T, 1.0))]).status_code == 204
        many = [power(f"device-{n * 7919 % 1000}", (T, float(n))) for n in range(200)]
        response = send(found, many)
        assert (response.status_code, "a body may have 1000" in response.text) == (413, True)
        # Packed it is small; it says what it would be.
        response = send(found, [power("a", *[(T, 1.0)] * 900)])
        assert (response.status_code, "unpacked body" in response.text) == (413, True)
        # What was counted is given back.
        assert send(found, [power("a", (T + 1, 1.0))]).status_code == 204


def test_block_that_tells_4_gb_is_refused_before_it_is_unpacked(application: Application) -> None:
    body = b"\xff\xff\xff\xff\x0f" + b"\xfe\x01\x00" * 1000
    response = application.client.post(PATH, content=body, headers=V1_HEADERS)
    assert response.status_code == 413
    assert "unpacked body" in response.text


def test_request_of_many_samples_is_refused_while_it_is_read(application: Application) -> None:
    # Within the limit of bytes, but each sample takes more memory than its bytes.
    tiny = Series([("__name__", POWER)], [(0, 0.0)] * 1_000_000)
    response = send(application, [tiny])
    assert (response.status_code, "series and samples at most" in response.text) == (413, True)


# ── refusals that are to be tried again ──────────────────────────────────────────────────────────


def test_more_than_there_is_room_for_is_refused_for_now(tmp_path: Path) -> None:
    seen: list[Services] = []

    def note(services: Services) -> Services:
        seen.append(services)
        return services

    with open_application(tmp_path, settings=SETTINGS, change=note) as found:
        desk = seen[0].remote
        assert desk is not None
        assert isinstance(desk.writes, RemoteWrites)
        desk.writes.hold(BACKLOG_BYTES)
        response = send(found, [power("a", (T, 1.0))], 2)
        assert (response.status_code, written(response)) == (503, ["0", "0", "0"])
        assert int(response.headers["retry-after"]) > 0
        desk.writes.hold(-BACKLOG_BYTES)
        assert send(found, [power("a", (T, 1.0))]).status_code == 204


class Room:
    """The disk of the application."""

    total = 1_000_000_000
    free = total // 2

    def measure(self, _folder: Path) -> DiskRoom:
        return DiskRoom(self.total, self.free)


def test_full_disk_takes_nothing_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room()
    monkeypatch.setattr(assembled, "measure_room", room.measure)
    monkeypatch.setattr(space, "LOOK_EVERY_S", 0.0)
    with open_application(tmp_path, settings=SETTINGS) as found:
        room.free = room.total // 100
        response = send(found, [power("a", (T, 1.0))])
        assert response.status_code == 507
        assert int(response.headers["retry-after"]) > 0
        assert stored(found) == []
        room.free = room.total // 2
        assert send(found, [power("a", (T, 1.0))]).status_code == 204


def test_samples_that_the_log_did_not_take_are_not_said_to_be(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise TransientError("the disk says no")

    monkeypatch.setattr(SegmentLog, "append", refuse)
    response = send(application, [power("a", (T, 1.0))], 2)
    assert (response.status_code, response.text) == (503, "the disk says no\n")
    assert written(response) == ["0", "0", "0"]
    assert stored(application) == []


def test_answer_comes_after_the_log_has_it(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill right after the answer finds is in the log."""
    seen: list[int] = []
    append = SegmentLog.append

    def note(self: SegmentLog, batch: Batch, *rest: Any) -> Any:  # noqa: ANN401  # passed on
        record = append(self, batch, *rest)
        seen.append(len(batch))
        return record

    monkeypatch.setattr(SegmentLog, "append", note)
    assert send(application, [power("a", (T, 1.0), (T + 1, 2.0))]).status_code == 204
    assert seen == [2]
