"""What befell the counters is listed; a word on it changes the energy, never the readings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.web.applications import Application, open_application, parse_json, put
from wattscope.assembly.storage import Storage
from wattscope.core.time_grid import US_PER_MINUTE, parse_instant
from wattscope.settings import DeviceSettings, Settings
from wattscope.stores.duckdb_store import DuckdbStore

PATH = "/api/insights/counter-steps"
QUANTITY = "energy_import_wh"
START_US = parse_instant("2026-03-09T00:00:00Z")
NOW = "2026-03-12T00:00:00Z"
PLANT = Settings(
    sources=(),
    devices=(
        DeviceSettings(id="plain", interval_s=900),
        DeviceSettings(id="rated", interval_s=900, rating_w=4000.0),
        DeviceSettings(id="narrow", interval_s=900, rollover_wh=655_360.0),
    ),
)
# A quarter hour each; the tenth is a glitch, the 20th begins after a fall, the last one is held.
COUNT = [100_000.0 + 100 * at for at in range(40)]
READINGS = [*COUNT[:10], 0.0, *COUNT[11:20], *(30_000.0 + 100 * at for at in range(20)), 5.0]


def at(place: int) -> str:
    """The instant of a reading."""
    minutes = 15 * place
    return f"2026-03-09T{minutes // 60:02}:{minutes % 60:02}:00Z"


def fill(storage: Storage) -> None:
    rows = [(START_US + place * 15 * US_PER_MINUTE, one) for place, one in enumerate(READINGS)]
    for device in ("plain", "rated"):
        put(storage, device, QUANTITY, rows)
    put(storage, "plain", "active_power_w", [(START_US, 5.0)])
    rollover = [655_000.0, 655_200.0, 40.0, 240.0, 440.0]
    put(
        storage, "narrow", QUANTITY, [(t, one) for (t, _), one in zip(rows, rollover, strict=False)]
    )
    # A later day, so that the one of the readings is over and rolled up.
    for device in ("plain", "rated", "narrow"):
        put(storage, device, "voltage_v", [(parse_instant("2026-03-11T00:00:00Z"), 230.0)])
    storage.store.flush()


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Application]:
    with open_application(tmp_path, now=NOW, settings=PLANT, fill=fill) as application:
        yield application


def list_steps(plant: Application, device: str, **words: str) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = plant.get(PATH, device=device, **words)["steps"]
    return steps


def energy_wh(plant: Application, device: str) -> float:
    """Energy of the day, of a level that is stored."""
    found = plant.get(
        f"/api/devices/{device}/readings", quantity=QUANTITY, interval="1d", start="2026-03-09"
    )
    return float(sum(point["energy_wh"] or 0.0 for point in found["points"]))


def decide(plant: Application, status: int = 200, **words: object) -> dict[str, Any]:
    body = {"device": "plain", "quantity": QUANTITY, "at": at(20), "kind": "swap"} | words
    response = plant.client.put(PATH, json=body)
    assert response.status_code == status, response.text
    return parse_json(response.text)


def test_steps_are_listed_with_what_they_are(plant: Application) -> None:
    listed = list_steps(plant, "plain")
    assert [(one["at"], one["kind"], one["is_held"]) for one in listed] == [
        (at(10), "glitch", False),
        (at(20), "reset", False),
        (at(40), "reset", True),
    ]
    assert listed[1] == {
        "quantity": QUANTITY,
        "unit": "Wh",
        "before_at": at(19),
        "at": at(20),
        "before": 101_900.0,
        "after": 30_000.0,
        "kind": "reset",
        "growth": 30_000.0,
        "is_held": False,
        "is_decided": False,
    }


def test_rating_of_the_device_makes_the_fall_a_swap(plant: Application) -> None:
    listed = list_steps(plant, "rated")
    assert [one["kind"] for one in listed] == ["glitch", "swap", "reset"]
    assert energy_wh(plant, "rated") == pytest.approx(1900 + 1900)


def test_rollover_of_the_device_is_known(plant: Application) -> None:
    assert [one["kind"] for one in list_steps(plant, "narrow")] == ["rollover"]
    assert energy_wh(plant, "narrow") == pytest.approx(200 + 200 + 400)


@pytest.mark.parametrize(
    ("start", "end", "kinds"),
    [(10, 11, ["glitch"]), (11, 20, []), (20, 21, ["reset"]), (21, 40, []), (40, 41, ["reset"])],
)
def test_span_lists_the_steps_that_end_in_it(
    plant: Application, start: int, end: int, kinds: list[str]
) -> None:
    listed = list_steps(plant, "plain", start=at(start), end=at(end))
    assert [one["kind"] for one in listed] == kinds


def test_decision_changes_the_energy_and_no_reading(plant: Application) -> None:
    raw = plant.get("/api/devices/plain/readings", quantity=QUANTITY, interval="raw")
    before = energy_wh(plant, "plain")
    assert before == pytest.approx(1900 + 30_000 + 1900)
    answer = decide(plant, kind="swap", growth=50)
    assert (answer["kind"], answer["growth"], answer["at"]) == ("swap", 50.0, at(20))
    assert energy_wh(plant, "plain") == pytest.approx(1900 + 50 + 1900)
    [decided] = [one for one in list_steps(plant, "plain") if one["is_decided"]]
    assert (decided["at"], decided["kind"], decided["growth"]) == (at(20), "swap", 50.0)
    assert plant.get("/api/devices/plain/readings", quantity=QUANTITY, interval="raw") == raw


def test_decision_taken_back_gives_the_old_energy(plant: Application) -> None:
    before = energy_wh(plant, "plain")
    decide(plant)
    assert energy_wh(plant, "plain") != pytest.approx(before)
    words = {"device": "plain", "quantity": QUANTITY, "at": at(20)}
    assert plant.client.delete(PATH, params=words).status_code == 200
    assert energy_wh(plant, "plain") == pytest.approx(before)
    assert plant.client.delete(PATH, params=words).status_code == 404


def test_without_reopening_the_old_energy_would_stay(
    plant: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check: the store is what makes a decision count."""
    before = energy_wh(plant, "plain")
    monkeypatch.setattr(DuckdbStore, "reopen", lambda *_: None)
    decide(plant)
    assert energy_wh(plant, "plain") == pytest.approx(before)


