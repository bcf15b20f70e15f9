"""What is committed is what the code makes, fits Grafana's schema, and keeps the house's rules."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it has no types of its own
from grafana_foundation_sdk.models import units

from grafana.__main__ import FOLDER, find_differences, main
from tests.grafana.schema import find_faults

DEPLOY = FOLDER.parents[1]
BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.glob("*.json"))
}
OWN_UNITS = {"none"} | {value for value in vars(units).values() if isinstance(value, str)}


def list_panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (one for one in board["panels"] if one["type"] != "row")


ALL_PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in list_panels(board)
]


def test_what_is_committed_is_what_the_code_makes() -> None:
    assert find_differences() == []
    assert main(["--check"]) == 0


def test_a_changed_a_missing_and_a_foreign_file_are_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "dashboards"
    shutil.copytree(FOLDER, folder)
    changed = folder / "wattscope-home.json"
    changed.write_text(changed.read_text("utf-8").replace('"kwatth"', '"watth"', 1), "utf-8")
    (folder / "wattscope-grid.json").unlink()
    (folder / "mine.json").write_text("{}", "utf-8")
    names = ["mine.json", "wattscope-grid.json", "wattscope-home.json"]
    assert find_differences(folder) == names


@pytest.mark.parametrize("name", BOARDS)
def test_it_fits_the_schema(name: str) -> None:
    assert find_faults(BOARDS[name]) == []


def break_unknown(board: dict[str, Any]) -> None:
    board["panels"][1]["colour"] = "red"


def break_type(board: dict[str, Any]) -> None:
    board["panels"][1]["gridPos"]["w"] = "12"


def break_word(board: dict[str, Any]) -> None:
    board["panels"][1]["options"]["colorMode"] = "loud"


def break_custom(board: dict[str, Any]) -> None:
    curve = next(one for one in board["panels"] if one["type"] == "timeseries")
    curve["fieldConfig"]["defaults"]["custom"]["drawStyle"] = "curly"


def break_query(board: dict[str, Any]) -> None:
    del board["panels"][1]["targets"][0]["expr"]


def break_threshold(board: dict[str, Any]) -> None:
    board["panels"][1]["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] = True


def break_variable(board: dict[str, Any]) -> None:
    board["templating"]["list"][0]["type"] = "question"


def break_missing(board: dict[str, Any]) -> None:
    del board["schemaVersion"]


@pytest.mark.parametrize(
    "harm",
    [
        break_unknown,
        break_type,
        break_word,
        break_custom,
        break_query,
        break_threshold,
        break_variable,
        break_missing,
    ],
)
def test_a_broken_one_is_refused(harm: Callable[[dict[str, Any]], None]) -> None:
    broken = copy.deepcopy(BOARDS["wattscope-home"])
    harm(broken)
    assert len(find_faults(broken)) == 1


def test_a_broken_query_of_sql_is_refused() -> None:
    broken = copy.deepcopy(BOARDS["timescaledb-grid"])
    broken["panels"][1]["targets"][0]["format"] = "rows"
    assert len(find_faults(broken)) == 1


def test_each_recipe_has_one_for_wattscope_itself() -> None:
    recipes = {
        entry.name.removesuffix(".toml")
        for entry in files("wattscope").joinpath("recipes").iterdir()
        if entry.name.endswith(".toml")
    }
    named = {"modbus": "plant"}
    assert {f"wattscope-{named.get(one, one)}" for one in recipes} <= BOARDS.keys()


@pytest.mark.parametrize("panel", ALL_PANELS)
def test_a_panel_says_what_it_shows_in_a_unit_of_grafana(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    overrides = panel["fieldConfig"]["overrides"]
    told = [one["value"] for each in overrides for one in each["properties"] if one["id"] == "unit"]
    assert {panel["fieldConfig"]["defaults"]["unit"], *told} <= OWN_UNITS
    # Grafana reads both as it reads the period of a dashboard; "now/d" is "today so far".
    assert panel.get("timeFrom") in {None, "now/d", "1h", "24h", "7d", "14d", "31d", "90d"}


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_can_be_found_and_its_days_are_those_of_who_looks(name: str) -> None:
    board = BOARDS[name]
    assert board["uid"] == name
    assert board["timezone"] == "browser"
    text = json.dumps(board)
    assert "tz(" not in text
    assert "Europe/" not in text
    assert "date_trunc('day', now())" not in text
    ids = [one["id"] for one in board["panels"]]
    assert len(ids) == len(set(ids))
    variables = {one["name"] for one in board["templating"]["list"]}
    assert variables & {"device", "instance"}


def test_every_source_is_provisioned() -> None:
    folder = DEPLOY / "grafana" / "provisioning" / "datasources"
    known = {
        one["uid"]: one["type"]
        for path in folder.glob("*.yaml")
        for one in yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]
    }
    for board in BOARDS.values():
        for panel in list_panels(board):
            for one in (panel, *panel["targets"]):
                assert known[one["datasource"]["uid"]] == one["datasource"]["type"]


def test_panels_lie_beside_each_other() -> None:
    for name, board in BOARDS.items():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert max(x for x, _ in cells) < 24, name
            assert not cells & taken, (name, panel["title"])
            taken |= cells


def test_grafana_is_given_the_folder_that_its_provider_reads() -> None:
    text = (DEPLOY / "grafana" / "provisioning" / "dashboards" / "wattscope.yaml").read_text(
        "utf-8"
    )
    [provider] = yaml.safe_load(text)["providers"]
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    mounts = dict(one.split(":")[1::-1] for one in services["grafana"]["volumes"])
    assert mounts[provider["options"]["path"]] == "./grafana/dashboards"
    assert mounts["/etc/grafana/provisioning/dashboards"] == "./grafana/provisioning/dashboards"
