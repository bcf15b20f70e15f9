"""InfluxDB's ways to write: what is taken, what is refused, and in which words."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.web.applications import Application, open_application
from tests.web.line_senders import SETTINGS, SOURCE, T, stored, write
from wattscope.assembly import storage as assembled
from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch
from wattscope.logs.segment_log import SegmentLog
from wattscope.pipeline import reception, space
from wattscope.pipeline.space import DiskRoom
from wattscope.settings import (
    IngestSettings,
)
from wattscope.sources.line_writes import LineWrites
from wattscope.sources.pushed_writes import BACKLOG_BYTES
from wattscope.stores.duckdb_store import DuckdbStore
from wattscope.web.line_desk import LineDesk
from wattscope.web.services import Services


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    with open_application(tmp_path, settings=SETTINGS) as found:
        yield found


def counters(application: Application) -> dict[str, Any]:
    found: dict[str, Any] = application.get("/api/health")["counters"]
    assert found["received"] == sum(
        found[name] for name in ("stored", "duplicate", "quarantined", "refused")
    )
    return found


@pytest.mark.parametrize("path", ["/write?db=d&precision=s", "/api/v2/write?bucket=d&precision=s"])
def test_points_are_taken_and_can_be_asked_at_once(application: Application, path: str) -> None:
    assert write(application, f"m,device=a v=1,w=2i {T}\n", path) == (204, {})
    assert stored(application) == [["home", "a", "m_v__1", 1.0], ["home", "a", "m_w__1", 2.0]]
    assert application.get("/api/health")["sources"][0]["messages"] == 1


@pytest.mark.parametrize(
    ("word", "unit_ns"),
    [
        *[("n", 1), ("ns", 1), ("u", 10**3), ("us", 10**3), ("ms", 10**6), ("s", 10**9)],
        *[("m", 60 * 10**9), ("h", 3600 * 10**9), ("", 1)],
    ],
)
def test_time_is_in_the_precision_that_is_told(
    application: Application, word: str, unit_ns: int
) -> None:
    count = T * 10**9 // unit_ns
    assert write(application, f"m,device=a v=1 {count}", f"/write?db=d&precision={word}")[0] == 204
    answer = application.client.post(
        "/api/sql", json={"sql": "SELECT epoch_us(measured_at) FROM readings"}
    )
    assert answer.json()["rows"] == [[count * unit_ns // 1000]]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/write", {"error": "database is required"}),
        ("/api/v2/write?org=x", {"code": "invalid", "message": "bucket is required"}),
        ("/write?db=d&precision=d", {"error": "invalid precision 'd' (use n, ns, u, µ, us,"}),
        ("/api/v2/write?bucket=d&precision=m", {"message": "invalid precision 'm' (use ns, us"}),
        ("/write?db=%00", {"error": "cannot be the name of a database"}),
    ],
)
def test_request_that_says_too_little_is_refused(
    application: Application, path: str, words: dict[str, str]
) -> None:
    status, answer = write(application, f"m,device=a v=1 {T}", path)
    assert status == 400
    for key, text in words.items():
        assert text in answer[key]
    assert stored(application) == []


def test_good_points_beside_bad_ones_are_taken_and_the_bad_ones_named(
    application: Application,
) -> None:
    body = (
        f"m,device=a v=1 {T}\nbad line here\n# remark\nm,device=b v=NaN {T}\nm,device=c v=3 {T}\n"
    )
    status, answer = write(application, body)
    assert status == 400
    # What Telegraf looks for to know that sending it again would not help.
    assert answer["error"].startswith("partial write: unable to parse 'bad line here': line 2, ")
    assert answer["error"].endswith(" dropped=2")
    assert (answer["accepted"], answer["rejected"]) == (2, 2)
    assert [(one["line"], one["code"]) for one in answer["lines"]] == [
        (2, "syntax"),
        (4, "not_finite"),
    ]
    assert [row[1] for row in stored(application)] == ["a", "c"]
    aside = application.get("/api/quarantine")["items"]
    assert [(one["topic"], one["payload_text"]) for one in aside] == [
        ("line/s/telegraf/m", f"m,device=b v=NaN {T}"),
        ("line/s/telegraf/bad", "bad line here"),
    ]
    counters(application)


def test_body_of_bad_points_alone_is_no_partial_write(application: Application) -> None:
    status, answer = write(application, "bad\n")
    assert status == 400
    assert answer["error"].startswith("unable to parse 'bad': line 1, ")
    status, answer = write(application, "bad\n", "/api/v2/write?bucket=d")
    assert (status, answer["code"]) == (400, "invalid")
    assert answer["message"].startswith("unable to parse 'bad': ")


def test_points_that_can_be_read_but_not_taken_are_unprocessable(tmp_path: Path) -> None:
    closed = msgspec.structs.replace(SETTINGS, ingest=IngestSettings(register_devices=False))
    with open_application(tmp_path, settings=closed) as found:
        path = "/api/v2/write?bucket=d&precision=s"
        status, answer = write(found, f"m,device=new v=1 {T}", path)
        assert (status, answer["code"]) == (422, "unprocessable entity")
        assert answer["lines"][0]["code"] == "unknown_device"
        assert write(found, f"m,device=new v=1 {T}")[0] == 400
        assert stored(found) == []
        [first, _] = found.get("/api/quarantine")["items"]
        assert "device 'new' is not registered" in first["detail"]


def test_series_beyond_the_limit_are_refused_and_the_others_taken(tmp_path: Path) -> None:
    few = msgspec.structs.replace(SETTINGS, ingest=IngestSettings(max_series=2))
    with open_application(tmp_path, settings=few) as found:
        body = "".join(f"m,device=d{n} v=1 {T}\n" for n in range(4))
        status, answer = write(found, body, "/api/v2/write?bucket=d&precision=s")
        assert status == 422
        assert [one["code"] for one in answer["lines"]] == ["series_limit"] * 2
        assert [row[1] for row in stored(found)] == ["d0", "d1"]


def test_same_request_again_changes_nothing(application: Application) -> None:
    body = "".join(f"m,device=a v={n},w={n}i {T + n}\n" for n in range(50))
    assert write(application, body)[0] == 204
    before = stored(application)
    assert write(application, body)[0] == 204
    assert stored(application) == before
    assert counters(application)["duplicate"] == 100


def test_points_without_a_time_get_that_of_receipt(tmp_path: Path) -> None:
    with open_application(tmp_path, settings=SETTINGS) as found:
        assert write(found, "m,device=a v=1\nm,device=a v=2\n")[0] == 204
        assert [row[3] for row in stored(found)] == [1.0, 2.0]


def test_point_from_the_future_is_set_aside(application: Application) -> None:
    status, answer = write(application, f"m,device=a v=1 {T}\nm,device=a v=2 {4 * T}\n")
    assert (status, answer["lines"][0]["code"]) == (400, "future")
    assert len(stored(application)) == 1


def test_tag_names_a_site_of_its_own(tmp_path: Path) -> None:
    own = tmp_path / "profiles"
    own.mkdir()
    (own / "houses.toml").write_text(
        'decoder = "line_protocol"\n[[measurements]]\nsite_tag = "house"\nother_fields = "own"\n'
    )
    source = msgspec.structs.replace(SOURCE, profiles=("houses",))
    settings = msgspec.structs.replace(SETTINGS, sources=(source,))
    with open_application(tmp_path / "data", settings=settings, profiles=own) as found:
        lines = [f"m,house={house},device=a value=1 {T}\n" for house in ("north", "south")]
        assert write(found, "".join(lines))[0] == 204
        assert [row[:2] for row in stored(found)] == [["north", "north/a"], ["south", "south/a"]]
        assert {"home", "north", "south"} <= {one.id for one in found.storage.registry.list_sites()}


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────


def test_gzip_of_several_members_is_unpacked(application: Application) -> None:
    parts = [f"m,device=a v={n} {T + n}\n".encode() for n in range(3)]
    body = b"".join(map(gzip.compress, parts))
    assert write(application, body, **{"Content-Encoding": "gzip"})[0] == 204
    assert len(stored(application)) == 3


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(f"m,device=a v=1 {T}\n".encode() * 100)[:-9],
        gzip.compress(f"m,device=a v=1 {T}\n".encode())[:-4] + b"\0\0\0\0",
        f"m,device=a v=1 {T}\n".encode(),
        gzip.compress(f"m,device=a v=1 {T}\n".encode()) + b"more",
    ],
    ids=["cut off", "wrong length", "plain", "more behind it"],
)
def test_damaged_gzip_is_refused_as_a_whole(application: Application, body: bytes) -> None:
    status, answer = write(application, body, **{"Content-Encoding": "gzip"})
    assert status == 400
    assert "gzip" in answer["error"]
    assert stored(application) == []


def test_unknown_encoding_is_refused(application: Application) -> None:
    assert write(application, "m v=1", **{"Content-Encoding": "br"})[0] == 400


def test_empty_body_is_fine(application: Application) -> None:
    for body in ("", "\n\n# nothing\n"):
        assert write(application, body) == (204, {})


def test_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    source = msgspec.structs.replace(SOURCE, max_body_mb=0.001)
    settings = msgspec.structs.replace(SETTINGS, sources=(source,))
    with open_application(tmp_path, settings=settings) as found:
        line = f"m,device=a v=1 {T}\n"
        assert write(found, line)[0] == 204
        status, answer = write(found, line * 100)
        assert (status, "1000 bytes at most" in answer["error"]) == (413, True)
        status, answer = write(found, line * 100, "/api/v2/write?bucket=d")
        assert (status, answer["code"]) == (413, "request too large")
        bomb = gzip.compress(line.encode() * 1000)
        assert len(bomb) < 1000
        assert write(found, bomb, **{"Content-Encoding": "gzip"})[0] == 413
        # What was counted is given back.
        assert write(found, line)[0] == 204
        assert write(found, gzip.compress(line.encode()), **{"Content-Encoding": "gzip"})[0] == 204


def test_other_paths_keep_their_own_limit(application: Application) -> None:
    answer = application.client.post("/api/sql", json={"sql": "x" * 2_000_000})
    assert answer.status_code == 413


# ── refusals that are to be tried again ──────────────────────────────────────────────────────────


def test_more_than_there_is_room_for_is_refused_for_now(tmp_path: Path) -> None:
    seen: list[Services] = []

    def note(services: Services) -> Services:
        seen.append(services)
        return services

    with open_application(tmp_path, settings=SETTINGS, change=note) as application:
        assert seen[0].lines is not None
        _refuse_beyond_the_backlog(application, seen[0].lines)


def _refuse_beyond_the_backlog(application: Application, desk: LineDesk) -> None:
    assert isinstance(desk.writes, LineWrites)
    desk.writes.hold(BACKLOG_BYTES)
    for path in ("/write?db=d&precision=s", "/api/v2/write?bucket=d&precision=s"):
        response = application.client.post(path, content=f"m,device=a v=1 {T}")
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
    desk.writes.hold(-BACKLOG_BYTES)
    assert write(application, f"m,device=a v=1 {T}")[0] == 204


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
        for path in ("/write?db=d&precision=s", "/api/v2/write?bucket=d&precision=s"):
            response = found.client.post(path, content=f"m,device=a v=1 {T}")
            assert response.status_code == 507
            assert int(response.headers["retry-after"]) > 0
        assert stored(found) == []
        room.free = room.total // 2
        assert write(found, f"m,device=a v=1 {T}")[0] == 204
        assert counters(found)["refused"] == 2


def test_points_that_the_log_did_not_take_are_not_said_to_be(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise TransientError("the disk says no")

    monkeypatch.setattr(SegmentLog, "append", refuse)
    status, answer = write(application, f"m,device=a v=1 {T}")
    assert (status, answer["error"]) == (503, "the disk says no")
    assert stored(application) == []


def test_points_that_only_the_store_did_not_take_yet_are_durable(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:

        def refuse(*_: object) -> None:
            raise TransientError("the disk says no")

        patched.setattr(DuckdbStore, "write", refuse)
        with open_application(tmp_path, settings=SETTINGS) as found:
            assert write(found, f"m,device=a v=1 {T}")[0] == 204
    with open_application(tmp_path, settings=SETTINGS) as again:
        assert len(stored(again)) == 1


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
    assert write(application, f"m,device=a v=1,w=2 {T}")[0] == 204
    assert seen == [2]


def test_of_a_flood_of_bad_points_some_are_kept_and_all_are_counted(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "MAX_ASIDE", 10)
    status, answer = write(application, "bad\n" * 300 + f"m,device=a v=1 {T}\n")
    assert (status, answer["accepted"], answer["rejected"]) == (400, 1, 300)
    assert len(answer["lines"]) == 100
    found = counters(application)
    assert (found["quarantined"], found["refused"], found["stored"]) == (10, 290, 1)
