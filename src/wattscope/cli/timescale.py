"""``wattscope timescale``: chunk intervals, compression and their price, as the smart grid did."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from wattscope.assembly.timescale import open_variants, tell_sizes, tell_timings
from wattscope.cli.ask import Format, print_table
from wattscope.ports import Table

timescale_app = typer.Typer(
    help="Compare chunk intervals and compression of a store in TimescaleDB.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

UrlOption = Annotated[
    str,
    typer.Option(
        "--url", envvar="WATTSCOPE_STORE", help="The store: postgresql://user@host:5432/database."
    ),
]
SchemaOption = Annotated[str, typer.Option(help="Schema of the store's tables.")]
FormatOption = Annotated[Format, typer.Option("--format", help="table, csv or json.")]


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.add_typer(timescale_app, name="timescale")


@timescale_app.command()
def variants(
    url: UrlOption,
    interval: Annotated[
        list[str] | None, typer.Option(help="3h, 1d or week; left out, 3h and week.")
    ] = None,
    schema: SchemaOption = "wattscope",
    format_: FormatOption = Format.TABLE,
) -> None:
    """Copy all rows to tables with other chunk intervals."""
    with open_variants(url, schema) as found:
        rows: list[tuple[Any, ...]] = [
            (name, found.clone(name)) for name in interval or ("3h", "week")
        ]
    print_table(Table(("variant", "rows"), rows), format_)


@timescale_app.command()
def compress(
    url: UrlOption,
    schema: SchemaOption = "wattscope",
    format_: FormatOption = Format.TABLE,
) -> None:
    """Compress all chunks of all variants now, and show sizes before and after."""
    with open_variants(url, schema) as found:
        found.compress()
        print_table(tell_sizes(found), format_)


@timescale_app.command()
def sizes(
    url: UrlOption,
    schema: SchemaOption = "wattscope",
    format_: FormatOption = Format.TABLE,
) -> None:
    """Show what each variant takes, before and after compression."""
    with open_variants(url, schema) as found:
        print_table(tell_sizes(found), format_)


@timescale_app.command()
def queries(
    url: UrlOption,
    times: Annotated[int, typer.Option(min=1, help="How often; the median counts.")] = 5,
    schema: SchemaOption = "wattscope",
    format_: FormatOption = Format.TABLE,
) -> None:
    """Time the four questions on each variant and on rollups."""
    with open_variants(url, schema) as found:
        print_table(tell_timings(found, times), format_)
