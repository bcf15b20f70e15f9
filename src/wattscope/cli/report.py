"""Commands that report: ``report daily``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wattscope.assembly.storage import now_us, open_storage
from wattscope.cli.ask import Format, check_data, print_table
from wattscope.cli.options import DEFAULT_DATA, DataOption, SettingsOption, read_settings
from wattscope.ports import Table
from wattscope.web.daily_days import (
    REPORT_COLUMNS,
    DeviceReport,
    ReportOrder,
    list_report_rows,
    report_days,
)

_DECIMALS = 3
_TITLES = {
    "device": "Device",
    "date": "Date",
    "hours": "Hours",
    "start_kwh": "Start kWh",
    "end_kwh": "End kWh",
    "kwh": "Daily kWh",
    "l1_kwh": "L1 kWh",
    "l2_kwh": "L2 kWh",
    "l3_kwh": "L3 kWh",
    "mean_outdoor_c": "Outdoor °C",
    "status": "Status",
    "coverage": "Coverage",
}

report = typer.Typer(help="Reports: tables to keep or print.", no_args_is_help=True)


@report.callback()
def choose_report() -> None:
    """Reports: tables to keep or print."""


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.add_typer(report, name="report")


@report.command()
def daily(
    first: Annotated[
        str | None, typer.Option("--from", help="First local day, as 2026-05-01.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Last local day, itself included.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
    device: Annotated[
        str | None, typer.Option(help="Device; left out, all that tell an energy.")
    ] = None,
    outdoor: Annotated[
        str | None, typer.Option(help="Device whose temperature_c is that outside.")
    ] = None,
    with_today: Annotated[
        bool, typer.Option("--with-today", help="Today too, as far as it has come.")
    ] = False,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """One row a local day: register readings, energy, phases, temperature; the last 30 days."""
    check_data(data)
    order = ReportOrder(device, first, last, outdoor, with_today)
    with open_storage(read_settings(settings_file), data, is_read_only=True) as storage:
        reports = report_days(storage.store, storage.registry, order, now_us())
    if format_ is Format.TABLE:
        print_table(_shorten(reports), format_)
    else:
        print_table(Table(REPORT_COLUMNS, list_report_rows(reports)), format_)


def _shorten(reports: list[DeviceReport]) -> Table:
    """Rounded numbers under words, without the columns of which nothing is known."""
    rows = list_report_rows(reports)
    kept = [
        at
        for at, name in enumerate(REPORT_COLUMNS)
        if name in {"date", "kwh", "status"} or any(row[at] is not None for row in rows)
    ]
    titles = tuple(_TITLES[REPORT_COLUMNS[at]] for at in kept)
    return Table(titles, [tuple(_round(row[at]) for at in kept) for row in rows])


def _round(cell: Any) -> Any:  # noqa: ANN401  # a cell of any kind
    return f"{cell:.{_DECIMALS}f}".rstrip("0").rstrip(".") if isinstance(cell, float) else cell
