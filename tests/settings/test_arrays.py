"""Arrays of panels in the settings: what they lay out, and what of them is refused."""

from __future__ import annotations

import pytest

from wattscope.assembly.storage import list_known_devices
from wattscope.core.errors import SettingsError
from wattscope.settings import parse_settings

TWO_ROOFS = """
[[arrays]]
count = 3
panels = "East-#"
strings = "East-string"
per_string = 3
tilt_deg = 15
azimuth_deg = 90
rating_w = 410

[[arrays]]
count = 3
panels = "West-#"
strings = "West-string"
per_string = 3
tilt_deg = 15
azimuth_deg = 270
rating_w = 410

[[devices]]
id = "East-2"
kind = "panel"
parent = "East-string"
rating_w = 300
tilt_deg = 80
"""


def test_two_roofs_share_an_inverter_and_one_panel_is_told_apart() -> None:
    devices = {one.id: one for one in list_known_devices(parse_settings(TWO_ROOFS))}
    assert len(devices) == 1 + 2 + 6
    assert {devices[one].parent for one in ("East-string", "West-string")} == {"Inverter-1"}
    assert (devices["East-1"].azimuth_deg, devices["West-1"].azimuth_deg) == (90.0, 270.0)
    assert (devices["East-2"].rating_w, devices["East-2"].azimuth_deg) == (300.0, None)
    assert devices["East-2"].parent == "East-string"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("count = 0", "arrays.1.count: must be between 1 and 100000"),
        ("count = 2\nrating_w = 0", "arrays.1.rating_w: must be above 0"),
        ("count = 2\npanels = 'Panel'", "arrays.1.panels: 'Panel' names 2 alike"),
        ("count = 4\nper_string = 2\nstrings = 'row'", "arrays.1.strings: 'row' names 2 alike"),
        ("count = 2\ntilt_deg = 200", "arrays.1.tilt_deg: 200.0 is not between 0 and 180"),
        ("count = 2\nazimuth_deg = -90", "arrays.1.azimuth_deg"),
        ("count = 2\npanels = '<b>#'", "arrays.1.panels: '<b>#' is no name"),
        ("count = 2\nper_string = -1", "arrays.1.per_string: must be 0 or more"),
        ("cuont = 2", "did you mean count"),
        ("count = 2\ninterval_s = 0", "arrays.1.interval_s"),
    ],
)
def test_an_array_that_cannot_be_is_refused_by_name(line: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(f"[[arrays]]\n{line}\n")
    assert complaint in str(caught.value)


def test_two_arrays_that_number_alike_are_refused() -> None:
    text = "[[arrays]]\ncount = 3\nrating_w = 400\n[[arrays]]\ncount = 2\nrating_w = 300\n"
    with pytest.raises(SettingsError, match="'Panel-001' is of another array too"):
        parse_settings(text)


def test_a_price_below_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="energy_price"):
        parse_settings("[site]\nenergy_price = -1")
