from __future__ import annotations

from pathlib import Path

import pytest

from wattscope.compute.modbus.map_file import parse_register_map
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


TABLE = "type,address,measurement,unit,data_type,function\n"


def test_own_table_of_registers_holds_as_many_types_as_it_names(tmp_path: Path) -> None:
    (tmp_path / "meters.csv").write_text(f"{TABLE}one,0,voltageL1,V,3,4\ntwo,2,Import,kWh,2,3\n")
    library = ProfileLibrary(tmp_path)
    assert {"one", "two"} <= set(library.names())
    assert "meters" not in library.names()
    two = parse_register_map("two", library.read("two"))
    assert [one.quantity for one in two.registers] == ["energy_import_wh"]


def test_only_type_of_a_table_goes_by_the_name_of_its_file_too(tmp_path: Path) -> None:
    (tmp_path / "shed.csv").write_text(f"{TABLE}EM7,0,voltageL1,V,3,4\n")
    library = ProfileLibrary(tmp_path)
    assert library.read("shed") == library.read("EM7")
    (tmp_path / "shed.toml").write_text('title = "mine"')
    assert library.read("shed") == {"title": "mine"}


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"type,adress\n", "table shed: column 'adress'"), (b"\xff", "table shed: is no UTF-8 text")],
)
def test_table_with_a_fault_is_named_when_it_is_read_and_hides_no_other(
    content: bytes, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "shed.csv").write_bytes(content)
    library = ProfileLibrary(tmp_path)
    with pytest.raises(SettingsError, match=fault):
        library.read("shed")
    assert library.read("sdm630")["protocol"] == "modbus"
