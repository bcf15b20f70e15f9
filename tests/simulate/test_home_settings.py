"""What can be set of the simulated house is checked as a whole, and every fault is named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from wattscope.core.errors import SettingsError
from wattscope.simulate.home_settings import (
    HomeSimulation,
    LoadBand,
    TopicForm,
    parse_home_simulation,
)

RECIPE = Path(__file__).parents[2] / "src" / "wattscope" / "recipes" / "home.toml"


def test_the_recipe_shows_the_defaults() -> None:
    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    house = parse_home_simulation(recipe["simulate"], time_zone=recipe["site"]["time_zone"])
    assert house == HomeSimulation(time_zone="America/Denver")


def test_the_recipe_names_every_setting() -> None:
    text = RECIPE.read_text(encoding="utf-8").partition("\n[simulate]")[2]
    left_out = [name for name in HomeSimulation.__struct_fields__ if f"\n{name} =" not in text]
    assert left_out == ["time_zone", "latitude"]


def test_settings_of_a_recipe_reach_the_house() -> None:
    table = {
        "seed": 7,
        "interval_s": 1,
        "topic_form": "value",
        "bands": [{"start_h": 0, "end_h": 24, "low_w": 300, "high_w": 900}],
    }
    house = parse_home_simulation(table, time_zone="Europe/Paris")
    assert house.seed == 7
    assert house.interval_s == 1.0
    assert house.topic_form is TopicForm.VALUE
    assert house.bands == (LoadBand(0, 24, 300.0, 900.0),)
    assert house.solar_peak_w == 3000.0


def test_all_faults_are_listed_at_once() -> None:
    table = {
        "sead": 1,
        "interval_s": 0,
        "solar_peak_w": "much",
        "weather_low": 0.9,
        "weather_high": 0.5,
        "hourly_multipliers": [1.0],
        "meter_key": "a/+/#",
    }
    with pytest.raises(SettingsError) as caught:
        parse_home_simulation(table, time_zone="Mars/Olympus")
    text = str(caught.value)
    for word in ("is it seed?", "interval_s", "solar_peak_w", "weather_low", "24", "meter_key"):
        assert word in text
    assert "Mars/Olympus" in text
    assert len(caught.value.faults) == 7


@pytest.mark.parametrize(
    ("bands", "word"),
    [
        ((LoadBand(0, 23, 1.0, 2.0),), "hour 23 is in 0 bands"),
        ((LoadBand(0, 24, 1.0, 2.0), LoadBand(3, 4, 1.0, 2.0)), "hour 3 is in 2 bands"),
        ((LoadBand(0, 24, 3.0, 2.0),), "not a rising range"),
        ((LoadBand(0, 25, 1.0, 2.0),), "not within 0 to 24"),
        ((LoadBand(0, 24, float("nan"), 2.0),), "not a rising range"),
    ],
)
def test_bands_must_cover_each_hour_once(bands: tuple[LoadBand, ...], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        HomeSimulation(bands=bands)
