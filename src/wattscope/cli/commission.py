"""``wattscope devices scan`` and ``wattscope registers test-read``: looking before adding."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from wattscope.assembly.commission import Commission, build_endpoint, parse_address, parse_units
from wattscope.assembly.meter_fleet import build_fleet_source
from wattscope.cli.ask import Format, print_table
from wattscope.cli.devices import FormatOption, devices_app
from wattscope.cli.options import (
    DEFAULT_DATA,
    DataOption,
    SettingsOption,
    find_profiles,
    read_settings,
)
from wattscope.cli.registers import registers_app
from wattscope.compute.modbus.frames import ReadRequest
from wattscope.compute.modbus.plausibility import Look, show_orders
from wattscope.core.errors import QueryError
from wattscope.core.fleet import Framing
from wattscope.core.quantities import find_quantity, unit_of
from wattscope.ports import Table
from wattscope.sources.modbus_scan import FoundUnit
from wattscope.sources.modbus_wire import open_wire

AddressArgument = Annotated[
    str, typer.Argument(metavar="HOST[:PORT]", help="Name or address; /dev/ttyUSB0 for a port.")
]
FramingOption = Annotated[str, typer.Option(help="auto, tcp, rtu_over_tcp, or rtu.")]
_SHOWN_DIGITS = 7
_MARKS = {Look.GOOD: "fits", Look.POSSIBLE: "may be", Look.BAD: ""}


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the groups that they belong to."""
    del app
    devices_app.command("scan")(scan_devices)
    registers_app.command("test-read")(read_registers)


def scan_devices(
    address: AddressArgument,
    units: Annotated[
        str | None, typer.Option(help="Units to try, such as 1-16,126; left out, the usual ones.")
    ] = None,
    framing: FramingOption = "auto",
    timeout: Annotated[float, typer.Option(help="Longest time of a reply [s].")] = 0.5,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Look for Modbus meters at an address; proposes what they are, with their values of now."""
    commission = _open_commission(settings_file, data)
    host, port = parse_address(address)
    wanted = parse_units(units)
    found = asyncio.run(_scan(commission, host, port, framing, wanted, timeout))
    if not found:
        raise QueryError(
            f"no unit answers at {address}; is the port right (502, 8899, 23, 4196 are usual), "
            "and has the gateway a free connection?"
        )
    for one in found:
        typer.echo(_describe(one))
        if one.best is not None:
            print_table(_table_of(one.best.values), Format.TABLE)


def read_registers(
    address: AddressArgument,
    unit: Annotated[int, typer.Option(help="Unit identifier (slave address).")] = 1,
    type_: Annotated[
        str | None, typer.Option("--type", help="Read everything that this type has.")
    ] = None,
    register: Annotated[
        str | None, typer.Option("--address", help="First register, such as 0x5012 or 52.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=125, help="Registers to read.")] = 2,
    function: Annotated[int, typer.Option(min=3, max=4, help="3 holding, 4 input.")] = 3,
    quantity: Annotated[
        str | None, typer.Option(help="What it should be, such as voltage_l1_v: marks what fits.")
    ] = None,
    framing: FramingOption = "auto",
    baud: Annotated[int, typer.Option(help="Speed of a serial port.")] = 9600,
    format_: FormatOption = Format.TABLE,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Read registers once: as a type has them, or raw words in every type and byte order."""
    commission = _open_commission(settings_file, data)
    host, port = parse_address(address)
    endpoint = build_endpoint(host, port, framing, baud)
    if (type_ is None) == (register is None):
        raise QueryError("say either --type NAME or --address N")
    if type_ is not None:
        read = asyncio.run(commission.test_read(endpoint, unit, type_))
        for fault in read.faults:
            typer.echo(f"not read: {fault}", err=True)
        print_table(_table_of(read.values), format_)
        return
    first = _parse_register(register or "")
    request = ReadRequest(unit, function, first, count)
    raw = asyncio.run(commission.read_words(endpoint, request))
    words = [raw[at : at + 2].hex() for at in range(0, len(raw), 2)]
    typer.echo(f"function {function}, from {first} (0x{first:04X}): {' '.join(words)}")
    print_table(_table_of_orders(raw, first, quantity), format_)


def _open_commission(settings_file: Path | None, data: Path) -> Commission:
    source = build_fleet_source(read_settings(settings_file), data, find_profiles(settings_file))
    return Commission(source, open_wire)


async def _scan(  # what the command line says, one by one
    commission: Commission,
    host: str,
    port: int | None,
    framing: str,
    units: tuple[int, ...],
    timeout_s: float,
) -> list[FoundUnit]:
    found: list[FoundUnit] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"looking at {host}")
        steps = commission.scan(
            host, port=port, framing=Framing(framing), units=units, timeout_s=timeout_s
        )
        async for step in steps:
            if isinstance(step, FoundUnit):
                found.append(step)
            else:
                where = f"{step.endpoint.address} {step.endpoint.framing.value}"
                progress.update(
                    task, description=f"{where}, unit {step.unit}: {step.words or 'answers'}"
                )
    return found


def _describe(found: FoundUnit) -> str:
    """A unit in words, with the command that adds it."""
    where = f"{found.endpoint.address}, unit {found.unit}, {found.endpoint.framing.value}"
    lines = [where + (" (answers whatever unit is asked for)" if found.answers_to_all else "")]
    if found.identity is not None:
        one = found.identity
        lines.append(f"  says of itself: {one.manufacturer} {one.model}, serial {one.serial}")
    if found.best is None:
        lines.append("  answers, but no known type makes sense; see wattscope registers test-read")
        return "\n".join(lines)
    name = found.best.map.name
    lines.append(f"  looks like {found.best.map.title} ({name}), fit {found.best.score:.0%}")
    if found.others:
        others = ", ".join(f"{one.map.name} {one.score:.0%}" for one in found.others)
        lines.append(f"  may also be {others}")
    lines.append(
        f"  wattscope devices add {found.endpoint.host} --port {found.endpoint.port} "
        f"--unit {found.unit} --framing {found.endpoint.framing.value} --type {name}"
    )
    return "\n".join(lines)


def _table_of(values: Mapping[str, float]) -> Table:
    rows: list[tuple[object, ...]] = []
    for name, value in values.items():
        quantity = find_quantity(name)
        title = name if quantity is None else quantity.title
        shown = None if math.isnan(value) else float(f"{value:.{_SHOWN_DIGITS}g}")
        rows.append((name, title, shown, unit_of(name)))
    return Table(("quantity", "what", "value", "unit"), rows)


def _table_of_orders(raw: bytes, first: int, quantity: str | None) -> Table:
    """Every register of a block in every type and byte order that starts there."""
    rows: list[tuple[object, ...]] = []
    n_registers = len(raw) // 2
    for at in range(n_registers):
        for one in show_orders(raw[2 * at : 2 * at + 8], quantity):
            value = None if math.isnan(one.value) else one.value
            rows.append((first + at, one.type.value, one.order.value, value, _MARKS[one.look]))
    return Table(("address", "type", "order", "value", "makes sense"), rows)


def _parse_register(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError as fault:
        raise QueryError(f"address {text!r} is no number such as 52 or 0x5012") from fault
