"""Commands that bring data in: ``import``, ``replay``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from wattscope.assembly.file_import import (
    FileImport,
    ImportSummary,
    Mapping,
    find_profile,
    read_mapping,
)
from wattscope.assembly.replay import replay_quarantine
from wattscope.assembly.storage import open_storage
from wattscope.cli.options import (
    DEFAULT_DATA,
    DataOption,
    SettingsOption,
    configure_logging,
    find_profiles,
    read_settings,
)
from wattscope.compute.files.column_map import ColumnMap
from wattscope.compute.files.map_option import parse_map_option
from wattscope.core.errors import SettingsError
from wattscope.registry.profile_library import ProfileLibrary

_ANY_TABLE = "generic-csv"


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command("import")(import_files)
    app.command()(replay)


def import_files(
    paths: Annotated[list[Path], typer.Argument(help="Files: plain, .gz or .zip.")],
    profile: Annotated[
        str | None,
        typer.Option(
            help="What the file is: a file in profiles/; left out, its first bytes or its header "
            "tell, else generic-csv."
        ),
    ] = None,
    map_: Annotated[
        str | None,
        typer.Option(
            "--map", help="Columns by hand: time=Timestamp,active_power_w=Power:kW@meter1"
        ),
    ] = None,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Import history from files; importing the same again changes nothing."""
    configure_logging()
    settings = read_settings(settings_file)
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise SettingsError([f"file {path} does not exist" for path in missing])
    mappings = _choose_mappings(paths, profile, map_, find_profiles(settings_file))
    site, summary = settings.site, ImportSummary()
    with open_storage(settings, data) as storage:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            for path, mapping in zip(paths, mappings, strict=True):
                work = FileImport(storage, mapping, site.id, site.time_zone, summary)
                bar = progress.add_task(path.name, total=path.stat().st_size)
                work.take(path, lambda n_bytes, bar=bar: progress.update(bar, completed=n_bytes))  # type: ignore[misc]  # the default binds the loop's bar
        storage.persist.flush()
    _print_summary(summary)


def _choose_mappings(
    paths: list[Path], profile: str | None, words: str | None, library: ProfileLibrary
) -> list[Mapping]:
    """What the columns of each file mean: as was told, else as its header tells.

    Raises:
        SettingsError: No such profile, or words that cannot be understood.
    """
    if words is not None:
        base = read_mapping(profile or _ANY_TABLE, library)
        if not isinstance(base, ColumnMap):
            raise SettingsError(["--map goes with CSV profiles only"])
        return [parse_map_option(words, base)] * len(paths)
    mappings = []
    for path in paths:
        name = profile or find_profile(path, library) or _ANY_TABLE
        if profile is None and name != _ANY_TABLE:
            typer.echo(f"{path.name}: read by profile {name}, whose form it has")
        mappings.append(read_mapping(name, library))
    return mappings


def _print_summary(summary: ImportSummary) -> None:
    typer.echo(
        f"{summary.rows} rows with {summary.values} values: {summary.stored} stored, "
        f"{summary.duplicate} known already, {summary.missing} marked missing; "
        f"{summary.bad_rows} rows set aside"
    )
    if summary.implausible:
        typer.echo(
            f"  {summary.implausible} values are out of range or stand for no value: stored as "
            "implausible, left out of sums (quality in the table readings)"
        )
    if summary.quality_records:
        typer.echo(f"  {summary.quality_records} records of the quality of values were heeded")
    for code, count in sorted(summary.by_code.items()):
        typer.echo(f"  {code}: {count} (the table quarantine of wattscope sql holds them)")


def replay(
    code: Annotated[str | None, typer.Option(help="Only items set aside for this reason.")] = None,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Send quarantined messages through the pipeline again, after a profile or device changed."""
    configure_logging()
    settings = read_settings(settings_file)
    with open_storage(settings, data) as storage:
        outcome = replay_quarantine(settings, storage, find_profiles(settings_file), code)
    typer.echo(
        f"{outcome.tried} items replayed: {outcome.stored} values stored, "
        f"{outcome.still_aside} items set aside again"
    )
