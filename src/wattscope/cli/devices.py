"""``wattscope devices``: list, add, remove, import and export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wattscope.assembly.meter_import import import_csv
from wattscope.assembly.storage import open_storage
from wattscope.cli.ask import Format, check_data, print_table
from wattscope.cli.book import (
    FileArgument,
    forbid_options_before,
    has_book,
    open_desk,
    read_file,
    tell_faults,
    tell_outcome,
    write_file,
)
from wattscope.cli.options import DEFAULT_DATA, DataOption, SettingsOption, read_settings
from wattscope.core.errors import TransientError
from wattscope.core.time_grid import format_utc
from wattscope.ports import Table
from wattscope.registry.meter_book import BookTable

FormatOption = Annotated[Format, typer.Option("--format", help="table, csv or json.")]
_COLUMNS = ("device", "name", "kind", "parent", "quantities", "newest")

devices_app = typer.Typer(
    help="List devices; add, remove, import and export Modbus meters.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.add_typer(devices_app, name="devices")


@devices_app.callback()
def devices(
    context: typer.Context,
    format_: FormatOption = Format.TABLE,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """List devices; add, remove, import and export Modbus meters."""
    forbid_options_before(context)
    if context.invoked_subcommand is None:
        _print_devices(format_, data, settings_file)


@devices_app.command("list")
def list_devices(
    format_: FormatOption = Format.TABLE,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """List the devices with the instant of their newest value, and Modbus meters not yet heard."""
    _print_devices(format_, data, settings_file)


@devices_app.command("add")
def add_device(
    host: Annotated[str, typer.Argument(help="Name, address, or serial port (/dev/ttyUSB0).")],
    type_: Annotated[str, typer.Option("--type", help="Profile or type: registers list.")],
    port: Annotated[int, typer.Option(help="TCP port.")] = 502,
    unit: Annotated[int, typer.Option(help="Unit identifier (slave address).")] = 1,
    id_: Annotated[str | None, typer.Option("--id", help="Id in exports and SQL.")] = None,
    name: Annotated[str | None, typer.Option(help="Name on the screen.")] = None,
    poll: Annotated[
        str | None, typer.Option(help="10s, 1m, a cron expression or a poll group.")
    ] = None,
    framing: Annotated[
        str | None, typer.Option(help="auto, tcp, rtu_over_tcp, or rtu on a serial port.")
    ] = None,
    baud: Annotated[int | None, typer.Option(help="Speed of a serial port.")] = None,
    parity: Annotated[str | None, typer.Option(help="N, E or O.")] = None,
    stop_bits: Annotated[int | None, typer.Option(help="1 or 2.")] = None,
    kind: Annotated[str | None, typer.Option(help="meter, inverter, battery, ...")] = None,
    site: Annotated[str | None, typer.Option(help="Id of its site.")] = None,
    parent: Annotated[str | None, typer.Option(help="Id of the device above it.")] = None,
    rating_w: Annotated[float | None, typer.Option(help="Rated power [W].")] = None,
    timeout_s: Annotated[float | None, typer.Option(help="Longest time of a reply [s].")] = None,
    production: Annotated[
        bool | None, typer.Option(help="Whether what it counts is generated.")
    ] = None,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Add a Modbus meter; a running program reads it from its next instant on."""
    row = {
        "host": host,
        "port": port,
        "slave_address": unit,
        "type": type_,
        "description": name,
        "device": id_,
        "kind": kind,
        "site": site,
        "parent": parent,
        "rating_w": rating_w,
        "is_production": production,
        "framing": framing,
        "baud": baud,
        "parity": parity,
        "stop_bits": stop_bits,
        "poll": poll,
        "timeout_s": timeout_s,
    }
    with open_desk(settings_file, data) as desk:
        typer.echo(f"added {desk.add_meter(row)} to {desk.where}")


@devices_app.command("remove")
def remove_device(
    device: Annotated[str, typer.Argument(help="Id of the meter.")],
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Remove a Modbus meter from the tables; its readings stay."""
    with open_desk(settings_file, data) as desk:
        desk.remove_meter(device)
        typer.echo(f"removed {device}; its readings stay")


@devices_app.command("import")
def import_devices(
    path: FileArgument, data: DataOption = Path(DEFAULT_DATA), settings_file: SettingsOption = None
) -> None:
    """Import meters from CSV: host,port,slave_address,type,description and further columns."""
    with open_desk(settings_file, data) as desk:
        tell_outcome(import_csv(desk, BookTable.METERS, read_file(path)), path)


@devices_app.command("export")
def export_devices(
    path: FileArgument, data: DataOption = Path(DEFAULT_DATA), settings_file: SettingsOption = None
) -> None:
    """Export the meters of the tables to CSV, as import reads it."""
    with open_desk(settings_file, data) as desk:
        write_file(desk, BookTable.METERS, path, None)


def _print_devices(format_: Format, data: Path, settings_file: Path | None) -> None:
    is_described = has_book(settings_file, data)
    rows: list[tuple[Any, ...]] = []
    if not is_described or (data / "registry.sqlite").exists():
        check_data(data)
        rows = _list_heard(data, settings_file)
    if is_described:
        rows += _list_unheard(data, settings_file, {row[0] for row in rows})
    print_table(Table(_COLUMNS, sorted(rows, key=lambda row: str(row[0]))), format_)


def _list_unheard(data: Path, settings_file: Path | None, heard: set[str]) -> list[tuple[Any, ...]]:
    """Meters of settings and tables of which nothing came yet; tells what is left out."""
    with open_desk(settings_file, data) as desk:
        try:
            fleet = desk.look().fleet
        except TransientError as fault:
            typer.echo(f"wattscope: {fault}", err=True)
            return []
    tell_faults(fleet)
    return [
        (one.id, one.name, one.kind.value, one.parent, 0, None)
        for one in (meter.device for meter in fleet.meters)
        if one.id not in heard
    ]


def _list_heard(data: Path, settings_file: Path | None) -> list[tuple[Any, ...]]:
    """Devices of the registry, with what was heard of them."""
    rows: list[tuple[Any, ...]] = []
    with open_storage(read_settings(settings_file), data, is_read_only=True) as storage:
        series = storage.registry.list_series()
        for device in storage.registry.list_devices():
            mine = [one for one in series if one.device == device.id]
            seen = [storage.live.latest(one.id) for one in mine]
            newest = max((one[0] for one in seen if one is not None), default=None)
            rows.append(
                (
                    device.id,
                    device.name,
                    device.kind.value,
                    device.parent,
                    len(mine),
                    None if newest is None else format_utc(newest),
                )
            )
    return rows
