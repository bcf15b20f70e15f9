"""``wattscope registers``: what types of Modbus meters have; list, add, remove, import, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wattscope.assembly.meter_import import import_csv
from wattscope.cli.ask import Format, print_table
from wattscope.cli.book import (
    FileArgument,
    forbid_options_before,
    look_without_making,
    open_desk,
    read_file,
    tell_faults,
    tell_outcome,
    write_file,
)
from wattscope.cli.devices import FormatOption
from wattscope.cli.options import DEFAULT_DATA, DataOption, SettingsOption
from wattscope.core.errors import UnknownNameError
from wattscope.core.quantities import unit_of
from wattscope.core.registers import RegisterMap
from wattscope.ports import Table
from wattscope.registry.meter_book import BookTable

registers_app = typer.Typer(
    help="List types of Modbus meters and their registers; add, remove, import, export.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.add_typer(registers_app, name="registers")


@registers_app.callback()
def registers(
    context: typer.Context,
    format_: FormatOption = Format.TABLE,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """List types of Modbus meters and their registers; add, remove, import, export."""
    forbid_options_before(context)
    if context.invoked_subcommand is None:
        list_registers(None, format_, data, settings_file)


@registers_app.command("list")
def list_registers(
    type_: Annotated[str | None, typer.Argument(metavar="[TYPE]", help="All its values.")] = None,
    format_: FormatOption = Format.TABLE,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """List what types there are, or what one type has to tell."""
    desk, look = look_without_making(settings_file, data)
    maps = desk.list_maps(look)
    tell_faults(look.fleet)
    if type_ is None:
        rows = [(one.name, one.title, origin, len(one.registers)) for one, origin in maps]
        print_table(Table(("type", "title", "described in", "values"), list(rows)), format_)
        return
    found = next((one for one, _ in maps if one.name == type_), None)
    if found is None:
        raise UnknownNameError(f"type {type_!r} does not exist; see wattscope registers list")
    print_table(_table_of(found), format_)


@registers_app.command("add")
def add_register(
    type_: Annotated[str, typer.Argument(metavar="TYPE", help="Type that it belongs to.")],
    address: Annotated[int, typer.Argument(help="Address on the wire, from 0.")],
    measurement: Annotated[str, typer.Argument(help="What it measures, such as voltageL1.")],
    unit: Annotated[str | None, typer.Option(help="Unit, such as kWh.")] = None,
    value_type: Annotated[
        str, typer.Option(help="int16, uint16, int32, uint32, int64, uint64, float32, float64.")
    ] = "float32",
    function: Annotated[int, typer.Option(help="3 holding, 4 input registers.")] = 3,
    scale: Annotated[float | None, typer.Option(help="Raw number times this.")] = None,
    offset: Annotated[float | None, typer.Option(help="Added after the scale.")] = None,
    word_order: Annotated[int | None, typer.Option(help="1 little, 2 big.")] = None,
    byte_order: Annotated[int | None, typer.Option(help="1 little, 2 big.")] = None,
    missing: Annotated[
        str | None, typer.Option(help="Bit pattern for no value, such as 0x8000.")
    ] = None,
    poll_group: Annotated[str | None, typer.Option(help="Poll group or schedule.")] = None,
    quantity: Annotated[str | None, typer.Option(help="Name of the catalogue.")] = None,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Add a register to a type."""
    row = {
        "type": type_,
        "register_address": address,
        "measurement_name": measurement,
        "data_unit": unit,
        "data_type": {"int16": 1, "int32": 2, "float32": 3}.get(value_type),
        "value_type": value_type,
        "function_code": function,
        "scale": scale,
        "value_offset": offset,
        "word_order": word_order,
        "byte_order": byte_order,
        "missing_value": missing,
        "poll_group": poll_group,
        "quantity": quantity,
    }
    with open_desk(settings_file, data) as desk:
        desk.add_register(row)
        typer.echo(f"added {measurement} to type {type_} in {desk.where}")


@registers_app.command("remove")
def remove_registers(
    type_: Annotated[str, typer.Argument(metavar="TYPE", help="Type of the table.")],
    measurement: Annotated[
        str | None, typer.Argument(help="Only this measurement; left out, the whole type.")
    ] = None,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Remove a type from the tables, or one of its registers."""
    with open_desk(settings_file, data) as desk:
        numbers = [
            row["id"]
            for row in desk.look().rows.registers
            if row.get("type") == type_ and measurement in {None, row.get("measurement_name")}
        ]
        if not numbers:
            raise UnknownNameError(
                f"the table registers has no {measurement or 'row'} of {type_!r}"
            )
        desk.remove_registers(numbers)
        typer.echo(f"removed {len(numbers)} registers of {type_}")


@registers_app.command("import")
def import_registers(
    path: FileArgument, data: DataOption = Path(DEFAULT_DATA), settings_file: SettingsOption = None
) -> None:
    """Import registers from CSV: type,register_address,measurement_name,data_unit,data_type,..."""
    with open_desk(settings_file, data) as desk:
        tell_outcome(import_csv(desk, BookTable.REGISTERS, read_file(path)), path)


@registers_app.command("export")
def export_registers(
    path: FileArgument,
    type_: Annotated[str | None, typer.Option("--type", help="Only this type.")] = None,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Export the registers of the tables to CSV, as import reads it."""
    with open_desk(settings_file, data) as desk:
        write_file(desk, BookTable.REGISTERS, path, type_)


def _table_of(found: RegisterMap) -> Table:
    columns = ("quantity", "unit", "function", "address", "value_type", "order", "factor", "poll")
    rows: list[tuple[Any, ...]] = [
        (
            one.quantity,
            unit_of(one.quantity),
            one.function,
            one.address,
            one.type.value,
            one.order.value,
            one.factor,
            one.poll,
        )
        for one in found.registers
    ]
    return Table(columns, rows)
