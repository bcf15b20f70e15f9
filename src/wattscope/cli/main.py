"""The commands by name, and what happens with their errors."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator, Sequence
from typing import Final

import typer

from wattscope import __version__
from wattscope.core.errors import SettingsError, WattscopeError

EXIT_FAILED = 1
EXIT_SETTINGS = 78
"""Exit status for wrong settings (sysexits.h, EX_CONFIG)."""

MODULES: Final[dict[str, tuple[str, ...]]] = {
    "serve": ("demo", "run"),
    "play": ("simulate",),
    "bring": ("import", "replay"),
    "ask": ("sql", "subscribe"),
    "devices": ("devices",),
    "registers": ("registers",),
    # Its commands go into the groups of the two above.
    "commission": ("devices", "registers"),
    "report": ("report",),
    "explain": ("explain",),
    "detect": ("detect",),
    "keep": ("backup", "restore", "export"),
    "move": ("migrate",),
    "check": ("check", "doctor"),
    "mend": ("verify", "repair"),
    "train": ("train",),
    "timescale": ("timescale",),
    "flink": ("flink-sql",),
}
"""Modules of this package to the commands that they bring, in the order of the help."""


def build_app(words: Sequence[str]) -> typer.Typer:
    """The program with the command that the words name; with all of them where they name none.

    A server that runs for years on a small machine need not hold what other commands import: that
    is 5 MB.
    """
    app = typer.Typer(
        name="wattscope",
        help="Read every meter, keep every reading, see what flows where.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback(invoke_without_command=True)(show_version)
    wanted = [module for module, commands in MODULES.items() if words and words[0] in commands]
    is_server = wanted == ["serve"]
    with _hide_rich() if is_server else contextlib.nullcontext():
        for module in wanted or MODULES:
            importlib.import_module(f"wattscope.cli.{module}").add_commands(app)
    return app


@contextlib.contextmanager
def _hide_rich() -> Iterator[None]:
    """Keep structlog from importing rich for traces that nothing here prints: another 5 MB."""
    is_there = "rich" in sys.modules
    if not is_there:
        sys.modules["rich"] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        yield
    finally:
        if not is_there:
            del sys.modules["rich"]


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
        build_app(sys.argv[1:])()
    except SettingsError as fault:
        for line in str(fault).splitlines():
            print(f"wattscope: {line}", file=sys.stderr)
        sys.exit(EXIT_SETTINGS)
    except WattscopeError as fault:
        print(f"wattscope: {fault}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
