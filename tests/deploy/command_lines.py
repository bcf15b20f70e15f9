"""Whether the program would understand a command line, without running it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import typer.main
from typer.exceptions import TyperException

from wattscope.cli.main import build_app


def find_command_fault(words: Sequence[str]) -> str:
    """What is wrong with the words after ``wattscope``; empty when nothing is."""
    name, *rest = words
    command = _list_commands().get(name)
    if command is None:
        return f"there is no command {name}"
    try:
        command.make_context(name, rest)
    except TyperException as fault:
        return str(fault)
    return ""


@cache
def _list_commands() -> dict[str, Any]:
    return dict(typer.main.get_group(build_app(())).commands)
