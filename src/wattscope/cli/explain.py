"""The command ``explain``: from which files an answer would be made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wattscope.assembly.storage import Storage, now_us, open_storage
from wattscope.cli.ask import Format, check_data, print_table
from wattscope.cli.options import DEFAULT_DATA, DataOption, SettingsOption, read_settings
from wattscope.core.errors import QueryError, UnknownNameError
from wattscope.core.explanation import Explanation
from wattscope.core.time_grid import US_PER_DAY, format_utc, load_zone, parse_instant
from wattscope.ports import Table

_COLUMNS = ("from", "start", "end", "spans", "series")


def add_commands(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command()(explain)


def explain(
    device: Annotated[str, typer.Argument(help="Device; wattscope devices lists them.")],
    quantity: Annotated[str, typer.Argument(help="Quantity, such as active_power_w.")],
    interval: Annotated[str, typer.Option(help="raw, 1m, 15m, 1h or 1d.")] = "15m",
    start: Annotated[
        str | None, typer.Option(help="RFC 3339 or local date; a day before the end.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="RFC 3339 or local date; now.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Say where an answer comes from: kept buckets, rows of files, or rows in memory."""
    check_data(data)
    with open_storage(read_settings(settings_file), data, is_read_only=True) as storage:
        plan = _explain(storage, device, quantity, interval, (start, end))
    rows: list[tuple[object, ...]] = []
    for step in plan.steps:
        span = format_utc(step.start_us), format_utc(step.end_us)
        rows.append((step.origin, *span, step.n_spans, step.n_series))
    print_table(Table(_COLUMNS, rows), format_)
    if format_ is Format.TABLE:
        typer.echo(plan.summarise())


def _explain(
    storage: Storage,
    device_id: str,
    quantity: str,
    interval: str,
    edges: tuple[str | None, str | None],
) -> Explanation:
    """The plan for a stretch of time in words of the site's zone.

    Raises:
        UnknownNameError: No such device or quantity.
        QueryError: Words that are no time, or a start that is not before its end.
    """
    device = next((one for one in storage.registry.list_devices() if one.id == device_id), None)
    series = storage.registry.find_series(device_id, quantity)
    if device is None or series is None:
        raise UnknownNameError(
            f"device {device_id!r} has no quantity {quantity!r}; wattscope sql lists them in its "
            "view registers"
        )
    zones = {site.id: site.time_zone for site in storage.registry.list_sites()}
    zone = load_zone(zones[device.site])
    start, end = edges
    end_us = parse_instant(end, zone) if end else now_us()
    start_us = parse_instant(start, zone) if start else end_us - US_PER_DAY
    if not start_us < end_us:
        raise QueryError("start must be before end")
    return storage.store.explain([series], interval, start_us, end_us)
