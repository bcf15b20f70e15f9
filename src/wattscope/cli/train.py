"""The command that learns what is usual: ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from wattscope.assembly.model_training import TrainingReport, TrainingWish, train_folder
from wattscope.cli.options import (
    DEFAULT_DATA,
    DataOption,
    SettingsOption,
    configure_logging,
    parse_length,
    read_settings,
)
from wattscope.core.errors import QueryError
from wattscope.core.time_grid import format_utc
from wattscope.core.topology import DeviceKind

_SHOWN_DEVICES = 5


def add_commands(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command()(train)


def train(
    class_: Annotated[
        list[DeviceKind] | None,
        typer.Option("--class", help="Only these; left out, panels and inverters."),
    ] = None,
    since: Annotated[
        str, typer.Option(help="How far back from the newest reading: 30d, 12h.")
    ] = "30d",
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Learn what is usual for each class of devices from its own history; see docs/detectors.md.

    Also while the program runs. Nights and missing or implausible values are left out.
    """
    configure_logging()
    wish = TrainingWish(tuple(class_ or ()), parse_length(since))
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("reading", total=None)

        def watch(doing: str, done: int, total: int) -> None:
            progress.update(bar, description=doing, completed=done, total=total)

        reports = train_folder(read_settings(settings_file), data, wish, watch)
    for report in reports:
        for line in word_report(report):
            typer.echo(line)
    faults = [report.fault for report in reports if report.fault]
    if not reports:
        faults = ["no panel or inverter tells a power; name another class with --class"]
    if faults:
        raise QueryError("; ".join(faults))


def word_report(report: TrainingReport) -> list[str]:
    """What was learned, as lines for a person."""
    lines = []
    learned = report.learned
    if learned is not None:
        model = learned.model
        lines = [
            (
                f"{report.device_class}: {learned.n_rows} rows of {model.n_devices} devices, "
                f"{format_utc(model.start_us)} to {format_utc(model.end_us)}"
            ),
            f"  features: {', '.join(report.features)}",
            (
                f"  strange below a score of {model.limits.min():.3f} to {model.limits.max():.3f} "
                f"by how much light there is ({model.limit_share:.0%} of the rows)"
            ),
            (
                f"  left out of {learned.n_read} rows: {learned.n_night} at night or incomplete, "
                f"{learned.n_incident} in known incidents"
            ),
        ]
    if report.left_out and learned is not None:
        shown = ", ".join(report.left_out[:_SHOWN_DEVICES])
        more = len(report.left_out) - _SHOWN_DEVICES
        lines.append(f"  without rows to learn from: {shown}" + (f" and {more} more" * (more > 0)))
    return lines
