"""Edits are looked at before they are written, and a refused one leaves the book as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.assembly.meter_places import GRID, open_desk
from tests.registry.meter_books import edit, make_postgres_database
from wattscope.assembly.meter_desk import BookDesk
from wattscope.assembly.meter_import import export_csv, import_csv
from wattscope.compute.modbus.map_table import parse_map_table
from wattscope.core.errors import QueryError, RowError, SettingsError, UnknownNameError
from wattscope.registry.meter_book import BookChange, BookTable

METER = {"host": "10.0.0.7", "port": 502, "slave_address": 1, "type": "sdm630"}
REGISTER = {
    "type": "own",
    "register_address": 0,
    "measurement_name": "voltageL1",
    "data_unit": "V",
    "data_type": 3,
    "function_code": 4,
}
SEED_METERS = """\
host,port,slave_address,type,description
192.168.1.113,502,1,sdm630,example
remote_with_open_ports,8502,1,sdm630,example
"""
SEED_REGISTERS = """\
type,register_address,measurement_name,data_unit,data_type,function_code
sdm630,0,voltageL1,V,3,4
sdm630,2,voltageL2,V,3,4
sdm630,52,activePower,W,3,4
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BookDesk]:
    url = None
    if request.param == "postgresql":
        url = make_postgres_database(request.getfixturevalue("postgres"))
    found = open_desk(tmp_path, GRID, url=url)
    yield found
    found.source.book.close()


def polled(desk: BookDesk) -> list[str]:
    return [one.device.id for one in desk.look().fleet.meters]


def test_meter_is_added_changed_and_removed(desk: BookDesk) -> None:
    assert desk.add_meter({**METER, "description": "Main meter"}) == "main-meter"
    assert polled(desk) == ["grid", "test_energy_meter", "main-meter"]
    assert desk.put_meter("main-meter", {**METER, "slave_address": "2"}) == "main-meter"
    row = desk.look().rows.meters[-1]
    assert (row["slave_address"], row["description"], row["device"]) == (2, None, "main-meter")
    assert desk.put_meter("main-meter", {**METER, "device": "roof"}) == "roof"
    desk.remove_meter("roof")
    assert polled(desk) == ["grid", "test_energy_meter"]


def test_name_that_was_made_up_stays_when_others_go(desk: BookDesk) -> None:
    first = desk.add_meter({**METER, "description": "example"})
    second = desk.add_meter({**METER, "slave_address": 2, "description": "example"})
    assert first == "example"
    assert second.startswith("example-")
    desk.remove_meter(first)
    assert second in polled(desk)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "sdm63"}, "did you mean sdm630?"),
        ({"port": 70_000}, "port 70000"),
        ({"poll": "0s"}, "not between 0.1 s and one day"),
        ({"device": "grid"}, "is there already"),
        ({"host": "10.0.0.1"}, "is device grid already"),
        ({"colour": "red"}, "column 'colour' is unknown"),
        ({"is_production": "perhaps"}, "is not true or false"),
        ({"host": "h" * 65}, "at most 64 characters"),
    ],
)
def test_meter_that_cannot_be_meant_is_not_written(
    desk: BookDesk, change: dict[str, Any], words: str
) -> None:
    before = desk.look().rows
    with pytest.raises(RowError) as refused:
        desk.add_meter({**METER, **change})
    assert words in str(refused.value)
    assert desk.look().rows == before


def test_meter_of_the_settings_is_changed_there(desk: BookDesk) -> None:
    with pytest.raises(QueryError, match="settings file"):
        desk.put_meter("grid", METER)
    with pytest.raises(QueryError, match="settings file"):
        desk.remove_meter("grid")
    with pytest.raises(UnknownNameError, match="'cellar' does not exist"):
        desk.remove_meter("cellar")


def test_faulty_row_can_be_mended_and_removed(tmp_path: Path) -> None:
    desk = open_desk(tmp_path, GRID)
    desk.look()
    edit(
        tmp_path / "meters.db",
        "INSERT INTO energy_meters(host, port, slave_address, type) "
        "VALUES('h', 'abc', 1, 'sdm630'), ('i', 'def', 1, 'sdm630')",
    )
    [_, mended, dropped] = desk.look().names
    with pytest.raises(RowError, match=r"^port 70000"):
        desk.put_meter(mended, {**METER, "port": 70_000})
    desk.put_meter(mended, METER)
    desk.remove_meter(dropped)
    assert polled(desk) == ["grid", "test_energy_meter", mended]
    desk.source.book.close()


