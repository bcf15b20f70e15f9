"""The command line: reads what was typed, calls the assembly, prints one line on an error."""

from wattscope.cli.main import main

__all__ = ["main"]
