"""``wattscope migrate``: from a data folder to PostgreSQL, or back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wattscope.assembly.migrate import Moved, migrate
from wattscope.assembly.moving_sides import Place
from wattscope.cli.keep import show_progress
from wattscope.cli.options import (
    DEFAULT_DATA,
    DataOption,
    SettingsOption,
    configure_logging,
    read_settings,
)
from wattscope.core.errors import SettingsError
from wattscope.core.reading import Quality
from wattscope.core.time_grid import format_utc
from wattscope.registry.postgres_link import read_url
from wattscope.settings import Settings

_SHOWN_SERIES = 20


def add_commands(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command(name="migrate")(migrate_command)


def migrate_command(
    to: Annotated[
        str | None,
        typer.Option(
            "--to", help="postgresql://user@host:5432/database; left out, storage.url, or --data."
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="The way back: the same. Left out, the folder of --data."),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(help="Its first line is the password; left out, storage.password_file."),
    ] = None,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Copy the data folder to PostgreSQL while it is in use, or back; see docs/moving.md.

    Every row and every day is compared on both sides. Run it again to bring what came meanwhile,
    or to go on after it was cut short.
    """
    configure_logging()
    settings = read_settings(settings_file)
    source, target = _find_places(settings, from_, to, password_file, data)
    with show_progress() as watch:
        moved = migrate(settings, source, target, watch)
    _print_sums(moved)
    _print_notes(moved)
    typer.echo(_word_end(moved))


def _find_places(
    settings: Settings, from_: str | None, to: str | None, password_file: Path | None, data: Path
) -> tuple[Place, Place]:
    storage = settings.storage
    file = password_file
    if file is None and storage.password_file is not None:
        file = Path(storage.password_file)

    def find(option: str, words: str | None) -> Place:
        if words is None:
            return Place(data)
        return _read_server(option, words, file) if "://" in words else Place(Path(words))

    source = find("--from", from_)
    if to is None and source.folder is not None:
        to = storage.url
        if to is None:
            raise SettingsError("where to? give --to postgresql://user@host:5432/database")
    return source, find("--to", to)


def _read_server(option: str, url: str, password_file: Path | None) -> Place:
    try:
        read_url(url)
    except SettingsError:
        # It is not shown, for it may hold a password.
        raise SettingsError(f"{option}: write it as postgresql://user@host:5432/database") from None
    return Place(None, url, password_file)


def _print_sums(moved: Moved) -> None:
    for one in moved.series[:_SHOWN_SERIES]:
        total = "-" if one.sum is None else f"{one.sum:.15g}"
        span = f"{format_utc(one.first_us)} to {format_utc(one.last_us)}"
        typer.echo(f"  {one.device} {one.quantity}: {one.rows} rows, sum {total}, {span}: equal")
    if len(moved.series) > _SHOWN_SERIES:
        typer.echo(f"  and {len(moved.series) - _SHOWN_SERIES} more series: equal")
    for quality, n_rows in sorted(moved.qualities.items()):
        typer.echo(f"  quality {word_quality(quality)}: {n_rows} rows: equal")
    typer.echo(f"  {moved.n_buckets} days of series: equal")
    for table in moved.registry.tables:
        state = "equal" if table.is_same else f"{table.n_same} equal, the others changed meanwhile"
        typer.echo(f"  {table.table}: {table.n_source} rows: {state}")
    if moved.n_models:
        typer.echo(f"  models: {moved.n_models}")


def word_quality(quality: int) -> str:
    """Its marks by name.

    >>> word_quality(0), word_quality(6)
    ('good', 'implausible late')
    """
    marks = [one.name.lower() for one in Quality if one & quality and one.name]
    return " ".join(marks) or "good"


def _print_notes(moved: Moved) -> None:
    n_damaged = sum(one.n_damaged for one in moved.registry.tables)
    notes = {
        "messages of the quarantine are damaged and were left out": n_damaged,
        "set-aside messages are in the log only: run wattscope on the folder once more and end "
        "it, then run this again": moved.n_waiting,
        "series were not compared by day, for rows came late meanwhile; run this again": (
            moved.n_unproven
        ),
        "series have rollups of rows that retention has removed: those were not moved; keep the "
        "source for them": moved.n_retired,
        "rows of the target are not in the source: newer ones, or removed by retention": (
            moved.n_beyond
        ),
        "rows are marked late in the target, for newer ones had come before them": moved.n_late,
    }
    for words, count in notes.items():
        if count:
            typer.echo(f"{count} {words}", err=True)


def _word_end(moved: Moved) -> str:
    newest = "nothing" if moved.newest_us is None else f"up to {format_utc(moved.newest_us)}"
    done = (
        f"{moved.source} is in {moved.target}: {moved.n_rows} rows of {len(moved.series)} series "
        f"{newest}, {moved.n_new} of them new there"
    )
    if moved.is_final:
        return f"{done}; nobody wrote to it meanwhile: nothing is missing"
    return f"{done}; it may be in use: end what writes to it, then run this again for the rest"
