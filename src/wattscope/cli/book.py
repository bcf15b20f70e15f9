"""What the commands on meters and registers share: the desk over the book, and its words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from wattscope.assembly.meter_desk import BookDesk, Look
from wattscope.assembly.meter_fleet import build_fleet_source
from wattscope.assembly.meter_import import ImportOutcome, export_csv
from wattscope.cli.options import find_profiles, read_settings
from wattscope.compute.modbus.meter_rows import BookRows
from wattscope.core.errors import SettingsError
from wattscope.core.fleet import Fleet
from wattscope.registry.meter_book import BookTable

MAX_FILE_BYTES = 10_000_000

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV file; - is standard input or output.")
]


@contextmanager
def open_desk(settings_file: Path | None, data: Path) -> Iterator[BookDesk]:
    """The meter book that the settings name, or that of the data folder; made when missing."""
    source = build_fleet_source(read_settings(settings_file), data, find_profiles(settings_file))
    try:
        yield BookDesk(source)
    finally:
        source.book.close()


def look_without_making(settings_file: Path | None, data: Path) -> tuple[BookDesk, Look]:
    """The desk and what stands in the book; a book that is not there is taken as an empty one."""
    with open_desk(settings_file, data) as desk:
        is_there = has_book(settings_file, data)
        return desk, desk.look() if is_there else desk.judge(BookRows())


def has_book(settings_file: Path | None, data: Path) -> bool:
    """Whether there is a meter book, or meters in the settings, so that looking makes none."""
    settings = read_settings(settings_file)
    return bool(settings.registry.url or settings.meters) or (data / "meters.db").exists()


def read_file(path: Path) -> str:
    """The text of a CSV file, or of standard input.

    Raises:
        SettingsError: It cannot be read, is too long or no UTF-8.
    """
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
    except OSError as fault:
        raise SettingsError(f"file {path} cannot be read ({fault.strerror})") from fault
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError(f"file {path} is larger than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise SettingsError(f"file {path} is no UTF-8 text (at line {line})") from fault


def write_file(desk: BookDesk, table: BookTable, path: Path, type_: str | None) -> None:
    """A table as CSV into a file, or on standard output.

    Raises:
        SettingsError: The file cannot be written.
    """
    text, n_rows = export_csv(desk, table, type_)
    if str(path) == "-":
        typer.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as fault:
        raise SettingsError(f"file {path} cannot be written ({fault.strerror})") from fault
    typer.echo(f"{n_rows} rows written to {path}")


def tell_outcome(outcome: ImportOutcome, path: Path) -> None:
    """Print what became of a file; with an exit status where a row was left out."""
    for line, reason in outcome.refused:
        typer.echo(f"wattscope: {path}, line {line}: {reason}", err=True)
    words = f"{outcome.n_added} added, {outcome.n_changed} changed, {outcome.n_known} as they were"
    if outcome.refused:
        typer.echo(f"{words}; {len(outcome.refused)} rows left out")
        raise typer.Exit(1)
    typer.echo(words)


def tell_faults(fleet: Fleet) -> None:
    """Print what is left out, and what is strange."""
    for fault in fleet.faults:
        typer.echo(f"wattscope: {fault}", err=True)


def forbid_options_before(context: typer.Context) -> None:
    """Refuse options between a group and its command, which would not reach the command.

    Raises:
        SettingsError: There is one.
    """
    given = [
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) is not None
        and source.name == "COMMANDLINE"
    ]
    if context.invoked_subcommand is not None and given:
        raise SettingsError(
            f"write options behind the command: {context.info_name} "
            f"{context.invoked_subcommand} ... --data DIR"
        )
