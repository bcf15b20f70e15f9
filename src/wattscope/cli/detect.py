"""The command ``detect``: what is wrong with devices, over any past."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from wattscope.assembly.detection import PastLook, build_detectors, look_back
from wattscope.assembly.model_training import load_models
from wattscope.assembly.storage import Storage, now_us, open_storage
from wattscope.cli.ask import Format, check_data, print_table
from wattscope.cli.options import DEFAULT_DATA, DataOption, SettingsOption, read_settings
from wattscope.core.errors import QueryError, UnknownNameError
from wattscope.core.findings import Finding, name_kind
from wattscope.core.incidents import Incident
from wattscope.core.time_grid import format_utc, load_zone, parse_instant
from wattscope.ports import Table
from wattscope.registry.model_shelf import ModelShelf
from wattscope.settings import Settings

_INCIDENT_COLUMNS = (
    *("device", "cause", "start", "end", "severity", "lost_kwh", "lost_money", "share"),
    "recommendation",
)
_FINDING_COLUMNS = (
    *("device", "kind", "quantity", "start", "end", "detector", "confidence", "lost_kwh"),
    "detail",
)


def add_commands(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command()(detect)


def detect(
    start: Annotated[
        str | None, typer.Option("--from", help="RFC 3339 or local date; the oldest reading.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="RFC 3339 or local date; the newest reading.")
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="Device to look at; left out, all.")
    ] = None,
    detector: Annotated[
        list[str] | None, typer.Option(help="Detector to use; left out, all.")
    ] = None,
    *,
    findings: Annotated[
        bool, typer.Option("--findings", help="Single findings instead of incidents.")
    ] = False,
    format_: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Say what is wrong, since when, why and what it costs; also while the program runs."""
    check_data(data)
    settings = read_settings(settings_file)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    models = load_models(ModelShelf(data))
    with open_storage(settings, data, is_read_only=True) as storage:
        _check_devices(storage, device or ())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("looking", total=1.0)
            seen = look_back(
                storage,
                settings,
                build_detectors(settings.detect.leave_out, detector, models),
                device,
                _read_range(storage, settings, start, end),
                lambda share: progress.update(bar, completed=share),
            )
    print_table(_list_findings(seen) if findings else _list_incidents(seen), format_)


def _check_devices(storage: Storage, devices: list[str] | tuple[str, ...]) -> None:
    for one in devices:
        if storage.registry.find_device(one) is None:
            raise UnknownNameError(f"device {one!r} does not exist; wattscope devices lists them")


def _read_range(
    storage: Storage, settings: Settings, start: str | None, end: str | None
) -> tuple[int, int]:
    """The span that was asked for [µs].

    Raises:
        QueryError: Words that are no time, a start that is not before its end, or no data at all.
    """
    known = storage.store.time_range()
    if known is None:
        raise QueryError("there are no readings to look at")
    zone = load_zone(settings.site.time_zone)
    start_us = parse_instant(start, zone) if start else known[0]
    end_us = parse_instant(end, zone) if end else min(now_us(), known[1] + 1)
    if not start_us < end_us:
        raise QueryError("--from must be before --to")
    return start_us, end_us


def _list_incidents(seen: PastLook) -> Table:
    return Table(_INCIDENT_COLUMNS, [_incident_row(one) for one in seen.incidents])


def _incident_row(incident: Incident) -> tuple[object, ...]:
    cause = incident.causes[0]
    return (
        incident.device,
        name_kind(cause.name),
        format_utc(incident.start_us),
        format_utc(incident.end_us) if incident.is_over else "",
        incident.severity.value,
        _round(incident.lost_wh / 1000),
        None if incident.lost_money is None else _round(incident.lost_money),
        _round(cause.share),
        incident.recommendation,
    )


def _list_findings(seen: PastLook) -> Table:
    return Table(_FINDING_COLUMNS, [_finding_row(one) for one in seen.findings])


def _finding_row(finding: Finding) -> tuple[object, ...]:
    return (
        finding.device,
        finding.kind,
        finding.quantity,
        format_utc(finding.start_us),
        format_utc(finding.end_us),
        finding.detector,
        _round(finding.confidence),
        _round(finding.lost_wh / 1000),
        finding.detail,
    )


def _round(number: float) -> float:
    return float(f"{number:.4g}")
