"""The meters that come along say what the tables of real meters say, register by register."""

from __future__ import annotations

import csv
import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from wattscope.compute.modbus.map_file import is_register_map, parse_register_map
from wattscope.compute.modbus.map_table import parse_map_table
from wattscope.compute.modbus.values import decode_value
from wattscope.core.errors import SettingsError
from wattscope.core.quantities import find_quantity
from wattscope.core.registers import Register, RegisterMap
from wattscope.registry.profile_library import ProfileLibrary

PROFILE_OF = {
    "ABB": "abb-ab-series",
    "CGEM24": "em24",
    "CGEM24_E1": "em24-e1",
    "DDM": "ddm18sd",
    "DS100": "ds100",
    "DTSU666": "dtsu666",
    "ELTAKODSZ15": "eltako-dsz15",
    "ELTAKODSZ16": "eltako-dsz16",
    "FIND7M24": "finder-7m24",
    "INEPRO": "inepro-pro380",
    "MPM": "mpm3pm",
    "ORNO1p": "orno-we514",
    "ORNO1p525": "orno-we525",
    "ORNO3p": "orno-we516",
    "SDM": "sdm630",
    "SDM120": "sdm120",
    "SDM220": "sdm220",
    "SDM230": "sdm230",
    "SDM54": "sdm54",
    "SDM72": "sdm72",
    "SDM72V2": "sdm72-v2",
    "SEMTR": "solaredge-mtr3y",
    "WAGO87930": "wago-879-30xx",
    "WS100": "ws100",
}
VIRTUAL = "virtual_modbustcp"
"""No meter: what a fresh meter book has for a look round."""
FACTOR_OF_UNIT = {"kWh": 1000.0, "kvarh": 1000.0}
"""To base units; the table has all other values in them, for scale holds the kilo of power."""


def _load(name: str) -> RegisterMap:
    return parse_register_map(name, ProfileLibrary().read(name))


MAPS = {device: _load(name) for device, name in PROFILE_OF.items()}


