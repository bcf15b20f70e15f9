"""The commands by name, and what happens with their errors."""

from __future__ import annotations

import sys

import typer

from wattscope import __version__
from wattscope.cli import (
    ask,
    bring,
    check,
    commission,
    devices,
    explain,
    keep,
    mend,
    play,
    registers,
    report,
    serve,
)
from wattscope.core.errors import SettingsError, WattscopeError

EXIT_FAILED = 1
EXIT_SETTINGS = 78
"""Exit status for wrong settings (sysexits.h, EX_CONFIG)."""

app = typer.Typer(
    name="wattscope",
    help="Read every meter, keep every reading, see what flows where.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for commands in (
    serve,
    play,
    bring,
    ask,
    devices,
    registers,
    commission,
    report,
    explain,
    keep,
    check,
    mend,
):
    commands.add_commands(app)


@app.callback(invoke_without_command=True)
def show_version(
    version: bool = typer.Option(False, "--version", help="Print the version and end."),
) -> None:
    """Wattscope."""
    if version:
        typer.echo(f"wattscope {__version__}")
        raise typer.Exit


def main() -> None:
    """Run a command; an error of ours is one line each and an exit status, never a trace."""
    try:
        app()
    except SettingsError as fault:
        for line in str(fault).splitlines():
            print(f"wattscope: {line}", file=sys.stderr)
        sys.exit(EXIT_SETTINGS)
    except WattscopeError as fault:
        print(f"wattscope: {fault}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
