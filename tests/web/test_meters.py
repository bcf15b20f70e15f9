"""Meters over the API: looked at, added, changed, taken out; each refusal with a stable code."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.assembly.meter_places import GRID, open_desk
from tests.registry.meter_books import edit
from tests.web.applications import Application, open_application
from wattscope.assembly.meter_desk import BookDesk
from wattscope.settings import Settings

METER = {"host": "10.0.0.7", "type": "sdm630"}
REGISTER = {
    "type": "own",
    "register_address": 52,
    "measurement_name": "activePower",
    "data_unit": "kW",
    "data_type": 3,
    "function_code": 4,
}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[BookDesk]:
    found = open_desk(tmp_path, GRID)
    yield found
    found.source.book.close()


@pytest.fixture
def plant(tmp_path: Path, desk: BookDesk) -> Iterator[Application]:
    with open_application(
        tmp_path,
        settings=Settings(sources=()),
        change=lambda services: dataclasses.replace(services, meters=desk),
    ) as application:
        yield application


def send(
    plant: Application, method: str, path: str, body: dict[str, Any] | None, status: int
) -> dict[str, Any]:
    """The JSON of an answer of this status."""
    response = plant.client.request(method, path, json=body)
    assert response.status_code == status, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_meters_are_listed_with_what_is_read_of_them(plant: Application) -> None:
    answer = plant.get("/api/meters")
    assert answer["book"]["kind"] == "sqlite"
    assert [(one["id"], one["is_in_settings"], one["is_polled"]) for one in answer["meters"]] == [
        ("grid", True, True),
        ("test_energy_meter", False, True),
    ]
    [grid, virtual] = answer["meters"]
    assert grid["row"] is None
    assert grid["polled"]["title"] == "Eastron SDM630"
    assert grid["polled"]["groups"][0]["schedule"] == "10s"
    assert virtual["row"]["host"] == "virtual_modbustcp_server"
    assert virtual["polled"]["groups"][0]["quantities"] == ["test_measurement__test_u"]
    assert answer["faults"] == []


def test_meter_is_added_read_changed_and_taken_out(plant: Application) -> None:
    added = send(plant, "POST", "/api/meters", {**METER, "description": "Main"}, 201)
    assert (added["id"], added["is_polled"], added["row"]["port"]) == ("main", True, 502)
    assert plant.get("/api/meters/main") == added
    changed = send(plant, "PUT", "/api/meters/main", {**METER, "slave_address": 2}, 200)
    assert (changed["id"], changed["polled"]["unit"]) == ("main", 2)
    assert send(plant, "DELETE", "/api/meters/main", None, 200) == {"removed": "main"}
    assert plant.problem("/api/meters/main", 404)["code"] == "unknown_name"


def test_row_as_it_is_told_can_be_written_anew(plant: Application) -> None:
    """What a form does that changes one column: all others go back as they came."""
    send(plant, "POST", "/api/meters", {**METER, "description": "Main", "rating_w": 5_000.0}, 201)
    row = plant.get("/api/meters/main")["row"]
    columns = {name: cell for name, cell in row.items() if name != "id"}
    changed = send(plant, "PUT", "/api/meters/main", columns | {"poll": "30s"}, 200)
    assert changed["row"] == row | {"poll": "30s"}


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({**METER, "type": "sdm63"}, "bad_row", "did you mean sdm630?"),
        ({**METER, "port": 70_000}, "bad_row", "port 70000"),
        ({**METER, "poll": "0s"}, "bad_row", "not between 0.1 s and one day"),
        ({**METER, "host": "10.0.0.1"}, "bad_row", "is device grid already"),
        ({**METER, "colour": "red"}, "invalid_parameter", "colour"),
        ({**METER, "port": "many"}, "invalid_parameter", "port"),
        ({"type": "sdm630"}, "invalid_parameter", "host"),
    ],
)
def test_meter_that_cannot_be_meant_is_refused_with_a_code(
    plant: Application, body: dict[str, Any], code: str, words: str
) -> None:
    answer = send(plant, "POST", "/api/meters", body, 422)
    assert answer["code"] == code
    assert words in answer["detail"]
    assert len(plant.get("/api/meters")["meters"]) == 2


def test_meter_of_the_settings_is_not_changed_here(plant: Application) -> None:
    assert send(plant, "PUT", "/api/meters/grid", METER, 422)["code"] == "bad_query"
    assert "settings file" in send(plant, "DELETE", "/api/meters/grid", None, 422)["detail"]


def test_nonsense_rows_are_told_beside_the_meters(plant: Application, tmp_path: Path) -> None:
    plant.get("/api/meters")
    edit(
        tmp_path / "meters.db",
        "INSERT INTO energy_meters(id, host, port, slave_address, type, rating_w) "
        "VALUES(7, x'ff00', 'abc', 1, 'sdm630', 9e999)",
    )
    answer = plant.get("/api/meters")
    [fault] = answer["faults"]
    assert (fault["table"], fault["row"], fault["is_warning"]) == ("energy_meters", "7", False)
    faulty = answer["meters"][-1]
    assert faulty["fault"] == fault["reason"]
    assert not faulty["is_polled"]
    assert send(plant, "DELETE", f"/api/meters/{faulty['id']}", None, 200)
    assert plant.get("/api/meters")["faults"] == []


def test_registers_are_listed_by_type_and_edited(plant: Application) -> None:
    added = send(plant, "POST", "/api/registers", REGISTER, 201)
    assert (added["register_address"], added["fault"]) == (52, None)
    assert [one["id"] for one in plant.get("/api/registers", type="own")["registers"]] == [
        added["id"]
    ]
    assert len(plant.get("/api/registers")["registers"]) == 2
    path = f"/api/registers/{added['id']}"
    assert send(plant, "PUT", path, {**REGISTER, "scale": 0.1}, 200)["scale"] == 0.1
    refused = send(plant, "PUT", path, {**REGISTER, "register_address": 70_000}, 422)
    assert (refused["code"], "on the wire" in refused["detail"]) == ("bad_row", True)
    send(plant, "DELETE", path, None, 200)
    assert send(plant, "DELETE", path, None, 404)["code"] == "unknown_name"


def test_poll_groups_are_edited_and_kept_while_named(plant: Application) -> None:
    send(plant, "PUT", "/api/poll-groups/slow", {"schedule": "1m"}, 200)
    send(plant, "POST", "/api/meters", {**METER, "poll": "slow"}, 201)
    assert send(plant, "DELETE", "/api/poll-groups/slow", None, 422)["code"] == "bad_row"
    send(plant, "PUT", "/api/poll-groups/slow", {"schedule": "*/15 * * * *"}, 200)
    assert plant.get("/api/poll-groups")["poll_groups"] == [
        {"name": "slow", "schedule": "*/15 * * * *"}
    ]
    assert send(plant, "PUT", "/api/poll-groups/x", {"schedule": "often"}, 422)["code"] == "bad_row"


def test_types_tell_their_quantities(plant: Application) -> None:
    types = {one["name"]: one for one in plant.get("/api/meter-types")["types"]}
    assert types["sdm630"]["origin"] == "profile"
    assert types["virtual_modbustcp"]["origin"] == "registers"
    assert {"name": "voltage_l1_v", "title": "Voltage, phase L1", "unit": "V"} in types["sdm630"][
        "quantities"
    ]


@pytest.mark.parametrize(
    "path",
    ["/api/meters", "/api/meters/x", "/api/registers", "/api/poll-groups", "/api/meter-types"],
)
def test_without_a_source_that_polls_the_answer_says_what_to_do(
    house: Application, path: str
) -> None:
    answer = house.problem(path, 404)
    assert answer["code"] == "no_modbus"
    assert 'type = "modbus"' in answer["detail"]


def test_database_that_is_away_is_a_503(plant: Application, tmp_path: Path) -> None:
    plant.get("/api/meters")
    (tmp_path / "meters.db").unlink()
    (tmp_path / "meters.db").mkdir()
    answer = plant.client.get("/api/meters")
    assert answer.status_code == 503
    assert answer.json()["code"] == "try_again"