def test_decision_survives_a_restart_and_holds_after_a_flush(tmp_path: Path) -> None:
    with open_application(tmp_path, now=NOW, settings=PLANT, fill=fill) as plant:
        decide(plant)
        plant.storage.store.flush()
        assert energy_wh(plant, "plain") == pytest.approx(3800)
    with open_application(tmp_path, now=NOW, settings=PLANT) as plant:
        assert energy_wh(plant, "plain") == pytest.approx(3800)
        assert [one["kind"] for one in list_steps(plant, "plain") if one["is_decided"]] == ["swap"]


def test_held_reading_can_be_decided_at_once(plant: Application) -> None:
    before = energy_wh(plant, "plain")
    decide(plant, at=at(40), kind="reset")
    assert energy_wh(plant, "plain") == pytest.approx(before + 5)


def test_decisions_are_logged_without_more_than_names(plant: Application) -> None:
    with capture_logs() as events:
        decide(plant)
        words = {"device": "plain", "quantity": QUANTITY, "at": at(20)}
        plant.client.delete(PATH, params=words)
    named = [one for one in events if one["event"].startswith("counter")]
    assert [(one["event"], one["device"], one["at"]) for one in named] == [
        ("counter step decided", "plain", at(20)),
        ("counter decision taken back", "plain", at(20)),
    ]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({"device": "nothing"}, 404),
        ({"quantity": "active_power_w"}, 404),
        ({"quantity": "no_such_thing"}, 404),
        ({"at": "2026-03-09T05:00:01Z"}, 404),
        ({"at": at(0)}, 404),
        ({"at": "yesterday"}, 422),
        ({"kind": "miracle"}, 422),
        ({"kind": "rollover"}, 422),
        ({"growth": -1}, 422),
        ({"growth": "1_000"}, 422),
        ({"role": "admin"}, 422),
    ],
)
def test_decisions_about_nothing_are_refused(
    plant: Application, words: dict[str, object], status: int
) -> None:
    before = energy_wh(plant, "plain")
    assert set(decide(plant, status, **words)) >= {"code", "detail", "status"}
    assert plant.storage.registry.decisions.by_series() == {}
    assert energy_wh(plant, "plain") == pytest.approx(before)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{PATH}?device=nothing", 404),
        (f"{PATH}?device=plain&start=2026-03-10&end=2026-03-09", 422),
        (f"{PATH}?device=plain&start=2020-03-10&end=2026-03-09", 422),
        (PATH, 422),
    ],
)
def test_questions_that_cannot_be_answered_are_refused(
    plant: Application, path: str, status: int
) -> None:
    plant.problem(path, status)
