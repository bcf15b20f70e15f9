"""A full disk over HTTP: writes get 507 and when to ask again, questions their answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.applications import Application, open_application, parse_json, put
from tests.web.conftest import HOUSE, NOW, fill_house
from tests.web.test_operations import read_metrics
from wattscope.assembly import storage as assembled
from wattscope.core.errors import TransientError
from wattscope.logs.segment_reader import Damage, DamageKind
from wattscope.pipeline import space
from wattscope.pipeline.space import DiskRoom
from wattscope.settings import Settings, StorageSettings
from wattscope.web.problems import RETRY_AFTER_S

TOTAL = 1_000_000_000


class Room:
    """The disk of the application."""

    def __init__(self) -> None:
        self.free = TOTAL // 2

    def measure(self, _folder: Path) -> DiskRoom:
        return DiskRoom(TOTAL, self.free)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    found = Room()
    monkeypatch.setattr(assembled, "measure_room", found.measure)
    monkeypatch.setattr(space, "LOOK_EVERY_S", 0.0)
    return found


@pytest.fixture
def application(tmp_path: Path, room: Room) -> Iterator[Application]:
    """The household, with one route that writes as every such route does."""
    assert room.free
    with open_application(tmp_path, now=NOW, settings=HOUSE, fill=fill_house) as found:

        def write() -> dict[str, int]:
            put(found.storage, "kettle", "active_power_w", [(1_773_100_000_000_000, 5.0)])
            return {"taken": 1}

        found.client.app.add_api_route("/api/written", write, methods=["POST"])  # type: ignore[attr-defined]  # a FastAPI
        yield found


def test_write_is_refused_while_the_disk_is_full_and_then_taken(
    application: Application, room: Room
) -> None:
    room.free = TOTAL // 100
    refused = application.client.post("/api/written", json={})
    assert refused.status_code == 507
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] == str(RETRY_AFTER_S)
    body = parse_json(refused.text)
    assert (body["code"], body["title"]) == ("storage_full", "Insufficient Storage")
    assert "free some space" in body["detail"]
    assert application.get("/api/energy", day="2026-03-10")["totals"]
    assert application.get("/api/health")["counters"]["refused"] == 1
    room.free = TOTAL // 2
    assert application.client.post("/api/written", json={}).json() == {"taken": 1}


def test_write_without_a_watermark_is_taken(tmp_path: Path, room: Room) -> None:
    """A check of the check: the refusal above is that of the mark."""
    unmarked = Settings(
        sources=(), storage=StorageSettings(min_free_mb=0, warn_free_mb=0), site=HOUSE.site
    )
    with open_application(tmp_path, settings=unmarked) as found:
        room.free = TOTAL // 100
        put(found.storage, "kettle", "active_power_w", [(1_773_100_000_000_000, 5.0)])
        assert found.get("/api/health")["disk"]["state"] == "ok"


def test_health_readiness_and_metrics_say_how_the_disk_stands(
    application: Application, room: Room
) -> None:
    for free, state in ((TOTAL // 2, "ok"), (TOTAL // 15, "warning"), (TOTAL // 50, "refusing")):
        room.free = free
        disk = application.get("/api/health")["disk"]
        assert (disk["state"], disk["free_bytes"], disk["total_bytes"]) == (state, free, TOTAL)
        assert (disk["warn_free_bytes"], disk["min_free_bytes"]) == (TOTAL // 10, TOTAL // 20)
        assert bool(disk["detail"]) == (state != "ok")
        metrics = read_metrics(application)
        assert metrics["wattscope_disk_free_bytes"] == [({}, float(free))]
        assert ({"state": state}, 1.0) in metrics["wattscope_disk_state"]
        assert sum(value for _, value in metrics["wattscope_disk_state"]) == 1
    assert "disk: " in application.problem("/readyz", 503)["detail"]
    room.free = TOTAL // 2
    assert application.get("/readyz") == {"status": "ready"}


def test_other_refusals_of_the_disk_are_503_with_when_to_ask_again(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise TransientError("log: cannot write a record (Input/output error)")

    monkeypatch.setattr(application.storage.log, "append", refuse)
    refused = application.client.post("/api/written", json={})
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == str(RETRY_AFTER_S)


def test_damage_is_shown_with_what_is_missing(application: Application) -> None:
    log = application.storage.log
    log.damages += [
        Damage("0.log", 44, 90, DamageKind.RECORD, 7, 2, 2),
        Damage("0.log", 20, 24, DamageKind.RECORD, 3, 1, 0),
        Damage("9.log", 500, 13, DamageKind.TORN),
    ]
    shown = application.get("/api/health")["log"]
    assert (shown["damaged"], shown["lost_records"]) == (3, 2)
    first, second, third = shown["damages"]
    assert (first["segment"], first["position"], first["bytes"]) == ("0.log", 44, 90)
    assert (first["first_missing_offset"], first["missing_records"]) == (7, 2)
    assert "lost" in first["detail"]
    assert "nothing is lost" in second["detail"]
    assert third["first_missing_offset"] is None
    metrics = read_metrics(application)
    assert metrics["wattscope_log_damages"] == [({}, 3.0)]
    assert metrics["wattscope_log_lost_records"] == [({}, 2.0)]


@pytest.mark.parametrize(
    ("storage", "window_s"),
    [
        (StorageSettings(), 0.0),
        (StorageSettings(durability="relaxed"), 1.0),
        (StorageSettings(durability="relaxed", sync_interval_s=0.2), 0.2),
    ],
)
def test_durability_and_what_it_may_cost_are_shown(
    tmp_path: Path, storage: StorageSettings, window_s: float
) -> None:
    with open_application(tmp_path, settings=Settings(storage=storage)) as found:
        log = found.get("/api/health")["log"]
        assert (log["durability"], log["loss_window_s"]) == (storage.durability, window_s)
        assert read_metrics(found)["wattscope_log_loss_window_seconds"] == [({}, window_s)]
        assert read_metrics(found)["wattscope_log_failed_syncs_total"] == [({}, 0.0)]
