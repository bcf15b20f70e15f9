from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.modbus.map_file import parse_register_map
from wattscope.compute.modbus.map_table import parse_map_table, read_map_tables
from wattscope.core.errors import SettingsError
from wattscope.core.registers import ByteOrder, Register, RegisterMap, RegisterType

OLDER = """\
type,register_address,measurement_name,data_unit,data_type,function_code
virtual_modbustcp,0,test_measurement,test_u,1,3
sdm630,0,voltageL1,V,3,4
sdm630,2,voltageL2,V,3,4
sdm630,52,activePower,W,3,4
counter,100,Import,kWh,2,3
"""
NEWER = """\
device,description,function_code,address,address_hex,registers,measurement,unit,data_type,scale
EM,Some meter,4,0,0x0000,2,VoltageL1,V,int32_wordswap,0.1
EM,Some meter,4,2,0x0002,2,PowerL1,kW,float32_wordswap,1.0
EM,Some meter,3,20480,0x5000,4,Import,kWh,uint64,0.01
"""


def _list_faults(text: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        parse_map_table("shed", text)
    assert raised.value.where == "table shed"
    return raised.value.faults


def _change(column: str, cell: str) -> str:
    """A table of one row, without fault but for one cell."""
    cells = {"type": "em", "register_address": "7", "measurement_name": "voltageL1"} | {
        "data_unit": "V",
        "data_type": "3",
        "function_code": "4",
        column: cell,
    }
    return f"{','.join(cells)}\n{','.join(cells.values())}\n"


def test_older_form_is_taken_as_it_is() -> None:
    virtual, sdm630, counter = parse_map_table("registers", OLDER)
    assert virtual == RegisterMap(
        "virtual_modbustcp",
        "virtual_modbustcp",
        (Register("test_measurement__test_u", 3, 0, RegisterType.INT16),),
    )
    assert sdm630.name == "sdm630"
    assert sdm630.registers == (
        Register("voltage_l1_v", 4, 0, RegisterType.FLOAT32),
        Register("voltage_l2_v", 4, 2, RegisterType.FLOAT32),
        Register("active_power_w", 4, 52, RegisterType.FLOAT32),
    )
    assert counter.registers == (
        Register("energy_import_wh", 3, 100, RegisterType.INT32, factor=1000.0),
    )


def test_newer_form_has_types_scales_and_swapped_words() -> None:
    (em,) = parse_map_table("meters", NEWER)
    assert (em.name, em.title) == ("EM", "Some meter")
    swapped = ByteOrder.CDAB
    assert em.registers == (
        Register("voltage_l1_v", 4, 0, RegisterType.INT32, swapped, factor=0.1),
        Register("active_power_l1_w", 4, 2, RegisterType.FLOAT32, swapped, factor=1000.0),
        Register("energy_import_wh", 3, 20480, RegisterType.UINT64, factor=10.0),
    )


def test_table_and_file_of_the_same_content_are_the_same_map() -> None:
    table = {
        "title": "Some meter",
        "protocol": "modbus",
        "kind": "meter",
        "function": 4,
        "type": "int16",
        "registers": {
            "voltage_v": {"address": 1, "scale": 0.1, "missing": [0x8000, 0x7FFF]},
            "temperature_c": {"address": 2, "offset": -40.0, "poll": "slow", "order": "BADC"},
        },
    }
    text = """\
        device;description;function;address;quantity;unit;data_type;scale;offset;missing;poll;order
        em;Some meter;4;0x0001;voltage_v;V;int16;0,1;;0x8000 0x7FFF;;
        em;Some meter;4;2;temperature_c;°C;int16;1;-40;;slow;badc
    """
    assert parse_map_table("x", text) == (parse_register_map("em", table),)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_cells_may_be_apart_by_other_signs(delimiter: str) -> None:
    text = "\ufeff" + OLDER.replace(",", f" {delimiter} ").replace("\n", "\r\n")
    assert parse_map_table("registers", text) == parse_map_table("registers", OLDER)


def test_table_without_column_for_the_type_is_named_as_its_file() -> None:
    lines = [line.partition(",")[2] for line in OLDER.splitlines() if "sdm630" in line]
    header = OLDER.splitlines()[0].partition(",")[2]
    (only,) = parse_map_table("my-meter", "\n".join(["# from the datasheet", "", header, *lines]))
    assert (only.name, len(only.registers)) == ("my-meter", 3)


@pytest.mark.parametrize(
    ("words", "order"),
    [
        (("2", "2"), ByteOrder.ABCD),
        (("1", "2"), ByteOrder.CDAB),
        (("2", "1"), ByteOrder.BADC),
        (("1", "1"), ByteOrder.DCBA),
        (("", "1"), ByteOrder.BADC),
        (("little", ""), ByteOrder.CDAB),
        (("", "CDAB"), ByteOrder.CDAB),
        (("", ""), ByteOrder.ABCD),
    ],
)
def test_word_and_byte_order_say_how_bytes_come(words: tuple[str, str], order: ByteOrder) -> None:
    text = f"""\
        address,measurement,data_type,function,word_order,byte_order
        0,voltageL1,3,4,{words[0]},{words[1]}"""
    (em,) = parse_map_table("em", text)
    assert em.registers[0].order is order


@pytest.mark.parametrize(
    ("column", "cell", "fault"),
    [
        ("type", "../x", "line 2: '../x' is no name of a type"),
        ("register_address", "", "line 2: address '' is no integer such as 20480 or 0x5000"),
        ("register_address", "70000", "line 2: voltageL1.address: 70000 is not an integer from"),
        ("register_address", "-1", "line 2: address '-1' is no integer such as 20480 or 0x5000"),
        ("measurement_name", "", "line 2: the measurement has no name"),
        ("measurement_name", "€", "line 2: €: no quantity can be named so; use one of"),
        ("measurement_name", "voltage_v", ""),
        ("data_unit", "l/min/s", "line 2: voltageL1: no quantity can be named so"),
        ("data_type", "4", "line 2: data_type '4' is unknown; use one of int16"),
        ("data_type", "flaot32", "line 2: data_type 'flaot32' is unknown; did you mean float32?"),
        ("function_code", "6", "line 2: voltageL1.function: 6 is not an integer from 3 to 4"),
        ("scale", "x", "line 2: scale 'x' is no number"),
        ("scale", "0", "line 2: voltageL1.scale: must be a number other than 0"),
        ("scale", "nan", "line 2: voltageL1.scale: must be a number other than 0"),
        ("missing", "8000h", "line 2: missing '8000h' is no list of bit patterns"),
        ("missing", "0x1FFFFFFFF", "line 2: voltageL1.missing: 8589934591 is no bit pattern"),
        ("registers", "4", "line 2: registers '4', but a float32 takes 2"),
        ("order", "ABDC", "line 2: order 'ABDC' is not ABCD, CDAB, BADC, DCBA"),
        ("word_order", "3", "line 2: word_order and byte_order are 1 (little) or 2 (big)"),
        ("kind", "metre", "em: kind: 'metre' is unknown; did you mean meter?"),
        ("mesurement", "x", "column 'mesurement': unknown; did you mean measurement?"),
        ("device", "x", "column type: there is more than one of its meaning"),
    ],
)
def test_fault_names_line_and_cell(column: str, cell: str, fault: str) -> None:
    if not fault:
        assert parse_map_table("shed", _change(column, cell))
        return
    (only,) = _list_faults(_change(column, cell))
    assert only.startswith(fault)


def test_swapped_type_and_another_order_contradict_each_other() -> None:
    text = _change("data_type", "float32_wordswap").replace("code\n", "code,order\n")
    (fault,) = _list_faults(text.rstrip() + ",DCBA")
    assert fault == "line 2: data_type float32_wordswap and byte order DCBA contradict each other"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        (OLDER.splitlines()[0], "has no rows below its header"),
        (OLDER + "sdm630,4,voltageL3,V,3\n", "line 7: 5 cells instead of 6"),
        (OLDER + "sdm630,9,voltageL1,V,3,4\n", "line 7: sdm630 has 'voltageL1' in line 3, too"),
        (
            OLDER + "sdm630,9,Voltage L1,V,3,4\n",
            "line 7: Voltage L1: is voltage_l1_v, as voltageL1 is; remove one",
        ),
        ("type,data_unit\nx,V\n", "column register_address or address: missing"),
    ],
)
def test_fault_of_the_whole_table_is_named(text: str, fault: str) -> None:
    assert _list_faults(text)[0] == fault


def test_faults_of_all_lines_are_listed_at_once_but_not_without_end() -> None:
    header = OLDER.splitlines()[0]
    rows = [f"em,{70_000 + n},m{n},V,9,4" for n in range(30)]
    faults = _list_faults("\n".join([header, *rows]))
    assert len(faults) == 21
    assert faults[-1] == "and 10 more faults"
    assert faults[0].startswith("line 2: ")
    assert faults[19].startswith("line 21: ")


def test_tables_are_what_files_would_tell() -> None:
    tables = read_map_tables("registers", OLDER)
    maps = parse_map_table("registers", OLDER)
    assert tuple(parse_register_map(name, table) for name, table in tables.items()) == maps


@given(st.text() | st.text(st.sampled_from('type,address\n"0x; 3|'), max_size=60))
def test_any_text_is_a_table_or_refused(text: str) -> None:
    for tail in (text, OLDER + text):
        with contextlib.suppress(SettingsError):
            assert all(one.registers for one in parse_map_table("any", tail))
