"""What a profile says that a sensor can mean: readings beyond are set aside, the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.ways import NOW, Way, open_way, panel
from wattscope.assembly import feeds
from wattscope.core.time_grid import US_PER_MINUTE, US_PER_S
from wattscope.pipeline import intake as intake_module
from wattscope.pipeline.binding import Binder, BindingRules
from wattscope.pipeline.intake import Intake
from wattscope.ports import RawMessage
from wattscope.registry.profile_library import ProfileLibrary

PROFILE = Path(intake_module.__file__).parent.parent / "profiles" / "panel-json.toml"


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    with open_way(tmp_path / "data") as opened:
        yield opened
        opened.assert_counters_add_up()


def reading(key: str, value: float, ago_s: int) -> RawMessage:
    changed: dict[str, Any] = {key: value}
    return panel(ago_us=ago_s * US_PER_S, **changed)


def n_stored(way: Way) -> int:
    return len(way.stored())


def test_valid_reading(way: Way) -> None:
    """The seed's own test: 25 °C, 48 V, 8.5 A, 408 W."""
    way.take(
        panel(
            "PANEL-001",
            temperature_celsius=25.0,
            voltage_volts=48.0,
            current_amperes=8.5,
            power_output_watts=408.0,
        )
    )
    assert {quantity: value for _, quantity, value, _ in way.stored()} == {
        "temperature_c": 25.0,
        "dc_voltage_v": 48.0,
        "dc_current_a": 8.5,
        "production_power_w": 408.0,
    }
    assert way.codes() == []


def test_invalid_temperature(way: Way) -> None:
    """The seed's own test: 100 °C is too high, and nothing of the reading is kept."""
    way.take(panel("PANEL-001", temperature_celsius=100.0))
    assert way.stored() == []
    assert way.codes() == ["range"]
    [shelved] = way.shelf.list_newest(9)
    assert "temperature_c is 100 °C, beyond -20 to 80 °C" in shelved.item.detail
    assert "profile panel-json" in shelved.item.detail


@pytest.mark.parametrize(
    ("key", "low", "high"),
    [
        ("temperature_celsius", -20.0, 80.0),
        ("voltage_volts", 0.0, 60.0),
        ("current_amperes", 0.0, 15.0),
        ("power_output_watts", 0.0, 1000.0),
    ],
)
def test_limits_themselves_are_taken_and_what_is_beyond_is_not(
    key: str, low: float, high: float, way: Way
) -> None:
    way.take(reading(key, low, 0), reading(key, high, 1))
    assert n_stored(way) == 8
    way.take(reading(key, low - 0.01, 2), reading(key, high + 0.01, 3))
    assert n_stored(way) == 8
    assert way.codes() == ["range", "range"]


def test_neighbours_of_a_reading_beyond_go_on(way: Way) -> None:
    way.take(panel("a"), panel("b", voltage_volts=61.0, current_amperes=-1.0), panel("c"))
    assert {device for device, *_ in way.stored()} == {"a", "c"}
    assert way.codes() == ["range"]


def test_a_reading_has_one_reason(way: Way) -> None:
    way.take(panel(ago_us=-6 * US_PER_MINUTE, temperature_celsius=100.0), panel("b"))
    assert way.codes() == ["future"]
    assert {device for device, *_ in way.stored()} == {"b"}


def test_a_gap_is_not_beyond(way: Way) -> None:
    way.take(panel(power_output_watts=None))
    assert n_stored(way) == 3
    assert way.codes() == []


def test_other_formats_have_no_ranges(way: Way) -> None:
    assert not way.intake._binder.has_ranges
    way.take(panel())
    assert way.intake._binder.has_ranges


def test_without_the_look_at_ranges_everything_is_stored(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        intake_module,
        "find_out_of_range",
        lambda value, *_: value != value,  # noqa: PLR0124  # an array of False
    )
    way.take(panel(temperature_celsius=100.0))
    assert n_stored(way) == 4


def test_ranges_are_data_beside_the_settings(way: Way, tmp_path: Path) -> None:
    own = tmp_path / "profiles"
    own.mkdir()
    text = PROFILE.read_text(encoding="utf-8")
    assert "temperature_c = [-20, 80]" in text
    own.joinpath("panel-json.toml").write_text(
        text.replace("temperature_c = [-20, 80]", "temperature_c = [-40, 110]"), encoding="utf-8"
    )
    profiles = feeds.load_profiles(["panel-json"], ProfileLibrary(own))
    way.intake = Intake(
        "mqtt",
        feeds.build_router(profiles, "UTC"),
        Binder(way.registry, BindingRules("home"), lambda _: None),
        way.tally,
        lambda: NOW,
    )
    way.take(panel(temperature_celsius=100.0), panel("b", temperature_celsius=111.0))
    assert {device for device, *_ in way.stored()} == {"p1"}
    assert way.codes() == ["range"]
