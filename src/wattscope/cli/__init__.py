"""The command line: reads what was typed, calls the assembly, prints one line on an error."""

from wattscope.cli.main import app, main

__all__ = ["app", "main"]