def test_edits_go_on_beside_a_row_that_was_faulty_before(desk: BookDesk) -> None:
    desk.add_register(REGISTER)
    desk.add_meter({**METER, "type": "own"})
    # Somebody takes the type away with SQL; then another meter is added.
    [number] = [one["id"] for one in desk.look().rows.registers if one["type"] == "own"]
    desk.source.book.apply([BookChange(BookTable.REGISTERS, number, None)])
    assert desk.add_meter({**METER, "slave_address": 9, "device": "ninth"}) == "ninth"


def test_registers_are_added_changed_and_removed(desk: BookDesk) -> None:
    number = desk.add_register(REGISTER)
    desk.put_register(number, {**REGISTER, "register_address": 6, "scale": 0.1})
    [row] = [one for one in desk.look().rows.registers if one["type"] == "own"]
    assert (row["id"], row["register_address"], row["scale"]) == (number, 6, 0.1)
    with pytest.raises(RowError, match="is kept"):
        desk.add_register({**REGISTER, "register_address": 8})
    with pytest.raises(RowError, match="register_address 70000"):
        desk.put_register(number, {**REGISTER, "register_address": 70_000})
    desk.remove_registers([number])
    with pytest.raises(UnknownNameError):
        desk.remove_registers([number])


def test_what_others_need_is_not_taken_away(desk: BookDesk) -> None:
    number = desk.add_register(REGISTER)
    desk.put_group("slow", "1m")
    desk.add_meter({**METER, "type": "own", "poll": "slow"})
    with pytest.raises(RowError, match="others would be left out: energy_meters"):
        desk.remove_registers([number])
    with pytest.raises(RowError, match="others would be left out: energy_meters"):
        desk.remove_group("slow")
    with pytest.raises(RowError, match="neither an interval"):
        desk.put_group("slow", "often")
    desk.put_group("slow", "15m")
    assert desk.look().fleet.meters[-1].groups[0].schedule == "15m"
    with pytest.raises(UnknownNameError):
        desk.remove_group("fast")


def test_csv_of_the_seed_is_imported_verbatim_and_twice_is_once(desk: BookDesk) -> None:
    registers = import_csv(desk, BookTable.REGISTERS, SEED_REGISTERS)
    meters = import_csv(desk, BookTable.METERS, SEED_METERS)
    assert (registers.n_added, meters.n_added, meters.refused) == (3, 2, [])
    assert len(polled(desk)) == 4
    assert [len(one.map.registers) for one in desk.look().fleet.meters[-2:]] == [3, 3]
    again = import_csv(desk, BookTable.METERS, SEED_METERS)
    assert (again.n_added, again.n_changed, again.n_known) == (0, 0, 2)


def test_what_is_exported_is_imported_as_it_was(desk: BookDesk, tmp_path: Path) -> None:
    desk.put_group("slow", "1m")
    desk.add_register({**REGISTER, "missing_value": "0x8000", "scale": 0.001, "poll_group": "slow"})
    desk.add_meter(
        {
            **METER,
            "description": "=cmd|'x'!A1",
            "type": "own",
            "is_production": True,
            "timeout_s": 2.5,
        }
    )
    tables = {
        table: export_csv(desk, table)[0] for table in (BookTable.REGISTERS, BookTable.METERS)
    }
    assert ",'=cmd" in tables[BookTable.METERS]
    other = open_desk(tmp_path / "other", GRID)
    other.put_group("slow", "1m")
    for table, text in tables.items():
        assert import_csv(other, table, text).refused == []
        assert export_csv(other, table)[0] == text
    assert other.look().rows.meters[-1]["description"] == "=cmd|'x'!A1"
    other.source.book.close()


