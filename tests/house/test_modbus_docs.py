"""The page on Modbus types lists what there is, and its examples work."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from wattscope.compute.modbus import map_file, map_table
from wattscope.compute.modbus.map_file import is_register_map, parse_register_map
from wattscope.compute.modbus.map_table import parse_map_table
from wattscope.compute.modbus.sunspec_models import COMMON_ID, MODELS
from wattscope.core.registers import ByteOrder, RegisterType
from wattscope.registry.profile_library import ProfileLibrary

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "modbus-profiles.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")


def _section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def _list_words(title: str) -> set[str]:
    """What the first cells of a section's tables name."""
    cells = re.findall(r"^\| (.*?) \|", _section(title), re.MULTILINE)
    return {word for cell in cells for word in CODE.findall(cell)}


def test_known_types_are_those_of_the_files() -> None:
    library = ProfileLibrary()
    tables = {name: library.read(name) for name in library.names()}
    titles = {name: table["title"] for name, table in tables.items() if is_register_map(table)}
    section = _section("Types that come with the program")
    assert dict(re.findall(r"^\| `(.*?)` \| (.*?) \|$", section, re.MULTILINE)) == titles


def test_every_key_of_a_type_is_described_and_no_other() -> None:
    known = {*map_file._KEYS, *map_file._DEFAULTS, "registers", *map_file._ENTRY_KEYS}
    assert _list_words("A type as TOML") == known
    assert set(CODE.findall(_section("A type as TOML"))) >= {
        *(one.value for one in RegisterType),
        *(one.value for one in ByteOrder),
    }


def test_every_column_of_a_table_is_described_and_no_other() -> None:
    assert _list_words("Types as CSV") == {*map_table._COLUMNS, *map_table._LEFT_OUT}


def test_every_model_that_is_read_is_listed_and_no_other() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", _section("SunSpec"), re.MULTILINE)
    listed = [int(one) for row in rows for one in row.split(",")]
    assert sorted(listed) == sorted({COMMON_ID, *MODELS})


def test_examples_can_be_read() -> None:
    toml, older, newer = EXAMPLES
    shed = parse_register_map("shed-meter", tomllib.loads(toml))
    assert len(shed.registers) == 6
    assert shed.registers[-1].quantity == "flow_rate__l_per_min"
    for text in (older, newer):
        (one,) = parse_map_table("meters", text)
        assert (one.name, len(one.registers)) == ("shed-meter", 2)
