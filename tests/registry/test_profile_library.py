from __future__ import annotations

from pathlib import Path

import pytest

from wattscope.core.errors import SettingsError
from wattscope.registry.profile_library import ProfileLibrary


def test_own_profile_wins_over_one_that_came_along(tmp_path: Path) -> None:
    (tmp_path / "shelly-gen2.toml").write_text('title = "mine"')
    library = ProfileLibrary(tmp_path)
    assert library.read("shelly-gen2") == {"title": "mine"}
    assert library.names().count("shelly-gen2") == 1
    assert ProfileLibrary(tmp_path / "missing").read("shelly-gen2")["decoder"] == "shelly_gen2"


def test_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean shelly-gen2"):
        ProfileLibrary().read("shelly-gen-2")


@pytest.mark.parametrize("name", ["../settings", "/etc/passwd", "", "x\0y"])
def test_name_never_becomes_a_path(name: str, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("secret = 1")
    with pytest.raises(SettingsError, match="does not exist"):
        ProfileLibrary(tmp_path / "profiles").read(name)


@pytest.mark.parametrize("content", [b"title = ", b"title = '\xff'"])
def test_profile_that_is_no_toml_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes(content)
    with pytest.raises(SettingsError, match="profile own: is no TOML"):
        ProfileLibrary(tmp_path).read("own")