def test_bad_rows_are_named_with_their_lines_and_the_others_go_in(desk: BookDesk) -> None:
    outcome = import_csv(
        desk,
        BookTable.METERS,
        "type;host;port;slave_address;poll\n"
        "sdm630;a;502;1;10s\n"
        "sdm63;b;502;1;10s\n"
        "sdm630;c;seven;1;10s\n"
        "sdm630;d;502\n"
        "\n"
        "sdm630;A;502;1;10s\n"
        "sdm630;e;502;1;1m\n",
    )
    assert outcome.n_added == 2
    assert [line for line, _ in outcome.refused] == [3, 4, 5, 7]
    reasons = dict(outcome.refused)
    assert "did you mean sdm630?" in reasons[3]
    assert "'seven'" in reasons[4]
    assert "has 3 cells, the header 5" in reasons[5]
    assert "is device sdm630-a-502-1 already" in reasons[7]
    assert polled(desk)[2:] == ["sdm630-a-502-1", "sdm630-e-502-1"]


def test_row_of_a_file_changes_the_meter_that_it_names(desk: BookDesk) -> None:
    import_csv(desk, BookTable.METERS, SEED_METERS)
    outcome = import_csv(
        desk,
        BookTable.METERS,
        "host,port,slave_address,type,poll\n192.168.1.113,502,1,sdm120,1m\n",
    )
    assert (outcome.n_added, outcome.n_changed) == (0, 1)
    row = desk.look().rows.meters[1]
    assert (row["type"], row["poll"], row["description"]) == ("sdm120", "1m", "example")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("host,port,slave_adress,type", "did you mean slave_address?"),
        ("host,port,port,type", "column port is there twice"),
        ("port,slave_address", "the header lacks host, type"),
        ("", "the header lacks host, type"),
    ],
)
def test_header_that_cannot_be_meant_is_refused(desk: BookDesk, header: str, words: str) -> None:
    with pytest.raises(SettingsError, match="line 1") as refused:
        import_csv(desk, BookTable.METERS, f"{header}\n")
    assert words in str(refused.value)


def test_types_are_profiles_and_tables(desk: BookDesk) -> None:
    desk.add_register(REGISTER)
    desk.add_register({**REGISTER, "type": "sdm630"})
    maps = {
        found.name: (origin, len(found.registers)) for found, origin in desk.list_maps(desk.look())
    }
    assert maps["own"] == ("registers", 1)
    assert maps["sdm630"] == ("registers", 1)
    assert maps["sdm120"][0] == "profile"
    assert "tasmota" not in maps


def test_list_of_registers_gives_the_maps_that_the_profiles_have(
    tmp_path: Path, shared_data: Path
) -> None:
    desk = open_desk(tmp_path)
    text = (shared_data / "modbus-maps" / "meters.csv").read_text(encoding="utf-8")
    outcome = import_csv(desk, BookTable.REGISTERS, text)
    assert outcome.refused == []
    maps = desk.source.read_sql_maps(desk.look().rows)
    assert len(maps) == 25
    tables = {one.name: one for one in parse_map_table("meters", text)}
    for name, expected in tables.items():
        order = sorted(expected.registers, key=lambda one: (one.function, one.address))
        assert [(one.quantity, one.factor) for one in maps[name].registers] == [
            (one.quantity, one.factor) for one in order
        ]
        assert maps[name].registers == tuple(order)
    desk.source.book.close()


def test_bad_line_of_a_list_of_registers_leaves_the_others(tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    outcome = import_csv(
        desk,
        BookTable.REGISTERS,
        "device,function_code,address,measurement,unit,data_type,scale\n"
        "EM,4,0,VoltageL1,V,int32_wordswap,0.1\n"
        "EM,4,2,VoltageL2,V,int33,0.1\n"
        "EM,4,70000,VoltageL3,V,int32,0.1\n"
        "EM,4,40,Import,kWh,uint64,\n",
    )
    assert outcome.n_added == 2
    assert [line for line, _ in outcome.refused] == [3, 4]
    assert "int33" in outcome.refused[0][1]
    assert "on the wire" in outcome.refused[1][1]
    found = desk.source.read_sql_maps(desk.look().rows)["EM"].registers
    assert [(one.order.value, one.type.value) for one in found] == [
        ("CDAB", "int32"),
        ("ABCD", "uint64"),
    ]
    with pytest.raises(SettingsError, match="line 1"):
        import_csv(desk, BookTable.REGISTERS, "device,address,colour\nEM,0,red\n")
    desk.source.book.close()