@pytest.fixture(scope="module")
def meters(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "modbus-maps" / "meters.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> list[dict[str, Any]]:
    with gzip.open(shared_data / "modbus-maps" / "decode_vectors.json.gz") as file:
        found: list[dict[str, Any]] = json.load(file)
    return found


def _find_register(device_map: RegisterMap, function: int, address: int) -> Register:
    (found,) = (r for r in device_map.registers if (r.function, r.address) == (function, address))
    return found


def _is_like(value: float, expected: float) -> bool:
    if math.isnan(expected):
        return math.isnan(value)
    return math.isclose(value, expected, rel_tol=1e-6)


def test_every_row_of_the_tables_is_in_its_profile(meters: list[dict[str, str]]) -> None:
    seen: dict[str, set[Register]] = {device: set() for device in PROFILE_OF}
    for row in meters:
        register = _find_register(
            MAPS[row["device"]], int(row["function_code"]), int(row["address"])
        )
        kind, _, swap = row["data_type"].partition("_")
        assert register.type.value == kind, row
        # Of a single register both orders are the same.
        orders = {"CDAB" if swap else "ABCD", "CDAB" if kind.endswith("16") else ""}
        assert register.order.value in orders, row
        factor = float(row["scale"]) * FACTOR_OF_UNIT.get(row["unit"], 1.0)
        assert math.isclose(register.factor, factor, rel_tol=1e-12), row
        assert (register.offset, register.type.n_registers) == (0.0, int(row["registers"])), row
        seen[row["device"]].add(register)
    assert sum(map(len, seen.values())) == len(meters) == 619
    more = {(device, r.quantity) for device, one in MAPS.items() for r in one.registers}
    more -= {(device, r.quantity) for device, some in seen.items() for r in some}
    # The vendor's manual has these beside the table: energy of both directions together.
    both_ways = ("", "_l1", "_l2", "_l3")
    assert more == {("WAGO87930", f"energy_total{phase}_wh") for phase in both_ways}


def test_every_vector_is_decoded_as_the_reference_does(vectors: list[dict[str, Any]]) -> None:
    n_vectors = 0
    for entry in vectors:
        register = _find_register(MAPS[entry["device"]], entry["function_code"], entry["address"])
        for vector in entry["vectors"]:
            value = decode_value(bytes.fromhex(vector["hex"]), register)
            expected = float(vector["value"]) * FACTOR_OF_UNIT.get(entry["unit"], 1.0)
            assert _is_like(value, expected), (entry["device"], entry["measurement"], vector)
            n_vectors += 1
    assert n_vectors == 4874


def test_same_vectors_through_the_table_alone(
    shared_data: Path, vectors: list[dict[str, Any]]
) -> None:
    """A meter becomes known by its rows of a CSV: no profile and no code is needed.

    The table cannot say that 0x7FFF means "no value" in four registers of one meter.
    """
    text = (shared_data / "modbus-maps" / "meters.csv").read_text(encoding="utf-8")
    maps = {one.name: one for one in parse_map_table("meters", text)}
    assert maps.keys() == PROFILE_OF.keys()
    marked = []
    for entry in vectors:
        register = _find_register(maps[entry["device"]], entry["function_code"], entry["address"])
        for vector in entry["vectors"]:
            value = decode_value(bytes.fromhex(vector["hex"]), register)
            expected = float(vector["value"]) * FACTOR_OF_UNIT.get(entry["unit"], 1.0)
            if not _is_like(value, expected):
                marked.append((entry["device"], register.type.value, vector["hex"]))
    assert marked == [("ABB", "int16", "7fff")] * 4


def test_spot_values_known_by_hand() -> None:
    sdm630 = _find_register(MAPS["SDM"], 4, 0)
    assert sdm630.quantity == "voltage_l1_v"
    assert decode_value(bytes.fromhex("43660000"), sdm630) == 230.0

    wago = _find_register(MAPS["WAGO87930"], 3, 0x5012)
    assert wago.quantity == "active_power_w"
    assert _is_like(decode_value(bytes.fromhex("42483333"), wago), 50_049.999)

    abb = _find_register(MAPS["ABB"], 3, 0x5000)
    assert (abb.quantity, abb.type.n_registers) == ("energy_import_wh", 4)
    assert decode_value(bytes.fromhex("0000000000bc614e"), abb) == 123_456_780.0


@pytest.mark.parametrize("name", ["toml", "csv"])
def test_meter_that_nobody_thought_of_works_by_one_file(name: str, tmp_path: Path) -> None:
    """Read as a person writes it; no line of the program knows this meter."""
    contents = {
        "toml": """
            title = "Shed meter"
            protocol = "modbus"
            kind = "meter"
            function = 3
            type = "uint32"
            order = "CDAB"

            [registers]
            voltage_l1_v = { address = 0x0100, scale = 0.1 }
            energy_import_wh = { address = 0x0200, unit = "kWh", scale = 0.01 }
            "Flow Rate" = { address = 0x0300, type = "int16", unit = "l/min", scale = 0.5 }
        """,
        "csv": """\
            device,description,function_code,address,registers,measurement,unit,data_type,scale
            shed,Shed meter,3,256,2,VoltageL1,V,uint32_wordswap,0.1
            shed,Shed meter,3,512,2,Import,kWh,uint32_wordswap,0.01
            shed,Shed meter,3,768,1,Flow Rate,l/min,int16,0.5
        """,
    }
    (tmp_path / f"shed.{name}").write_text(contents[name], encoding="utf-8")
    library = ProfileLibrary(tmp_path)
    assert "shed" in library.names()
    shed = parse_register_map("shed", library.read("shed"))
    assert shed.title == "Shed meter"
    raw = {"voltage_l1_v": "08fd0000", "energy_import_wh": "614e00bc"} | {
        "flow_rate__l_per_min": "fff6"
    }
    values = {r.quantity: decode_value(bytes.fromhex(raw[r.quantity]), r) for r in shed.registers}
    assert values == {"voltage_l1_v": 230.1, "energy_import_wh": 123_456_780.0} | {
        "flow_rate__l_per_min": -5.0
    }


def _list_shipped() -> list[str]:
    library = ProfileLibrary()
    return [name for name in library.names() if is_register_map(library.read(name))]


@pytest.mark.parametrize("name", _list_shipped())
def test_shipped_register_map_has_no_fault(name: str) -> None:
    found = _load(name)
    assert (found.name, bool(found.registers)) == (name, not found.is_sunspec)
    for register in found.registers:
        quantity = find_quantity(register.quantity)
        assert quantity is not None
        is_own = "__" in quantity.name
        assert is_own == (name == VIRTUAL), "a meter that comes along speaks the catalogue"


def test_meters_that_come_along_are_those_of_the_tables() -> None:
    shipped = {name for name in _list_shipped() if not _load(name).is_sunspec}
    assert shipped == {*PROFILE_OF.values(), VIRTUAL}


def test_profile_of_messages_is_no_register_map() -> None:
    table = ProfileLibrary().read("shelly-gen2")
    assert not is_register_map(table)
    with pytest.raises(SettingsError, match="protocol: missing"):
        parse_register_map("shelly-gen2", table)
