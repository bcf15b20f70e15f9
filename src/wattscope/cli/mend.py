"""Commands that look after the data folder: ``verify``, ``repair``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from wattscope.assembly.upkeep import Progress as Step
from wattscope.assembly.upkeep import repair_folder, verify_folder
from wattscope.cli.options import (
    DEFAULT_DATA,
    DataOption,
    SettingsOption,
    configure_logging,
    read_settings,
)
from wattscope.core.errors import SettingsError
from wattscope.stores.upkeep.repair import Deed
from wattscope.stores.upkeep.verify import Finding, Severity

EXIT_DAMAGED = 1


class Report(Enum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"


FormatOption = Annotated[Report, typer.Option("--format", help="text or json.")]


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command()(verify)
    app.command()(repair)


def verify(
    full: Annotated[
        bool, typer.Option("--full", help="Compute all kept buckets again, not a sample.")
    ] = False,
    format_: FormatOption = Report.TEXT,
    data: DataOption = Path(DEFAULT_DATA),
) -> None:
    """Check every byte of the data folder; also while the program runs. Changes nothing."""
    _check_data(data)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    findings: list[Finding] = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("registry", total=None)

        def show(step: Step) -> None:
            progress.update(bar, description=step.part, completed=step.done, total=step.total)

        for finding in verify_folder(data, is_full=full, on_progress=show):
            findings.append(finding)
            if format_ is Report.TEXT:
                # Above the bar, as it is found.
                typer.echo(word_finding(finding))
    n_damages = sum(one.severity is Severity.DAMAGE for one in findings)
    if format_ is Report.JSON:
        typer.echo(json.dumps(_describe(findings, n_damages), indent=1))
    else:
        typer.echo(_summarise(findings, n_damages))
    if n_damages:
        raise typer.Exit(EXIT_DAMAGED)


def repair(
    backup: Annotated[
        Path | None, typer.Option("--from", help="Backup to take what is missing from.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Compute all kept buckets again, not a sample.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    format_: FormatOption = Report.TEXT,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Mend what verify found, from log, backup and rows. The program must not run."""
    configure_logging()
    _check_data(data)
    deeds: list[Deed] = []
    for deed in repair_folder(
        read_settings(settings_file), data, backup=backup, is_full=full, is_dry_run=dry_run
    ):
        deeds.append(deed)
        if format_ is Report.TEXT:
            typer.echo(_word_deed(deed))
    n_lost = sum(deed.lost for deed in deeds)
    if format_ is Report.JSON:
        shown = {"deeds": [asdict(deed) for deed in deeds], "lost_rows": n_lost}
        typer.echo(json.dumps(shown | {"is_dry_run": dry_run}, indent=1))
    elif not deeds:
        typer.echo("nothing to mend")
    else:
        would = "would be " if dry_run else ""
        typer.echo(f"{len(deeds)} things {would}mended, {n_lost} rows {would}lost")


def word_finding(finding: Finding) -> str:
    """A finding as one line."""
    rows = f", {finding.rows} rows" if finding.rows else ""
    return f"{finding.severity.value}: {finding.where}: {finding.what}{rows}; {finding.advice}"


def _word_deed(deed: Deed) -> str:
    counts = [f"{deed.rows} rows"] * bool(deed.rows) + [f"{deed.lost} lost"] * bool(deed.lost)
    return ": ".join([deed.where, ", ".join([deed.what, *counts])])


def _summarise(findings: Sequence[Finding], n_damages: int) -> str:
    n_notes = len(findings) - n_damages
    if not n_damages:
        return f"sound; {n_notes} notes"
    n_rows = sum(one.rows for one in findings if one.severity is Severity.DAMAGE)
    return f"{n_damages} damages with {n_rows} rows, {n_notes} notes; run wattscope repair"


def _describe(findings: Sequence[Finding], n_damages: int) -> dict[str, object]:
    return {
        "is_sound": n_damages == 0,
        "damages": n_damages,
        "findings": [asdict(one) | {"severity": one.severity.value} for one in findings],
    }


def _check_data(data: Path) -> None:
    if not data.is_dir():
        raise SettingsError([f"data folder {data} does not exist; name another with --data"])
