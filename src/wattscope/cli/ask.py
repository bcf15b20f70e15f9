"""Commands that look: ``sql``, ``subscribe``."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as RichTable

from wattscope.assembly.feeds import build_mqtt_options, build_router, load_profiles
from wattscope.assembly.storage import now_us, open_storage
from wattscope.cli.options import (
    DEFAULT_DATA,
    DataOption,
    SettingsOption,
    configure_logging,
    find_profiles,
    read_settings,
)
from wattscope.compute.routing import TopicRouter
from wattscope.core.errors import SettingsError
from wattscope.core.findings import Ignored
from wattscope.core.time_grid import format_utc
from wattscope.plugins import load_plugin
from wattscope.ports import RawMessage, Table
from wattscope.settings import SourceSettings

_NO_DATA = "there is no data in {data} yet; start wattscope demo, or import a file"


class Format(Enum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command()(sql)
    app.command()(subscribe)


def sql(
    question: Annotated[str, typer.Argument(help="One SELECT; see docs/sql.md for the views.")],
    format_: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
    data: DataOption = Path(DEFAULT_DATA),
    settings_file: SettingsOption = None,
) -> None:
    """Ask the data with SQL; also while the program runs. Times are UTC."""
    check_data(data)
    with open_storage(read_settings(settings_file), data, is_read_only=True) as storage:
        print_table(storage.store.query(question), format_)


def subscribe(
    url: Annotated[str | None, typer.Option(help="Broker; left out, that of the settings.")] = None,
    profile: Annotated[
        list[str] | None, typer.Option(help="Profiles to decode with; left out, all.")
    ] = None,
    topic: Annotated[str, typer.Option(help="Topic filter to hear.")] = "#",
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many messages.")] = None,
    settings_file: SettingsOption = None,
) -> None:
    """Print what arrives at the broker, decoded; keeps and acknowledges nothing of yours."""
    configure_logging()
    settings = read_settings(settings_file)
    library = find_profiles(settings_file)
    names = profile or [one for one in library.names() if "topics" in library.read(one)]
    router = build_router(load_profiles(names, library), settings.site.time_zone)
    listening = [one for one in settings.sources if one.type == "mqtt"]
    known = listening[0] if listening else SourceSettings()
    # A session of its own, at QoS 0: looking takes nothing away from the program.
    look = SourceSettings(
        name="subscribe",
        url=url or known.url,
        profiles=("-",),
        client_id=f"wattscope-subscribe-{now_us()}",
        username=known.username,
        password=known.password,
        password_file=known.password_file,
        ca_file=known.ca_file,
        qos=0,
    )
    options = build_mqtt_options(settings, look, (topic,))
    source = load_plugin("source", "mqtt")("subscribe", options, now_us, lambda: 0.5)
    asyncio.run(_print_messages(source, router, count))


async def _print_messages(source: Any, router: TopicRouter, count: int | None) -> None:  # noqa: ANN401  # a Source
    printed = 0
    groups: AsyncIterator[Sequence[RawMessage]] = source.receive()
    try:
        async for messages in groups:
            for message in messages:
                typer.echo(describe_message(message, router))
                printed += 1
                if count is not None and printed >= count:
                    return
    finally:
        await source.close()


def describe_message(message: RawMessage, router: TopicRouter) -> str:
    """One line of a message: topic, and its readings or the reason why there are none."""
    route = router.find(message.topic)
    topic = message.topic.encode("unicode_escape").decode()
    if route is None:
        return f"{topic}  (no profile) {message.payload[:120]!r}"
    decoded = route.decode(message)
    if isinstance(decoded, Ignored):
        return f"{topic}  {route.profile}: ignored, {decoded.reason}"
    if not isinstance(decoded, tuple):
        return f"{topic}  {route.profile}: {decoded.code.value}, {decoded.detail}"
    parts = []
    for reading in decoded:
        at = "now" if reading.measured_at_us is None else format_utc(reading.measured_at_us)
        values = "  ".join(
            f"{name}={value:g}"
            for name, value in zip(reading.quantities, reading.values, strict=True)
        )
        parts.append(f"{reading.device} {at}  {values}")
    return f"{topic}  {route.profile}: " + " | ".join(parts)


def print_table(table: Table, format_: Format) -> None:
    """Rows on standard output."""
    if format_ is Format.JSON:
        rows = [dict(zip(table.columns, map(_plain, row), strict=True)) for row in table.rows]
        typer.echo(json.dumps(rows, indent=1, default=str))
    elif format_ is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(
            [["" if one is None else _plain(one) for one in row] for row in table.rows]
        )
    else:
        shown = RichTable(*table.columns)
        for row in table.rows:
            shown.add_row(*("" if one is None else str(_plain(one)) for one in row))
        Console(width=None if sys.stdout.isatty() else 240).print(shown)


def _plain(cell: object) -> object:
    """Times in UTC with their Z; numbers without the noise of their last bits."""
    if isinstance(cell, datetime):
        return cell.isoformat() + ("" if cell.tzinfo else "Z")
    if isinstance(cell, float):
        return float(f"{cell:.12g}")
    return cell


def check_data(data: Path) -> None:
    """Refuse a folder without data.

    Raises:
        SettingsError: There is none.
    """
    if not (data / "registry.sqlite").exists():
        raise SettingsError([_NO_DATA.format(data=data)])
