"""Commands that keep data safe and hand it on: ``backup``, ``restore``, ``export``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from wattscope.assembly.backup import Watch, make_backup
from wattscope.assembly.export import ExportFormat, ExportLevel, ExportWish, export_rows
from wattscope.assembly.restore import restore_backup
from wattscope.cli.options import (
    DEFAULT_DATA,
    DataOption,
    SettingsOption,
    configure_logging,
    read_settings,
)
from wattscope.core.errors import StorageError
from wattscope.core.time_grid import parse_instant
from wattscope.stores.upkeep.backup import BackupNote

_SHOWN_SERIES = 20
_MB = 1e6


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command()(backup)
    app.command()(restore)
    app.command()(export)


def backup(
    target: Annotated[Path, typer.Argument(metavar="DEST", help="Folder to make.")],
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Copy the data folder consistently, also while the program runs; see docs/backup.md."""
    configure_logging()
    settings = read_settings(settings_file)
    with show_progress() as watch:
        note = make_backup(settings, data, target, watch)
    typer.echo(
        f"backup {target}: {note.rows} rows of {len(note.series)} series, everything below log "
        f"offset {note.log_offset}, {len(note.files)} files, {note.size_bytes / _MB:.1f} MB"
    )
    if note.lost_records:
        typer.echo(
            f"the log had lost {note.lost_records} records before; see docs/troubleshooting.md",
            err=True,
        )


def restore(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A backup.")],
    data: DataOption = Path(DEFAULT_DATA),
    check: Annotated[
        bool, typer.Option("--check", help="Restore and prove it beside --data, keep nothing.")
    ] = False,
    settings_file: SettingsOption = None,
) -> None:
    """Make a data folder out of a backup, proved by counts and sums before it is put in place."""
    configure_logging()
    settings = read_settings(settings_file)
    with show_progress() as watch:
        restored = restore_backup(settings, source, data, watch, is_kept=not check)
    note = restored.note
    _print_sums(note)
    rate = note.size_bytes / _MB / max(restored.copy_s, 1e-6)
    typer.echo(
        f"{note.size_bytes / _MB:.1f} MB copied and checked in {restored.copy_s:.2f} s "
        f"({rate:.0f} MB/s), counts and sums compared in {restored.prove_s:.2f} s"
    )
    done = f"{source} is sound, nothing was kept" if check else f"restored to {data}"
    typer.echo(f"{done}: made {note.made_at}, {note.rows} rows below log offset {note.log_offset}")


def _print_sums(note: BackupNote) -> None:
    for one in note.series[:_SHOWN_SERIES]:
        total = "-" if one.sum is None else f"{one.sum:.15g}"
        typer.echo(f"  {one.device} {one.quantity}: {one.rows} rows, sum {total}: equal")
    if len(note.series) > _SHOWN_SERIES:
        typer.echo(f"  and {len(note.series) - _SHOWN_SERIES} more series: equal")


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to make.")],
    start: Annotated[
        str | None, typer.Option("--from", help="First instant: 2026-05-01, or RFC 3339.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="The instant to end before.")] = None,
    device: Annotated[list[str] | None, typer.Option(help="Only these devices.")] = None,
    quantity: Annotated[list[str] | None, typer.Option(help="Only these quantities.")] = None,
    level: Annotated[ExportLevel, typer.Option(help="Values, or buckets.")] = ExportLevel.RAW,
    format_: Annotated[
        ExportFormat | None, typer.Option("--format", help="Left out, by the name of the file.")
    ] = None,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Write values or buckets to a CSV or Parquet file; also while the program runs."""
    configure_logging()
    settings = read_settings(settings_file)
    chosen = format_ or (ExportFormat.PARQUET if file.suffix == ".parquet" else ExportFormat.CSV)
    wish = ExportWish(
        level,
        chosen,
        None if start is None else parse_instant(start),
        None if end is None else parse_instant(end),
        tuple(device or ()),
        tuple(quantity or ()),
    )
    with show_progress() as watch:
        exported = export_rows(settings, data, file, wish, watch)
    typer.echo(f"{file}: {exported.rows} rows of {exported.n_series} series")
    if exported.damages:
        raise StorageError(
            f"{file} lacks rows that are damaged: {', '.join(exported.damages)}; run "
            "'wattscope repair', or restore a backup, then export again"
        )


@contextmanager
def show_progress() -> Iterator[Watch]:
    """A bar on standard error for each thing that is done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars = {}

        def watch(doing: str, done: int, total: int) -> None:
            if doing not in bars:
                bars[doing] = progress.add_task(doing, total=total)
            progress.update(bars[doing], completed=done, total=total)

        yield watch
